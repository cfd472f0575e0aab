#!/bin/sh
# Makes every WAV of this folder again, byte for byte with the same versions of flite and espeak-ng.
# Needs: flite, espeak-ng, python3 (standard library only). README.md says what comes out.
set -eu
cd "$(dirname "$0")"

for tool in flite espeak-ng python3; do
    command -v "$tool" >/dev/null || { echo "make.sh: $tool is missing (Debian package of the same name)" >&2; exit 1; }
done

python3 make_speech.py
python3 make_coughs.py
