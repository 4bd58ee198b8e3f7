#!/bin/sh
# What the bench compares with and compiles its load client with. As root they are installed, without starting or
# enabling any service here; otherwise this names what is missing and ends with 1.
set -eu
. "${0%/*}/../tests/debian-install.sh"
need gcc "the load client and the node" command -v gcc
need libc6-dev "the load client and the node" test -e /usr/include/stdio.h
need libssl-dev "the load client" test -e /usr/include/openssl/ssl.h
need nginx "a proxy to compare with" command -v nginx
need haproxy "a proxy to compare with" command -v haproxy
install_missing "so there is nothing to measure with" 1
