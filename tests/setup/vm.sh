#!/bin/sh
# What a true VM is booted from: vm.sh DIR. QEMU from Debian, a kernel, an initrd of a few modules, and a root file
# system with systemd and cloud-init as a tar; cached in DIR. No loop device, no mount of an image, no KVM needed.
set -eu
dir=$1
mkdir -p "$dir"

[ "$(id -u)" -eq 0 ] || { echo "the VM's files can only be made by root" >&2; exit 1; }
export DEBIAN_FRONTEND=noninteractive
have() { command -v "$1" >/dev/null 2>&1; }
get() { apt-get install --quiet=2 --yes --no-install-recommends "$@" >/dev/null; }
uri=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Created-By: Packages' | head -1)
if ! have qemu-system-x86_64; then
	# A qemu-utils from backports would be removed by a plain install: the rest comes from there as well.
	case $(dpkg-query -Wf '${Version}' qemu-utils 2>/dev/null || true) in
	*bpo12*)
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri bookworm-backports main" \
			>/etc/apt/sources.list.d/vm-backports.list
		apt-get update --quiet=2
		get -t bookworm-backports qemu-system-x86 qemu-utils
		;;
	*) get qemu-system-x86 qemu-utils ;;
	esac
fi
have mmdebstrap || get mmdebstrap
{ have mcopy && have mkfs.vfat; } || get mtools dosfstools
have cpio || get cpio
{ have depmod && have modprobe; } || get kmod
have socat || get socat

# Disks, network and randomness of QEMU; the small disks of clouds, CD drives among them; and the power button.
modules="virtio_pci virtio_blk virtio_net virtio_rng isofs vfat nls_cp437 nls_iso8859_1 nls_ascii ata_piix sr_mod evdev button"
if [ ! -s "$dir/initrd" ] || [ "$(cat "$dir/modules" 2>/dev/null)" != "$modules" ]; then
	echo "fetching a kernel (once)"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# The cache may have been made by another account than apt's.
	chmod 755 "$work"
	package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
	(cd "$work" && apt-get --quiet=2 download "$package" busybox-static)
	for deb in "$work"/*.deb; do dpkg-deb -x "$deb" "$work/x"; done
	version=$(ls "$work/x/lib/modules")
	depmod -b "$work/x" "$version"
	mkdir -p "$work/i/bin" "$work/i/dev" "$work/i/proc" "$work/i/sys" "$work/i/new" "$work/i/mod"
	cp "$work/x/bin/busybox" "$work/i/bin/"
	for module in $modules; do
		modprobe -d "$work/x" -S "$version" --show-depends "$module" 2>/dev/null |
			awk '$1 == "insmod" { print $2 }'
	done | awk '!seen[$0]++' | while read -r file; do
		cp "$file" "$work/i/mod/"
		basename "$file" >>"$work/i/mod/order"
	done
	cat >"$work/i/init" <<'I'
#!/bin/busybox sh
b=/bin/busybox
$b mount -t devtmpfs d /dev; $b mount -t proc p /proc; $b mount -t sysfs s /sys
while read -r m; do $b insmod /mod/$m 2>/dev/null; done </mod/order
n=0; while [ ! -b /dev/vda ] && [ $n -lt 200 ]; do $b usleep 20000; n=$((n+1)); done
$b mount -t ext4 -o rw,noatime /dev/vda /new || $b poweroff -f
$b umount /proc; $b umount /sys; $b mount -o move /dev /new/dev
exec $b switch_root -c /dev/console /new /sbin/init
I
	chmod 755 "$work/i/init"
	cp "$work/x/boot/vmlinuz-$version" "$dir/vmlinuz"
	(cd "$work/i" && find . | cpio --quiet -o -H newc -R 0:0) >"$dir/initrd.new"
	mv "$dir/initrd.new" "$dir/initrd"
	echo "$modules" >"$dir/modules"
fi

if [ ! -s "$dir/root.tar" ]; then
	echo "building a root file system (once, minutes)"
	mmdebstrap --quiet --mode=root --variant=minbase --aptopt='APT::Install-Recommends "false"' \
		--aptopt='Acquire::Languages "none"' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
		--include=systemd-sysv,udev,dbus,libpam-systemd,cloud-init,netbase,iproute2,ca-certificates,kmod,procps \
		bookworm "$dir/root.new.tar" "$uri" </dev/null
	mv "$dir/root.new.tar" "$dir/root.tar"
fi
