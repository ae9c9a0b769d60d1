#!/usr/bin/env bash
# Sets up, builds and runs the tests; the last line counts them: 'N passed, N failed' (and ', N skipped': tests that lacked something and said so).
# usage: scripts/test.sh [--quick] [--preset NAME] [ctest arguments, for example -R parity]
#   --quick   leaves out the tests labelled or named slow: under 3 minutes once built
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$(dirname "$0")/steps.sh"
selection=() asked=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
    --quick) selection+=(-LE slow -E slow) ;;
    --preset)
      [ $# -gt 1 ] || die 2 "--preset needs a name: cpu, cuda, asan or tsan."
      asked=$2
      shift
      ;;
    *) break ;;
  esac
  shift
done

scripts/setup.sh
choose_preset
# shellcheck disable=SC2154 # preset is choose_preset's
preset=${asked:-$preset}
scripts/build.sh ${asked:+"$asked"}

results=$root/build/$preset/test_results.xml
rm -f "$results"
# On a terminal and in a log alike: one line per test, and the output of those that fail.
code=0
LIERE_BIN="$root/build/$preset/bin" ctest --test-dir "build/$preset" -j "$(nproc)" --output-on-failure --no-tests=error --output-junit "$results" \
  "${selection[@]}" "$@" </dev/null || code=$?
[ -f "$results" ] || die "ctest ended with $code and left no results: no test ran."

# A test that cannot run here (no GPU, an optional file absent) prints a line 'skipped: ...' and passes; it counts as skipped.
# One whose executable is missing counts as failed.
counts=$(awk '
  /<testcase / { total++; status = ""; skipped = 0; if (match($0, /status="[a-z]*"/)) status = substr($0, RSTART + 8, RLENGTH - 9) }
  /(^|>)[ \t]*skipped: / { skipped = 1 }
  /<skipped message="SKIP_/ { status = "disabled" }
  /<\/testcase>/ { if (status == "run" && skipped) skips++; else if (status == "run") passes++; else if (status == "disabled") skips++; else failures++ }
  END { printf "%d %d %d", passes, failures, skips }' "$results")
read -r passed failed skipped <<<"$counts"
if [ $((passed + failed)) = 0 ]; then printf 'error: no test ran.\n' >&2; code=1; fi
if [ "$code" = 0 ] && [ "$failed" != 0 ]; then code=1; fi
echo
echo "$passed passed, $failed failed$([ "$skipped" = 0 ] || echo ", $skipped skipped")"
exit "$code"
