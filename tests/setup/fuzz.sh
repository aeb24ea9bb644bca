#!/bin/sh
# Runs every fuzz target for a bounded time, from its seeds: fuzz.sh SECONDS.
set -eu
seconds=$1
cd "$(dirname "$0")/../.."

# Coverage counters need a compiler switch that is nightly's; a stable compiler takes it when told so.
export RUSTC_BOOTSTRAP=1
for target in $(cargo fuzz list); do
	echo "fuzz $target: $seconds s"
	work=fuzz/target/corpus/$target
	mkdir -p "$work"
	cargo fuzz run --sanitizer none "$target" "$work" "fuzz/seeds/$target" -- \
		-max_total_time="$seconds" -rss_limit_mb=2048 -verbosity=0
done
