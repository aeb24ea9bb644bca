#!/bin/sh
# systemd's own opinion of our units. The binary is not installed here: a link stands in its place.
set -eu
cd "$(dirname "$0")/../.."

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# Written for newer ones as well: lines that an older systemd passes over are no mistake.
newer='^$'
[ "$(systemctl --version | awk 'NR == 1 { print int($2) }')" -ge 254 ] || newer='^Restart(Steps|MaxDelaySec)='
for unit in packaging/systemd/*.service; do
	sed -E "/$newer/d; s,/usr/bin/salt-agent,$root/salt-agent,g" "$unit" >"$root/$(basename "$unit")"
done
ln -s /bin/true "$root/salt-agent"
for unit in "$root"/*.service; do
	systemd-analyze verify --man=no "$unit"
done

# Exposure, ten times as systemd prints it, is never worse than it was; the unit says why it is not better. What it
# counts differs between releases of systemd: the limit is for the one that it was measured with.
limit=95
score=$(systemd-analyze security --offline=true --no-pager "$root/salt-agent.service" |
	sed -n 's/.*exposure level for .*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
echo "exposure of salt-agent.service: $score of 100 (systemd-analyze security; limit $limit)"
if [ "$score" -gt "$limit" ] && systemd-analyze --version | grep -q '^systemd 252'; then
	echo "it was $limit: which line is missing?" >&2
	exit 1
fi
echo "units verified"
