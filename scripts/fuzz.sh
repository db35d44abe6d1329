#!/usr/bin/env bash
# Fuzzes each target for a time: scripts/fuzz.sh TIME PATTERN. PATTERN is of the targets' names, package.FuzzName.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=$1 pattern=$2

fuzz() { go test -run '^$' -fuzz "^${1##*.}\$" -fuzztime "$time" "./${1%.*}" </dev/null 2>&1; }

# Go before 1.27 fails when the time is over just as an input is being tried (golang/go#75804). No input is to blame for that.
out_of_time() { [[ $1 == *"context deadline exceeded"* && $1 != *"Failing input"* ]]; }

grep -rnE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' cmd guest internal messages qemu actors |
  sed -E 's,^(.*)/[^/]*_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]+)\(.*,\1.\2,' | sort -u | grep -E "$pattern" |
  while IFS= read -r target; do
    echo "fuzz $target"
    out=$(fuzz "$target") || { out_of_time "$out" && echo "once more: it was out of time" && out=$(fuzz "$target"); } || {
      echo "$out"
      exit 1
    }
  done
