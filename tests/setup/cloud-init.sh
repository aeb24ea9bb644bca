#!/bin/sh
# Real cloud-init of this distribution, beside the system and not in it: cloud-init.sh DIR. Installed onto an overlay
# of /, whose written layer is kept for the machines that tests boot. Once; then it is reused as long as the
# system's own packages stay.
set -eu
dir=$1

state=$(sha256sum /var/lib/dpkg/status | cut -d' ' -f1)
[ "$(cat "$dir/.state" 2>/dev/null)" = "$state" ] && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "cloud-init in containers is only tested by root" >&2
	exit 0
fi
echo "installing cloud-init onto a layer (once)"
rm -rf "$dir"
mkdir -p "$dir"
# In memory: an overlay cannot write to another overlay, which a build machine's own files often are.
work=$(mktemp -d)
# What is not mounted any more must not end the shell in its own clean-up.
trap 'umount "$work/root" 2>/dev/null || true; umount "$work" 2>/dev/null || true; rmdir "$work"' EXIT
mount -t tmpfs -o size=2g tmpfs "$work"
mkdir "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/work" "$work/root"
export DEBIAN_FRONTEND=noninteractive
cp --remove-destination "$(realpath /etc/resolv.conf)" "$work/root/etc/resolv.conf" || true
install='apt-get install --quiet=2 --yes --no-install-recommends cloud-init'
chroot "$work/root" sh -c "$install || { apt-get update --quiet=2 && $install; }" >/dev/null
umount "$work/root"
rm -rf "$work/upper/var/lib/apt/lists" "$work/upper/var/cache/apt" "$work/upper/etc/resolv.conf"
cp -a "$work/upper/." "$dir/"
echo "$state" >"$dir/.state"
