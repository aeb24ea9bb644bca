#!/bin/sh
# Installs the Debian packages that the targets need; says which when it may not.
set -eu

missing=
for package in acl gcc g++ libc6-dev dpkg-dev make nftables patch iptables pkg-config python3 python3-dev python3-venv qemu-utils ruby systemd systemd-container; do
	dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
		missing="$missing $package"
done
# Node.js as others package it brings an npm of its own.
command -v npm >/dev/null || missing="$missing npm"
[ -z "$missing" ] && exit 0

if [ "$(id -u)" -ne 0 ]; then
	echo "These Debian packages are missing; as root: apt-get install$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update --quiet=2
# The list is words without spaces or signs, written above.
# shellcheck disable=SC2086
apt-get install --quiet=2 --yes --no-install-recommends $missing
