#!/bin/sh
# Installs what the tests need and pip cannot: Chromium for the browser tests, dovecot for those of the abuse mailbox.
# Where that is not allowed, says in one sentence what to install; the tests that need it are then skipped and say so.
missing=""
command -v chromium >/dev/null 2>&1 || missing="chromium"
command -v dovecot >/dev/null 2>&1 || [ -x /usr/sbin/dovecot ] || missing="$missing dovecot-imapd"
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
