# Sourced by scripts/soak.sh: damaged data and prepared data that is cut off.
# shellcheck shell=bash disable=SC2154,SC2034 # variables of soak.sh

I4() { # Mutated videos: each decodes as it did before or is refused with a sentence, in at most a second of processor time; the good ones among them are not lost
  local wanted
  wanted=$(count 2000 20000)
  [ -x "$bin/fuzz_video" ] || { skip 'fuzz_video is not built (LIERE_VIDEO)'; return; }
  if "$bin/fuzz_video" -runs="$wanted" -seed=$((RANDOM + 1)) "$root/tests/fuzz/corpus/video" >out.txt 2>&1 && grep -q "^Done $wanted runs" out.txt; then done_count=$((done_count + wanted)); else bad 'a mutated video'; fi
  note=$(grep '^Done' out.txt)
}

I5() { # changed DICOM files: native ones read in process, compressed ones in the child; a death of the parent is bad
  local name runs
  for name in dicom dicom_child; do
    [ -x "$bin/fuzz_$name" ] || { skip "fuzz_$name is not built"; continue; }
    runs=$(count 600 30000)
    if LIERE_FUZZ_REPORT=1 "$bin/fuzz_$name" -runs="$runs" -seed=$((RANDOM + 1)) "$root/tests/fuzz/corpus/$name" >out.txt 2>&1; then good; else bad "fuzz_$name"; fi
    printf '%s: %s\n' "$name" "$(tr '\n' ' ' <out.txt)"
  done
}

I9() { # liere-data prepare killed at a random time, or stopped by SIGINT: no cached volume is torn, and the same command ends as if nothing had happened
  local kills=0 stops=0 wanted began ms code signal
  # A shell starts its background jobs with SIGINT ignored.
  local prepare=(env --default-signal=INT liere-data prepare rsna --from i9/from --salt-file i9/salt --size '16,64,64' --workers 2)
  [ -x "$bin/make_volumes" ] || { skip 'make_volumes is not built (LIERE_DICOM)'; return; }
  wanted=$(count 5 200)
  rm -rf i9 && mkdir i9 && head -c 32 /dev/zero >i9/salt
  make_volumes i9/from 60
  began=$(date +%s%N)
  if ! "${prepare[@]}" --root i9/whole >out.txt 2>&1; then bad 'the undisturbed prepare'; return; fi
  ms=$((($(date +%s%N) - began) / 1000000))
  while [ $kills -lt "$wanted" ]; do
    signal=KILL
    [ $((RANDOM % 5)) != 0 ] || signal=INT
    "${prepare[@]}" --root i9/root >out.txt 2>&1 </dev/null &
    pid=$!
    random_sleep $ms
    kill -$signal "$pid" 2>/dev/null
    code=0
    wait "$pid" 2>/dev/null || code=$?
    case $code in
      137 | 75 | 130) # 130: the program was still being loaded
        kills=$((kills + 1))
        [ $code = 137 ] || stops=$((stops + 1))
        judge 'a volume is torn, or the manifest of an unfinished root' whole_volumes
        continue
        ;;
      0) ;;
      *) bad "exit code $code" && rm -rf i9/root && continue ;;
    esac
    as_whole || bad 'the prepared root differs from the undisturbed one'
    rm -rf i9/root
  done
  "${prepare[@]}" --root i9/root >out.txt 2>&1
  judge 'the prepared root differs from the undisturbed one' as_whole
  note="$stops by SIGINT; an undisturbed prepare takes $ms ms"
}
whole_volumes() { # each is the undisturbed one's, byte for byte
  local path
  for path in i9/root/volumes/* i9/root/manifest.json; do
    case $path in
      *.hu | *.json) [ ! -e "$path" ] || cmp -s "$path" "i9/whole/${path#i9/root/}" || return 1 ;;
    esac
  done
}
as_whole() { diff -r -q -x prepare.journal i9/whole i9/root >out.txt; }

fuzz() { # each target for a while; libFuzzer's where it was built (build/fuzz)
  local target name seconds executable
  seconds=$(count 20 600)
  for target in "$root"/tests/fuzz/*_fuzz.cpp; do
    name=$(basename "$target" _fuzz.cpp) executable=$bin/fuzz_$name
    [ ! -x "$root/build/fuzz/bin/fuzz_$name" ] || executable=$root/build/fuzz/bin/fuzz_$name
    [ -x "$executable" ] || { skip "fuzz_$name is not built"; continue; }
    mkdir -p "corpus_$name"
    if "$executable" -max_total_time="$seconds" -timeout=1 -rss_limit_mb=1024 -seed=$((RANDOM + 1)) "corpus_$name" "$root/tests/fuzz/corpus/$name" >out.txt 2>&1; then good; else bad "fuzz_$name"; fi
    printf '%s: %s\n' "$name" "$(grep '^Done' out.txt)"
  done
}
