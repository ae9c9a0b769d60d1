#!/usr/bin/env bash
# Clean stops at random times, once and twice: saved, exit 75, and the resumed run ends as the undisturbed one.
set -euo pipefail
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
rm -rf "$LIERE_WORK"
exec bash "$LIERE_SOURCE/scripts/soak.sh" --ci --only K15,K16 --bin "$LIERE_BIN" --work "$LIERE_WORK"
