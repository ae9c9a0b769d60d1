#!/usr/bin/env bash
# A restarted job takes the run folder over from its frozen predecessor, which publishes nothing when it wakes.
set -euo pipefail
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
rm -rf "$LIERE_WORK"
exec bash "$LIERE_SOURCE/scripts/soak.sh" --ci --only K12 --bin "$LIERE_BIN" --work "$LIERE_WORK"
