# What every script here needs to know: where things lie and on which ports they listen. To be sourced.
# The level: `fake` has Nova without guests and Neutron without packets; `real` has QEMU guests on OVN's networks, in a
# network namespace of its own.
export LAB_LEVEL=${LAB_LEVEL:-fake}
case $LAB_LEVEL in fake | real) ;; *) echo "LAB_LEVEL is fake or real, not $LAB_LEVEL" >&2; exit 1 ;; esac
export LAB=${LAB:-${CACHE:-$HOME/.cache/salt-agent}/openstack}
export VENV=$LAB/venv ETC=$LAB/etc/$LAB_LEVEL STATE=$LAB/state/$LAB_LEVEL LOG=$LAB/log/$LAB_LEVEL RUN=$LAB/run/$LAB_LEVEL
export PW=lab IP=127.0.0.1
# The namespace of the real level, and what stands for the world outside of the cloud in it.
export SPACE=salt-agent-lab OUTSIDE=198.51.100.1
export PATH=$LAB/bin:$VENV/bin:$PATH:/usr/sbin:/sbin
export OS_KEYSTONE_CONFIG_DIR=$ETC/keystone OS_GLANCE_CONFIG_DIR=$ETC/glance OS_PLACEMENT_CONFIG_DIR=$ETC/placement \
	OS_NOVA_CONFIG_DIR=$ETC/nova OS_NEUTRON_CONFIG_DIR=$ETC/neutron
export P_KEYSTONE=5000 P_GLANCE=9292 P_PLACEMENT=8778 P_NOVA=8774 P_NEUTRON=9696 P_CINDER=8776 P_HEAT=8004 \
	P_RABBIT=5672 P_RABBIT_DIST=25672 P_EPMD=4369
export OS_CLIENT_CONFIG_FILE=$ETC/clouds.yaml PYTHONWARNINGS=ignore
# OVS and OVN keep to our folder as well.
export OVS_RUNDIR=$RUN/ovs OVS_LOGDIR=$LOG OVN_RUNDIR=$RUN/ovs OVN_LOGDIR=$LOG
# So does libvirt.
export LIBVIRT_URI="qemu:///system?socket=$RUN/libvirt/libvirt-sock"
