#!/bin/sh
# What links a static program, where it can be had; `packaging/dist.sh` does without and says so.
set -u
rustup target add --quiet "$(uname -m)-unknown-linux-musl" 2>/dev/null || echo "no musl target of Rust from here"
command -v musl-gcc >/dev/null && exit 0
if [ "$(id -u)" -eq 0 ]; then
	DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends musl-tools >/dev/null ||
		echo "musl-tools cannot be installed from here"
else
	echo "for a static program without glibc, as root: apt-get install musl-tools" >&2
fi
