#!/usr/bin/env bash
# Runs the test binaries without ctest and without a compiler, from a package or a build folder; the last line counts: 'N passed, N failed, N skipped' test cases.
# usage: scripts/run-tests.sh [--tests DIR] [--without NAME] [--seconds N] [Catch2 arguments, for example '[gpu]' or '*parity*']
#   --tests DIR    folder of the test_* binaries (default: the package's, else build/cuda/bin, build/gpu/bin, build/cpu/bin, whichever is there first)
#   --without NAME leaves this binary out
#   --seconds N    time limit of each binary (default 400); what it had run by then counts
set -uo pipefail
share=$(dirname "$(dirname "$(readlink -f "$0")")")
die() { printf 'error: %s\n' "$*" >&2; exit 2; }
limit=400 folder='' without=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,6s/^# //p' "$0"; exit 0 ;;
    --tests) folder=${2:?--tests needs a folder}; shift ;;
    --without) without=${2:?--without needs a name}; shift ;;
    --seconds) limit=${2:?--seconds needs a number}; shift ;;
    *) break ;;
  esac
  shift
done
package=$(dirname "$(dirname "$share")")
for candidate in "$package/libexec/tests" "$share"/build/{cuda,gpu,cpu}/bin; do
  if [ -z "$folder" ] && [ -d "$candidate" ]; then folder=$candidate; fi
done
[ -n "$folder" ] || die "no test binaries were found: name their folder with --tests DIR, or build them with scripts/build.sh."
run=()
case $(readlink -f "$folder") in
  "$package"/libexec/tests)
    run=("$package/libexec/run" --with-torch)
    # The package's share/liere holds what the tests read of the sources; dependencies of source files are checked where those are.
    export LIERE_SOURCE=$share
    ;;
esac
export OMP_WAIT_POLICY=PASSIVE
if [ "$(nproc)" -gt 4 ]; then export OMP_NUM_THREADS=${OMP_NUM_THREADS:-4}; fi # of each; they run side by side

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ $# -gt 0 ] || set -- '~[architecture]' # that one reads the sources' includes
run_binary() { # run_binary BINARY CATCH2_ARGUMENTS...: leaves WORK/NAME.{xml,log,done}
  local binary=$1 name started=$SECONDS code=0
  name=$(basename "$binary")
  shift
  timeout -k 5 "$limit" "${run[@]}" "$binary" -r xml -o "$work/$name.xml" "$@" >"$work/$name.log" 2>&1 </dev/null || code=$?
  echo "$code $((SECONDS - started))" >"$work/$name.done"
}
binaries=()
for binary in "$folder"/test_*; do
  if [ -x "$binary" ] && [ "$(basename "$binary")" != "$without" ]; then binaries+=("$binary"); fi
done
[ ${#binaries[@]} -gt 0 ] || die "$folder holds no test_* programs."
for binary in "${binaries[@]}"; do
  run_binary "$binary" "$@" &
  if [ "$(nproc)" -lt 4 ]; then wait; fi # side by side where there is room
done
wait

# The XML names each test case as it begins and its result as it ends: what a time limit or a crash cut off is seen. A case that lacks something prints 'skipped: ...'.
passed=0 failed=0 skipped=0
for binary in "${binaries[@]}"; do
  name=$(basename "$binary")
  read -r code seconds <"$work/$name.done"
  xml=$work/$name.xml
  touch "$xml"
  good=$(grep -c '<OverallResult success="true"' "$xml") bad=$(grep -c '<OverallResult success="false"' "$xml")
  skips=$(cat "$xml" "$work/$name.log" | grep -c '^ *skipped: ')
  begun=$(grep -c '<TestCase ' "$xml")
  note=''
  if [ "$begun" -gt $((good + bad)) ]; then
    bad=$((bad + 1))
    last=$(grep '<TestCase ' "$xml" | tail -n 1 | sed 's/.*<TestCase name="\([^"]*\)".*/\1/')
    if [ "$code" = 124 ] || [ "$code" = 137 ]; then note=", stopped after $limit s in '$last'"; else note=", ended with $code in '$last'"; fi
  elif [ "$begun" = 0 ] && grep -q -i -e 'no tests ran' -e 'no test cases matched' "$xml" "$work/$name.log"; then
    continue # Catch2 3 ends with an error where none matches
  elif [ "$code" != 0 ] && [ "$bad" = 0 ]; then
    bad=1 note=", ended with $code"
  fi
  echo "$name: $((good - skips)) passed, $bad failed, $skips skipped ($seconds s)$note"
  if [ "$bad" != 0 ]; then
    # Of each failed case: its name, then what was expected and what came.
    awk '/<TestCase /{ name = $0; sub(/.*<TestCase name="/, "", name); sub(/".*/, "", name); text = "" }
      /<Expression success="false"|<Exception|<FatalErrorCondition|<Failure/ { keep = 1; split($0, at, "filename=\""); sub(/" line="/, ":", at[2]); sub(/".*/, "", at[2]); text = text "    at " at[2] "\n" }
      keep && !/</ { text = text "    " $0 "\n" }
      /<\/Expression>|<\/Exception>|<\/FatalErrorCondition>|<\/Failure>/ { keep = 0 }
      /<OverallResult success="false"/ { print "  failed: " name; printf "%s", text }' "$xml" | sed 's/&lt;/</g; s/&gt;/>/g; s/&quot;/"/g; s/&amp;/\&/g' | cut -c 1-300 | head -n 60
    grep -v '^ *skipped: ' "$work/$name.log" | tail -n 8 | sed 's/^/  | /' | cut -c 1-300
  fi
  passed=$((passed + good - skips)) failed=$((failed + bad)) skipped=$((skipped + skips))
done
cat "$work"/*.log "$work"/*.xml | grep -o 'skipped: .*' | sort | uniq -c | sort -rn | head -n 20 | sed 's/^ *\([0-9]*\) /\1 x /'
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ $((passed + skipped)) -gt 0 ]
