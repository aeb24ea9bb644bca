#!/bin/sh
# Installs one Salt release into a virtual environment: venv.sh VERSION DIR. Once; then it is reused.
set -eu
version=$1 dir=$2

echo "installing Salt $version (once)"
rm -rf "$dir"
python3 -m venv "$dir"
"$dir/bin/pip" install --quiet --disable-pip-version-check "salt==$version"
"$dir/bin/salt-master" --version
touch "$dir/.ready"
