#!/usr/bin/env bash
# One command from nothing to a real call: installs what is missing, builds, runs `offhook demo`.
# DEMO_ONCE=1 ends after the calls (the exit code tells how they went); DEMO_WAV=FILE chooses the caller's audio.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh build run
cargo build --release --locked --package offhook-server
target="${CARGO_TARGET_DIR:-target}"
arguments=(demo --data "$target/demo-data")
[ -z "${DEMO_ONCE:-}" ] || arguments+=(--once)
[ -z "${DEMO_WAV:-}" ] || arguments+=(--wav "$DEMO_WAV")
exec "$target/release/offhook" "${arguments[@]}"
