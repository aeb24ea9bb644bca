#!/bin/sh
# Runs every test of the workspace. Those that compute all the time come first, by themselves; the others wait for
# masters, clocks and each other half of their time, so two rows of them run side by side.
set -eu
cd "$(dirname "$0")/../.."

# Those with deadlines of less than a second are among the first: nothing runs beside them.
computing='agent systemd libzmq'
waiting='remaster smoke soak'
rest=$("${CARGO:-cargo}" metadata --no-deps --offline --format-version 1 | python3 -c '
import json, sys
named = set(sys.argv[1].split())
packages = json.load(sys.stdin)["packages"]
tests = {t["name"] for p in packages for t in p["targets"] if "test" in t["kind"]}
missing = named - tests
assert not missing, f"no such tests any more: {missing}"
print(*sorted(tests - named))
' "$computing $waiting")

row="${CARGO:-cargo} test --workspace --no-fail-fast"
tests() {
	printf -- '--test %s ' "$@"
}

# Below, the unquoted ones are words, each with its option.
# shellcheck disable=SC2046,SC2086
{
	status=0
	$row $(tests $computing) || status=$?

	beside=target/waiting.log
	# In a group of its own: whoever ends this ends all of it, and sees what the second row had to say.
	setsid $row $(tests $waiting) >"$beside" 2>&1 &
	other=$!
	trap '[ -z "$other" ] || kill -- "-$other" 2>/dev/null || true; cat "$beside"' EXIT
	trap 'exit 130' INT TERM
	$row --lib --bins $(tests $rest) || status=$?
	$row --doc || status=$?
	wait "$other" || status=$?
	other=
}
exit "$status"
