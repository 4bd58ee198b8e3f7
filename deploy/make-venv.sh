#!/bin/sh
# Makes the virtual environment $1 with Python 3.11 or newer. Stock Debian may lack the module that does it.
set -eu
venv=$1
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null; then
    echo "$python is not there; type this and try again:" >&2
    echo "  sudo apt-get install --yes python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "$("$python" --version) is too old: 3.11 or newer is needed; try make PYTHON=python3.11" >&2
    exit 1
fi
if ! "$python" -c 'import ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "$python cannot make virtual environments yet; type this and try again:" >&2
        echo "  sudo apt-get install --yes $package" >&2
        exit 1
    fi
    echo "installing: $package"
    apt-get update --quiet --quiet
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends "$package" >/dev/null
fi
# An environment without pip would look finished to make.
"$python" -m venv "$venv" || {
    rm -rf "$venv"
    exit 1
}
