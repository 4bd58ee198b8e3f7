#!/bin/sh
# The real parts that tests talk to. As root they are installed, without starting or enabling any service here;
# otherwise this names what is missing and which tests are therefore skipped.
set -eu

missing=""
need() { # command, package, what is tested with it
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null && return
    missing="$missing $2"
    lack="${lack:-}  $2: $3
"
}
need snmpd snmpd "SNMP checks against a real agent"
need snmpget snmp "SNMP checks against a real agent"
need softhsm2-util softhsm2 "keys on a hardware token"
need pkcs11-tool opensc "keys on a hardware token"
need curl curl "keys on a hardware token, real HTTP clients"
need openssl openssl "keys on a hardware token, TLS clients"
need promtool prometheus "promtool's opinion of /metrics"
[ -e "/usr/lib/$(uname -m)-linux-gnu/engines-3/pkcs11.so" ] ||
    { missing="$missing libengine-pkcs11-openssl"; lack="${lack:-}  libengine-pkcs11-openssl: keys on a hardware token
"; }
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    printf 'not installed here, so these tests are skipped:\n%s' "$lack"
    echo "to have them: sudo apt-get install --no-install-recommends$missing"
    exit 0
fi

echo "installing:$missing"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    # Debian starts a daemon as it is installed unless this says no; it is taken away again below.
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT INT TERM
    placed=yes
fi
apt-get update --quiet --quiet
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --quiet --no-install-recommends $missing >/dev/null
if [ "${placed:-}" ] && command -v systemctl >/dev/null && [ -d /run/systemd/system ]; then
    # Not started is not enough: none of them shall start at the next boot either.
    for unit in snmpd prometheus prometheus-node-exporter; do
        systemctl disable --quiet "$unit" 2>/dev/null || true
    done
fi
