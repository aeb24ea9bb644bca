#!/bin/bash
# Installs what up.sh needs at $LAB_LEVEL, once, below the project's cache folder: packages, services from PyPI, schemas.
# Debian 12, root.
set -eu; cd "$(dirname "$0")"; . ./settings.sh; . ./lib.sh
[ -f $LAB/.ready-$LAB_LEVEL ] && exit 0
mkdir -p $LAB/{bin,images,tmp}
export DEBIAN_FRONTEND=noninteractive
# get NAME WORDS… : what is missing of these packages; words before them go to apt-get
get() {
	local name=$1 policy=; shift
	# None of the servers is wanted as a service of this machine.
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; policy=ours
		trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	fi
	apt-get install -y -q --no-install-recommends "$@" >>$LAB/tmp/apt.log 2>&1 || { tail -5 $LAB/tmp/apt.log >&2; exit 1; }
	[ -z "$policy" ] || { rm -f /usr/sbin/policy-rc.d; trap - EXIT; }
	say "packages: $name"
}
services="rabbitmq-server mariadb-server curl python3-venv python3-dev gcc libc6-dev qemu-utils"
guests="libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-driver-nodedev libvirt-daemon-driver-secret
	libvirt-daemon-driver-storage libvirt-daemon-driver-interface libvirt-daemon-driver-nwfilter libvirt-clients"
networks="python3-libvirt ovn-central ovn-host openvswitch-switch iptables iproute2 genisoimage"
if [ $LAB_LEVEL = fake ]; then wanted=$services; else wanted="$services $guests $networks"; fi
if ! dpkg -s $wanted >/dev/null 2>&1; then
	apt-get update -q >$LAB/tmp/apt.log 2>&1
	get services $services
	if [ $LAB_LEVEL = real ]; then
		# QEMU is there already, from where tests/setup/vm.sh took it; libvirt must be of the same suite.
		suite=
		case $(dpkg-query -Wf '${Version}' qemu-system-x86) in *bpo12*) suite="-t bookworm-backports" ;; esac
		get libvirt $suite $guests
		get networks $networks
	fi
fi
[ -x $VENV/bin/uv ] || { /usr/bin/python3 -m venv $VENV; $VENV/bin/pip install -q uv==0.13.8; }
uv pip install -q --python $VENV/bin/python -r requirements.lock; say "$(wc -l <requirements.lock) Python packages"
site=$($VENV/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Built from a copy: a build leaves folders behind.
rm -rf $LAB/tmp/plugins; cp -r plugins $LAB/tmp/plugins
uv pip install -q --python $VENV/bin/python --no-deps --reinstall $LAB/tmp/plugins
# Nova loads drivers from nova.virt alone.
cp plugins/lab_plugins/fakevirt.py $site/nova/virt/lab_fake.py
install -m755 sudo-shim $LAB/bin/sudo
if [ $LAB_LEVEL = real ]; then
	# Debian's own binding fits its libvirt.
	for file in /usr/lib/python3/dist-packages/libvirt*.py /usr/lib/python3/dist-packages/libvirtmod*.so; do ln -sf "$file" "$site"/; done
fi
$VENV/bin/python -m compileall -q -j2 $site >/dev/null 2>&1 || true; say bytecode
[ -f $LAB/images/tiny.qcow2 ] || qemu-img create -q -f qcow2 $LAB/images/tiny.qcow2 64M
./configure.sh
[ -f $LAB/schemas.tar ] || ./schemas.sh
touch $LAB/.ready-$LAB_LEVEL; say ready
