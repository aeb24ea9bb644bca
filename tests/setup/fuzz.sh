#!/bin/sh
# Runs every fuzz target for a bounded time, from its seeds, one on each core: fuzz.sh SECONDS.
set -eu
cd "$(dirname "$0")/../.."

# Coverage counters need a compiler switch that is nightly's; a stable compiler takes it when told so.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --sanitizer none
# shellcheck disable=SC2016 # The inner shell's own words.
cargo fuzz list | xargs -P "$(nproc)" -I '{}' sh -euc '
	echo "fuzz $2: $1 s"
	work=fuzz/target/corpus/$2
	mkdir -p "$work"
	exec cargo fuzz run --sanitizer none "$2" "$work" "fuzz/seeds/$2" -- \
		-max_total_time="$1" -rss_limit_mb=2048 -verbosity=0
' sh "$1" '{}'
