#!/usr/bin/env bash
# Breaks runs on purpose - kills, full disks, stray signals, frozen predecessors - and checks that nothing is lost: the counts of docs/reliability.md.
# usage: scripts/soak.sh [--ci | --share N] [--only K1,K15,...] [--bin FOLDER] [--work FOLDER]
#   --ci     a few of each in under eight minutes on two cores; without it the full counts (hours); --share N does 1/N of their kills, signals and seconds
#   --only   these faults alone: K1 K2 K3 K4 K10 K12 K13 K15 K16 C5 C6 I4 I5 I9 fuzz, of two processes D1 D2 D3 D4 D5 D7 D8 D9 D10 N1 K1x2
#   --bin    folder of liere-train, liere-data, checkpoint_tool, make_volumes and fuzz_* (default: the newest build/*/bin)     --work   where runs go (default: a new folder, removed if all is good)
# Some faults need strace, some root (mounts, chattr, network namespaces), one libfaketime: what cannot be done here says 'skipped: ...'. Exit code 1 when anything was bad.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
mode=full share=1 only='' bin=${LIERE_BIN:-} work=''
while [ $# -gt 0 ]; do
  case $1 in
    --ci) mode=ci ;;
    --share)
      share=${2:?}
      shift
      ;;
    --only)
      only=,${2:?},
      shift
      ;;
    --bin)
      bin=${2:?}
      shift
      ;;
    --work)
      work=${2:?}
      shift
      ;;
    -h | --help) sed -n '2,7s/^# //p' "$0"; exit 0 ;;
    *) printf 'error: soak.sh has no option %s: see scripts/soak.sh --help.\n' "$1" >&2; exit 2 ;;
  esac
  shift
done
if [ -z "$bin" ]; then
  newest=$(find "$root"/build/*/bin -maxdepth 1 -name checkpoint_tool -printf '%T@ %h\n' 2>/dev/null | sort -n | tail -n 1)
  bin=${newest#* }
fi
if [ ! -x "$bin/liere-train" ] || [ ! -x "$bin/checkpoint_tool" ]; then
  printf 'error: liere-train and checkpoint_tool were not found in %s: build with scripts/build.sh, or name the folder with --bin.\n' "${bin:-build/*/bin}" >&2
  exit 2
fi
bin=$(cd "$bin" && pwd)
PATH=$bin:$PATH
for part in checkpoint data ranks ranks_differ; do
  # shellcheck source-path=SCRIPTDIR source=soak/checkpoint.sh source=soak/data.sh source=soak/ranks.sh source=soak/ranks_differ.sh
  source "$root/scripts/soak/$part.sh"
done
made_work=''
[ -n "$work" ] || { work=$(mktemp -d) && made_work=1; }
mkdir -p "$work" && cd "$work" || exit 2
work=$PWD
# Whatever ends this script, no mount, no immutable folder and no network namespace stays behind.
clean_up() {
  local folder
  if [ "$(id -u)" = 0 ]; then
    while read -r _ folder _; do
      case $folder in "$work"/*) umount "$folder" ;; esac
    done </proc/mounts
    [ ! -d k3/checkpoints ] || chattr -i k3/checkpoints 2>/dev/null
    for folder in /run/netns/"liere-$$-"?; do
      [ ! -e "$folder" ] || ip netns del "${folder##*/}"
    done
  fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
ln -sfn "$root/configs" configs
RANDOM=20240 # the same delays every time
export OMP_NUM_THREADS=1
unset SLURM_RESTART_COUNT SLURM_JOB_ID LIERE_FAULT

config=(--config arrows_tiny_liere.yaml device=cpu threads=1 loader.workers=1 model.width=16 model.mlp=16 data.train_size=96 data.test_size=20 train.batch_size=16
  train.epochs=8 checkpoint.every_steps=3 log.every_steps=1)
interval=3 last_step=48
done_count=0 bad_count=0 note='' table=()

count() { if [ "$mode" = ci ]; then echo "$1"; else echo $((($2 + share - 1) / share)); fi; }
good() { done_count=$((done_count + 1)); }
bad() { # bad SENTENCE: keeps the last output beside it
  done_count=$((done_count + 1)) bad_count=$((bad_count + 1))
  printf 'BAD %s: %s\n' "$fault" "$*"
  [ ! -s "$work/out.txt" ] || tail -n 5 "$work/out.txt" | sed 's/^/  | /'
}
judge() { # judge WHAT CONDITION...: counts one case
  local what=$1
  shift
  if "$@"; then good; else bad "$what"; fi
}
skip() { note="skipped: $*" && printf 'skipped: %s: %s\n' "$fault" "$*"; }
has_strace() { command -v strace >/dev/null && strace -o /dev/null true 2>/dev/null; }
is_root() { [ "$(id -u)" = 0 ]; }

train() { # train FOLDER [ARGUMENT...] -> exit code, output in out.txt
  local folder=$1
  shift
  liere-train "${config[@]}" --output "$folder" "$@" >out.txt 2>&1 </dev/null
}
start() { # start FOLDER [ARGUMENT...] -> $pid. A shell starts its background jobs with SIGINT ignored: reset it.
  local folder=$1
  shift
  env --default-signal=INT liere-train "${config[@]}" --output "$folder" "$@" >"$folder.out" 2>&1 </dev/null &
  pid=$!
}
step_of() { local n=${1##*step-} && n=${n%.safetensors} && echo $((10#${n:-0})); }
newest_step() { local path && path=$(checkpoint_tool newest "$1" 2>/dev/null) && step_of "$path" || echo 0; }
logged_step() { local n && n=$(grep -o '"step":[0-9]*' "$1/metrics.jsonl" 2>/dev/null | tail -n 1) && echo "${n#*:}" || echo 0; }
digest() { checkpoint_tool digest "$1/checkpoints/step-$(printf %08d $last_step).safetensors" 2>/dev/null | cut -d ' ' -f 1; }
as_undisturbed() { local d && d=$(digest "$1") && [ -n "$d" ] && [ "$d" = "$reference" ]; }
all_valid() { checkpoint_tool verify "$1" >/dev/null 2>&1; }
no_temporaries() { [ -z "$(find "$1" -name '*.tmp*' -print -quit)" ]; }
wait_for_step() { # wait_for_step FOLDER STEP: until a checkpoint of at least that step is there
  local i
  for i in $(seq 1200); do
    [ "$(find "$1/checkpoints" -name 'step-*.safetensors' 2>/dev/null | sort | tail -n 1 | sed 's/.*step-0*//; s/\..*//')" -ge "$2" ] 2>/dev/null && return
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.02
  done
  return 1
}
random_sleep() { # random_sleep MILLISECONDS: uniform up to that
  sleep "$(awk -v r=$((RANDOM * 32768 + RANDOM)) -v m="$1" 'BEGIN { printf "%.4f", r / 1073741824 * m / 1000 }')"
}

fault=reference
began=$(date +%s%N)
liere-train "${config[@]}" --print-config >out.txt 2>&1 || bad 'liere-train --print-config failed'
start_ms=$((($(date +%s%N) - began) / 1000000))
began=$(date +%s%N)
train reference || bad 'the undisturbed run failed'
run_ms=$((($(date +%s%N) - began) / 1000000))
reference=$(digest reference)
train again || bad 'the undisturbed run failed'
as_undisturbed again || bad 'two undisturbed runs differ'
if [ $bad_count -gt 0 ]; then exit 1; fi

total_bad=0
for fault in K1 K2 K3 K4 K10 K12 K13 K15 K16 C5 C6 I4 I5 I9 fuzz D1 D2 D3 D4 D5 D7 D8 D9 D10 N1 K1x2; do
  if [ -n "$only" ] && [[ $only != *,$fault,* ]]; then continue; fi
  done_count=0 bad_count=0 note='' began=$SECONDS
  $fault
  table+=("$(printf '%-6s %7d %5d %7d s  %s' "$fault" $done_count $bad_count $((SECONDS - began)) "$note")")
  total_bad=$((total_bad + bad_count))
  [ "$mode" = ci ] || printf '%s\n' "${table[-1]}" # hours may lie between them
done
printf '\n%-6s %7s %5s %9s\n' fault cases bad time
printf '%s\n' "${table[@]}"
if [ $total_bad -gt 0 ]; then
  printf '%d bad; the folders are in %s\n' $total_bad "$work"
  exit 1
fi
echo 'nothing bad'
if [ -n "$made_work" ]; then cd / && rm -rf "$work"; fi
