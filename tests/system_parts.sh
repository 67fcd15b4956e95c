#!/bin/sh
# Installs what the tests need and pip cannot: Chromium for the browser tests, dovecot for those of the abuse mailbox, the
# DNS server Knot for those that change names, and ip, with which tests make networks of their own (as root only).
# Where that is not allowed, says in one sentence what to install; the tests that need it are then skipped and say so.
missing=""
need() { # need PROGRAM PACKAGE: what root runs is in sbin, which is not in everybody's PATH
    command -v "$1" >/dev/null 2>&1 && return
    [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || missing="${missing:+$missing }$2"
}
need chromium chromium
need dovecot dovecot-imapd
need knotd knot
need ip iproute2
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing for the tests: apt-get install $missing ..."
    if apt-get update -qq >/dev/null 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "Not installed, so that some tests will be skipped: $missing. On Debian: sudo apt-get install $missing"
exit 0
