#!/bin/sh
# What links a static program, where it can be had; `packaging/dist.sh` does without and says so.
set -u
target=$(uname -m)-unknown-linux-musl
if ! [ -d "$(rustc --print target-libdir --target "$target" 2>/dev/null)" ]; then
	rustup target add "$target" ||
		echo "MISSING: Rust's library for $target: \`rustup target add $target\` does not get it" >&2
fi
command -v musl-gcc >/dev/null && exit 0
if [ "$(id -u)" -eq 0 ]; then
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends musl-tools >/dev/null ||
		echo "MISSING: musl-gcc: \`apt-get install musl-tools\` does not get it" >&2
else
	echo "MISSING: musl-gcc; as root: apt-get install musl-tools" >&2
fi
exit 0
