#!/bin/sh
# Runs every test of the workspace. Those that compute all the time come first, by themselves; the others wait for
# masters, clocks and each other half of their time, so two rows of them run side by side.
set -eu
cd "$(dirname "$0")/../.."

computing='agent systemd'
waiting='remaster smoke soak'
rest=$(cargo metadata --no-deps --offline --format-version 1 | python3 -c '
import json, sys
named = set(sys.argv[1].split())
packages = json.load(sys.stdin)["packages"]
tests = {t["name"] for p in packages for t in p["targets"] if "test" in t["kind"]}
missing = named - tests
assert not missing, f"no such tests any more: {missing}"
print(*sorted(tests - named))
' "$computing $waiting")

row() {
	# shellcheck disable=SC2046,SC2086 # Words, each with its option.
	cargo test --workspace --no-fail-fast "$@"
}
tests() {
	printf -- '--test %s ' "$@"
}

status=0
# shellcheck disable=SC2046,SC2086 # As above.
row $(tests $computing) || status=$?
beside=$(mktemp)
trap 'rm -f "$beside"' EXIT
# shellcheck disable=SC2046,SC2086 # As above.
row $(tests $waiting) >"$beside" 2>&1 &
other=$!
# shellcheck disable=SC2046,SC2086 # As above.
row --lib --bins $(tests $rest) || status=$?
row --doc || status=$?
wait "$other" || status=$?
cat "$beside"
exit "$status"
