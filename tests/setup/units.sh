#!/bin/sh
# systemd's own opinion of our units. The binary is not installed here: a link stands in its place.
set -eu
cd "$(dirname "$0")/../.."

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
for unit in packaging/systemd/*.service; do
	sed "s,/usr/bin/salt-agent,$root/salt-agent,g" "$unit" >"$root/$(basename "$unit")"
done
ln -s /bin/true "$root/salt-agent"
for unit in "$root"/*.service; do
	systemd-analyze verify --man=no "$unit"
done
echo "units verified"
