#!/bin/sh
# rpm and rpmbuild, as Debian has them.
set -eu
command -v rpmbuild >/dev/null && exit 0
if [ "$(id -u)" -ne 0 ]; then
	echo "rpmbuild is missing; as root: apt-get install rpm" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
install='apt-get install --quiet=2 --yes --no-install-recommends rpm'
$install >/dev/null || { apt-get update --quiet=2 && $install >/dev/null; }
