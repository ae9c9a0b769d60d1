# Sourced by scripts/soak.sh: deaths of the process, failing saves, damaged checkpoints, signals, output folders.
# shellcheck shell=bash disable=SC2154,SC2034 # variables of soak.sh

K1() { # SIGKILL at a random time: every file valid, progress lost bounded, the end bit for bit that of the undisturbed run
  local kills=0 wanted code before
  wanted=$(count 20 1000)
  rm -rf k1
  while [ $kills -lt "$wanted" ]; do
    start k1
    random_sleep "$run_ms"
    kill -KILL "$pid" 2>/dev/null
    code=0
    wait "$pid" 2>/dev/null || code=$?
    if [ $code = 137 ]; then
      kills=$((kills + 1)) before=$(newest_step k1)
      if [ -n "$(find k1/checkpoints -name '*.safetensors' -print -quit 2>/dev/null)" ]; then judge 'a checkpoint is damaged after SIGKILL' all_valid k1; else good; fi
      # Beside the interval itself, one save may have been under way.
      [ $(($(logged_step k1) - before)) -le $((2 * interval)) ] || bad "step $(logged_step k1) was logged, the newest checkpoint is of step $before"
    fi
    [ $code = 0 ] || [ $code = 137 ] || { cp k1.out out.txt && bad "exit code $code"; }
    if [ $code = 0 ]; then
      as_undisturbed k1 || bad 'the resumed run ended otherwise than the undisturbed one'
      rm -rf k1
    fi
  done
  train k1
  as_undisturbed k1 || bad 'the resumed run ended otherwise than the undisturbed one'
}

traced_save() { # traced_save FOLDER STRACE_ARGUMENTS...: one save by the code of liere-train, in a process that starts in milliseconds
  local folder=$1
  shift
  # In the background: the shell would report each process that is killed.
  strace -f -o trace.txt "$@" checkpoint_tool save "$folder" 5 >out.txt 2>&1 &
  wait $! 2>/dev/null
}
prepare_saves() { # a run folder with steps 3 and 4, best = 3
  rm -rf saves && for step in 1 2 3 4; do checkpoint_tool save saves $step; done
}

K2() { # SIGKILL before the N-th system call of a save, every N: the old or the new checkpoint, never neither. K11 is the part on unlink.
  has_strace || { skip 'strace is not installed, or may not trace'; return; }
  local call n total newest
  prepare_saves
  for call in openat write fsync rename link unlink close flock; do
    rm -rf k2 && cp -a saves k2
    traced_save k2 -e trace=$call
    total=$(grep -c "$call(" trace.txt)
    for n in $(seq "$total"); do
      if [ "$mode" = ci ] && [ "$n" -gt 2 ] && [ "$n" -lt $((total - 1)) ]; then continue; fi
      rm -rf k2 && cp -a saves k2
      traced_save k2 -e trace=$call -e inject=$call:signal=SIGKILL:when="$n"
      newest=$(newest_step k2)
      if ! all_valid k2 || { [ "$newest" != 4 ] && [ "$newest" != 5 ]; }; then bad "killed before $call number $n: newest valid step $newest"; continue; fi
      if ! checkpoint_tool save k2 7 >out.txt 2>&1 || [ "$(newest_step k2)" != 7 ] || ! all_valid k2; then bad "the save after $call number $n"; continue; fi
      good
    done
  done
}

ordinal() { # ordinal CALL PATTERN: the how-manieth CALL of trace.txt is the first that matches
  grep "$1(" trace.txt | grep -n -m 1 -E "$2" | cut -d : -f 1
}

K3() { # A save that fails: clear message, old checkpoints intact, temporary removed; a run goes on, and ends with 4 after three in a row
  local errno place call n code message
  if has_strace; then
    prepare_saves
    rm -rf k3 && cp -a saves k3
    traced_save k3 -y -e trace=openat,write,fsync,rename
    cp trace.txt whole.txt
    for place in 'openat:step-00000005.*O_CREAT' 'write:<.*step-00000005' 'write:last' 'fsync:step-00000005' 'rename:step-00000005' 'fsync:<.*/checkpoints>' 'rename:best.safetensors' 'fsync:last'; do
      call=${place%%:*}
      cp whole.txt trace.txt
      case $place in
        write:last) n=$(grep 'write(' trace.txt | grep -n 'step-00000005' | tail -n 1 | cut -d : -f 1) ;;
        *:last) n=$(grep -c "$call(" trace.txt) ;;
        *) n=$(ordinal "$call" "${place#*:}") ;;
      esac
      for errno in ENOSPC EIO EDQUOT EACCES EROFS EMFILE; do
        if [ "$mode" = ci ] && [ $errno != ENOSPC ] && [ $((RANDOM % 5)) != 0 ]; then continue; fi
        rm -rf k3 && cp -a saves k3
        code=0
        traced_save k3 -e trace="$call" -e inject="$call":error=$errno:when="$n" || code=$?
        message=$(grep -c -E '^error: .*(space|Input/output|quota|denied|Read-only|open files)' out.txt)
        if [ $code = 4 ] && [ "$message" = 1 ] && all_valid k3 && no_temporaries k3 && [ "$(newest_step k3)" -ge 4 ]; then good; else bad "$place $errno: exit code $code"; fi
      done
    done
  else
    skip 'strace is not installed, or may not trace'
  fi
  failing_run 'ulimit -f' none none
  if is_root; then
    failing_run 'a read-only mount' 'mount --bind k3/checkpoints k3/checkpoints && mount -o remount,bind,ro k3/checkpoints' 'umount k3/checkpoints'
    failing_run 'chattr +i' 'chattr +i k3/checkpoints' 'chattr -i k3/checkpoints'
    failing_run 'a full tmpfs' 'head -c 64M /dev/zero >k3/filler' 'rm -f k3/filler' tmpfs
  else
    skip 'mounts and chattr need root'
  fi
}

failing_run() { # failing_run NAME BREAK MEND [tmpfs]: saves fail from the middle of a run on; it ends with 4; mended, the same command finishes it
  local name=$1 code=0
  rm -rf k3 k3.out && mkdir k3
  if [ "${4:-}" = tmpfs ] && ! mount -t tmpfs -o size=1536k none k3 2>out.txt; then skip 'this system mounts no tmpfs here'; return; fi
  if [ "$2" = none ]; then
    (ulimit -f 24 && exec liere-train "${config[@]}" --output k3 >k3.out 2>&1 </dev/null)
    code=$?
  else
    # Enough steps to come that three saves fail.
    start k3
    wait_for_step k3 3
    if ! eval "$2" 2>out.txt && [ "${4:-}" != tmpfs ]; then
      kill -KILL "$pid"
      wait "$pid" 2>/dev/null
      eval "$3" 2>/dev/null # the first half of it may have been done
      skip "$name is not permitted here"
      return
    fi
    wait "$pid" 2>/dev/null || code=$?
    eval "$3"
  fi
  cp k3.out out.txt
  # Where the metric files are on the full disk too, they may be the first to fail.
  # A folder that turns read-only in the middle of a save keeps its temporary file until it is mended.
  if [ $code = 4 ] && { [ "$2" != none ] || no_temporaries k3; } && { [ "${4:-}" = tmpfs ] && grep -q '^error: .*No space left' k3.out ||
    { grep -q '^error: .*could not be written' k3.out && [ "$(grep -c '^warning: no checkpoint was written' k3.out)" = 3 ]; }; }; then good; else bad "$name: exit code $code"; fi
  code=0
  train k3 || code=$?
  judge "$name: resumed after it was mended (exit code $code)" as_undisturbed k3
  judge "$name: no temporary file is left" no_temporaries k3
  if [ "${4:-}" = tmpfs ]; then umount k3; fi
}

K4() { # The order of system calls: all writes, fsync of the file, rename, fsync of the folder
  has_strace || { skip 'strace is not installed, or may not trace'; return; }
  rm -rf k4
  strace -f -y -o trace.txt -e trace=write,fsync,fdatasync,rename checkpoint_tool save k4 5 >out.txt 2>&1
  judge 'order of a save' in_order 5
  rm -rf k4
  strace -f -y -o trace.txt -e trace=write,fsync,fdatasync,rename liere-train "${config[@]}" --output k4 train.steps=6 >out.txt 2>&1
  judge 'order of a background save' in_order 3
}
in_order() { # in_order STEP
  awk -v file="step-$(printf %08d "$1").safetensors" '
    index($0, "write(") && index($0, file) { if (renamed) wrong = 1; if (synced) wrong = 1; writes++ }
    index($0, "fsync(") && index($0, file) { synced = 1 }
    index($0, "rename(") && index($0, file) { if (!synced) wrong = 1; renamed = 1 }
    index($0, "fsync(") && index($0, "/checkpoints>") && renamed { folder = 1 }
    END { exit !(writes > 1 && synced && renamed && folder && !wrong) }' trace.txt
}

K10() { # Latest and previous both bad: exit 4, nothing starts from scratch
  local path code=0
  rm -rf k10 && cp -a reference k10
  for path in k10/checkpoints/step-*; do
    cp "$path" copy.tmp && mv copy.tmp "$path" # not the best one's bytes as well
    printf 'X' | dd of="$path" bs=1 seek=$(($(stat -c %s "$path") - 9)) conv=notrunc status=none
  done
  train k10 train.epochs=8 || code=$?
  if [ $code = 4 ] && grep -q 'none of the 2 checkpoints' out.txt && [ "$(grep -c 'does not match' out.txt)" = 2 ]; then good; else bad "exit code $code"; fi
  # The latest alone: the previous one is used, both are named, and the end is the same.
  rm -rf k10 && cp -a reference k10
  path=k10/checkpoints/step-$(printf %08d $last_step).safetensors
  truncate -s -100 "$path"
  code=0
  train k10 || code=$?
  judge "the previous checkpoint (exit code $code)" as_undisturbed k10
  judge 'a damaged checkpoint and the one used are named' grep -q "using .*instead of .*step-$(printf %08d $last_step)" out.txt
}

K12() { # Two incarnations: a restart takes the folder over from a frozen process, which publishes nothing when it wakes
  local i older code before after wanted attempt
  wanted=$(count 2 20)
  for i in $(seq "$wanted"); do
    # Frozen in the middle of its run; one that had ended by then, or nearly, is started again.
    for attempt in $(seq 50); do
      rm -rf k12
      SLURM_JOB_ID=7 start k12
      older=$pid
      wait_for_step k12 3
      random_sleep $((200 / attempt))
      kill -STOP "$older" 2>/dev/null && [ "$(newest_step k12)" -lt $((last_step - 2 * interval)) ] && break
      kill -KILL "$older" 2>/dev/null
      wait "$older" 2>/dev/null
      [ "$attempt" -lt 50 ] || { bad 'no process could be frozen in the middle of its run'; return; }
    done
    # Frozen while it publishes a file it would hold the fence, and nobody could take over: let it finish that.
    until flock -n k12/lock.fence true; do
      kill -CONT "$older"
      sleep 0.02
      kill -STOP "$older"
    done
    # Another process without a restart count is refused.
    code=0
    train k12 || code=$?
    if [ $code != 4 ] || ! grep -q "in use by process $older on" out.txt; then bad "a second process: exit code $code"; fi
    if [ $((i % 2)) = 0 ]; then
      # The older one wakes while the newer one trains.
      mv k12.out older.out
      SLURM_JOB_ID=7 SLURM_RESTART_COUNT=1 start k12
      sleep 0.$((RANDOM % 9))
      until [ -n "$(grep 'generation 2' k12/lock 2>/dev/null)" ] || ! kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
      kill -CONT "$older"
      wait "$pid" || bad 'the newer process failed'
      code=0
      wait "$older" 2>/dev/null || code=$?
    else
      cp k12.out older.out
      SLURM_JOB_ID=7 SLURM_RESTART_COUNT=1 train k12 || bad 'the newer process failed'
      before=$(find k12 -type f ! -name 'lock*' -exec cksum {} + | sort)
      kill -CONT "$older"
      code=0
      wait "$older" 2>/dev/null || code=$?
      cp k12.out older.out
      after=$(find k12 -type f ! -name 'lock*' -exec cksum {} + | sort)
      [ "$before" = "$after" ] || bad 'the older process changed files'
    fi
    cp older.out out.txt
    if [ $code = 4 ] && grep -q 'superseded' out.txt && as_undisturbed k12 && all_valid k12 && [ "$(grep -c '"event":"train"' k12/metrics.jsonl)" = $last_step ]; then
      good
    else
      bad "the older process: exit code $code"
    fi
  done
}

K13() { # A slow background save: the snapshot is that of its step although training went on; killed within, the run still ends alike
  has_strace || { skip 'strace is not installed, or may not trace'; return; }
  local i wanted
  wanted=$(count 2 50)
  for i in $(seq "$wanted"); do
    rm -rf k13
    if [ $((i % 2)) = 0 ]; then
      strace -f -o trace.txt -e trace=fsync -e inject=fsync:delay_enter=150000 liere-train "${config[@]}" --output k13 >out.txt 2>&1 </dev/null &
      pid=$!
      wait_for_step k13 3
      random_sleep 600
      kill -KILL "$(pgrep -P "$pid" -x liere-train)" 2>/dev/null
      wait "$pid" 2>/dev/null
      all_valid k13 || bad 'a checkpoint is damaged'
      train k13
    else
      strace -f -o trace.txt -e trace=fsync -e inject=fsync:delay_exit=50000 liere-train "${config[@]}" --output k13 >out.txt 2>&1 </dev/null
    fi
    judge 'the end differs from the undisturbed run' as_undisturbed k13
  done
}

K15() { # SIGTERM, SIGUSR1 or SIGINT at a random time, every third one twice: the step is finished, saved, exit 75
  local stops=0 wanted signal code logged early=0
  wanted=$(count 20 200)
  rm -rf k15
  while [ $stops -lt "$wanted" ]; do
    case $((RANDOM % 3)) in 0) signal=TERM ;; 1) signal=USR1 ;; *) signal=INT ;; esac
    start k15
    random_sleep "$run_ms"
    kill -STOP "$pid" 2>/dev/null # no step between the reading and the signal
    logged=$(logged_step k15)
    kill -$signal "$pid" 2>/dev/null
    kill -CONT "$pid" 2>/dev/null
    if [ $signal != INT ] && [ $((stops % 3)) = 0 ]; then
      random_sleep 50
      kill -$signal "$pid" 2>/dev/null
    fi
    code=0
    wait "$pid" || code=$?
    cp k15.out out.txt
    case $code in
      75)
        stops=$((stops + 1))
        if { [ ! -e k15/checkpoints ] || all_valid k15; } && [ "$(newest_step k15)" = "$(logged_step k15)" ]; then good; else bad "SIG$signal: saved step $(newest_step k15), logged $(logged_step k15)"; fi
        if [ "$logged" -gt 0 ] && [ $(($(logged_step k15) - logged)) -gt 3 ]; then bad "SIG$signal: stopped $(($(logged_step k15) - logged)) steps later"; fi
        ;;
      0)
        as_undisturbed k15 || bad 'the resumed run ended otherwise than the undisturbed one'
        rm -rf k15
        ;;
      130 | 138 | 143) stops=$((stops + 1)) early=$((early + 1)) && good ;; # the program was still being loaded: nothing had begun
      *) stops=$((stops + 1)) && bad "SIG$signal: exit code $code" ;;
    esac
  done
  train k15
  as_undisturbed k15 || bad 'the resumed run ended otherwise than the undisturbed one'
  note="$early before main"
}

K16() { # SIGINT twice: the second leaves at once
  local i code began wanted
  wanted=$(count 2 10)
  for i in $(seq "$wanted"); do
    rm -rf k16
    start k16
    wait_for_step k16 3
    kill -INT "$pid"
    sleep 0.1 # two at once are one
    kill -INT "$pid" 2>/dev/null
    began=$(date +%s%N) code=0
    wait "$pid" || code=$?
    # 75: it had saved before the second came.
    if { [ $code = 75 ] || { [ $code = 130 ] && [ $((($(date +%s%N) - began) / 1000000)) -le 2000 ]; }; } && all_valid k16; then good; else bad "exit code $code"; fi
    train k16
    as_undisturbed k16 || bad 'the resumed run ended otherwise than the undisturbed one'
  done
}

C5() { # An output folder that cannot be written to: exit 4 before anything is built, one sentence
  : >file
  refused_output 'a file in its place' file
  refused_output 'a file as its parent' file/run
  is_root || { skip 'mounts and chattr need root'; return; }
  mkdir -p c5
  if chattr +i c5 2>/dev/null; then
    refused_output 'an immutable parent' c5/run
    chattr -i c5
  fi
  if mount -t tmpfs -o size=64k none c5 2>/dev/null; then
    head -c 1M /dev/zero >c5/filler 2>/dev/null
    refused_output 'a full disk' c5/run
    rm -f c5/filler && mkdir -p c5/run
    mount -o remount,ro c5 && refused_output 'a read-only file system' c5/run && refused_output 'a read-only parent' c5/other
    umount c5
  else
    skip 'this system mounts no tmpfs here'
  fi
}
refused_output() { # refused_output NAME FOLDER
  local code=0 began
  began=$(date +%s%N)
  train "$2" || code=$?
  if [ $code = 4 ] && [ "$(grep -c '^error: ' out.txt)" = 1 ] && [ "$(wc -l <out.txt)" -le 2 ] && [ $((($(date +%s%N) - began) / 1000000)) -le $((2000 + start_ms)) ]; then good; else bad "$1: exit code $code"; fi
}

C6() { # A folder of another configuration, and another encoding's: refused with the keys
  local code=0
  train reference seed=9 || code=$?
  if [ $code = 4 ] && grep -q 'seed: here 9' out.txt && grep -q 'force' out.txt && grep -q 'init.checkpoint' out.txt; then good; else bad "exit code $code"; fi
  code=0
  train reference model.position.kind=none || code=$?
  if [ $code = 4 ] && grep -q 'model.position.kind: here none, there its default' out.txt; then good; else bad "exit code $code"; fi
  judge 'the refused folder is untouched' as_undisturbed reference
}
