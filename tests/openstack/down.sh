#!/bin/bash
# Stops everything that up.sh started, by its pid files only. State stays; --wipe removes it too.
cd "$(dirname "$0")"; . ./settings.sh; . ./lib.sh
for n in heat-api heat-engine cinder-volume cinder-scheduler cinder-api nova-compute nova-scheduler nova-conductor \
	nova-api neutron glance placement keystone; do [ -f $RUN/$n.pid ] && stop $n 40 & done; wait
if [ $LAB_LEVEL = real ]; then
	. ./network.sh; . ./guests.sh
	guests_down; network_down
fi
stop rabbit 40; stop epmd 5; stop mysql 100
[ $LAB_LEVEL = fake ] || ip netns del $SPACE 2>/dev/null
[ "${1:-}" = --wipe ] && rm -rf "$STATE" "$LOG" "$ETC"
exit 0
