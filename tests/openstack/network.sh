# OVS and OVN of the real level. OVS forwards in user space, so no kernel module is needed. To be sourced, in the
# namespace: the outside network is br-ex there, and whoever is in the namespace is a client outside of the cloud.
network_up() {
  local d=$STATE/ovs
  mkdir -p $d $OVS_RUNDIR
  [ -f $d/conf.db ] || ovsdb-tool create $d/conf.db /usr/share/openvswitch/vswitch.ovsschema
  [ -f $d/nb.db ] || ovsdb-tool create $d/nb.db /usr/share/ovn/ovn-nb.ovsschema
  [ -f $d/sb.db ] || ovsdb-tool create $d/sb.db /usr/share/ovn/ovn-sb.ovsschema
  store() { start $1 /usr/sbin/ovsdb-server $d/$2.db --remote=punix:$OVS_RUNDIR/$3.sock --unixctl=$OVS_RUNDIR/$1.ctl -vconsole:warn; }
  store ovsdb conf db; store ovnnb nb ovnnb; store ovnsb sb ovnsb
  wait_for 10 ovsdb ovs-vsctl --no-wait -t 2 init
  ovs-vsctl --no-wait set open . external_ids:system-id=lab external_ids:hostname=lab \
    external_ids:ovn-remote=unix:$OVS_RUNDIR/ovnsb.sock external_ids:ovn-encap-type=geneve external_ids:ovn-encap-ip=127.0.0.1 \
    external_ids:ovn-bridge-datapath-type=netdev external_ids:ovn-bridge-mappings=public:br-ex \
    external_ids:ovn-cms-options=enable-chassis-as-gw \
    -- --may-exist add-br br-int -- set bridge br-int datapath_type=netdev fail-mode=secure other-config:disable-in-band=true \
    -- --may-exist add-br br-ex -- set bridge br-ex datapath_type=netdev
  start vswitchd /usr/sbin/ovs-vswitchd unix:$OVS_RUNDIR/db.sock --unixctl=$OVS_RUNDIR/vswitchd.ctl -vconsole:warn \
    --pidfile=$OVS_RUNDIR/ovs-vswitchd.pid
  start northd /usr/bin/ovn-northd --ovnnb-db=unix:$OVS_RUNDIR/ovnnb.sock --ovnsb-db=unix:$OVS_RUNDIR/ovnsb.sock \
    --unixctl=$OVS_RUNDIR/northd.ctl -vconsole:warn
  start ovn-controller /usr/bin/ovn-controller unix:$OVS_RUNDIR/db.sock -vconsole:warn
  wait_for 20 chassis sh -c "ovn-sbctl --timeout=2 --db=unix:$OVS_RUNDIR/ovnsb.sock show | grep -q Chassis"
  wait_for 20 br-ex ip link show br-ex
  ip link set br-ex up; ip addr replace $OUTSIDE/24 dev br-ex
}
network_down() { local n; for n in ovn-controller northd vswitchd ovnsb ovnnb ovsdb; do stop $n 15; done; }
