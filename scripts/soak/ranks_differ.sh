# Sourced by scripts/soak.sh after ranks.sh: two ranks that do not see the same - configuration, program, data, place to meet, clock, folder, gradients -
# or that go on in another number, or after SIGKILL.
# shellcheck shell=bash disable=SC2154,SC2034,SC2015 # variables of soak.sh and ranks.sh; A && B || the sentence for both

D5() { # Ranks of different configuration, shapes, data or program: said by both before the first collective
  local -a shared=()
  rm -rf d5-data d5-other && mkdir -p d5-data d5-other
  differing 'the seed' seed 'configuration' arrows seed=3
  differing 'the shapes of weights' width 'configuration' arrows model.width=32
  differing 'the encoding' kind 'configuration' arrows model.position.kind=none
  differing 'the size of the data set' train_size 'configuration' arrows data.train_size=95
  cp "$bin/liere-train" d5-other/liere-train && printf 'x' >>d5-other/liere-train
  prefix=(env "PATH=$work/d5-other:$PATH")
  differing 'the program' '' 'program' arrows
  prefix=()
  is_root && unshare -m true 2>/dev/null || { skip 'data that differ behind one path need root and unshare'; return; }
  mkdir -p d5-data/cifar d5-other/cifar
  head -c $((3074 * 64)) /dev/zero | tee d5-data/cifar/train.bin >d5-data/cifar/test.bin
  head -c $((3074 * 63)) /dev/zero >d5-other/cifar/train.bin && cp d5-data/cifar/test.bin d5-other/cifar/test.bin
  shared=(data.kind=cifar100 "data.root=$work/d5-data/cifar")
  bind d5-other/cifar d5-data/cifar
  differing 'files of the data set' '' 'training set' cifar
  # No data in the second rank: it says so itself, the other says which rank ended and why.
  rm -f d5-other/cifar/*
  bind d5-other/cifar d5-data/cifar
  expected='5 3' differing 'no data' 'cifar' "could not go on with the others at step 0, .*rank 1 on $host ended: " cifar
}
bind() { # bind FROM TO: the next ranks with that prefix see FROM in the place of TO
  # shellcheck disable=SC2016 # of the inner shell
  prefix=(unshare -m sh -c 'mount --make-rprivate / && mount --bind "$0" "$1" && shift && exec "$@"' "$work/$1" "$work/$2")
}
differing() { # differing WHAT KEY FACT DATA [ARGUMENT...]: of the second rank, which alone gets ${prefix[@]}
  local what=$1 key=$2 fact=$3 data=$4 began rank saved=("${prefix[@]}")
  shift 4
  rm -rf d5
  local -a config=("${config[@]}")
  [ "$data" != cifar ] || config=(--config cifar100_small_liere_8.yaml device=cpu threads=1 loader.workers=1 "${shared[@]}" model.width=16 model.mlp=16 model.depth=1 train.batch_size=16 train.epochs=1)
  choose_port
  prefix=()
  start_rank 0 d5
  prefix=("${saved[@]}")
  start_rank 1 d5 "$@"
  prefix=()
  began=$(now_ms)
  for rank in 0 1; do
    ended "${pids[rank]}" 40000 "$began"
    codes[rank]=$code
  done
  cat rank0.out rank1.out >out.txt
  if [ -n "${expected:-}" ]; then
    if [ "${codes[*]}" = "$expected" ] && one_error rank0.out && one_error rank1.out && grep -q "^error: .*$fact.*$key" rank0.out && no_noise out.txt; then good; else bad "$what: exit codes ${codes[*]}"; fi
  elif [ "${codes[*]}" = '2 2' ] && [ "$(grep -c "^error: the ranks of a run must agree, but their $fact.*$key" out.txt)" = 2 ] && no_noise out.txt && [ ! -e d5/checkpoints ]; then good; else
    bad "$what: exit codes ${codes[*]}"
  fi
}

D7() { # A port that is taken, rank 0 absent, ranks missing, too many, twice there: an error with the address within 30 seconds
  local began rank code ms
  rm -rf d7 && mkdir d7
  # The waits side by side: each ends after most of 30 s.
  began=$(now_ms)
  choose_port
  world=3 start_rank 0 d7/missing
  start_rank 1 d7/taken # keeps the port of its own: nobody is there
  kill -KILL "${pids[1]}" && wait "${pids[1]}" 2>/dev/null
  local missing=${pids[0]} missing_port=$port
  mv rank0.out missing.out
  wait_for_line missing.out '^rank 0 of 3'
  sleep 0.5
  start_rank 0 d7/taken
  ended "${pids[0]}" 30000 "$(now_ms)"
  cp rank0.out out.txt
  if [ "$code" = 5 ] && one_error out.txt && grep -q "127.0.0.1:$port" out.txt && no_noise out.txt; then good; else bad "the port is taken: exit code $code"; fi
  choose_port
  start_rank 1 d7/absent
  local absent=${pids[1]} absent_port=$port
  mv rank1.out absent.out
  # Two ranks that were told of different numbers.
  choose_port
  start_rank 0 d7/two
  world=3 start_rank 1 d7/two
  for rank in 0 1; do
    ended "${pids[rank]}" 30000 "$(now_ms)"
    codes[rank]=$code
  done
  cat rank0.out rank1.out >out.txt
  if [ "${codes[0]}" = 2 ] && [ "${codes[1]}" = 2 ] && [ "$(grep -c "^error: .*127.0.0.1:$port do not agree about their number" out.txt)" = 2 ] && no_noise out.txt; then good; else bad "different numbers of ranks: exit codes ${codes[*]}"; fi
  ended "$absent" 40000 "$began"
  cp absent.out out.txt
  if [ "$code" = 5 ] && [ "$ms" -le 45000 ] && one_error out.txt && grep -q "127.0.0.1:$absent_port within" out.txt; then good; else bad "rank 0 is absent: exit code $code after $ms ms"; fi
  ended "$missing" 40000 "$began"
  cp missing.out out.txt
  if [ "$code" = 5 ] && within 30000 && one_error out.txt && grep -q "127.0.0.1:$missing_port within .*missing is rank 1, 2" out.txt; then good; else bad "ranks are missing: exit code $code after $ms ms"; fi
}

D8() { # The system's clock jumps while two ranks train: no timeout, no strange duration, the same end
  local library i wanted jumps jump rank seconds
  library=$(find /usr/lib /usr/local/lib -name 'libfaketimeMT.so.1' 2>/dev/null | head -n 1)
  [ -n "$library" ] || { skip 'libfaketime is not installed (package faketime)'; return; }
  wanted=$(count 2 6)
  for i in $(seq "$wanted"); do
    case $i in
      1) jumps='+1d' rank=0 ;;
      2) jumps='-1d' rank=1 ;;
      3) jumps='+1d' rank=1 ;;
      4) jumps='-1d' rank=0 ;;
      5) jumps='+1 -1 +1 -1 +1 -1' rank=both ;;
      *) jumps='+1d -1d +0' rank=both ;;
    esac
    rm -rf d8
    echo '+0' >clock
    choose_port
    for r in 0 1; do
      prefix=()
      if [ $rank = both ] || [ $rank = $r ]; then prefix=(env "LD_PRELOAD=$library" DONT_FAKE_MONOTONIC=1 FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE="$work/clock"); fi
      start_rank $r d8 "${long[@]}"
    done
    prefix=()
    wait_for_line rank0.out '^measured peak'
    for jump in $jumps; do
      random_sleep 300
      echo "$jump" >clock.new && mv clock.new clock
    done
    lives "${pids[0]}" || bad 'the run had ended before the clock jumped'
    both_done "jumps $jumps, rank $rank" as_long d8
    # The log's time stamps show that the clock did jump.
    [ $rank = 1 ] || [[ $jumps != *d* ]] || [ "$(cut -c 1-10 d8/log.txt | sort -u | wc -l)" -ge 2 ] || bad "jumps $jumps: the clock did not jump"
    seconds=$(grep -o '"seconds": *[-0-9.e+]*' d8/summary.json | head -n 1 | sed 's/.*: *//')
    awk -v s="${seconds:-x}" 'BEGIN { exit !(s > 0 && s < 100) }' || bad "jumps $jumps: the summary says '$seconds' seconds"
  done
}

losses() { grep '"event":"train"' "$1/metrics.jsonl" | grep -o '"loss":[-0-9.e+]*' | cut -d : -f 2; }
near() { # near TOLERANCE FOLDER FOLDER: the losses of all steps, relative
  paste <(losses "$2") <(losses "$3") | awk -v t="$1" -v n="$last_step" '{ d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > t * $1) wrong = 1 } END { exit !(NR == n && !wrong) }'
}
D9() { # Gone on with 2, then 1, then 2 ranks: the losses of an undisturbed run
  local i wanted precision tolerance order ranks step options
  wanted=$(count 2 3)
  for i in $(seq "$wanted"); do
    case $i in
      1) precision=fp64 tolerance=1e-10 order='2 1 2' ;;
      2) precision=fp32 tolerance=1e-4 order='2 1 2' ;;
      *) precision=fp64 tolerance=1e-10 order='1 2 1' ;;
    esac
    rm -rf d9 "d9-$precision"
    train "d9-$precision" train.precision=$precision || bad 'the undisturbed run failed'
    step=0
    for ranks in $order; do
      step=$((step + last_step / 3))
      options=()
      [ "$ranks" = 1 ] || options=(--ranks "$ranks")
      train d9 train.precision=$precision train.steps=$step "${options[@]}" || bad "$ranks ranks to step $step: exit code $?"
    done
    judge "$precision, $order ranks: other losses" near $tolerance "d9-$precision" d9
  done
}

D10() { # The second rank sees an older, another, no run folder: rank 0 decides
  local i wanted
  is_root && unshare -m true 2>/dev/null || { skip 'a folder of its own for a rank needs root and unshare'; return; }
  wanted=$(count 2 3)
  rm -rf d10-old d10-other d10-none && mkdir d10-none
  train d10-old --ranks 2 train.steps=6 && train d10-other --ranks 2 seed=9 train.steps=6 || bad 'the older runs failed'
  for i in $(seq "$wanted"); do
    rm -rf d10
    train d10 --ranks 2 train.steps=24 || bad 'the first part failed'
    choose_port
    start_rank 0 d10
    case $i in 1) bind d10-old d10 ;; 2) bind d10-none d10 ;; *) bind d10-other d10 ;; esac
    start_rank 1 d10
    prefix=()
    both_done "what the second rank sees, case $i" as_pair d10
    grep -q '^resuming from .*step-00000024' rank0.out || bad 'rank 0 did not go on from its checkpoint'
  done
}

N1() { # A gradient that is not finite in one rank, with a finite loss: skipped by all alike; without end 6, and nothing is saved meanwhile
  local i=0 wanted weight rank code first='' d before
  wanted=$(count 2 8)
  for weight in generators block.0.attention.qkv.weight patch_embed.weight head.bias; do
    for rank in 0 1; do
      i=$((i + 1))
      [ $i -le "$wanted" ] || return
      rm -rf n1
      code=0
      LIERE_FAULT=$rank:11:nan:$weight train n1 --ranks 2 || code=$?
      d=$(digest n1)
      first=${first:-$d}
      # All alike: whichever rank it was, the end is the same, and it is not that of a run without a skipped step.
      if [ $code = 0 ] && [ -n "$d" ] && [ "$d" = "$first" ] && ! as_pair n1 && [ "$(grep -c 'step 11: loss [0-9.]*, gradient norm -\{0,1\}nan: skipped' out.txt)" = 1 ] &&
        grep -q '"skipped_steps":1' n1/metrics.jsonl; then good; else bad "one step, rank $rank, $weight: exit code $code"; fi
      rm -rf n1
      train n1 --ranks 2 train.steps=10 || bad 'the first part failed'
      before=$(cksum n1/checkpoints/*)
      code=0
      LIERE_FAULT=$rank:11+:nan:$weight train n1 --ranks 2 train.non_finite_limit=5 || code=$?
      if [ $code = 6 ] && [ "$before" = "$(cksum n1/checkpoints/*)" ] && [ "$(grep -c '^error: rank . of 2 on host [^ ]* ended with exit code 6' out.txt)" = 1 ] && no_noise out.txt; then good; else bad "all steps, rank $rank, $weight: exit code $code"; fi
    done
  done
}

K1x2() { # SIGKILL of one of two ranks, or of all, at a random time: every file valid, gone on with, the end bit for bit
  local kills=0 wanted code whom
  wanted=$(count 4 200)
  rm -rf k1x2
  as_pair pair # makes the undisturbed run
  while [ $kills -lt "$wanted" ]; do
    start_launcher k1x2
    random_sleep $((run_ms + start_ms))
    whom=$((RANDOM % 3))
    if [ $whom = 2 ]; then kill -KILL "$pid" 2>/dev/null; else kill -KILL "${pids[whom]}" 2>/dev/null; fi
    code=0
    wait "$pid" 2>/dev/null || code=$?
    cp rank0.out out.txt
    until nobody_left k1x2; do sleep 0.02; done
    case $code in
      137)
        kills=$((kills + 1))
        if [ -n "$(find k1x2/checkpoints -name '*.safetensors' -print -quit 2>/dev/null)" ]; then judge 'a checkpoint is damaged after SIGKILL' all_valid k1x2; else good; fi
        ;;
      0)
        as_pair k1x2 || bad 'the resumed run ended otherwise than the undisturbed one'
        rm -rf k1x2
        ;;
      *) bad "exit code $code" && rm -rf k1x2 ;;
    esac
  done
  train k1x2 --ranks 2
  as_pair k1x2 || bad 'the resumed run ended otherwise than the undisturbed one'
}
