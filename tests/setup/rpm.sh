#!/bin/sh
# rpm, rpmbuild and dnf, as Debian has them.
set -eu
command -v rpmbuild >/dev/null && command -v dnf >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "rpmbuild or dnf is missing; as root: apt-get install rpm dnf" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install='apt-get install --quiet=2 --yes --no-install-recommends rpm dnf'
$install >/dev/null || { apt-get update --quiet=2 && $install >/dev/null; }
