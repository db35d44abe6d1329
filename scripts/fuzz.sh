#!/usr/bin/env bash
# Fuzzes each target for a time: scripts/fuzz.sh TIME PATTERN. PATTERN is of the targets' names, package.FuzzName.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=$1 pattern=$2

grep -rnE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' cmd guest internal messages qemu actors |
  sed -E 's,^(.*)/[^/]*_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]+)\(.*,\1.\2,' | sort -u | grep -E "$pattern" |
  while IFS= read -r target; do
    echo "fuzz $target"
    go test -run '^$' -fuzz "^${target##*.}\$" -fuzztime "$time" "./${target%.*}" </dev/null | grep -vE '^(fuzz: elapsed|PASS|ok )' || {
      code=("${PIPESTATUS[@]}")
      ((code[0] == 0)) || exit 1
    }
  done
