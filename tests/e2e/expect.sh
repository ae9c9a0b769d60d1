# Sourced by the end-to-end tests: run a command, expect an exit code and texts; the first thing that is otherwise ends the test with one sentence.
# shellcheck shell=bash
: "${LIERE_BIN:?the folder of the executables}" "${LIERE_SOURCE:?the folder of the sources}" "${LIERE_WORK:?a folder to work in}"
PATH=$LIERE_BIN:$PATH
rm -rf "$LIERE_WORK"
mkdir -p "$LIERE_WORK"
ln -s "$LIERE_SOURCE/configs" "$LIERE_WORK/configs"
cd "$LIERE_WORK" || exit 1
output=$LIERE_WORK/output.txt
last=''

fail() {
  printf 'FAILED: %s\n  command: %s\n' "$*" "$last"
  sed 's/^/  | /' "$output" | tail -n 25
  exit 1
}

# expect CODE COMMAND...: runs it without a terminal, with both streams in $output
expect() {
  local wanted=$1 code=0
  shift
  last="$*"
  "$@" >"$output" 2>&1 </dev/null || code=$?
  [ "$code" = "$wanted" ] || fail "exit code $code, $wanted was expected"
  if [ "$wanted" != 0 ] && [ "$wanted" != 75 ] && grep -q -e 'terminate called' -e 'what():' "$output"; then fail "an exception was not caught"; fi
}

# says TEXT...: the last command's output holds each text (letters in any case)
says() {
  local text
  for text in "$@"; do
    grep -q -i -F -e "$text" "$output" || fail "the output does not say '$text'"
  done
}

# one_sentence: an error is one line that begins with 'error: '
one_sentence() {
  [ "$(grep -c '^error: ' "$output")" = 1 ] || fail "one line 'error: ...' was expected"
}

is_file() {
  local path
  for path in "$@"; do
    [ -s "$path" ] || fail "$path is missing or empty"
  done
}

# value NAME FILE: the first number under a JSON key
value() {
  grep -o "\"$1\": *-\{0,1\}[0-9.][0-9.e+-]*" "$2" | head -n 1 | sed 's/.*: *//'
}
