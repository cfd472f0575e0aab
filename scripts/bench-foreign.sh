#!/usr/bin/env bash
# Measures other SIP servers from Debian with the same bench as ours, in one run, and prints one table: "Other servers" of
# benches/README.md says what each of them does to the audio.
#
#   scripts/bench-foreign.sh [PEER...]       without a peer: all (about 6 minutes with SECONDS_EACH=3)
#
# Peers: reflector (ours, bare), sipp, kamailio (with rtpengine, in front of the bare reflector), baresip, offhook.
# SECONDS_EACH (default 3) is how long a run measures, MOST_CALLS (default 1600) where the search for the knee ends,
# RESULTS (default target/bench-foreign.jsonl) the file of all JSON lines. OFFHOOK names another binary. Everything runs on
# loopback, on free ports, in a folder that is removed, and is stopped at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-3}
most=${MOST_CALLS:-1600}
offhook=${OFFHOOK:-${CARGO_TARGET_DIR:-target}/release/offhook}
results=${RESULTS:-${CARGO_TARGET_DIR:-target}/bench-foreign.jsonl}
peers=(reflector sipp kamailio baresip offhook)

main() {
    [ $# -gt 0 ] || set -- "${peers[@]}"
    local peer
    for peer in "$@"; do
        [[ " ${peers[*]} " == *" $peer "* ]] || die "there is no peer '$peer': ${peers[*]}"
    done
    install_peers "$@"
    [ -n "${OFFHOOK:-}" ] || cargo build --locked --release --package offhook-server
    # Two sockets a call, or four through a relay.
    ulimit -n "$(ulimit -Hn)" || true
    folder=$(mktemp -d)
    trap stop EXIT
    mkdir -p "$(dirname "$results")"
    : >"$results"
    say "machine: $(nproc) x$(sed -n '/^model name/{s/.*://p;q}' /proc/cpuinfo), Linux $(uname -r), load $(cut -d' ' -f1-3 /proc/loadavg)"

    for peer in "$@"; do
        processes=() media= user=echo
        "start_$peer"
        answers "$peer"
        measure "$peer" latency --no-reflector
        measure "$peer" jitter --no-reflector --jitter 20
        measure "$peer" load --no-reflector --calls 100
        measure "$peer" cps --no-reflector
        measure "$peer" knee --no-reflector --from 200 --most "$most" --precision 10
        stop_peer
    done
    table "$@"
}

# --- the peers: each start_ sets sip, media (whose CPU and memory count) and appends to processes

start_reflector() {
    spawn reflector as_media "$offhook" reflector
    wait_for reflector '^sip:'
    sip=$(sed -n 's/^sip:.*@//p' "$folder/reflector.log")
}

start_offhook() {
    spawn offhook "$offhook" serve --sip 127.0.0.1:0 --api 127.0.0.1:0 --data "$folder/data"
    wait_for offhook 'ready for calls'
    sip=$(sed 's/\x1b\[[0-9;]*m//g' "$folder/offhook.log" | sed -n 's/.*ready for calls.* sip=\([^ ]*\).*/\1/p')
    # Speech engines warm up in processes of their own.
    sleep 2
}

# SIPp's own answering scenario; its media thread sends each packet back.
start_sipp() {
    local port rtp
    port=$(free_port) rtp=$(free_port)
    TERM=dumb spawn sipp as_media sipp -sn uas -rtp_echo -nostdin -i 127.0.0.1 -p "$port" -mi 127.0.0.1 -mp "$rtp"
    sip=127.0.0.1:$port
}

# A softphone whose module `echo` joins loudspeaker and microphone of each call.
start_baresip() {
    local port
    port=$(free_port)
    mkdir -p "$folder/baresip"
    cat >"$folder/baresip/config" <<END
sip_listen 127.0.0.1:$port
call_max_calls 100000
audio_source aubridge,bench
audio_player aubridge,bench
audio_alert aubridge,bench
rtp_ports 20000-29998
module_path $(dirname "$(dpkg -L baresip-core | grep -m1 '/modules/echo\.so$')")
module g711.so
module aubridge.so
module_app account.so
module_app echo.so
END
    echo "<sip:echo@127.0.0.1>;regint=0;audio_codecs=pcmu,pcma" >"$folder/baresip/accounts"
    : >"$folder/baresip/contacts"
    spawn baresip as_media baresip -f "$folder/baresip"
    wait_for baresip 'baresip is ready'
    sip=127.0.0.1:$port
}

# A proxy that anchors media at a relay; behind it the bare reflector, since neither of the two sends anything back.
start_kamailio() {
    local port control behind modules
    start_reflector
    behind=$sip
    port=$(free_port) control=$(free_port)
    spawn rtpengine as_media rtpengine --config-file=none --table=-1 --interface=127.0.0.1 --listen-ng="127.0.0.1:$control" \
        --port-min=20000 --port-max=29999 --num-threads="$(nproc)" --foreground --log-stderr --log-level=4 --delete-delay=0
    media=${processes[-1]}
    # Kamailio asks once at its start whether the relay is there, and would then do without it for a minute.
    is_taken_soon "$control"
    modules=$(dirname "$(dpkg -L kamailio | grep -m1 '/modules/tm\.so$')")
    cat >"$folder/kamailio.cfg" <<END
#!KAMAILIO
debug=-1
log_stderror=yes
children=4
listen=udp:127.0.0.1:$port
auto_aliases=no
mpath="$modules"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "maxfwd.so"
loadmodule "siputils.so"
loadmodule "rtpengine.so"
modparam("rtpengine", "rtpengine_sock", "udp:127.0.0.1:$control")
request_route {
    if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
    if (is_method("BYE|CANCEL")) rtpengine_manage();
    if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
    if (has_totag()) {
        if (loose_route()) t_relay();
        else if (is_method("ACK") && t_check_trans()) t_relay();
        else sl_send_reply("404", "Not Here");
        exit;
    }
    if (!is_method("INVITE")) { sl_send_reply("405", "Method Not Allowed"); exit; }
    t_check_trans();
    record_route();
    rtpengine_manage("replace-origin replace-session-connection");
    t_on_reply("ANSWER");
    \$du = "sip:$behind";
    t_relay();
}
onreply_route[ANSWER] {
    if (has_body("application/sdp")) rtpengine_manage("replace-origin replace-session-connection");
}
END
    spawn kamailio kamailio -DD -E -f "$folder/kamailio.cfg" -Y "$folder" -P "$folder/kamailio.pid" -m 512 -M 32
    is_taken_soon "$port"
    sip=127.0.0.1:$port
}

# --- measuring

# Whether it answers and sends back what it hears, before anything counts.
answers() {
    local tries
    for tries in 1 2 3; do
        # Any verdict will do here; what counts is that frames came back.
        "$offhook" bench latency "sip:$user@$sip" --seconds 1 --no-reflector --json </dev/null >"$folder/first" 2>"$folder/first.log" || true
        [ "$(field "$folder/first" "len([c for c in r['each_call'] if c['added_ms']['count'] > 0])")" != 1 ] || return 0
        sleep 1
    done
    cat "$folder/first.log" "$folder"/*.log >&2
    die "$1 does not send back what it hears"
}

# measure PEER RUN OPTIONS...: one line of JSON, PEER and RUN before it
measure() {
    local peer=$1 run=$2 bench=$2 code=0
    shift 2
    local each=$seconds
    case $run in
        jitter) bench=latency ;;
        # Many steps: a second less for each.
        knee) each=$((seconds > 2 ? seconds - 1 : seconds)) ;;
    esac
    say "$peer: offhook bench $bench sip:$user@$sip --seconds $each $*"
    "$offhook" bench "$bench" "sip:$user@$sip" --pid "${media:-${processes[0]}}" --seconds "$each" --json "$@" \
        </dev/null >"$folder/out" 2>"$folder/err" || code=$?
    if [ -s "$folder/out" ]; then
        printf '%s\t%s\t%s\n' "$peer" "$run" "$(cat "$folder/out")" >>"$results"
    else
        say "$peer: $run failed with $code: $(tail -n 1 "$folder/err")"
    fi
}

field() {
    python3 -c 'import json, sys
try: r = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))
except Exception: print("")' "$1" "$2"
}

table() {
    python3 - "$results" "$@" <<'END'
import json, sys
runs = {}
for line in open(sys.argv[1]):
    peer, run, text = line.rstrip("\n").split("\t", 2)
    runs[peer, run] = json.loads(text)
rows = [["server", "added, ms p50 / p99", "20 ms jitter, p50 / p99", "lost, slips", "100 calls: p99 late, ms", "CPU-ms / call-s",
         "set-ups / s", "p99, ms", "most calls", "spoiled"]]
for peer in sys.argv[2:]:
    def of(run, read):
        try:
            found = read(runs[peer, run])
            return "-" if found is None else found
        except (KeyError, IndexError, TypeError):
            return "-"
    def delay(report):
        added = report["all"]["added_ms"]
        return "%.2f / %.2f" % (added["p50"], added["p99"])
    def lost(report):
        return "%d, %d of %d" % (report["all"]["damaged"], report["all"]["slips"], report["all"]["frames"])
    def knee(report):
        calls = str(report["most_calls"])
        return calls if report["is_knee"] else "≥ " + calls
    def late(report):
        step = report["steps"][-1]
        return "%.2f%s" % (step["lateness_ms"]["p99"], "" if step["within_limits"] else " (broke a limit)")
    def cpu(report):
        cost = report["steps"][-1]["cpu_ms_per_call_second"]
        return None if cost is None else "%.2f" % cost
    spoiled = [run for (whose, run), report in runs.items() if whose == peer and report.get("verdict") != "measured"]
    rows.append([peer, of("latency", delay), of("jitter", delay), of("jitter", lost), of("load", late), of("load", cpu),
                 of("cps", lambda r: "%.0f" % r["server"]["per_second"]), of("cps", lambda r: "%.1f" % r["server"]["set_up_ms"]["p99"]),
                 of("knee", knee), ", ".join(spoiled) or "-"])
widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
for number, row in enumerate(rows):
    print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")
    if number == 0:
        print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
END
}

# --- processes, ports, packages

# spawn NAME COMMAND...: in the background, what it says goes to NAME.log
spawn() {
    local name=$1
    shift
    "$@" >"$folder/$name.log" 2>&1 </dev/null &
    processes+=($!)
}

# Carries audio at the priority that our own media workers ask for: none shall be late because it is not ours.
as_media() {
    if [ -z "${realtime:-}" ]; then
        realtime=no
        chrt --fifo 10 true 2>/dev/null && realtime=yes
    fi
    # exec: the process that is measured and stopped is the server itself.
    if [ "$realtime" = yes ]; then exec chrt --fifo 10 "$@"; else exec "$@"; fi
}

wait_for() {
    local tries
    for tries in $(seq 100); do
        grep -q "$2" "$folder/$1.log" && return
        sleep 0.1
    done
    cat "$folder/$1.log" >&2
    die "$1 is not up after 10 s"
}

# A port that no UDP socket has now, below those that the kernel gives away and above those of services.
free_port() {
    local port
    while true; do
        port=$((10000 + (RANDOM * 32768 + RANDOM) % 9000))
        is_taken "$port" || break
    done
    echo "$port"
}

is_taken() {
    grep -q ":$(printf '%04X' "$1") " /proc/net/udp /proc/net/udp6
}

is_taken_soon() {
    local tries
    for tries in $(seq 100); do
        ! is_taken "$1" || return 0
        sleep 0.1
    done
    cat "$folder"/*.log >&2
    die "nobody listens on port $1 after 10 s"
}

# What is missing, without starting it: Debian would start both as services on the real interfaces, now and at each boot.
install_peers() {
    local groups=(build) peer services=() service guard=/usr/sbin/policy-rc.d guarded=
    for peer in "$@"; do
        case $peer in
            reflector) ;;
            offhook) groups+=(run) ;;
            *) groups+=(foreign) ;;
        esac
    done
    if [[ " ${groups[*]} " == *" foreign "* ]] && command -v dpkg-query >/dev/null; then
        for service in kamailio rtpengine-daemon; do
            [ "$(dpkg-query -W -f='${db:Status-Status}' "$service" 2>/dev/null)" = installed ] || services+=("$service")
        done
    fi
    if [ ${#services[@]} -gt 0 ] && [ ! -e "$guard" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$guard" && guarded=yes
    fi
    local code=0
    scripts/setup.sh "${groups[@]}" || code=$?
    [ -z "$guarded" ] || as_root rm -f "$guard"
    for service in "${services[@]}"; do
        as_root systemctl disable "$service" >/dev/null 2>&1 || true
    done
    [ "$code" -eq 0 ] || exit "$code"
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

stop_peer() {
    [ ${#processes[@]} -gt 0 ] || return 0
    # offhook takes the first TERM as "finish your calls": there are none.
    kill "${processes[@]}" 2>/dev/null || true
    wait "${processes[@]}" 2>/dev/null || true
    processes=()
    rm -rf "$folder/data"
}

stop() {
    stop_peer
    rm -rf "$folder"
}

say() {
    echo "bench-foreign: $*" >&2
}

die() {
    say "$*"
    exit 1
}

main "$@"
