#!/usr/bin/env bash
# Videos from lists to views: six real clips are learned by heart by a tiny model, stopped and resumed on the way, evaluated over views, shuffled, looked at.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"

clips=$LIERE_SOURCE/../shared/data/ucf101/videos
if [ ! -d "$clips" ]; then
  echo "skipped: no clips of UCF101 beside the sources (../shared/data/ucf101)"
  exit 0
fi
if liere-train --config ucf101_small_liere_8.yaml --dry-run 2>&1 | grep -q LIERE_VIDEO; then
  echo "skipped: built without video"
  exit 0
fi

# The six clips in lists of the official form. The test videos are the same ones under another group: what was learned by heart must be known again in all their views.
mkdir -p ucf/ucfTrainTestlist
printf '1 ApplyEyeMakeup\r\n2 BaseballPitch\r\n3 CricketBowling\r\n4 CricketShot\r\n5 Rowing\r\n' >ucf/ucfTrainTestlist/classInd.txt
declare -A number=([ApplyEyeMakeup]=1 [BaseballPitch]=2 [CricketBowling]=3 [CricketShot]=4 [Rowing]=5)
for clip in "$clips"/*/*.avi; do
  class=$(basename "$(dirname "$clip")")
  name=$(basename "$clip")
  other=$(sed -E 's/_g[0-9]+_/_g13_/' <<<"$name")
  mkdir -p "ucf/UCF-101/$class"
  cp "$clip" "ucf/UCF-101/$class/$name"
  cp "$clip" "ucf/UCF-101/$class/$other"
  printf '%s/%s %s\r\n' "$class" "$name" "${number[$class]}" >>ucf/ucfTrainTestlist/trainlist01.txt
  printf '%s/%s\r\n' "$class" "$other" >>ucf/ucfTrainTestlist/testlist01.txt
done

small=(--config ucf101_small_liere_8.yaml data.root=ucf threads=1 loader.workers=1)
train=(liere-train "${small[@]}" train.batch_size=6 train.epochs=60 eval.every_epochs=60 eval.batch_size=30 checkpoint.every_epochs=10 augment.random_resized_crop.enabled=false augment.flip=0
  schedule.warmup_epochs=0)

expect 0 "${train[@]}" --dry-run
says '128 + CLS' 'training videos'
expect 0 liere-data prepare ucf101 --from ucf --cache cache
says '12 videos' '12 decoded now'
expect 0 liere-data prepare ucf101 --from ucf --cache cache
says '0 decoded now'
expect 3 liere-data verify "${small[@]}" # sound, but not the published set
says '0 bad' 'the published split has 9,537'

# Stopped at step 25 of 60 and resumed.
expect 0 "${train[@]}" --output run train.steps=25
is_file run/checkpoints/step-00000025.safetensors
expect 0 "${train[@]}" --output run
says 'resuming from' 'of views' '90 views of 6 videos'
is_file run/summary.json
[ "$(value video_top1 run/summary.json)" = 100.0 ] || fail "six videos learned by heart: $(value video_top1 run/summary.json) % of them are known"
[ "$(value count run/summary.json)" = 90 ] || fail 'the evaluation did not see 6 x 15 views'

expect 0 "${train[@]}" --output straight data.cache=cache
[ "$(value video_loss straight/summary.json)" = "$(value video_loss run/summary.json)" ] || fail 'the resumed run is not the uninterrupted one, or cached frames are others'

expect 0 liere-eval --checkpoint run --test accuracy,shuffle,shuffle-frames,gradients,attention,per-class,confusion,calibration,predict threads=1 eval.shuffle_seeds=2 eval.resamples=200
says 'each view' "mean of a video's views" '6 videos'
[ "$(wc -l <run/eval/accuracy/samples.csv)" = 91 ] || fail 'samples.csv does not hold 90 views'
[ "$(wc -l <run/eval/accuracy/videos.csv)" = 7 ] || fail 'videos.csv does not hold 6 videos'
[ "$(wc -l <run/eval/predict/predictions.csv)" = 7 ] || fail 'predictions.csv does not hold 6 videos'
expect 0 liere-eval --checkpoint run --test accuracy threads=1 augment.clip.segments=10 --output ten
[ "$(wc -l <ten/samples.csv)" = 181 ] || fail 'ten segments of three crops are not 180 views'
expect 0 liere-eval compare run run --resamples 200
expect 0 liere-eval --checkpoint run --test resolution threads=1 eval.sizes='[64,96]'
says '2x12x12'

# Looked at.
expect 0 liere-data browse "${small[@]}" --count 6 --output strips.png
expect 0 liere-data browse "${small[@]}" --count 6 --output augmented.png --augmented
expect 0 liere-data stats "${small[@]}"
is_file strips.png augmented.png

# A damaged clip: an error with its name, or replaced and listed.
head -c 60000 ucf/UCF-101/Rowing/v_Rowing_g16_c03.avi >cut.avi && mv cut.avi ucf/UCF-101/Rowing/v_Rowing_g16_c03.avi
expect 3 liere-train "${small[@]}" train.batch_size=6 train.epochs=1 --output damaged
one_sentence
says v_Rowing_g16_c03
expect 0 liere-train "${small[@]}" train.batch_size=6 train.epochs=1 loader.bad_samples=skip --output skipping
grep -q v_Rowing_g16_c03 skipping/bad_samples.txt || fail 'the damaged clip is not listed'
expect 3 liere-data verify "${small[@]}"
says v_Rowing_g16_c03
rm ucf/UCF-101/Rowing/v_Rowing_g16_c03.avi
expect 3 liere-train "${small[@]}" --output missing
one_sentence
says v_Rowing_g16_c03
