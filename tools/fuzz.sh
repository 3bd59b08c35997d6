#!/usr/bin/env bash
# Runs every fuzz target for the time given, one after the other. The targets of a package share a binary.
set -euo pipefail
cd "$(dirname "$0")/.."

time=${1:?usage: fuzz.sh DURATION}
module=$(go list -m)
corpus=$(go env GOCACHE)/fuzz
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Before Go 1.27 a target may fail with nothing but this when its time is over (golang/go#75804).
time_is_over() {
  [[ $(sed -n '/^--- FAIL/,$p' <<< "$1" | sed 1d) == $'    context deadline exceeded\nFAIL' ]]
}

fuzz() {
  local binary=$work/${1//\//-}.test out
  [[ -e $binary ]] || go test -c -vet=off -fuzz . -o "$binary" "./$1"
  echo "fuzz $1 $2"
  out=$(cd "$1" && "$binary" -test.run '^$' -test.fuzz "^$2\$" -test.fuzztime "$time" -test.fuzzminimizetime 10x \
    -test.fuzzcachedir "$corpus/$module/$1" 2>&1) || time_is_over "$out" || { echo "$out"; return 1; }
}

grep -rnE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*\(' . | sed -E 's|^\./(.*)/[^/]*_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]*)\(.*|\1 \2|' | sort -u |
  while read -r package target; do
    fuzz "$package" "$target"
  done
