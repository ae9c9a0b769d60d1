# Sourced by scripts/soak.sh: runs of two processes of which one is killed, frozen, cut off, in error, different or late.
# shellcheck shell=bash disable=SC2154,SC2034 # variables of soak.sh

pids=() prefix=() codes=() took=() address=127.0.0.1 port=0
host=$(uname -n)
# Without end, neither evaluated nor saved unless arguments after these say so.
endless=(train.epochs=100000 checkpoint.every_steps=100000 checkpoint.every_epochs=100000 eval.every_epochs=100000)
saving=(checkpoint.every_steps=1 checkpoint.background=false)
# Long enough that something can happen in its middle.
long=(train.epochs=100 checkpoint.every_steps=100 distributed.timeout=8) long_last_step=600
evaluating=(eval.every_steps=1 data.test_size=200)

now_ms() { echo $(($(date +%s%N) / 1000000)); }
choose_port() { # below the ports that systems hand out by themselves
  port=$((15000 + SRANDOM % 17000))
  while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((15000 + SRANDOM % 17000)); done
}
start_rank() { # start_rank RANK FOLDER [ARGUMENT...] -> ${pids[RANK]}, as torchrun starts it; ${prefix[@]} goes before the command
  local rank=$1 folder=$2
  shift 2
  "${prefix[@]}" env RANK="$rank" WORLD_SIZE="${world:-2}" LOCAL_RANK="$rank" LOCAL_WORLD_SIZE="${world:-2}" MASTER_ADDR="$address" MASTER_PORT="$port" \
    liere-train "${config[@]}" --output "$folder" "$@" >"$work/rank$rank.out" 2>&1 </dev/null &
  pids[rank]=$!
}
start_both() { # start_both FOLDER [ARGUMENT...]
  choose_port
  start_rank 0 "$@"
  start_rank 1 "$@"
}
start_launcher() { # start_launcher FOLDER [ARGUMENT...] -> $pid, and the ranks in pids once they are there
  local folder=$1 i child
  shift
  # By its whole path: what of it is left behind is found by that.
  liere-train "${config[@]}" --output "$work/$folder" --ranks 2 "$@" >"$work/rank0.out" 2>&1 </dev/null &
  pid=$!
  pids=()
  for i in $(seq 1000); do
    for child in $(pgrep -P "$pid"); do
      case $(tr '\0' '\n' <"/proc/$child/environ" 2>/dev/null | grep '^LIERE_RANK=') in
        LIERE_RANK=0) pids[0]=$child ;;
        LIERE_RANK=1) pids[1]=$child ;;
      esac
    done
    if [ "${#pids[@]}" = 2 ] || ! kill -0 "$pid" 2>/dev/null; then return; fi
    sleep 0.01
  done
}
lives() { # lives PID: and is no zombie
  local state
  state=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null) && [ "${state%% *}" != Z ]
}
ended() { # ended PID MILLISECONDS SINCE -> $code and $ms after SINCE; what lives longer than that is killed and has the code 'none'
  code=0
  until ! lives "$1" || [ $(($(now_ms) - $3)) -gt "$2" ]; do sleep 0.01; done 2>/dev/null # the shell reports who was killed
  ms=$(($(now_ms) - $3))
  if lives "$1"; then
    kill -KILL "$1"
    wait "$1" 2>/dev/null
    code=none
  else
    wait "$1" 2>/dev/null || code=$?
  fi
}
give_up() { # whatever is left of both ranks
  local p
  for p in "${pids[@]}"; do kill -KILL "$p" 2>/dev/null; done
  for p in "${pids[@]}"; do wait "$p" 2>/dev/null; done
}
wait_for_line() { # wait_for_line FILE TEXT: until it is there, a minute at most
  local i
  for i in $(seq 3000); do
    grep -q -e "$2" "$1" 2>/dev/null && return
    sleep 0.02
  done
  return 1
}
under_way() { wait_for_line "$work/rank0.out" '^measured peak' && random_sleep "${1:-400}"; } # in a step soon after
no_noise() { ! grep -q -e 'terminate called' -e 'what():' -e 'frame #' -e 'Exception raised' "$@"; }
one_error() { [ "$(grep -c '^error: ' "$1")" = 1 ]; }
nobody_left() { ! pgrep -f -- "--output $work/$1 " >/dev/null; }
names() { # names FILE RANK: who is missing, where, and in what the other waited
  grep -q "^error: rank $((1 - $2)) on $host could not go on with the others at step [0-9]*, in [a-z' ]* (.*): no sign of life from rank $2 on $host (last heard of at step [0-9]*, " "$1"
}
both_done() { # both_done WHAT CONDITION FOLDER: both ranks end well, and the run as the condition says
  local rank began
  began=$(now_ms)
  for rank in 0 1; do
    ended "${pids[rank]}" 120000 "$began"
    codes[rank]=$code
  done
  cat rank0.out rank1.out >out.txt
  if [ "${codes[0]}" = 0 ] && [ "${codes[1]}" = 0 ] && $2 "$3"; then good; else bad "$1: exit codes ${codes[*]}"; fi
}
digest_at() { checkpoint_tool digest "$1/checkpoints/step-$(printf %08d "$2").safetensors" 2>/dev/null | cut -d ' ' -f 1; }
pair_reference='' long_reference=''
# As the undisturbed run of two ranks, which is made when it is first needed.
as_pair() {
  if [ -z "$pair_reference" ]; then
    liere-train "${config[@]}" --output pair --ranks 2 >pair.out 2>&1 </dev/null || bad 'the undisturbed run of two ranks failed'
    pair_reference=$(digest_at pair $last_step)
  fi
  [ -n "$pair_reference" ] && [ "$(digest_at "$1" $last_step)" = "$pair_reference" ]
}
as_long() {
  if [ -z "$long_reference" ]; then
    liere-train "${config[@]}" --output long --ranks 2 "${long[@]}" >long.out 2>&1 </dev/null || bad 'the undisturbed long run failed'
    long_reference=$(digest_at long $long_last_step)
  fi
  [ -n "$long_reference" ] && [ "$(digest_at "$1" $long_last_step)" = "$long_reference" ]
}
worst_ms=0
within() { # within MILLISECONDS: $ms is, beside what starting a program takes here; remembers the longest
  [ "$ms" -le "$worst_ms" ] || worst_ms=$ms
  [ "$ms" -le $(($1 + start_ms)) ]
}

D1() { # A rank killed, 0 or 1, in a step, an evaluation, a save or while it starts: the other ends with 5 soon, nothing is left behind
  local i wanted victim other phase code ms began arguments worst=0
  wanted=$(count 8 100) worst_ms=0
  for i in $(seq 0 $((wanted - 1))); do
    victim=$((i / 4 % 2)) other=$((1 - i / 4 % 2))
    case $((i % 4)) in
      0) phase=step arguments=("${endless[@]}") ;;
      1) phase=evaluation arguments=("${endless[@]}" "${evaluating[@]}") ;;
      2) phase=save arguments=("${endless[@]}" "${saving[@]}") ;;
      3) phase=start arguments=("${endless[@]}") ;;
    esac
    rm -rf d1
    # Before the ranks have met only a launcher can know that one is gone.
    if [ $phase = start ] || [ $((i / 8 % 2)) = 1 ]; then
      start_launcher d1 "${arguments[@]}"
      if [ $phase = start ]; then random_sleep $((2 * start_ms + 500)); else under_way; fi
      began=$(now_ms)
      kill -KILL "${pids[victim]}"
      ended "$pid" 30000 "$began"
      [ "$ms" -le $worst ] || worst=$ms
      cp rank0.out out.txt
      if [ "$code" = 137 ] && [ "$ms" -le 10000 ] && [ "$(grep -c "^error: rank $victim of 2 was ended by signal 9" out.txt)" = 1 ] && no_noise out.txt && nobody_left d1; then good; else
        bad "$phase, rank $victim: the launcher ended with $code after $ms ms"
        give_up
      fi
    else
      start_both d1 "${arguments[@]}"
      under_way
      began=$(now_ms)
      kill -KILL "${pids[victim]}"
      wait "${pids[victim]}" 2>/dev/null
      ended "${pids[other]}" 30000 "$began"
      cp "rank$other.out" out.txt
      if [ "$code" = 5 ] && within 2000 && one_error out.txt && names out.txt $victim && no_noise out.txt; then good; else bad "$phase, rank $victim: the other ended with $code after $ms ms"; fi
    fi
    if [ -n "$(find d1/checkpoints -name '*.safetensors' -print -quit 2>/dev/null)" ]; then all_valid d1 || bad 'a checkpoint is damaged'; fi
  done
  note="the other rank ended within $worst_ms ms, the launcher within $worst ms"
}

D2() { # A rank frozen: the other ends with 5 at the timeout, and says which rank, where and in what
  local i wanted victim other code ms began arguments least=1000000
  wanted=$(count 2 20) worst_ms=0
  for i in $(seq 0 $((wanted - 1))); do
    victim=$((i % 2)) other=$((1 - i % 2))
    arguments=("${endless[@]}" distributed.timeout=5)
    case $((i / 2 % 4)) in
      1) arguments+=("${evaluating[@]}") ;;
      2) arguments+=("${saving[@]}") ;;
    esac
    rm -rf d2
    if [ $((i / 2 % 4)) = 3 ]; then
      LIERE_FAULT=$victim:9:freeze start_both d2 "${arguments[@]}"
      until [[ $(sed 's/.*) //' "/proc/${pids[victim]}/stat" 2>/dev/null) != [RSD]* ]]; do sleep 0.01; done
    else
      start_both d2 "${arguments[@]}"
      under_way
      kill -STOP "${pids[victim]}"
    fi
    began=$(now_ms)
    ended "${pids[other]}" 20000 "$began"
    [ "$ms" -ge $least ] || least=$ms
    cp "rank$other.out" out.txt
    if [ "$code" = 5 ] && [ "$ms" -ge 4000 ] && within 6000 && one_error out.txt && names out.txt $victim && no_noise out.txt; then good; else bad "rank $victim: the other ended with $code after $ms ms"; fi
    give_up
  done
  note="timeout 5 s: ended after $least to $worst_ms ms"
}

network() { # two network namespaces with one cable; the ranks meet at 10.77.0.1
  is_root && command -v ip >/dev/null || { skip 'network namespaces need root and ip (package iproute2)'; return 1; }
  near=liere-$$-0 far=liere-$$-1
  ip netns add "$near" 2>/dev/null && ip netns add "$far" && ip -n "$near" link add cable type veth peer name cable netns "$far" 2>/dev/null ||
    { no_network; skip 'this system lets no network namespaces be made'; return 1; }
  ip -n "$near" addr add 10.77.0.1/24 dev cable && ip -n "$far" addr add 10.77.0.2/24 dev cable
  for name in "$near" "$far"; do ip -n "$name" link set lo up && ip -n "$name" link set cable up; done
}
no_network() {
  ip netns del "$near" 2>/dev/null
  ip netns del "$far" 2>/dev/null
}
start_apart() { # start_apart FOLDER [ARGUMENT...]: one rank in each namespace
  choose_port
  # Every other time rank 0 knows its own machine by the loopback's address, as many machines do by their name.
  address=127.0.0.1
  [ $((i % 2)) = 0 ] || address=10.77.0.1
  prefix=(ip netns exec "$near")
  start_rank 0 "$@"
  address=10.77.0.1
  prefix=(ip netns exec "$far")
  start_rank 1 "$@"
  prefix=() address=127.0.0.1
}

D3() { # The cable between two ranks cut: as a frozen rank, on both sides; cut for three seconds: both go on, the end is the same
  local i wanted rank code ms began near far name
  network || return
  wanted=$(count 1 10) worst_ms=0
  for i in $(seq "$wanted"); do
    rm -rf d3
    start_apart d3 "${endless[@]}" distributed.timeout=5
    under_way
    began=$(now_ms)
    ip -n "$near" link set cable down
    for rank in 0 1; do
      ended "${pids[rank]}" 20000 "$began"
      cp "rank$rank.out" out.txt
      if [ "$code" = 5 ] && [ "$ms" -ge 4000 ] && within 6000 && one_error out.txt && names out.txt $((1 - rank)) && no_noise out.txt; then good; else bad "cut: rank $rank ended with $code after $ms ms"; fi
    done
    ip -n "$near" link set cable up
  done
  for i in $(seq "$wanted"); do
    rm -rf d3
    start_apart d3 "${long[@]}"
    under_way
    ip -n "$far" link set cable down
    sleep 3
    lives "${pids[0]}" || bad 'the run had ended before the cable was mended'
    ip -n "$far" link set cable up
    both_done 'cut for three seconds' as_long d3
  done
  no_network
  note="cut, timeout 5 s: ended within $worst_ms ms"
}

D4() { # A rank that throws, has no memory, is ended by SIGSEGV or SIGABRT, or leaves: all end, the first cause is said once
  local i kind wanted victim other code ms began expected worst=0
  wanted=$(count 2 10) worst_ms=0
  ulimit -c 0
  for kind in throw oom segv abort exit; do
    case $kind in throw | exit) expected=1 ;; oom) expected=5 ;; segv) expected=139 ;; abort) expected=134 ;; esac
    for i in $(seq "$wanted"); do
      victim=$((i / 2 % 2)) other=$((1 - i / 2 % 2))
      rm -rf d4
      if [ $((i % 2)) = 0 ]; then
        LIERE_FAULT=$victim:$((i + 4)):$kind start_both d4 "${endless[@]}"
        ended "${pids[victim]}" 30000 "$(now_ms)"
        codes[victim]=$code
        ended "${pids[other]}" 30000 "$(now_ms)"
        cat rank0.out rank1.out >out.txt
        if [ "${codes[victim]}" = $expected ] && [ "$code" = 5 ] && within 2000 && one_error "rank$other.out" && grep -q "rank $victim on $host" "rank$other.out" && no_noise out.txt; then good; else bad "$kind in rank $victim: exit codes ${codes[victim]} and $code, $ms ms apart"; fi
        [ $kind != throw ] || grep -q "^error: rank $other .*rank $victim on $host ended: LIERE_FAULT: thrown on purpose" "rank$other.out" || bad "$kind: the other does not say why"
      else
        LIERE_FAULT=$victim:$((i + 4)):$kind start_launcher d4 "${endless[@]}"
        while lives "${pids[victim]}"; do sleep 0.01; done
        ended "$pid" 30000 "$(now_ms)"
        [ "$ms" -le $worst ] || worst=$ms
        cp rank0.out out.txt
        if [ "$code" = $expected ] && [ "$ms" -le $((2000 + start_ms)) ] && [ "$(grep -c "^error: rank $victim of 2 " out.txt)" = 1 ] && no_noise out.txt && nobody_left d4; then good; else bad "$kind in rank $victim: the launcher ended with $code after $ms ms"; fi
      fi
    done
  done
  note="the other rank ended within $worst_ms ms, the launcher within $worst ms"
}

D5() { # Ranks of different configuration, shapes, data or program: said by both before the first collective
  local -a shared=() first=() second=()
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
  if [ "${codes[*]}" = '2 2' ] && [ "$(grep -c "^error: the ranks of a run must agree, but their $fact.*$key" out.txt)" = 2 ] && no_noise out.txt && [ ! -e d5/checkpoints ]; then good; else bad "$what: exit codes ${codes[*]}"; fi
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
  paste <(losses "$2") <(losses "$3") | awk -v t="$1" -v n=$last_step '{ d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > t * $1) wrong = 1 } END { exit !(NR == n && !wrong) }'
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
      if [ $code = 6 ] && [ "$before" = "$(cksum n1/checkpoints/*)" ] && [ "$(grep -c '^error: rank . of 2 ended with exit code 6' out.txt)" = 1 ] && no_noise out.txt; then good; else bad "all steps, rank $rank, $weight: exit code $code"; fi
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
