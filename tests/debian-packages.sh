#!/bin/sh
# The real parts that tests talk to. As root they are installed, without starting or enabling any service here;
# otherwise this names what is missing and which tests are therefore skipped.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
export DEBIAN_FRONTEND=noninteractive

missing=""
lack=""
need() { # package, what is tested with it, a test for its presence
    package=$1 tested=$2
    shift 2
    "$@" >/dev/null 2>&1 && return
    case " $missing " in *" $package "*) return ;; esac
    missing="$missing $package"
    lack="$lack  $package: $tested
"
}
need snmpd "SNMP checks against a real agent" command -v snmpd
need snmp "SNMP checks against a real agent" command -v snmpget
need softhsm2 "keys on a hardware token" command -v softhsm2-util
need opensc "keys on a hardware token" command -v pkcs11-tool
need curl "keys on a hardware token, the commands of the quick start" command -v curl
need openssl "keys on a hardware token" command -v openssl
need libengine-pkcs11-openssl "keys on a hardware token" openssl engine pkcs11
need nginx "the conformance suite's comparison" command -v nginx
need haproxy "the conformance suite's comparison" command -v haproxy
need prometheus "promtool's opinion of /metrics" command -v promtool
[ -n "$missing" ] || exit 0

skip() { # why
    printf '%s, so these tests are skipped:\n%s' "$1" "$lack"
    echo "to have them: sudo apt-get install --yes --no-install-recommends$missing"
    exit 0
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
