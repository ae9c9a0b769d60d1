#!/usr/bin/env bash
# liere-data prepare rsna, killed at random times: no cached volume is torn, and the same command ends as if nothing had happened.
set -euo pipefail
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
rm -rf "$LIERE_WORK"
exec bash "$LIERE_SOURCE/scripts/soak.sh" --ci --only I9 --bin "$LIERE_BIN" --work "$LIERE_WORK"
