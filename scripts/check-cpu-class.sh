#!/usr/bin/env bash
# Replays recorded calls on another class of processor: qemu-user hides the SIMD features that libraries choose their
# code by. The event log of each call must be equal, and on a class of its own a real call must be known as such.
#
#   scripts/check-cpu-class.sh [CLASS]      as qemu-x86_64 -cpu help lists them; without one: Nehalem-v1 (no AVX, no FMA)
#
# Needs the release binary; the demo's calls in target/demo-data, if there are any, are replayed too.
set -euo pipefail
cd "$(dirname "$0")/.."

class=${1:-Nehalem-v1}
target=${CARGO_TARGET_DIR:-target}
offhook=$target/release/offhook

main() {
    [ "$(uname -m)" = x86_64 ] || { echo "cpu class: only x86-64 can be made less here: skipped"; return; }
    command -v qemu-x86_64 >/dev/null || die "qemu-user is missing: scripts/setup.sh test"
    [ -x "$offhook" ] || die "no release binary: cargo build --release --package offhook-server"
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    cargo build --locked --quiet --package offhook-simulation --bin simulate
    "$target/debug/simulate" --calls 2 --bundles "$folder" >"$folder/calls.txt"

    mapfile -t simulated < <(find "$folder" -name '*.call' | sort)
    [ ${#simulated[@]} -ge 30 ] || die "only ${#simulated[@]} simulated calls were recorded"
    local equal=0 file said real=()
    while read -r file; do
        if said=$("$offhook" replay "$file" --json); then
            grep -q '"same_cpu_class":true' <<<"$said" || die "$file was recorded here and is not known as such: $said"
            real+=("$file")
        else
            echo "cpu class: $file departs here too: recorded by an earlier build, left out" >&2
        fi
    done < <(find "$target/demo-data" -name '*.call' 2>/dev/null | sort | tail -2)
    for file in "${simulated[@]}" "${real[@]}"; do
        said=$(qemu-x86_64 -cpu "$class" "$offhook" replay "$file" --json 2>"$folder/stderr") ||
            die "$file departs on $class: $said $(grep -v '^qemu' "$folder/stderr")"
        grep -q '"event_log_equal":true' <<<"$said" || die "$file: $said"
        grep -q '"same_cpu_class":false' <<<"$said" || die "$file was not seen to come from another class: $said"
        grep -q '"equal":true' <<<"$said" && equal=$((equal + 1))
    done
    echo "cpu class: ${#simulated[@]} simulated and ${#real[@]} real calls replayed on $class: all event logs equal, $equal byte for byte"
}

die() {
    echo "cpu class: $*" >&2
    exit 1
}

main "$@"
