#!/usr/bin/env bash
# Counts the instructions of one repetition of each bench and compares with benches/instructions.json.
#
#   scripts/instructions.sh            compares; more than 3 % away, up or down, fails
#   scripts/instructions.sh --write    writes the counts down; the commit says why they changed
#
# A bench runs twice under valgrind, with few and with many repetitions; the difference is the cost, so set-up drops
# out. Counts repeat on a busy machine, where times do not.
set -euo pipefail
cd "$(dirname "$0")/.."

few=100
many=1100
tolerance=3
counts=benches/instructions.json

main() {
    scripts/setup.sh build count
    local built name old new compiler
    # cargo says where each program is: "Executable benches/frame.rs (path)".
    built=$(cargo bench --locked --package offhook-benches --benches --no-run 2>&1) || { echo "$built" >&2; exit 1; }
    compiler=$(rustc --version)
    if [ "${1:-}" != --write ]; then
        grep -qF "\"compiler\": \"$compiler\"" "$counts" ||
            echo "instructions: counted with another compiler than $compiler: a difference may be its doing" >&2
    fi
    local wrong=0 lines=''
    for name in frame invite setup; do
        new=$(cost "$(program "$name" <<<"$built")")
        old=$(sed -n "s/^ *\"$name\": \([0-9]*\).*/\1/p" "$counts" 2>/dev/null || true)
        lines+=$(printf ',\n  "%s": %s' "$name" "$new")
        if [ "${1:-}" = --write ]; then
            printf '%-8s%10d instructions (was %s)\n' "$name" "$new" "${old:-not counted}"
        else
            compare "$name" "$new" "${old:-0}" || wrong=$((wrong + 1))
        fi
    done
    if [ "${1:-}" = --write ]; then
        printf '{\n  "compiler": "%s"%s\n}\n' "$compiler" "$lines" >"$counts"
    elif [ "$wrong" -gt 0 ]; then
        echo "instructions: $wrong out of bounds. Where: valgrind --tool=callgrind PROGRAM --iterations 1000, then" >&2
        echo "callgrind_annotate. If it is meant so: scripts/instructions.sh --write, and say why in the commit." >&2
        exit 1
    fi
}

# program NAME : its path, from what cargo said.
program() {
    sed -n "s|.*benches/$1\.rs (\(.*\))\$|\1|p"
}

# cost PROGRAM : instructions of one repetition.
cost() {
    local a b
    a=$(instructions "$1" "$few")
    b=$(instructions "$1" "$many")
    echo $(((b - a) / (many - few)))
}

instructions() {
    local log
    log=$(mktemp)
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" --iterations "$2" >"$log" 2>&1 || { cat "$log" >&2; rm "$log"; exit 1; }
    sed -n 's/^==[0-9]*== Collected : \([0-9]*\)$/\1/p' "$log"
    rm "$log"
}

compare() {
    awk -v name="$1" -v new="$2" -v old="$3" -v tolerance="$tolerance" 'BEGIN {
        if (old == 0) { printf "%-8s%10d instructions, never written down\n", name, new; exit 1 }
        change = 100 * (new - old) / old
        bad = change > tolerance || change < -tolerance
        printf "%-8s%10d instructions, %+.2f %% of %d%s\n", name, new, change, old, bad ? "   <- out of bounds" : ""
        exit bad
    }'
}

main "$@"
