#!/bin/sh
# Make the environment in $1 with the newest Python that fits.
set -eu
for candidate in python3.13 python3.12 python3.11 python3; do
    if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$candidate" -m venv "$1"
    fi
done
echo "ERROR Python 3.11 or newer, with venv, is needed (Debian: apt-get install python3-venv)" >&2
exit 1
