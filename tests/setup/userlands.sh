#!/bin/sh
# The static program in an old userland and in a new one: userlands.sh DIR PROGRAM. Root file systems are made once, in
# DIR: Ubuntu 18.04 where its archive can be reached, else the oldest release that Debian's mirror still has; and the
# newest of Debian. What runs there is native: functions, grains, users by its own C library, a state, a package list.
set -eu
dir=$1 program=$2
[ "$(id -u)" -eq 0 ] || { echo "other userlands can only be made by root" >&2; exit 1; }
if ! command -v mmdebstrap >/dev/null; then
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends mmdebstrap >/dev/null
fi
mkdir -p "$dir"
debian=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -1)
ubuntu="deb [trusted=yes] http://archive.ubuntu.com/ubuntu"

make() {
	name=$1
	shift
	[ -d "$dir/$name" ] && return 0
	echo "making a root of $name (once)"
	rm -rf "$dir/$name.new"
	# The directory is made by us: a cache may be below a home that apt's own account cannot enter.
	work=$(mktemp -d)
	chmod 755 "$work"
	if mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		"$name" "$work/root" "$@" </dev/null >"$work/log" 2>&1; then
		mv "$work/root" "$dir/$name.new" && mv "$dir/$name.new" "$dir/$name"
		rm -rf "$work"
		return 0
	fi
	tail -1 "$work/log" >&2
	rm -rf "$work"
	return 1
}

says() {
	name=$1 wanted=$2
	shift 2
	said=$(chroot "$dir/$name" /tmp/salt-agent call --local --out=newline_values_only "$@" 2>&1) || true
	case $said in
	$wanted) ;;
	*) echo "$name: $*: $said (not: $wanted)" >&2; exit 1 ;;
	esac
}

run() {
	name=$1
	cp "$program" "$dir/$name/tmp/salt-agent"
	says "$name" True test.ping
	says "$name" '?*' grains.get osfinger
	says "$name" 'root' cmd.run whoami
	says "$name" '*root*' user.list_users
	says "$name" '*[0-9]*' pkg.version dpkg
	rm -f "$dir/$name/tmp/made"
	chroot "$dir/$name" /tmp/salt-agent call --local --retcode-passthrough --out=quiet \
		state.single file.managed /tmp/made contents=here user=root mode=0640
	[ "$(cat "$dir/$name/tmp/made")" = here ]
	libc=$(chroot "$dir/$name" sh -c 'ldd --version 2>&1 | head -1')
	echo "runs in $(. "$dir/$name/etc/os-release" && echo "$PRETTY_NAME") with $libc"
}

old=bionic
make bionic "$ubuntu bionic main" || { old=bullseye && make bullseye "$debian"; }
make trixie "$debian"
run "$old"
run trixie
