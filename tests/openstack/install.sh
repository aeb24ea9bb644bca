#!/bin/bash
# Installs what up.sh needs, once, below the project's cache folder: packages, services from PyPI, schemas. Debian 12, root.
set -eu; cd "$(dirname "$0")"; . ./settings.sh; . ./lib.sh
[ -f $LAB/.ready ] && exit 0
mkdir -p $LAB/{bin,images,tmp,log,run}
export DEBIAN_FRONTEND=noninteractive
packages="rabbitmq-server mariadb-server curl python3-venv python3-dev gcc libc6-dev qemu-utils"
if ! dpkg -s $packages >/dev/null 2>&1; then
	# Neither server is wanted as a service of this machine.
	policy=
	if [ ! -e /usr/sbin/policy-rc.d ]; then
		printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; policy=ours
	fi
	apt-get update -q >$LAB/tmp/apt.log 2>&1
	apt-get install -y -q --no-install-recommends $packages >>$LAB/tmp/apt.log 2>&1
	[ -n "$policy" ] && rm -f /usr/sbin/policy-rc.d
	say packages
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
$VENV/bin/python -m compileall -q -j2 $site >/dev/null 2>&1 || true; say bytecode
[ -f $LAB/images/tiny.qcow2 ] || qemu-img create -q -f qcow2 $LAB/images/tiny.qcow2 64M
./configure.sh
[ -f $LAB/golden.tar ] || ./schemas.sh
touch $LAB/.ready; say ready
