#!/bin/sh
# Licences, duplicates and sources always; advisories where their database can be had.
set -eu
cd "$(dirname "$0")/../.."

cargo deny --all-features check bans licenses sources

# The database lives in a git repository. A network without it is no fault of ours, but it is said aloud.
if timeout 60 cargo deny --all-features fetch db >/dev/null 2>&1; then
	cargo deny --all-features check advisories
else
	echo "NOT CHECKED: advisories (the RustSec database cannot be fetched from here)"
fi
