#!/usr/bin/env bash
# What someone meets who tries the commands without knowing them: help, and each common mistake answered with its exit code and a way out.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

for command in liere-train liere-eval liere-data liere-report liere-bench; do
  expect 0 "$command" --help
  says --help options
  expect 2 "$command"
  says --help
  expect 2 "$command" --no-such-option
done

# The configuration: a typo in a key or name, a value of the wrong type or out of range.
expect 0 liere-train --config arrows_tiny_liere.yaml --print-config
says 'block_size: 8' arrows_tiny_liere.yaml
expect 2 liere-train --config arrows_tiny_lier.yaml
one_sentence
says arrows_tiny_liere.yaml
expect 2 liere-train --config arrows_tiny_liere.yaml trian.steps=3
one_sentence
says train
# Broken YAML, in an override and in a file: reading it throws before anything else is there.
expect 2 liere-train --config arrows_tiny_liere.yaml 'model.patch=[1'
one_sentence
expect 2 liere-train --config arrows_tiny_liere.yaml 'model.position={kind: rope}'
one_sentence
printf 'model: {patch: [4\n' >broken.yaml
expect 2 liere-train --config broken.yaml
one_sentence
expect 2 liere-train --config arrows_tiny_liere.yaml train.stepz=3
one_sentence
says steps
expect 2 liere-train --config arrows_tiny_liere.yaml train.steps=many
one_sentence
says train.steps
expect 2 liere-train --config arrows_tiny_liere.yaml train.batch_size=0
one_sentence
says batch_size
printf 'base: configs/arrows_tiny_liere.yaml\ntrain:\n  stepz: 3\n' >mine.yaml
expect 2 liere-train --config mine.yaml
one_sentence
says mine.yaml:3
[ ! -e runs ] || fail "a refused configuration left a run folder"

# A dry run needs neither data nor device.
expect 0 liere-train --config arrows_tiny_liere.yaml --dry-run
says param step
expect 0 liere-train --config cifar100_liere.yaml --dry-run
# The same of many runs: the figures of one, and those before the first that is refused.
expect 0 liere-train --config arrows_tiny_liere.yaml --dry-run --json one.json train.steps=3
printf 'arrows_tiny_liere.yaml\ttrain.steps=3\narrows_tiny_liere.yaml\ttrain.stepz=3\n' >runs.list
head -n 1 runs.list >run.list
expect 0 liere-train costs run.list --json costs.json
[ "$(tr -d ' \n' <costs.json)" = "[$(tr -d ' \n' <one.json)]" ] || fail "costs differs from --dry-run --json"
expect 2 liere-train costs runs.list --json costs.json
says 'line 2 of runs.list' stepz
[ "$(tr -d ' \n' <costs.json)" = "[$(tr -d ' \n' <one.json)]" ] || fail "a refused run lost the figures before it"

# Data, checkpoints, runs that are not there.
expect 3 liere-train --config cifar100_liere.yaml data.root="$LIERE_WORK/nowhere" --output run_without_data
one_sentence
says nowhere fetch-cifar100
expect 4 liere-eval --checkpoint nowhere --test accuracy
one_sentence
says nowhere
expect 4 liere-train --config arrows_tiny_liere.yaml --resume --output run_never_begun
one_sentence
expect 3 liere-report nowhere
one_sentence
says nowhere
printf 'no checkpoint' >broken.safetensors
expect 4 liere-eval --checkpoint broken.safetensors --test accuracy
one_sentence
says broken.safetensors

# Benchmarks: each prints its table, --json holds the same figures, mistakes are named.
expect 0 liere-bench rotations --block 4 --grid 2x3 --heads 2 --head-dim 8 --seconds 0.01 --json rotations.json
says torch.matrix_exp reference kernels 2x3
is_file rotations.json
expect 0 liere-bench apply --block 0,8 --tokens 5 --heads 2 --head-dim 16 --batch 2 --seconds 0.01 --json apply.json
says pairs 'released code' bf16
is_file apply.json
expect 0 liere-bench encoding liere_4 --config arrows_tiny_liere.yaml --seconds 0.05 --warmup 1 --json card.json
says LieRE_4 'blocks of 4' 'accuracy of R'
is_file card.json
expect 0 liere-bench doctor --output doctor_runs --json doctor.json
says 'LibTorch' 'processor' 'cores' 'memory' 'fsync' 'SLURM' 'nothing broken' GPU
is_file doctor.json
[ ! -e doctor_runs ] || fail "the doctor left a folder"
touch occupied
expect "$( (liere-train --config arrows_tiny_liere.yaml --output occupied/run device=cpu >/dev/null 2>&1 && echo 0) || echo $?)" liere-bench doctor --output occupied/run
says BROKEN output
expect 2 liere-bench rotations --device tpu
one_sentence
expect 2 liere-bench rotations --grid 8y8
one_sentence
says 8y8 4x14x14
expect 2 liere-bench rotations --block 7
one_sentence
says divide
expect 2 liere-bench apply --block 7
one_sentence
expect 2 liere-bench encoding lierre_8
one_sentence
says liere
expect 2 liere-bench encoding liere_7 --config arrows_tiny_liere.yaml
one_sentence
says divide

if ! nvidia-smi -L >/dev/null 2>&1; then
  expect 5 liere-train --config arrows_tiny_liere.yaml --output run_on_gpu device=cuda
  one_sentence
  expect 5 liere-bench rotations --block 4 --grid 2x2 --device cuda
  one_sentence
  expect 5 liere-bench step --config arrows_tiny_liere.yaml device=cuda
  one_sentence
fi
