#!/usr/bin/env bash
# The gate: everything that must hold before a change goes in. `make test` and .ci/run call it.
#
#   scripts/test.sh [STAGE...]       without a stage: all, in this order; the first that fails ends the run
#
# Honours CARGO_TARGET_DIR and CARGO_BUILD_JOBS. Prints minutes per stage.
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(setup format lines deny clippy doc release demo classes tests faults benches)

stage_setup() { scripts/setup.sh build run test; }
stage_format() { cargo fmt --all --check; }
stage_lines() { scripts/check-pure-line.sh; }
# Licences, sources and banned crates. Builds cargo-deny once (3 to 4 minutes on two cores) into .cache/tools.
stage_deny() { scripts/deny.sh --log-level error; }
stage_clippy() { cargo clippy --locked --workspace --all-targets -- -D warnings; }
stage_doc() { RUSTDOCFLAGS='-D warnings' cargo doc --locked --workspace --no-deps; }
# The binary that is shipped; tests that judge speed, allocations and panics use it.
stage_release() { cargo build --locked --release --package offhook-server; }
# The demo as a visitor sees it: a real call is understood, its order looked up; another is transferred.
stage_demo() {
    local said
    said=$(mktemp)
    DEMO_ONCE=1 scripts/demo.sh 2>&1 | tee "$said"
    local code=${PIPESTATUS[0]} line
    for line in 'caller: ' 'your order .* has been shipped' 'transferred to agents' 'outcome: ' 'turn 1:' 'record: '; do
        grep -qE "$line" "$said" || { echo "the demo's output lacks: $line" >&2; code=1; }
    done
    rm -f "$said"
    return "$code"
}
# Simulated calls and the demo's real ones give the same events on a processor with less SIMD.
stage_classes() { scripts/check-cpu-class.sh; }
# Unit, flow and live tests, doc examples; the fixtures and torture messages of sip-fixtures are replayed in here.
# OFFHOOK_GATE: a test that lacks a tool fails instead of being skipped, and nothing is cut short.
stage_tests() { OFFHOOK_GATE=1 cargo test --locked --workspace --no-fail-fast 2>&1 | tee "$log"; }
# The planted faults of crates/replay/FAULTS.md: replay notices each, and what is shipped holds none.
stage_faults() {
    local name=offhook_planted program shipped=${CARGO_TARGET_DIR:-target}/release/offhook
    cargo test --locked --package offhook-simulation --features planted-faults --test planted_faults -- --nocapture 2>&1 |
        tee -a "$log" || return
    program=$(sed -n 's/^ *Running tests.planted_faults.rs (\(.*\))$/\1/p' "$log" | tail -1)
    grep -q "$name" "$program" || { echo "nothing of $name in $program: how would one know it?" >&2; return 1; }
    [ -e "$shipped" ] || { echo "there is no $shipped to look into: scripts/test.sh release" >&2; return 1; }
    ! grep -q "$name" "$shipped" || { echo "$shipped holds $name: a planted fault" >&2; return 1; }
}
# Each bench does its thing once and checks what came out; counting is `make bench-instructions`.
stage_benches() { cargo test --locked --package offhook-benches --benches; }

main() {
    [ $# -gt 0 ] || set -- "${stages[@]}"
    # Not local: the trap runs when main is over.
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    local stage started table=''
    for stage in "$@"; do
        [[ " ${stages[*]} " == *" $stage "* ]] || fail "there is no stage '$stage': ${stages[*]}"
        started=$(now)
        echo "== $stage"
        # `|| fail` would switch errexit off inside, so no stage relies on errexit.
        "stage_$stage" || fail "FAILED in stage '$stage' after $(minutes_since "$started") min; again with: scripts/test.sh $stage"
        table+=$(printf '%-10s%6s min' "$stage" "$(minutes_since "$started")")$'\n'
    done
    printf '== passed\n%s' "$table"
    summary
}

# All test programs in one line, in the words of cargo.
summary() {
    awk '
        /^test result: / { passed += $4; failed += $6; ignored += $8 }
        END { if (NR) printf "test result: ok. %d passed; %d failed; %d ignored\n", passed, failed, ignored }' "$log"
}

now() { date +%s; }

minutes_since() { awk -v s="$1" -v n="$(now)" 'BEGIN { printf "%.1f", (n - s) / 60 }'; }

fail() {
    echo "make test: $*" >&2
    exit 1
}

main "$@"
