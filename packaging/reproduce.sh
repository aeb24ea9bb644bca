#!/bin/sh
# The same commit, built again where nothing is as it was: another directory, another target, another time of day.
# Every file must have the bytes of target/dist, which `make dist` has made.
set -eu
cd "$(dirname "$0")/.."

first=$PWD/target/dist/SHA256SUMS
[ -s "$first" ] || { echo "there is no $first: run \`make dist\`" >&2; exit 1; }
if [ -n "$(git status --porcelain)" ]; then
	echo "the tree is not as it was committed: what is built from it cannot be compared" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet --no-local . "$work/another-place"
cd "$work/another-place"
packaging/dist.sh
if ! diff "$first" target/dist/SHA256SUMS; then
	echo "not reproducible: the files above differ" >&2
	exit 1
fi
echo "reproducible: $(wc -l <"$first") files are the same"
