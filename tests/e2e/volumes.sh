#!/usr/bin/env bash
# CT volumes from DICOM files to figures: two made classes that a small model separates and a majority vote does not, six labels, prediction without labels, folds, a real series.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

if [ ! -x "$LIERE_BIN/make_volumes" ]; then
  echo "skipped: built without DICOM"
  exit 0
fi
"$LIERE_BIN/make_volumes" from 120
head -c 32 /dev/zero >salt
expect 0 liere-data prepare rsna --from from --root rsna --size 4,16,16 --folds 3 --salt-file salt
says '120 of 120 series' 'majority baseline'
expect 0 liere-data prepare volumes --from from/stage_2_train --root unlabelled --size 4,16,16

# A class is a bright block in every second slice.
tiny=(--config rsna_small_liere_8.yaml data.root=rsna model.input_size='[4,16,16]' model.patch='[2,4,4]' model.width=64 model.heads=1 model.depth=2 model.mlp=64 threads=1 loader.workers=1
  'augment.windows=["40/80","80/200","600/2800"]' train.batch_size=28 eval.sizes='[16]')
expect 0 liere-data stats "${tiny[@]}"
says 'Hounsfield units' 'always the majority is right in 50.0 %' 'validation'
expect 0 liere-data verify "${tiny[@]}"
expect 0 liere-data browse "${tiny[@]}" --split validation --count 4 --output stored.png
expect 0 liere-data browse "${tiny[@]}" --count 4 --augmented --output augmented.png
is_file stored.png augmented.png
expect 0 liere-train "${tiny[@]}" --dry-run
says 'training volumes' '32 + CLS'
expect 0 liere-train "${tiny[@]}" train.epochs=60 train.steps=40 eval.every_epochs=20 --output run
expect 0 liere-train "${tiny[@]}" train.epochs=60 eval.every_epochs=20 --output run
says 'resuming from' 'volumes'
grep -q '"split":"validation"' run/metrics.jsonl || fail 'evaluations during training do not use the validation part'
python3 - run/summary.json <<'PY' || fail 'a small model does not separate two classes that differ in a bright block'
import json, sys
summary = json.load(open(sys.argv[1]))
sys.exit(not (summary["final"]["top1"] >= 95 and summary["final"]["count"] == 18 and summary["validation"]["count"] == 18))
PY

expect 0 liere-eval --checkpoint run --test accuracy,detection,calibration,per-class,predict threads=1 eval.resamples=200
says 'AUROC' 'balanced' 'majority' 'validation'
[ "$(wc -l <run/eval/predict/predictions.csv)" = 19 ] || fail 'predictions.csv does not hold 18 volumes'
! grep -rlaE 'Secret|ID_10' rsna unlabelled run || fail 'an identifier was written'
expect 0 liere-eval --checkpoint run --test predict threads=1 data.root=unlabelled --output predicted
[ "$(wc -l <predicted/predictions.csv)" = 121 ] || fail 'predictions.csv does not hold the 120 volumes without labels'
expect 3 liere-eval --checkpoint run --test accuracy threads=1 data.root=unlabelled --output refused
one_sentence
says 'predict'
expect 3 liere-train "${tiny[@]}" data.root=unlabelled --output none
one_sentence
expect 2 liere-train "${tiny[@]}" data.holdout=5 --output none
one_sentence
says 'data.fold'
expect 2 liere-train "${tiny[@]}" data.fold=3 --output none
one_sentence

# Six labels at once, a fold, mixup, a balanced order, positive labels weighted.
expect 0 liere-train "${tiny[@]}" data.labels=all data.fold=1 data.balance=true loss.kind=binary_cross_entropy 'loss.pos_weight=[2]' train.epochs=6 eval.every_epochs=6 --output six
expect 0 liere-eval --checkpoint six --test accuracy,detection,predict threads=1 eval.resamples=100
says 'any' 'subdural'

series=$LIERE_SOURCE/../shared/data/rsna
if [ ! -f "$series/series_ID_e17326e0bd.tar.xz" ]; then
  echo "skipped: no real CT series beside the sources (../shared/data/rsna)"
  exit 0
fi
# The real series as it is; then for twenty patients, of half of them with left and right exchanged: what was learned by heart must be known again in the patients of the test part.
mkdir -p real/stage_2_train
tar xJf "$series/series_ID_e17326e0bd.tar.xz" -C real/stage_2_train
cp "$series/labels_series_ID_e17326e0bd.csv" real/stage_2_train.csv
expect 0 liere-data prepare rsna --from real --root one --size 16,64,64 --validation 0 --test 0
says '1 of 1 series'
is_file one/manifest.json
[ "$(find one/sheets -name '*.png' | wc -l)" = 1 ] || fail 'expected a contact sheet'
expect 0 liere-data browse --config rsna_small_liere.yaml data.root=one --count 1 --output head.png
is_file head.png
"$LIERE_BIN/make_volumes" copies 20 real/stage_2_train/*/
expect 0 liere-data prepare rsna --from copies --root heads --size 16,64,64 --validation 0.2 --test 0.2 --salt-file salt
says '20 of 20 series' 'equal_volumes'
heads=(--config rsna_small_liere_8.yaml data.root=heads threads=1 loader.workers=1 train.batch_size=4 augment.volume.flip=0 mixup.alpha=0 schedule.warmup_epochs=0 optimizer.lr=5e-4)
expect 0 liere-train "${heads[@]}" train.epochs=30 eval.every_epochs=10 --output learned
[ "$(value top1 learned/summary.json)" = 100.0 ] || fail "two heads learned by heart: $(value top1 learned/summary.json) % of the volumes are known"
