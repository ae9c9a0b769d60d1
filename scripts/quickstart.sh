#!/usr/bin/env bash
# From a bare machine to a result: sets up, builds, trains LieRE and an absolute position embedding on the generated arrow task (about two minutes each on
# two cores, nothing is downloaded for it), evaluates both and draws the difference. A second run starts the demo's runs anew.
# usage: scripts/quickstart.sh
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$(dirname "$0")/steps.sh"
if [ $# -gt 0 ]; then sed -n '2,4s/^# //p' "$0"; [[ $1 == --help || $1 == -h ]] && exit 0; die 2 "quickstart.sh takes no arguments, '$1' was given."; fi
started=$SECONDS

scripts/setup.sh
scripts/build.sh liere-train liere-eval liere-data liere-report
choose_preset
# shellcheck disable=SC2154 # preset is choose_preset's
bin=build/$preset/bin

# Two quickstarts at once would train into the same folders; the lock ends with this script.
exec 8>build/quickstart.lock
flock -n 8 || die "another quickstart is running in $root: wait for it or stop it."
rm -rf runs/quickstart_liere runs/quickstart_absolute runs/quickstart_report runs/quickstart_samples.png
mkdir -p runs

# Ctrl-C reaches the program too, which saves and ends with 75; this script only waits for it.
interrupted=no
trap 'interrupted=yes' INT TERM

train() { # train NAME
  local code=0 go_on="$bin/liere-train --config arrows_demo_$1.yaml --output runs/quickstart_$1"
  echo
  echo "training $1 (configs/arrows_demo_$1.yaml)"
  "$bin/liere-train" --config "arrows_demo_$1.yaml" --output "runs/quickstart_$1" 8>&- || code=$?
  if [ "$code" = 75 ]; then
    echo "stopped early; go on with this run: $go_on"
    exit 75
  fi
  if [ "$code" != 0 ]; then exit "$code"; fi # the program has said why
  if [ "$interrupted" = yes ]; then exit 130; fi
}

evaluate() { # evaluate NAME: on the test pictures as they are, with shuffled patches, and larger than in training
  echo
  echo "evaluating $1"
  "$bin/liere-eval" --checkpoint "runs/quickstart_$1" --test accuracy,shuffle,resolution >"build/logs/quickstart-evaluation-$1.log" 8>&- || exit
  if [ "$interrupted" = yes ]; then exit 130; fi
}

step 'samples of the arrow task' "$bin/liere-data" browse --config arrows_demo_liere.yaml --count 16 --output runs/quickstart_samples.png
train liere
train absolute
evaluate liere
evaluate absolute
echo
"$bin/liere-report" runs/quickstart_liere runs/quickstart_absolute --output runs/quickstart_report
echo
echo "pictures: runs/quickstart_samples.png, runs/quickstart_report/learning_curves.png, runs/quickstart_report/accuracy_over_size.png"
echo "total time: $(((SECONDS - started) / 60)) min $(((SECONDS - started) % 60)) s"
echo "next: scripts/fetch-cifar100.sh, then $bin/liere-train --config cifar100_liere.yaml (wants a GPU; --dry-run tells what it costs)"
