#!/usr/bin/env bash
# Opens the reports in a real Chromium: with ten thousand turns and a thousand calls, in light and dark, at 1280 and 800
# points, on paper. `make check-report` calls it.
#
#   scripts/check-report.sh [FOLDER]     FOLDER keeps pages, pictures and a printed page; without it nothing is kept
#
# Chromium is driven by its debugging pipe, from this shell alone. Honours CARGO_TARGET_DIR.
set -euo pipefail
cd "$(dirname "$0")/.."

# A page must be ready in this many milliseconds: the best of three tries, the machine may be busy.
ready_within=2000
pages='bench compare calls-1000 turns-10000 empty'

main() {
    local started=$SECONDS page
    scripts/setup.sh browse
    work=$(mktemp -d)
    trap 'finish' EXIT
    folder=${1:-$work/pages}
    mkdir -p "$folder"
    folder=$(cd "$folder" && pwd)
    cargo run --quiet --locked --package offhook-report --example sample-report -- "$folder"
    start_chromium
    for page in $pages; do
        open_in_time "$page" || continue
        check "$page" 1280 900
        open "$page" 800 900
        check "$page" 800 900
        nothing_was_asked_for "$page"
    done
    the_policy_refuses_a_request
    pictures "${1:-}"
    [ "$faults" -eq 0 ] || die "$faults faults"
    say "$(wc -w <<<"$pages") pages in Chromium, no fault, $((SECONDS - started)) s"
}

faults=0
fault() {
    say "FAULT: $*"
    faults=$((faults + 1))
}

# --- the browser, by its pipe: JSON that ends with a zero byte

start_chromium() {
    mkfifo "$work/to" "$work/from"
    # All that could talk to anyone is off; what remains would be seen as a request of the page.
    chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
        --disable-component-update --disable-sync --disable-default-apps --disable-dev-shm-usage --hide-scrollbars --user-data-dir="$work/profile" \
        --remote-debugging-pipe 3<"$work/to" 4>"$work/from" >"$work/chromium.log" 2>&1 &
    chromium=$!
    exec 5>"$work/to" 6<"$work/from"
    last=0 session=''
    ask Target.createTarget '{"url":"about:blank"}'
    local target
    target=$(value targetId)
    ask Target.attachToTarget "{\"targetId\":\"$target\",\"flatten\":true}"
    session=$(value sessionId)
    for domain in Page Runtime Network Log; do ask "$domain.enable" '{}'; done
}

# ask METHOD PARAMETERS : the answer is in $answer, what happened meanwhile is added to the file events.
ask() {
    last=$((last + 1))
    printf '{"id":%d,%s"method":"%s","params":%s}\0' "$last" "${session:+\"sessionId\":\"$session\",}" "$1" "$2" >&5
    while :; do
        IFS= read -r -d '' -t 60 answer <&6 || die "Chromium does not answer to $1: $(tail -n 3 "$work/chromium.log")"
        case $answer in
        "{\"id\":$last,"*) break ;;
        *) printf '%s\n' "$answer" >>"$work/events" ;;
        esac
    done
    case $answer in *'"error":{'*) die "$1: ${answer:0:400}" ;; esac
}

# value NAME : a text in the answer that has no quotes in it.
value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$answer"; }

# evaluate SCRIPT : what it answers is in $result, as it stands in JSON.
evaluate() {
    ask Runtime.evaluate "{\"expression\":$(json "$1"),\"awaitPromise\":true,\"returnByValue\":true,\"userGesture\":true}"
    case $answer in *'"exceptionDetails"'*)
        result=$(grep -o '"description":"[^"]*' <<<"$answer" | head -n 1)
        result="it threw: ${result#*:}"
        return
        ;;
    esac
    result=$(sed -n 's/.*"type":"[a-z]*","value":\(.*\)}}.*/\1/p' <<<"$answer")
    result=${result#\"} result=${result%\"}
}

# A JSON string.
json() { printf '"%s"' "$(sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/\t/\\t/g' <<<"$1" | sed -e ':all' -e 'N' -e '$!b all' -e 's/\n/\\n/g')"; }

# --- what is checked

# open PAGE WIDTH HEIGHT : and waits until it was painted.
open() {
    : >"$work/events"
    ask Emulation.setDeviceMetricsOverride "{\"width\":$2,\"height\":$3,\"deviceScaleFactor\":1,\"mobile\":false}"
    ask Page.navigate '{"url":"about:blank"}'
    ask Page.navigate "{\"url\":\"file://$folder/$1.html\"}"
    evaluate 'new Promise((done) => { const look = () => document.documentElement?.dataset.ready ? done(document.documentElement.dataset.ready) : setTimeout(look, 10); look(); setTimeout(() => done("never"), 10000); })'
}

open_in_time() {
    local best=never try
    for try in 1 2 3; do
        open "$1" 1280 900
        [[ $result =~ ^[0-9]+$ ]] || break
        [ "$best" != never ] && [ "$best" -le "$result" ] || best=$result
        [ "$best" -gt "$ready_within" ] || break
    done
    say "$1: ready after $best ms (try $try), $(stat -c %s "$folder/$1.html") bytes"
    [[ $best =~ ^[0-9]+$ ]] && [ "$best" -le "$ready_within" ] || fault "$1 is ready after $best ms, not within $ready_within: $(head -c 600 "$work/events")"
    [ "$best" != never ]
}

check() {
    evaluate "($(cat crates/report/tests/chromium.js)).pages('$1')"
    [ -z "$result" ] || fault "$1 at $2 points: $result"
    # Errors, and whatever is said on the console.
    if grep -E '"method":"(Runtime\.exceptionThrown|Runtime\.consoleAPICalled|Log\.entryAdded)"' "$work/events" >"$work/said"; then
        fault "$1 at $2 points said: $(head -c 500 "$work/said")"
    fi
}

nothing_was_asked_for() {
    local asked
    asked=$(grep -o '"method":"Network.requestWillBeSent".*' "$work/events" | grep -o '"request":{[^}]*"url":"[^"]*"' | sed 's/.*"url":"//; s/"$//' | sort -u)
    [ "$asked" = "file://$folder/$1.html" ] || fault "$1 asked for: $asked"
}

# That the check above can fail: a script of ours that tries to fetch is refused by the page's own policy, and seen.
the_policy_refuses_a_request() {
    open empty 1280 900
    evaluate 'fetch("http://127.0.0.1:9/").then(() => "came", () => "refused")'
    [ "$result" = refused ] || fault "a request was not refused: $result"
    evaluate 'document.documentElement.dataset.failed || "unseen"'
    case $result in *policy*) ;; *) fault "a refused request is not told: $result" ;; esac
    evaluate 'const script = document.createElement("script"); script.textContent = "document.title = \"owned\""; document.body.append(script); document.title'
    [ "$result" != owned ] || fault "a script that is not ours ran"
}

# Pictures for people, where a folder is given; that the pages can be printed, always.
pictures() {
    local scheme name hash width
    open compare 1280 900
    evaluate 'location.hash = "call=3"; new Promise((done) => setTimeout(done, 300, "")) '
    ask Page.printToPDF '{"printBackground":true,"preferCSSPageSize":true}'
    case $answer in *'"data":"JVBERi'*) ;; *) fault "no printed page" ;; esac
    [ -n "$1" ] || return 0
    value data | base64 -d >"$folder/compare.pdf"
    for scheme in light dark; do
        ask Emulation.setEmulatedMedia "{\"features\":[{\"name\":\"prefers-color-scheme\",\"value\":\"$scheme\"}]}"
        for width in 1280 800; do
            for name in bench compare compare:call=3 compare:call=6 compare:call=17 turns-10000:turns calls-1000:calls; do
                hash=${name#*:} name=${name%%:*}
                open "$name" "$width" 1400
                [ "$hash" = "$name" ] || evaluate "location.hash = '$hash'; new Promise((done) => setTimeout(done, 300, ''))"
                ask Page.captureScreenshot '{"format":"png"}'
                value data | base64 -d >"$folder/$name-${hash//[^a-z0-9]/}-$scheme-$width.png"
            done
        done
    done
}

say() { echo "check-report: $*" >&2; }

die() {
    say "$*"
    exit 1
}

finish() {
    local code=$?
    [ -z "${chromium:-}" ] || kill "$chromium" 2>/dev/null || true
    [ -z "${chromium:-}" ] || wait "$chromium" 2>/dev/null || true
    # Its children write on for a moment.
    local try
    for try in 1 2 3 4 5; do
        rm -rf "$work" 2>/dev/null && break
        sleep 0.5
    done
    exit "$code"
}

main "$@"
