#!/usr/bin/env bash
# The package of this build, unpacked elsewhere: it runs with a LibTorch that it is told of, finds its configurations, holds no path of the build, and stays small.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=expect.sh
source "$(dirname "$0")/expect.sh"
build=${LIERE_BUILD:?the build folder}
archive=$(find "$build" -maxdepth 1 -name 'liere-*-linux-*.tar.gz' -newer "$LIERE_BIN/liere-train" | head -n 1)
mkdir unpacked
if [ -n "$archive" ]; then
  echo "the archive of cpack: $archive"
  tar -xzf "$archive" -C unpacked --strip-components=1
else
  # Not packed since the last build: what cpack would put into it.
  if ! cmake --install "$build" --prefix "$PWD/unpacked" --strip >"$output" 2>&1; then
    if grep -q 'No such file or directory' "$output"; then
      echo "skipped: not everything is built here, so there is no package ($(grep -o '[^/"]*"' "$output" | head -n 1 | tr -d '"'))"
      exit 0
    fi
    fail 'cmake --install fails'
  fi
  archive=$PWD/package.tar.gz
  tar -czf "$archive" unpacked
fi
mv unpacked moved
bytes=$(stat -c %s "$archive")
echo "archive: $bytes bytes"
# The preset gpu leaves the optional decoders out: Debian's libav alone brings the libraries of thirty codecs.
most_bytes=50000000
if compgen -G 'moved/lib/libavcodec*' >/dev/null; then most_bytes=200000000; fi
[ "$bytes" -lt "$most_bytes" ] || fail "the archive has $bytes bytes, less than $most_bytes were expected"

# Nothing of the system's or LibTorch's, and no path of this machine where the loader would look first.
find moved -type f -perm -u+x -o -name '*.so*' -type f >files.txt
while read -r file; do
  case ${file##*/} in
    libc.so* | libm.so* | libstdc++* | libgcc_s* | ld-linux* | libcuda.so* | libcudart* | libtorch* | libc10* | libgomp*) fail "$file belongs to the system or to LibTorch" ;;
  esac
  last="readelf -d $file"
  if readelf -d "$file" 2>/dev/null >"$output" && grep -q -e '(RPATH)' -e '(RUNPATH)' "$output"; then fail "$file has a path for libraries built in"; fi
done <files.txt
newest_symbol() { # newest_symbol PREFIX: of the versions that all programs and libraries ask for
  while read -r file; do readelf -V "$file" 2>/dev/null; done <files.txt | grep -o "Name: $1_[0-9.]*" | sed 's/.*_//' | sort -u -V | tail -n 1
}
echo "needs GLIBC_$(newest_symbol GLIBC), GLIBCXX_$(newest_symbol GLIBCXX) or newer"

export LIERE_TORCH=${LIERE_TORCH:-$(dirname "$(ldd "$LIERE_BIN/liere-train" | sed -n 's/.*libtorch_cpu.so => \([^ ]*\) .*/\1/p')")/..}
rm configs # of this folder: the package has its own
PATH=$PWD/moved/bin:$PATH
for command in liere-train liere-eval liere-data liere-report liere-sweep liere-bench; do
  [ "$(command -v $command)" = "$PWD/moved/bin/$command" ] || fail "$command is not in the package"
  expect 0 $command --help
done
expect 0 liere-train --config arrows_tiny_liere.yaml --print-config
says 'block_size: 8' "$PWD/moved/share/liere/configs"
# Through a link, from elsewhere, and a training of two steps.
ln -s moved/bin/liere-train link
expect 0 ./link --config arrows_tiny_liere.yaml device=cpu threads=1 loader.workers=0 train.steps=2 eval.limit=32 --output run
is_file run/summary.json
# Jobs are submitted from where the user is, and find the program of the package.
mkdir jobs
expect 0 env -C jobs liere-submit --dry-run --gpus 2 train --config arrows_tiny_liere.yaml
says "--chdir=$PWD/jobs" "LIERE_HOME=$PWD/moved/share/liere" "$PWD/moved/share/liere/scripts/slurm/train.sbatch"
expect 0 env -u LIERE_BIN SLURM_JOB_ID=1 LIERE_HOME="$PWD/moved/share/liere" bash -c "source '$PWD/moved/share/liere/scripts/slurm/job.sh'; find_program liere-train; realpath \"\$program\""
says "$PWD/moved/bin/liere-train"
expect 0 liere-run-tests --without test_cuda_kernels --seconds 120 '*dropout*,*parity*,philox*'
says '0 failed'
grep -q '^[1-9][0-9]* passed, 0 failed' "$output" || fail 'no test of the package passed'

# Where LibTorch is missing or another: one sentence, and the programs without LibTorch run.
mkdir -p other/lib bin
for name in sh dirname readlink sed; do ln -s "$(command -v $name)" bin/$name; done
expect 2 env LIERE_TORCH= PATH="$PWD/bin" "$PWD/moved/bin/liere-train" --help
one_sentence
says LIERE_TORCH
expect 0 env LIERE_TORCH= PATH="$PWD/bin" "$PWD/moved/bin/liere-data" --help
expect 2 env LIERE_TORCH="$PWD/nowhere" liere-train --help
one_sentence
touch other/lib/libtorch_cpu.so other/lib/libtorch_cuda.so
echo "__version__ = '2.3.1+cpu'" >other/version.py
expect 2 env LIERE_TORCH="$PWD/other" liere-train --help
one_sentence
says 2.3
