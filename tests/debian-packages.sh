#!/bin/sh
# The real parts that tests talk to. As root they are installed, without starting or enabling any service here;
# otherwise this names what is missing and which tests are therefore skipped.
set -eu
. "${0%/*}/debian-install.sh"

need snmpd "SNMP checks against a real agent" command -v snmpd
need snmp "SNMP checks against a real agent" command -v snmpget
need softhsm2 "keys on a hardware token" command -v softhsm2-util
need opensc "keys on a hardware token" command -v pkcs11-tool
need curl "keys on a hardware token, the commands of the quick start" command -v curl
need openssl "keys on a hardware token" command -v openssl
need libengine-pkcs11-openssl "keys on a hardware token" openssl engine pkcs11
need slowhttptest "what slow clients do to others" command -v slowhttptest
need prometheus "promtool's opinion of /metrics" command -v promtool
need nginx "a real node that speaks TLS and the PROXY protocol" command -v nginx
need haproxy "a real balancer in front of the gateway and behind it" command -v haproxy
need logrotate "rotation of the access log" command -v logrotate
need systemd "the unit in deploy/" command -v systemd-analyze
need gcc "the load client of the bench" command -v gcc
need libc6-dev "the load client of the bench" test -e /usr/include/stdio.h
need libssl-dev "the load client of the bench" test -e /usr/include/openssl/ssl.h
install_missing "so these tests are skipped" 0
