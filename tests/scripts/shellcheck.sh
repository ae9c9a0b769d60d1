#!/usr/bin/env bash
# Every shell script of the project through shellcheck, found by name, so that a new one is looked at without being listed.
set -euo pipefail
cd "${LIERE_SOURCE:?the folder of the sources}"
if ! command -v shellcheck >/dev/null; then
  echo 'skipped: shellcheck is not installed (apt-get install shellcheck)'
  exit 0
fi
mapfile -t files < <(find scripts tests cmake -name '*.sh' -o -name '*.sh.in' -o -name '*.sbatch' -o -name '*.env' | sort)
for kind in sh sbatch env; do
  if [[ " ${files[*]} " != *".$kind "* ]]; then echo "FAILED: no *.$kind was found below $PWD" && exit 1; fi
done
# Which commands can be reached is judged otherwise by each version.
shellcheck --external-sources --exclude=SC2317,SC2329 "${files[@]}" || { echo "FAILED: $(shellcheck --version | sed -n 2p) found the above" && exit 1; }
echo "${#files[@]} scripts are clean"
