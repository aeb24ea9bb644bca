#!/bin/sh
# Everything that is given to users, in target/dist: packages, one static program, checksums, bill of materials.
# Two builds of one commit give the same bytes: no path of this machine and no time of today gets in.
#
#   dist.sh          all of it
#   dist.sh extras   only man pages and completions, with the program that was built last
set -eu
cd "$(dirname "$0")/.."

dist=$PWD/target/dist
machine=$(uname -m)
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH
umask 022

# Man pages and completions come from the program's own command line.
extras() {
	rm -rf "$dist/man" "$dist/completions"
	mkdir -p "$dist/man" "$dist/completions"
	"$1" man --dir "$dist/man"
	"$1" completions bash >"$dist/completions/salt-agent.bash"
	"$1" completions zsh >"$dist/completions/_salt-agent"
	"$1" completions fish >"$dist/completions/salt-agent.fish"
	find "$dist/man" "$dist/completions" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
}

if [ "${1:-}" = extras ]; then
	extras "$2"
	exit 0
fi

cargo_home=${CARGO_HOME:-$HOME/.cargo}
rust_home=$(rustc --print sysroot)
# In place of what .cargo/config.toml says, so that is here, too.
remap="-Csymbol-mangling-version=v0 --remap-path-prefix=$PWD=/build --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$rust_home=/rust"
build() {
	RUSTFLAGS="$remap ${2:-}" CARGO_INCREMENTAL=0 CFLAGS="-ffile-prefix-map=$cargo_home=/cargo" \
		cargo build --release --locked --quiet --package salt-agent --target "$1"
}

# The packages' program uses the C library of the system that it is built on; the static one needs none.
native=$(rustc -vV | sed -n 's/^host: //p')
static=$machine-unknown-linux-musl
rm -rf "$dist"
mkdir -p "$dist"
build "$native"
extras "$PWD/target/$native/release/salt-agent"

if rustc --print target-libdir --target "$static" 2>/dev/null | xargs test -d && command -v musl-gcc >/dev/null; then
	how=musl
	export "CC_$(echo "$static" | tr - _)=musl-gcc"
	build "$static"
	program=target/$static/release/salt-agent
else
	# glibc, linked in: user names and host names of its resolver come from files and DNS only, since NSS modules
	# (LDAP, sssd, mDNS) are shared libraries.
	how=glibc
	echo "no musl: Rust's library for $static or musl-gcc is missing (tests/setup/musl.sh)" >&2
	export CARGO_TARGET_DIR="$PWD/target/crt-static"
	build "$native" "-C target-feature=+crt-static"
	program=target/crt-static/$native/release/salt-agent
	unset CARGO_TARGET_DIR
fi
name=salt-agent-$machine-linux-static
install -m 755 "$program" "$dist/$name"
echo "static program: $how"

python3 packaging/sbom.py "$dist/$name" "$native" "$how" >"$dist/salt-agent.cdx.json"

# An rpm keeps the time of each file, and only brings later ones back to the commit's: all have that one.
find packaging docs CHANGELOG.md LICENSE -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
stage=$dist/stage
install -D -m 755 "target/$native/release/salt-agent" "$stage/release/salt-agent"
touch --date="@$SOURCE_DATE_EPOCH" "$stage/release/salt-agent"

(
	cd agent
	for variant in "" compat; do
		cargo deb --quiet --no-build --target "$native" ${variant:+--variant "$variant"} --output "$dist/"
	done
	# Its own look at libraries: rpm's is only used where rpm is installed, and differs.
	cargo generate-rpm --arch "$machine" --target-dir "$stage" --auto-req builtin \
		--source-date "$SOURCE_DATE_EPOCH" --output "$dist/"
)
rpms=$dist/rpmbuild
rpmbuild -bb --quiet --define "agent_version $(cargo pkgid --package salt-agent | sed 's/.*[#@]//')" \
	--define "links $PWD/packaging/compat" --define "_topdir $rpms" --define "_rpmdir $rpms" --define "_buildhost salt-agent" \
	--define "use_source_date_epoch_as_buildtime 1" --define "clamp_mtime_to_source_date_epoch 1" \
	packaging/rpm/compat.spec
mv "$rpms"/noarch/*.rpm "$dist/"
rm -rf "$rpms" "$stage"
rm -rf "$dist/man" "$dist/completions"
(cd "$dist" && sha256sum -- * >SHA256SUMS)
ls -l "$dist"
