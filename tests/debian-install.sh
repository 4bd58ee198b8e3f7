# Sourced by the scripts that install real parts: tests/debian-packages.sh and bench/debian-packages.sh.
#   need PACKAGE WHAT-FOR TEST...   notes the package if the test for its presence fails
#   install_missing SO CODE         as root installs what was noted, without starting or enabling any service; where
#                                   that cannot be done it says why and SO (what follows from it), and exits with CODE
PATH="$PATH:/usr/sbin:/sbin"
export DEBIAN_FRONTEND=noninteractive

missing=""
lack=""
need() {
    package=$1 tested=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    case " $missing " in *" $package "*) return ;; esac
    missing="$missing $package"
    lack="$lack  $package: $tested
"
}

install_missing() {
    so=$1 code=$2
    [ -n "$missing" ] || return 0
    skip() { # why
        printf '%s, %s:\n%s' "$1" "$so" "$lack"
        echo "to have them: sudo apt-get install --yes --no-install-recommends$missing"
        exit "$code"
    }
    command -v apt-get >/dev/null || skip "not installed here"
    [ "$(id -u)" = 0 ] || skip "not installed here"

    # Debian starts a daemon as it is installed unless this file says no (101). Ours is taken away again; one that is
    # there already belongs to the machine and is left alone.
    policy=/usr/sbin/policy-rc.d
    if [ -e "$policy" ]; then
        said=0
        "$policy" snmpd start >/dev/null 2>&1 || said=$?
        [ "$said" = 101 ] || skip "not installed here, and $policy lets services start"
    else
        trap 'rm -f "$policy"' EXIT
        trap 'exit 130' INT TERM
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
    fi

    echo "installing:$missing"
    before=$(mktemp)
    dpkg-query --show --showformat '${Package}\n' | sort >"$before"
    apt-get update --quiet --quiet
    # shellcheck disable=SC2086  # several words
    apt-get install --yes --quiet --quiet --no-install-recommends $missing >/dev/null

    # Not started is not enough: nothing of it shall start at the next boot either. What was here before is not touched.
    fresh=$(dpkg-query --show --showformat '${Package}\n' | sort | comm -13 "$before" -)
    rm -f "$before"
    for package in $fresh; do
        for file in $(dpkg-query --listfiles "$package"); do
            case $file in
            */systemd/system/*.service | */systemd/system/*.timer | */systemd/system/*.socket)
                if command -v systemctl >/dev/null; then systemctl disable --quiet "${file##*/}" 2>/dev/null || true; fi
                ;;
            /etc/init.d/*)
                if command -v update-rc.d >/dev/null; then update-rc.d "${file##*/}" disable 2>/dev/null || true; fi
                ;;
            esac
        done
    done
}
