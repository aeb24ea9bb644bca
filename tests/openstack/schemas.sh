#!/bin/bash
# Creates every schema and bootstraps keystone, from nothing. Run once (install.sh does it).
set -eu; cd "$(dirname "$0")"; . ./settings.sh; . ./lib.sh; . ./stores.sh
rm -rf $STATE/mysql; mkdir -p $STATE/mysql
start_mysql; wait_mysql
for d in keystone glance placement nova_api nova_cell0 nova_cell1 neutron cinder heat; do echo "create database if not exists $d;"; done | sql
sql -e "create user if not exists lab@localhost identified by '$PW'; grant all on *.* to lab@localhost;"
say "mysql up; schema syncs"
C=mysql+pymysql://lab:$PW@localhost
# Where the socket is depends on the level: Nova takes that part from its configuration.
cell() { echo "$C/$1?{query}"; }
chain1() { keystone-manage --config-dir $ETC/keystone fernet_setup --keystone-user root --keystone-group root
  keystone-manage --config-dir $ETC/keystone credential_setup --keystone-user root --keystone-group root
  keystone-manage --config-dir $ETC/keystone db_sync; say keystone-db
  keystone-manage --config-dir $ETC/keystone bootstrap --bootstrap-password $PW --bootstrap-region-id RegionOne \
    --bootstrap-admin-url http://$IP:$P_KEYSTONE/v3 --bootstrap-internal-url http://$IP:$P_KEYSTONE/v3 --bootstrap-public-url http://$IP:$P_KEYSTONE/v3
  glance-manage --config-dir $ETC/glance db_sync; say glance-db
  placement-manage --config-dir $ETC/placement db sync; say placement-db
  cinder-manage --config-dir $ETC/cinder db sync; say cinder-db
  heat-manage --config-dir $ETC/heat db_sync; say heat-db; }
chain2() { neutron-db-manage --config-file $ETC/neutron/neutron.conf --config-file $ETC/neutron/ml2_conf.ini upgrade heads; say neutron-db
  N="nova-manage --config-file $ETC/nova/nova.conf"
  $N api_db sync
  $N cell_v2 map_cell0 --database_connection "$(cell nova_cell0)"
  $N cell_v2 create_cell --name cell1 --database_connection "$(cell nova_cell1)" || true
  $N db sync; say nova-db; }
chain1 >$LOG/initdb1.log 2>&1 & A=$!
chain2 >$LOG/initdb2.log 2>&1 & B=$!
wait $A; wait $B
say "schemas done"; grep -h '^\[' $LOG/initdb1.log $LOG/initdb2.log || true
# Every up of either level begins from this copy.
stop mysql 100
tar -C $STATE -cf $LAB/schemas.tar mysql fernet credkeys; say "schemas.tar $(du -h $LAB/schemas.tar | cut -f1)"
