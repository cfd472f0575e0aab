#!/usr/bin/env bash
# Measures a release server on this machine, row by row of the table in benches/README.md. One line of JSON each.
#
#   scripts/bench.sh [ROW...]       without a row: all (about 13 minutes with SECONDS_EACH=10)
#
# SECONDS_EACH (default 10) is how long a run measures, REPEAT (default 3) how often a latency row runs: it says median
# and worst. A load row has a server of its own, so that its memory per call is that of a fresh process. OFFHOOK names
# another binary to measure.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-10}
repeat=${REPEAT:-3}
offhook=${OFFHOOK:-${CARGO_TARGET_DIR:-target}/release/offhook}

# name | bench | bot | further options
rows='
echo                 | latency | echo          |
echo-20-calls        | latency | echo          | --calls 20
bridge-8k            | latency | bridge-8k-raw |
bridge-16k           | latency | bridge-16k-raw |
echo-jitter          | latency | echo          | --jitter 20
echo-duplicates      | latency | echo          | --duplicate 5
echo-loss            | latency | echo          | --loss 5
echo-after-jitter    | latency | echo          | --jitter 60 --impaired-for 5
echo-200-calls       | load    | echo          | --calls 200
echo-300-calls       | load    | echo          | --calls 300
echo-300-recorded    | recorded | echo         | --calls 300
echo-800-calls       | load    | echo          | --calls 800
bridge-200-calls     | load    | bridge-16k-raw | --calls 200
bridge-500-calls     | load    | bridge-16k-raw | --calls 500
echo-knee            | knee    | echo          | --most 1200 --from 600
bridge-knee          | knee    | bridge-16k-raw | --most 1000 --from 300
set-ups              | cps     | echo          | --window 16
'

main() {
    [ -n "${OFFHOOK:-}" ] || { scripts/setup.sh build && cargo build --locked --release --package offhook-server; }
    for row in "$@"; do
        grep -q "^$row  *|" <<<"$rows" || die "there is no row '$row':$(sed 's/|.*//' <<<"$rows" | tr -s ' \n' ' ')"
    done
    folder=$(mktemp -d)
    trap stop EXIT
    echo "machine: $(nproc) x$(sed -n '/^model name/{s/.*://p;q}' /proc/cpuinfo), Linux $(uname -r), load $(cut -d' ' -f1-3 /proc/loadavg), $(git describe --always --dirty)" >&2

    local name bench bot options wrong=0
    while IFS='|' read -r name bench bot options; do
        name=${name// /} bench=${bench// /}
        [ -n "$name" ] && { [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; } || continue
        config=
        if [ "$bench" = recorded ]; then
            bench=load
            config="$folder/recorded.toml"
            printf '[bundle]\nrecord = "on"\n' >"$config"
        fi
        if [ "$bench" = load ] || [ "$bench" = knee ] || [ -z "${server:-}" ]; then
            stop_processes
            start_processes
        fi
        case $bench in
            latency) options+=" --repeat $repeat" ;;
            load | knee) options+=" --application-pid $application" ;;
        esac
        echo "== $name: offhook bench $bench sip:${bot// /}@$sip --seconds $seconds$options" >&2
        # shellcheck disable=SC2086
        "$offhook" bench $bench "sip:${bot// /}@$sip" --pid "$server" --seconds "$seconds" --json $options </dev/null |
            sed "s/^/$name\t/" || tell $? "$name" || wrong=$((wrong + 1))
        [ -z "$config" ] || count_bundles "$name"
    done <<<"$rows"
    [ "$wrong" -eq 0 ] || die "$wrong rows failed"
}

# tell CODE ROW: what an exit code of `offhook bench` means. Answers whether the row was measured all the same.
tell() {
    case $1 in
        3) echo "bench: $2: spoiled by the machine" >&2 ;;
        5) echo "bench: $2: measured, and beyond its limits" >&2 ;;
        *) echo "bench: $2 failed" >&2 && return 1 ;;
    esac
}

# The application behind the bridge bots, which returns what it hears, and the server.
start_processes() {
    "$offhook" echo-application >"$folder/application" 2>"$folder/application.log" &
    application=$!
    wait_for "$folder/application" '^ws://'
    bridge=$(grep -m1 '^ws://' "$folder/application")
    NO_COLOR=1 RUST_LOG=info "$offhook" serve ${config:+--config "$config"} --sip 127.0.0.1:0 --api 127.0.0.1:0 --bridge "$bridge" --data "$folder/data" \
        >"$folder/server" 2>&1 &
    server=$!
    wait_for "$folder/server" 'ready for calls'
    sip=$(sed -n 's/.*ready for calls.* sip=\([^ ]*\).*/\1/p' "$folder/server")
    # Speech engines warm up in processes of their own: they have their moment before anything is measured.
    sleep 2
}

# What a recorded minute of a call takes on the disk.
count_bundles() {
    kill -TERM "$server" && kill -TERM "$server" && wait "$server" || true
    server=
    # Columns: date, time, ending, seconds, KB.
    "$offhook" bundle list "$folder/data/bundles" </dev/null |
        awk -v name="$1" '$3 == "complete" { seconds += $4; kilobytes += $5 }
            END { if (seconds > 0) printf "%s\t{\"bundle_kb_per_call_minute\":%.0f}\n", name, kilobytes / seconds * 60 }'
}

wait_for() {
    local tries
    for tries in $(seq 100); do
        grep -q "$2" "$1" && return
        sleep 0.1
    done
    cat "$1" >&2
    die "not up after 10 s"
}

stop_processes() {
    kill ${server:-} ${application:-} 2>/dev/null || true
    wait ${server:-} ${application:-} 2>/dev/null || true
    rm -rf "$folder/data"
    server= application=
}

stop() {
    stop_processes
    rm -rf "$folder"
}

die() {
    echo "bench: $*" >&2
    exit 1
}

main "$@"
