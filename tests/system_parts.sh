#!/bin/sh
# Installs what the tests need and pip cannot. Where that is not allowed, says in one sentence what to install; the tests
# that need it are then skipped and say so.
missing=""
command -v chromium >/dev/null 2>&1 || missing="$missing chromium"      # the browser tests
command -v knotd >/dev/null 2>&1 || missing="$missing knot"             # a DNS server
command -v dovecot >/dev/null 2>&1 || missing="$missing dovecot-imapd"  # an IMAP server
[ -z "$missing" ] && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing what the tests need (apt-get install$missing) ..."
    # No server that is installed here may start by itself.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && trap 'rm -f $policy' EXIT
    fi
    if apt-get update -qq >/dev/null 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "Not installed:$missing. The tests that need them will be skipped. On Debian: sudo apt-get install$missing"
exit 0
