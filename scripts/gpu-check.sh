#!/usr/bin/env bash
# Checks and measures the CUDA build on a machine with a GPU, in pieces of less than nine minutes; the GPU's settings are left as they are.
# usage: scripts/gpu-check.sh [PIECE...] [--out FOLDER] [--data FOLDER] [--rehearse]      in a package: bin/liere-gpu-check
#   PIECE        tests | sanitizer | benches | steps | ranks | train (default: all, one after another; one that fails does not stop the others)
#     tests      doctor, the test binaries, a short training on both devices with their losses compared
#     sanitizer  compute-sanitizer: memcheck and racecheck over the GPU tests and training steps
#     benches    rotations and turning at the paper's shapes, beside PyTorch where python3 has torch
#     steps      training steps of ViT-B for each encoding: images/s, MFU, memory; PyTorch's eager and compiled beside them
#     ranks      one process through NCCL, and two sharing the GPU over Gloo, beside one without either: the same training
#     train      training on CIFAR-100 (--data; without the data the arrow task), stopped and resumed
#   --out        folder of the page gpu.md, of logs and of JSON figures (default: gpu-check); pieces run one by one add to the same page
#   --rehearse   everything on the CPU with small shapes: checks this script, the figures mean nothing
# In the source tree the CUDA build is made first; in a package nothing is built. Ends with 5 where there is no GPU, with 1 where a piece failed.
set -uo pipefail
share=$(dirname "$(dirname "$(readlink -f "$0")")")
package=$(dirname "$(dirname "$share")")
case $* in -h | --help) sed -n '2,13s/^# //p' "$0"; exit 0 ;; esac
die() { local code=$1; shift; printf 'error: %s\n' "$*" >&2; exit "$code"; }
pieces=() out=gpu-check data='' rehearse=''
while [ $# -gt 0 ]; do
  case $1 in
    tests | sanitizer | benches | steps | ranks | train) pieces+=("$1") ;;
    --out | --data)
      [ $# -gt 1 ] || die 2 "$1 needs a folder."
      if [ "$1" = --out ]; then out=$2; else data=$(readlink -m "$2"); fi
      shift
      ;;
    --rehearse) rehearse=1 ;;
    *) die 2 "gpu-check.sh does not know '$1': see gpu-check.sh --help." ;;
  esac
  shift
done
[ ${#pieces[@]} -gt 0 ] || pieces=(tests sanitizer benches steps ranks train)
mkdir -p "$out" || die 2 "the folder $out cannot be made: name another with --out."
out=$(cd "$out" && pwd)

device=cuda
if [ -n "$rehearse" ]; then
  device=cpu
elif ! nvidia-smi -L >/dev/null 2>&1; then
  die 5 "no NVIDIA GPU was found (nvidia-smi -L names none): run this on a machine that has one."
fi
run=()
if [ -x "$package/libexec/run" ]; then
  bin=$package/bin programs=$package/libexec tests=$package/libexec/tests
  run=("$package/libexec/run" --with-torch)
elif [ -n "${LIERE_BIN:-}" ]; then
  bin=$LIERE_BIN programs=$LIERE_BIN tests=$LIERE_BIN
else
  # shellcheck source-path=SCRIPTDIR source=steps.sh
  (source "$share/scripts/steps.sh" && choose_preset && [ "$preset" = cuda ] || die 5 "the CUDA build is not possible here: $preset_reason.") || exit
  "$share/scripts/setup.sh" && "$share/scripts/build.sh" cuda || exit
  bin=$share/build/cuda/bin programs=$bin tests=$bin
fi
bench=$bin/liere-bench train=$bin/liere-train
python=${PYTHON:-python3}
peers=$share/tests/bench/gpu_peers.py
has_torch=''
if "$python" -c 'import torch' >/dev/null 2>&1; then has_torch=1; fi
export LIERE_SOURCE=$share # for the tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
ln -s "$share/configs" configs

# --- what a piece is made of: one command with its own time limit, its output in FOLDER/PIECE.log, and a line 'ok ...' or 'FAILED ...' in FOLDER/PIECE.txt
piece='' failures=0 deadline=0 limit=0
note() {
  printf '%s\n' "$*"
  printf '%s\n' "$*" >>"$out/$piece.txt"
}
try() { # try SECONDS LABEL COMMAND...; a function keeps to $limit by itself
  local label=$2 code=0 started=$SECONDS left
  limit=$1
  shift 2
  left=$((deadline - SECONDS))
  if [ "$left" -lt 5 ]; then
    note "FAILED $label: no time is left in this piece"
    failures=$((failures + 1))
    return 1
  fi
  if [ "$limit" -gt "$left" ] || [ -n "$rehearse" ]; then limit=$left; fi # a rehearsal may be on a busy machine
  printf '\n=== %s: %s\n' "$label" "$*" >>"$out/$piece.log"
  if [ "$(type -t "$1")" = function ]; then
    "$@" >"$work/last.log" 2>&1 </dev/null || code=$?
  else
    timeout -k 10 "$limit" "$@" >"$work/last.log" 2>&1 </dev/null || code=$?
  fi
  cat "$work/last.log" >>"$out/$piece.log"
  if [ "$code" = 0 ]; then
    note "ok     $label ($((SECONDS - started)) s)"
  else
    failures=$((failures + 1))
    if [ "$code" = 124 ] || [ "$code" = 137 ]; then note "FAILED $label: stopped after $limit s"; else note "FAILED $label: exit code $code after $((SECONDS - started)) s"; fi
    tail -n 12 "$work/last.log" | cut -c 1-240 | sed 's/^/         | /' | tee -a "$out/$piece.txt"
  fi
  return "$code"
}

first_loss() { # first_loss RUN: the first training loss
  grep -m 1 '"event":"train"' "$1/metrics.jsonl" | grep -o '"loss":[0-9.e+-]*' | cut -d : -f 2
}
compare_devices() { # the same weights, pictures and dropout masks on both: the first loss differs by the order of sums alone
  local kind cpu other
  for kind in cpu "$device"; do
    rm -rf "$work/on_$kind"
    timeout -k 10 "$limit" "$train" --config arrows_tiny_liere.yaml --output "$work/on_$kind" "device=$kind" train.steps=20 train.precision=fp32 log.every_steps=1 model.dropout=0.1 || return
  done
  cpu=$(first_loss "$work/on_cpu") other=$(first_loss "$work/on_$device")
  echo "first loss: $cpu on the CPU, $other on $device"
  awk -v a="$cpu" -v b="$other" 'BEGIN { d = a - b; if (d < 0) d = -d; exit !(a > 0 && b > 0 && d <= 1e-4 * a) }'
}

piece_tests() {
  try 60 doctor "$bench" doctor --output "$out" --json "$out/doctor.json"
  grep -v '^liere-bench doctor' "$work/last.log" >"$out/doctor.txt"
  if [ -n "$rehearse" ]; then
    try 120 'test binaries' "$share/scripts/run-tests.sh" --tests "$tests" --seconds 100 '*parity*'
  else
    try 400 'test binaries' "$share/scripts/run-tests.sh" --tests "$tests" --without test_cuda_kernels --seconds 380
  fi
  tail -n 1 "$work/last.log" >"$out/tests_count.txt"
  note "       $(cat "$out/tests_count.txt")"
  try 60 'a short training on both devices, losses compared' compare_devices && note "       $(tail -n 1 "$work/last.log")"
}

sanitize() { # sanitize TOOL COMMAND...: our kernels alone in racecheck, where torch's would take minutes
  local tool=$1 options
  shift
  options=(--tool "$tool" --error-exitcode 9 --target-processes all)
  if [ "$tool" = memcheck ]; then options+=(--report-api-errors no); fi # torch asks the driver for things that it may not have
  if [ -z "$rehearse" ] && [ "$tool" = racecheck ]; then
    case $(compute-sanitizer --help 2>&1) in *--kernel-regex*) options+=(--kernel-regex kns=liere) ;; esac
  fi
  if [ -n "$rehearse" ]; then
    timeout -k 10 "$limit" "${run[@]}" "$@" && echo 'SUMMARY: 0 errors'
  else
    timeout -k 10 "$limit" "${run[@]}" compute-sanitizer "${options[@]}" "$@"
  fi && grep -q 'SUMMARY: 0 \(errors\|hazards\)' "$work/last.log"
}
piece_sanitizer() {
  if [ -z "$rehearse" ] && ! command -v compute-sanitizer >/dev/null; then
    PATH=$PATH:/usr/local/cuda/bin
    if ! command -v compute-sanitizer >/dev/null; then
      note "skipped: compute-sanitizer is not in PATH (it comes with the CUDA toolkit)"
      return
    fi
  fi
  local tool block precision steps
  steps=("$programs/liere-train" --config "$share/configs/arrows_tiny_liere.yaml" "device=$device" train.steps=2 model.dropout=0.1 eval.limit=32 model.width=128)
  for tool in memcheck racecheck; do
    [ -n "$rehearse" ] || try 240 "$tool over the GPU tests" sanitize "$tool" "$tests/test_models" '[gpu]'
    for block in 8 64; do
      for precision in fp32 bf16; do
        try 60 "$tool over two training steps, LieRE_$block, $precision" sanitize "$tool" "${steps[@]}" --output "$work/$tool$block$precision" model.position.block_size=$block \
          model.heads=$((128 / (block > 8 ? block : 64))) train.precision=$precision
      done
    done
  done
}

piece_benches() {
  local shape grids=8x8,14x14 video=4x14x14 seconds=6 heads=144 large=64 small=4,8,16,32 shapes='512:65 256:197 32:785' blocks=0,4,8,16,32,64 apply_seconds=1.5
  if [ -n "$rehearse" ]; then grids=2x2 video=2x1x2 seconds=0.05 heads=1 large=64 small=8 shapes=2:5 blocks=0,8 apply_seconds=0.05; fi
  try 150 'exp, blocks of 64, all layers of ViT-B' "$bench" rotations --device $device --block $large --grid $grids --heads $heads --seconds $seconds --json "$out/rotations.json"
  try 100 'exp, 784 tokens (UCF101)' "$bench" rotations --device $device --block $large --grid $video --heads $heads --seconds $seconds --json "$out/rotations_ucf101.json"
  try 120 'exp, smaller blocks' "$bench" rotations --device $device --block $small --grid "${grids%%,*}" --heads $heads --seconds 2 --json "$out/rotations_small.json"
  for shape in $shapes; do
    try 90 "turning queries and keys, batch ${shape%:*}, ${shape#*:} tokens" "$bench" apply --device $device --block $blocks --batch "${shape%:*}" --tokens "${shape#*:}" --heads 12 --dtype bf16,fp32 \
      --seconds $apply_seconds --json "$out/apply_${shape#*:}.json"
  done
  if [ -z "$has_torch" ]; then
    note "skipped: $python has no torch, so PyTorch is not measured"
    return
  fi
  local options=(--device "$device")
  if [ -n "$rehearse" ]; then options+=(--small); fi
  try 60 'PyTorch: copy and product' "$python" "$peers" ceilings "${options[@]}" --json "$out/peer_ceilings.json"
  try 120 'PyTorch: matrix_exp forward and backward' "$python" "$peers" matrix_exp "${options[@]}" --json "$out/peer_matrix_exp.json"
}

time_step() { # time_step FILE LABEL ENCODING KEY...
  local file=$1 label=$2 position=("model.position.kind=$3")
  case $3 in liere_*) position=(model.position.kind=liere "model.position.block_size=${3#liere_}") ;; esac
  shift 3
  try 60 "step, $label, ${file#*-}" "$bench" step --config cifar100_liere.yaml --seconds "$seconds" --warmup "$warmup" --json "$out/step_$file.json" train.precision=bf16 "device=$device" "$@" "${position[@]}"
}
piece_steps() {
  local seconds=5 warmup=8 encodings='absolute visionllama rope_mixed liere_8 liere_64 absolute' others='absolute rope_mixed liere_64' encoding number=0
  local cifar=(train.batch_size=512) imagenet=('model.input_size=[224,224]' 'model.patch=[16,16]' train.batch_size=256) video=('model.input_size=[448,448]' 'model.patch=[16,16]' train.batch_size=64)
  if [ -n "$rehearse" ]; then
    seconds=0.05 warmup=1 encodings='absolute liere_64 absolute' others=liere_64
    cifar=(model.preset=custom model.width=64 model.depth=1 model.heads=1 model.mlp=64 train.batch_size=2 'model.input_size=[8,8]' threads=1)
    imagenet=("${cifar[@]}") video=("${cifar[@]}")
  fi
  for encoding in $encodings; do # absolute first and last: what they differ by bounds what the ratios mean
    number=$((number + 1))
    time_step "cifar100_$number-$encoding" "CIFAR-100's shape" "$encoding" "${cifar[@]}"
  done
  for encoding in $others; do
    time_step "imagenet_1-$encoding" "ImageNet's shape" "$encoding" "${imagenet[@]}"
    time_step "784_1-$encoding" "784 tokens" "$encoding" "${video[@]}"
  done
  time_step cifar100small_1-liere_64 "CIFAR-100's shape, batch 32" "${others##* }" "${cifar[@]}" train.batch_size=32
  if [ -z "$has_torch" ]; then
    note "skipped: $python has no torch, so PyTorch is not measured"
    return
  fi
  local options=(--device "$device")
  if [ -n "$rehearse" ]; then options+=(--small); fi
  for encoding in absolute rope_mixed liere released; do
    if [ -n "$rehearse" ] && [ "$encoding" = rope_mixed ]; then continue; fi
    # The released form keeps a copy of R per sample, layer, q and k: of 512 samples they would not fit into any GPU.
    if [ "$encoding" = released ]; then options+=(--batch 32); fi
    try 60 "PyTorch: step, CIFAR-100's shape, $encoding" "$python" "$peers" step "${options[@]}" --encoding $encoding --json "$out/peer_step_cifar100_$encoding.json"
  done
  if [ -n "$rehearse" ]; then return; fi
  options=(--device "$device")
  for encoding in absolute liere; do
    try 60 "PyTorch: step, 784 tokens, $encoding" "$python" "$peers" step "${options[@]}" --encoding $encoding --size 448 --patch 16 --batch 64 --json "$out/peer_step_784_$encoding.json"
  done
  for encoding in absolute rope_mixed liere; do # torch.compile takes half a minute by itself: last
    try 100 "PyTorch: step, CIFAR-100's shape, $encoding, compiled" "$python" "$peers" step "${options[@]}" --encoding $encoding --compile --json "$out/peer_step_cifar100_${encoding}_compiled.json"
  done
}

# A training of 48 steps in each way; NCCL with one rank adds nothing and must change no digit, two ranks sum in another order.
rank_training() { # rank_training NAME KEY...
  local name=$1
  shift
  timeout -k 10 "$limit" "$train" --config arrows_tiny_liere.yaml --output "$work/ranks_$name" "device=$device" train.epochs=3 train.precision=fp32 model.dropout=0.1 log.every_steps=1 "$@"
}
losses() { grep '"event":"train"' "$work/ranks_$1/metrics.jsonl" | grep -o '"loss":[0-9.e+-]*' | cut -d : -f 2; }
compare_ranks() { # compare_ranks NAME TOLERANCE: every step's loss beside that of the run alone
  paste <(losses alone) <(losses "$1") | awk -v tolerance="$2" '
    { d = $1 - $2; if (d < 0) d = -d; if (NF < 2 || !($1 > 0)) bad = 1; if (d > worst * $1) worst = d / $1; last = $1 " and " $2 }
    END { printf "%d steps, last loss %s, largest relative difference %.1e (at most %s)\n", NR, last, worst, tolerance; exit !(NR == 48 && !bad && worst <= tolerance) }'
}
piece_ranks() {
  local backend=nccl two=(distributed.share_device=true)
  if [ -n "$rehearse" ]; then backend=gloo two=(threads=1); fi
  try 60 'one process' rank_training alone || return
  try 60 "one process through $backend" rank_training "$backend" "distributed.backend=$backend" || return
  try 10 "  its losses beside those of the first" compare_ranks "$backend" 0
  note "       $(tail -n 1 "$work/last.log")"
  try 120 'two processes over Gloo' rank_training two --ranks 2 "${two[@]}" || return
  try 10 "  their losses beside those of one" compare_ranks two 1e-4
  note "       $(tail -n 1 "$work/last.log")"
}

# Stopped after a while as a scheduler would (75), resumed by the same command, stopped, and finished 20 steps later.
interrupted() { # interrupted RUN SECONDS COMMAND...: after so long, and not before it has logged a step; exit code 75 is the good end
  local code=0 pid before started=$SECONDS metrics=$1/metrics.jsonl seconds=$2
  shift 2
  before=$(logged_steps "$metrics")
  env --default-signal=INT "$@" &
  pid=$!
  while kill -0 "$pid" 2>/dev/null && [ $((SECONDS - started)) -lt "$limit" ]; do
    if [ $((SECONDS - started)) -ge "$seconds" ] && [ "$(logged_steps "$metrics")" -gt "$before" ]; then break; fi
    sleep 0.2
  done
  kill -INT "$pid" 2>/dev/null
  wait "$pid" || code=$?
  echo "exit code $code, 75 was expected"
  [ "$code" = 75 ]
}
logged_steps() { cat "$1" 2>/dev/null | grep -c '"event":"train"' || true; }
newest_step() { find "$1/checkpoints" -name 'step-*.safetensors' | sed 's/.*step-0*\([0-9]*\)\..*/\1/' | sort -n | tail -n 1; }
piece_train() {
  local config=cifar100_liere.yaml folder=$work/run keys=("device=$device") length=75
  if [ -n "$data" ]; then keys+=("data.root=$data"); elif [ -z "$rehearse" ] && [ -d "$share/data/cifar100" ]; then keys+=("data.root=$share/data/cifar100"); else
    config=arrows_liere.yaml
    keys+=(train.epochs=1000)
  fi
  if [ -n "$rehearse" ]; then config=arrows_tiny_liere.yaml length=2 keys+=(train.epochs=1000 schedule.epochs=2 threads=1 log.every_steps=1); fi
  keys+=(checkpoint.every_steps=100 log.flush_seconds=1)
  note "       $config"
  try $((length + 60)) 'trained until it was stopped' interrupted "$folder" $length "$train" --config $config --output "$folder" "${keys[@]}" || return
  local first second
  first=$(newest_step "$folder")
  try $((length + 60)) 'resumed, and stopped again' interrupted "$folder" $length "$train" --config $config --output "$folder" "${keys[@]}" --resume || return
  second=$(newest_step "$folder")
  note "       checkpoints at steps $first and $second"
  if [ "$second" -le "$first" ]; then
    note "FAILED the resumed run went no further than step $second"
    failures=$((failures + 1))
    return
  fi
  try 180 'finished and evaluated' "$train" --config $config --output "$folder" "${keys[@]}" train.steps=$((second + 20))
  cp "$folder/metrics.jsonl" "$out/train_metrics.jsonl"
  cp "$folder/summary.json" "$out/train_summary.json"
}

if [ -z "$rehearse" ]; then
  nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.sm,clocks.max.mem,power.limit,temperature.gpu --format=csv,noheader >"$out/nvidia-smi.txt" 2>&1
  nvidia-smi | sed -n 's/.*CUDA Version: *\([0-9.]*\).*/\1/p' >"$out/cuda.txt"
else
  echo 'rehearsal on the CPU, 0, 0, 0, 0, 0, 0, 0, 0' >"$out/nvidia-smi.txt"
  : >"$out/cuda.txt"
fi
"$python" -c 'import torch; print(torch.__version__)' >"$out/torch.txt" 2>/dev/null
failed_pieces=''
for piece in "${pieces[@]}"; do
  rm -f "$out/$piece.log" "$out/$piece.txt"
  echo "--- $piece"
  began=$SECONDS before=$failures deadline=$((SECONDS + 525))
  "piece_$piece"
  took=$((SECONDS - began))
  if [ "$failures" -gt "$before" ]; then
    failed_pieces="$failed_pieces $piece"
    note "$piece: $((failures - before)) failed ($took s)"
  else
    note "$piece: passed ($took s)"
  fi
done
if "$python" "$share/scripts/gpu-page.py" "$out" >"$out/gpu.md.new" 2>"$work/page.log"; then
  mv "$out/gpu.md.new" "$out/gpu.md"
  cat "$out/gpu.md"
else
  rm -f "$out/gpu.md.new"
  echo "the page could not be made ($python is needed for it): $(tail -n 1 "$work/page.log"); the figures are in $out/*.json" >&2
  failed_pieces="$failed_pieces page"
fi
if [ -n "$failed_pieces" ]; then
  echo "failed:$failed_pieces"
  exit 1
fi
echo 'all passed'
