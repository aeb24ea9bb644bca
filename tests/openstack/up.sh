#!/bin/bash
# Starts everything that is not already running, waits for each service to answer, prints clouds.yaml.
set -eu; cd "$(dirname "$0")"; . ./settings.sh; . ./lib.sh; . ./stores.sh
if [ $LAB_LEVEL = real ]; then
  [ "$(ip netns identify $$)" = $SPACE ] || exec ./inside.sh ./up.sh
  . ./network.sh; . ./guests.sh
fi
ulimit -n 65536 2>/dev/null || true
./configure.sh
if [ ! -d $STATE/mysql/keystone ]; then
  if [ -f $LAB/schemas.tar ]; then rm -rf $STATE/mysql; tar -C $STATE -xf $LAB/schemas.tar; else ./schemas.sh; fi
fi
start_mysql; start_rabbit; wait_mysql
api keystone $P_KEYSTONE keystone.wsgi.api
wait_for 60 keystone http_up http://$IP:$P_KEYSTONE/v3; say keystone
if [ ! -f $STATE/seeded-identity ]; then python seed.py identity; touch $STATE/seeded-identity; say "identity seeded"; fi
[ $LAB_LEVEL = fake ] || { network_up; say network; }
api placement $P_PLACEMENT placement.wsgi.api
api glance $P_GLANCE glance.wsgi.api
OS_NEUTRON_CONFIG_FILES="neutron.conf;ml2_conf.ini" api neutron $P_NEUTRON neutron.wsgi.api
api nova-api $P_NOVA nova.wsgi.osapi_compute --pyargv "--config-file $ETC/nova/nova.conf"
wait_rabbit; say rabbitmq
NC="--config-file $ETC/nova/nova.conf"
start nova-conductor $VENV/bin/nova-conductor $NC
start nova-scheduler $VENV/bin/nova-scheduler $NC
[ $LAB_LEVEL = fake ] || { guests_up; say libvirt; }
api cinder-api $P_CINDER cinder.wsgi.api --pyargv "--config-file $ETC/cinder/cinder.conf"
start cinder-scheduler $VENV/bin/cinder-scheduler --config-file $ETC/cinder/cinder.conf
start cinder-volume $VENV/bin/cinder-volume --config-file $ETC/cinder/cinder.conf
start heat-engine $VENV/bin/heat-engine --config-file $ETC/heat/heat.conf
api heat-api $P_HEAT heat.wsgi.api --pyargv "--config-file $ETC/heat/heat.conf"
wait_for 120 placement http_up http://$IP:$P_PLACEMENT/; say placement
wait_for 120 glance http_up http://$IP:$P_GLANCE/; say glance
wait_for 120 neutron http_up http://$IP:$P_NEUTRON/; say neutron
wait_for 120 nova-api http_up http://$IP:$P_NOVA/; say nova-api
start nova-compute $VENV/bin/nova-compute $NC
wait_for 120 cinder http_up http://$IP:$P_CINDER/; say cinder-api
wait_for 120 heat http_up http://$IP:$P_HEAT/; say heat-api
python seed.py wait; say "compute, conductor, scheduler (and cinder, heat) report up"
if [ ! -f $STATE/seeded-cloud ]; then
  nova-manage $NC cell_v2 discover_hosts >>$LOG/seed.log 2>&1; python seed.py cloud; touch $STATE/seeded-cloud; ./configure.sh; say "flavors, images, networks seeded"
fi
say up
echo "OS_CLIENT_CONFIG_FILE=$OS_CLIENT_CONFIG_FILE"
