#!/usr/bin/env bash
# Holds the lines of the map (DESIGN §2) that the compiler cannot: who may depend on whom, what the pure crates may pull
# in, where `unsafe` and locks may stand. Says every breach, not only the first.
set -euo pipefail
cd "$(dirname "$0")/.."

# What each crate may depend on: the arrows of the map. A new arrow is a decision: draw it here and in the README.
# Development dependencies are free. testkit and simulation reach no product: no line but simulation's names them.
arrows='
time             :
sip-proto        : time
rtp-proto        : time
audio            : time
engine-api       : time audio
conversation     : time
call-media       : time audio rtp-proto engine-api
call-control     : time sip-proto conversation call-media engine-api
journal          : time
replay           : time sip-proto rtp-proto audio engine-api conversation call-media call-control journal
flite-ffi        :
linux-ffi        :
pocketsphinx-ffi :
report           : call-control replay
engines          : time audio engine-api flite-ffi linux-ffi pocketsphinx-ffi
caller           : time sip-proto linux-ffi
server           : time sip-proto rtp-proto audio engine-api conversation call-media call-control journal replay report engines caller linux-ffi
testkit          : time audio engine-api
planted          :
simulation       : time sip-proto rtp-proto audio engine-api conversation call-media call-control journal replay testkit
'

# State machines: no socket, clock, file, thread, lock, async, hidden randomness or unsafe.
pure='time sip-proto rtp-proto audio engine-api conversation call-media call-control replay report'

# Crates that bring what a state machine must not have. rsip is looked at separately.
impure='tokio|tokio-.*|async-.*|futures.*|mio|polling|socket2|rustix|nix|libc|libloading|hyper.*|reqwest|rustls.*|ring|axum|sqlx.*'
impure+='|getrandom|rand|fastrand|uuid|ahash|crossbeam.*|parking_lot.*|rayon.*|time|chrono|tracing.*|log|metrics.*|signal-hook.*|tempfile'

# rsip has `default()` makers that use uuid. We call none of them (its one module is all that names rsip), so what uuid
# brings is tolerated below rsip, and nowhere else.
tolerated_in_rsip='uuid|getrandom|libc'

breaches=0
breach() {
    echo "pure line: $*" >&2
    breaches=$((breaches + 1))
}

# tree ARGUMENT... : names of what a package links, for this machine. A failing cargo ends the script.
tree() {
    local lines
    lines=$(cargo tree --locked --quiet --edges normal --prefix none --format '{p}' "$@") || exit 2
    sed 's/ .*//' <<<"$lines" | sort -u
}

# Product code of a crate: no tests (an item after `#[cfg(test)]`, up to the brace or semicolon in the first column that
# ends it), no comments.
product_code() {
    find "$@" -name '*.rs' ! -name 'tests.rs' ! -path '*/tests/*' -print0 | xargs -0 awk '
        FNR == 1 { tests = 0 }
        /^#\[cfg\(test\)\]/ { tests = 1 }
        tests { if (/^}/ || /^[a-z].*;$/) tests = 0; next }
        /^[ \t]*\/\// { next }
        { sub(/[ \t]\/\/.*/, ""); print FILENAME ":" FNR ": " $0 }'
}

# forbid WHY PATTERN FOLDER... : the pattern must not occur in product code.
forbid() {
    local why=$1 pattern=$2 hit folder
    shift 2
    for folder in "$@"; do
        [ -e "$folder" ] || breach "$folder is gone: this script still looks there"
    done
    while IFS= read -r hit; do
        breach "$hit   <- $why"
    done < <(product_code "$@" | grep -E -- "$pattern" || true)
}

check_arrows() {
    local folder name allowed dependency dependencies
    for folder in crates/*; do
        name=$(basename "$folder")
        grep -q "^$name  *:" <<<"$arrows" || { breach "$folder is not on the map in this script" && continue; }
        allowed=$(sed -n "s/^$name  *://p" <<<"$arrows")
        dependencies=$(tree --depth 1 --package "offhook-$name")
        for dependency in $(sed -n 's/^offhook-//p' <<<"$dependencies"); do
            [[ " $name $allowed " == *" $dependency "* ]] ||
                breach "offhook-$name depends on offhook-$dependency: the map has no such arrow"
        done
    done
}

check_what_pure_crates_pull_in() {
    local name all found
    for name in $pure; do
        all=$(tree --package "offhook-$name")
        ! grep -qx rsip <<<"$all" || all=$(tree --package "offhook-$name" --prune rsip)
        found=$(grep -Ex "$impure" <<<"$all" | tr '\n' ' ' || true)
        [ -z "$found" ] || breach "offhook-$name pulls in $found: see 'cargo tree -p offhook-$name -e normal -i ${found%% *}'"
        cmp -s crates/time/clippy.toml "crates/$name/clippy.toml" ||
            breach "crates/$name/clippy.toml differs from crates/time/clippy.toml: the pure crates share one"
    done
    all=$(tree --package rsip)
    found=$(grep -Ex "$impure" <<<"$all" | grep -vEx "$tolerated_in_rsip" | tr '\n' ' ' || true)
    [ -z "$found" ] || breach "rsip now pulls in $found"
}

check_unsafe() {
    local folder name
    for folder in crates/* benches; do
        name=$(basename "$folder")
        case $name in
        *-ffi)
            grep -q '^undocumented_unsafe_blocks = "deny"' "$folder/Cargo.toml" ||
                breach "$folder does not deny undocumented_unsafe_blocks"
            ;;
        *)
            grep -A1 -x '\[lints\]' "$folder/Cargo.toml" | grep -qx 'workspace = true' ||
                breach "$folder does not take the workspace lints"
            forbid "unsafe has one address: a crate ending in -ffi" '\bunsafe\b|unsafe_code' "$folder/src"
            ;;
        esac
    done
}

# The faults that test replay are in the build of `make test-faults` and in no other.
check_planted() {
    local found
    found=$(cargo tree --locked --quiet --workspace --exclude offhook-planted --edges normal,build,dev --prefix none --format '{p}' |
        grep -c '^offhook-planted ') || true
    [ "$found" = 0 ] || breach "a normal build links offhook-planted: see 'cargo tree --workspace -i offhook-planted'"
}

check_words() {
    local folders
    folders=$(printf 'crates/%s/src ' $pure)
    # shellcheck disable=SC2086
    {
        forbid "time is an input: take \`now: Time\`" '\b(Instant|SystemTime)\b' $folders
        forbid "its order is hidden randomness: BTreeMap, or a fixed hasher" '\b(HashMap|HashSet|RandomState)\b' $folders
        forbid "a state machine has no file, socket, thread, process or environment" \
            '\bstd::(fs|env|thread|process)\b|\b(TcpStream|TcpListener|UdpSocket|UnixStream)\b' $folders
        forbid "a state machine is not awaited" '\basync (fn|move|\{)|\.await\b' $folders
        forbid "rules are kept, not switched off" 'allow\(clippy::disallowed' $folders
    }
    forbid "rsip has one module" '\brsip::' $(find crates/*/src -maxdepth 1 -mindepth 1 ! -path 'crates/sip-proto/src/model*')
    forbid "one owner per half of a call: nothing is locked" '\b(Mutex|RwLock|Condvar)\b' \
        crates/call-media/src crates/server/src/worker
}

check_arrows
check_what_pure_crates_pull_in
check_unsafe
check_planted
check_words
if [ "$breaches" -gt 0 ]; then
    echo "pure line: $breaches breaches" >&2
    exit 1
fi
echo "pure line: $(wc -w <<<"$pure") pure crates, $(ls -d crates/* | wc -l) crates on the map, no breach"
