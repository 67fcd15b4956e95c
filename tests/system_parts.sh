#!/bin/sh
# Installs what the tests need and pip cannot: Chromium for the browser tests. Where that is not allowed, says in one
# sentence what to install; the tests that need it are then skipped and say so.
command -v chromium >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium for the browser tests (apt-get install chromium) ..."
    if apt-get update -qq >/dev/null 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "Chromium is not installed: the browser tests will be skipped. On Debian: sudo apt-get install chromium"
exit 0
