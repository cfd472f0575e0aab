#!/usr/bin/env bash
# Installs the Debian packages that are missing, and nothing else. Silent where nothing is.
#
#   scripts/setup.sh [GROUP...]      groups: build run test count foreign; without one: build run test
#
# Works as root or with a sudo that asks no password; asks nothing itself.
set -euo pipefail

# group | package | what it is for
packages='
build | build-essential    | make, the linker, and the C compiler for the SQLite and ring that are built in
run   | libpocketsphinx3   | the embedded speech recognizer (loaded at run time, not linked)
run   | pocketsphinx-en-us | its English model and dictionary
run   | libflite1          | the embedded English voices (loaded at run time, not linked)
run   | espeak-ng          | voices for other languages (a program of its own)
test  | sip-tester         | SIPp: a foreign SIP stack calls us by the hundred
test  | baresip-core       | a foreign softphone calls us
test  | tshark             | a foreign reader judges our packets and call bundles
test  | strace             | shows that media workers wait for no lock
test  | qemu-user          | replays calls on another class of processor
count | valgrind           | counts instructions for make bench-instructions
browse | chromium          | opens the HTML reports for make check-report
browse | fonts-wqy-microhei | Chinese in its pictures
foreign | sip-tester       | SIPp returns what it hears, for make bench-foreign
foreign | baresip-core     | a softphone that does
foreign | kamailio         | a SIP proxy, and
foreign | rtpengine-daemon | its media relay
foreign | python3          | prints the table
'

main() {
    [ $# -gt 0 ] || set -- build run test
    local wanted missing=() group package purpose
    wanted=" $* "
    for group in "$@"; do
        grep -q "^$group  *|" <<<"$packages" || die "there is no group '$group' (build run test count foreign)"
    done
    [ "$wanted" = " run " ] || command -v cargo >/dev/null ||
        die "cargo is missing: install Rust $(rust_version) or newer first, see rust-lang.org"
    if ! command -v dpkg-query >/dev/null; then
        say "this is not Debian: please see to these yourself:"
        grep -F '|' <<<"$packages" >&2
        return
    fi
    while IFS='|' read -r group package purpose; do
        group=${group// /} package=${package// /}
        [ -n "$package" ] && [[ $wanted == *" $group "* ]] && ! is_installed "$package" || continue
        [ ${#missing[@]} -gt 0 ] || say "these Debian packages are missing and will be installed:"
        printf '    %-20s%s\n' "$package" "${purpose# }" >&2
        missing+=("$package")
    done <<<"$packages"
    if [ ${#missing[@]} -gt 0 ]; then
        install "${missing[@]}"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install() {
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || die "not root, and sudo wants a password. Please run once:
    sudo apt-get update && sudo apt-get install --no-install-recommends $*"
        as_root=(sudo -n)
    fi
    # Another apt at work is waited for, not failed on.
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    local log
    log=$(mktemp)
    say "apt-get update"
    "${apt[@]}" update >"$log" 2>&1 </dev/null || failed "$log" "apt-get update"
    say "apt-get install $*"
    "${apt[@]}" install --yes --no-install-recommends "$@" >"$log" 2>&1 </dev/null || failed "$log" "apt-get install"
    rm -f "$log"
}

rust_version() {
    sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml"
}

failed() {
    tail -n 20 "$1" >&2
    rm -f "$1"
    die "$2 failed, its last lines are above"
}

say() {
    echo "setup: $*" >&2
}

die() {
    say "$*"
    exit 1
}

main "$@"
