#!/usr/bin/env bash
# Judges the lock file by deny.toml: licences, sources, banned crates. Needs no network once the crates are here.
#
#   scripts/deny.sh [--log-level error]      without it the duplicates are listed too
#
# cargo-deny is built from source into .cache/tools (outside target/, ignored by git). That takes 3 to 4 minutes on two
# cores and happens once per checkout, so the gate can afford it from clean.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
root=$PWD/.cache/tools
deny=$root/bin/cargo-deny

if [ "$("$deny" --version 2>/dev/null)" != "cargo-deny $version" ]; then
    echo "deny: building cargo-deny $version into .cache/tools, once, some minutes" >&2
    # Its own target folder: the shared one would keep hundreds of megabytes that nobody needs again.
    build=$(mktemp -d)
    trap 'rm -rf "$build"' EXIT
    CARGO_TARGET_DIR=$build cargo install --quiet --locked --root "$root" --version "$version" cargo-deny
fi

"$deny" "$@" --workspace check --hide-inclusion-graph bans licenses sources
