# What every script here needs to know: where things lie and on which ports they listen. To be sourced.
export LAB=${LAB:-${CACHE:-$HOME/.cache/salt-agent}/openstack}
export VENV=$LAB/venv ETC=$LAB/etc STATE=$LAB/state/fake-bindany LOG=$LAB/log RUN=$LAB/run
export PW=lab IP=127.0.0.1
export PATH=$LAB/bin:$VENV/bin:$PATH:/usr/sbin:/sbin
export OS_KEYSTONE_CONFIG_DIR=$ETC/keystone OS_GLANCE_CONFIG_DIR=$ETC/glance OS_PLACEMENT_CONFIG_DIR=$ETC/placement \
	OS_NOVA_CONFIG_DIR=$ETC/nova OS_NEUTRON_CONFIG_DIR=$ETC/neutron
export P_KEYSTONE=5000 P_GLANCE=9292 P_PLACEMENT=8778 P_NOVA=8774 P_NEUTRON=9696 P_CINDER=8776 P_HEAT=8004 \
	P_RABBIT=5672 P_RABBIT_DIST=25672 P_EPMD=4369
export OS_CLIENT_CONFIG_FILE=$LAB/clouds.yaml PYTHONWARNINGS=ignore
