# Sourced by scripts/soak.sh: runs of two processes of which one is killed, frozen, cut off or in error.
# shellcheck shell=bash disable=SC2154,SC2034,SC2015,SC2119,SC2120 # variables of soak.sh; A && B || the sentence for both; an argument that is optional

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
  until ! lives "$1" || [ $(($(now_ms) - $3)) -gt "$2" ]; do sleep 0.01; done
  ms=$(($(now_ms) - $3))
  if lives "$1"; then
    kill -KILL "$1"
    wait "$1" 2>/dev/null
    code=none
  else
    wait "$1" 2>/dev/null || code=$?
  fi
} 2>/dev/null # the shell reports who was killed
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
    pair_reference=$(digest_at pair "$last_step")
  fi
  [ -n "$pair_reference" ] && [ "$(digest_at "$1" "$last_step")" = "$pair_reference" ]
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
      if [ "$code" = 137 ] && [ "$ms" -le 10000 ] && [ "$(grep -c "^error: rank $victim of 2 on host [^ ]* was ended by signal 9" out.txt)" = 1 ] && no_noise out.txt && nobody_left d1; then good; else
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
