#!/usr/bin/env bash
# Runs killed at random times, in the middle of saves, and before each system call of one: nothing is lost and the end is the same, bit for bit.
set -euo pipefail
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
rm -rf "$LIERE_WORK"
exec bash "$LIERE_SOURCE/scripts/soak.sh" --ci --only K1,K2,K13 --bin "$LIERE_BIN" --work "$LIERE_WORK"
