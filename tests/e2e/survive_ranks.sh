#!/usr/bin/env bash
# Two ranks of which one is killed, frozen, cut off, in error, different or late: the other says so and ends soon, and the same command ends as if nothing had happened.
set -euo pipefail
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
rm -rf "$LIERE_WORK"
exec bash "$LIERE_SOURCE/scripts/soak.sh" --ci --only D1,D2,D3,D4,D5,D7,D8,D9,D10,N1,K1x2 --bin "$LIERE_BIN" --work "$LIERE_WORK"
