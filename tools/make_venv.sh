#!/bin/sh
# Make the environment in $1 with the newest Python that fits.
set -eu

fits() { # $1: a Python; $2: modules it must have
    command -v "$1" >/dev/null 2>&1 && "$1" -c "import sys, $2; sys.exit(sys.version_info < (3, 11))" 2>/dev/null
}

make_with_the_newest() {
    for candidate in python3.13 python3.12 python3.11 python3; do
        if fits "$candidate" "venv, ensurepip"; then
            exec "$candidate" -m venv "$1"
        fi
    done
}

make_with_the_newest "$1"
# Debian keeps venv in a package of its own; root may have it without being asked to type the command.
if fits python3 os && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Python has no venv: installing Debian's package python3-venv" >&2
    DEBIAN_FRONTEND=noninteractive apt-get -q update >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends python3-venv >&2 || true
    make_with_the_newest "$1"
fi
echo "ERROR Python 3.11 or newer, with venv, is needed (Debian: apt-get install python3 python3-venv)" >&2
exit 1
