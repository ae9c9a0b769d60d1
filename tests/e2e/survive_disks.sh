#!/usr/bin/env bash
# Full and read-only disks, failing system calls, damaged checkpoints, output folders that cannot be used.
set -euo pipefail
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
rm -rf "$LIERE_WORK"
exec bash "$LIERE_SOURCE/scripts/soak.sh" --ci --only K3,K4,K10,C5,C6 --bin "$LIERE_BIN" --work "$LIERE_WORK"
