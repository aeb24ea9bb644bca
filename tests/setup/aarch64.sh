#!/bin/sh
# The agent for 64-bit ARM, on a machine of another kind: aarch64.sh DIR. Rust's library for it comes with the compiler
# that Debian has for its browsers, unpacked in DIR and not installed; the linker and an emulator are packages. What is
# built is unoptimised: it is tried here, and `make dist` on such a machine makes what is given to users.
set -eu
dir=$1
cd "$(dirname "$0")/../.."
target=aarch64-unknown-linux-gnu
libc=/usr/aarch64-linux-gnu
[ "$(id -u)" -eq 0 ] || { echo "packages of another architecture can only be had by root" >&2; exit 1; }

get() { DEBIAN_FRONTEND=noninteractive apt-get --quiet=2 "$@"; }
if ! command -v aarch64-linux-gnu-gcc >/dev/null || ! command -v qemu-aarch64-static >/dev/null; then
	get update
	get install --yes --no-install-recommends gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static >/dev/null
fi
if [ ! -x "$dir/usr/bin/rustc" ]; then
	echo "unpacking a compiler (once)"
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	# apt's own account writes here.
	chmod 755 "$work"
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/root"
	: >"$work/status"
	other="-o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Acquire::Languages=none -o Dir::State::lists=$work/lists
		-o Dir::State::status=$work/status -o Dir::Cache=$work/cache -o APT::Sandbox::User=root"
	# Options, and the one package whose name has the compiler's version.
	# shellcheck disable=SC2086
	(
		cd "$work"
		get $other update
		library=$(apt-cache $other depends libstd-rust-web-dev | awk '/Depends: libstd-rust-web-/ { print $2; exit }')
		get $other download libstd-rust-web-dev "$library"
		# An older library does not fit a newer compiler: all are of one version.
		version=$(dpkg-deb -f "$(echo "$library"_*)" Version)
		llvm=$(apt-cache depends "$library=$version" | awk '/Depends: libllvm/ { print $2; exit }')
		get -o APT::Sandbox::User=root download "rustc-web=$version" \
			"libstd-rust-web-dev=$version" "$library=$version" "$llvm"
		for package in *.deb; do dpkg-deb -x "$package" root; done
	)
	mkdir -p "$dir"
	cp -a "$work/root/." "$dir/"
fi

# Its libraries lie beside it.
cat >"$dir/rustc" <<S
#!/bin/sh
LD_LIBRARY_PATH=$dir/usr/lib/$(uname -m)-linux-gnu exec $dir/usr/bin/rustc "\$@"
S
chmod 755 "$dir/rustc"
export RUSTC="$dir/rustc" CARGO_TARGET_DIR="$PWD/target/aarch64" CARGO_PROFILE_DEV_DEBUG=false
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
cargo build --locked --quiet --package salt-agent --target "$target"
program=$CARGO_TARGET_DIR/$target/debug/salt-agent

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
agent=$work/salt-agent
printf '#!/bin/sh\nexec qemu-aarch64-static -L %s %s "$@"\n' "$libc" "$program" >"$agent"
chmod 755 "$agent"
call() { "$agent" call --local --config-dir "$work" --retcode-passthrough --out=newline_values_only "$@"; }
is() {
	wanted=$1
	shift
	said=$("$@")
	[ "$said" = "$wanted" ] || { echo "$*: $said (not: $wanted)" >&2; exit 1; }
}
is True call test.ping
is aarch64 call grains.get cpuarch
call state.single file.managed "$work/made" contents=here mode=0640 >/dev/null
is "here 640" echo "$(cat "$work/made") $(stat -c %a "$work/made")"
mkdir -p "$work/image/etc/salt/pki/minion"
touch "$work/image/etc/salt/pki/minion/minion.pem"
"$agent" generalize --config-dir "$work" --root "$work/image" --skip secrets >/dev/null
[ ! -e "$work/image/etc/salt/pki/minion/minion.pem" ]
echo "runs as a program for $(call grains.get cpuarch)"

# Packages name the machine that they are for by its target.
stage=$work/stage
mkdir -p "$stage/$target/release" "$stage/release"
aarch64-linux-gnu-strip -o "$stage/$target/release/salt-agent" "$program"
cp "$stage/$target/release/salt-agent" "$stage/release/"
packaging/dist.sh extras "$agent"
(
	cd agent
	CARGO_TARGET_DIR=$stage cargo deb --quiet --no-build --no-strip --fast --target "$target" --output "$work/agent.deb" >/dev/null
	cargo generate-rpm --arch aarch64 --target-dir "$stage" --auto-req disabled --payload-compress none --output "$work/agent.rpm"
)
is arm64 dpkg-deb -f "$work/agent.deb" Architecture
is aarch64 rpm -qp --qf '%{ARCH}' "$work/agent.rpm"
case $(dpkg-deb -f "$work/agent.deb" Depends) in
*libc6*) ;;
*) echo "the package does not ask for its C library" >&2; exit 1 ;;
esac
echo "packages are for $(dpkg-deb -f "$work/agent.deb" Architecture) and $(rpm -qp --qf '%{ARCH}' "$work/agent.rpm")"
