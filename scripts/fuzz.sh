#!/usr/bin/env bash
# Fuzzes each target for a time, two side by side: scripts/fuzz.sh TIME PATTERN. PATTERN is of the targets' names, package.FuzzName.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export FUZZ_FOR=$1
pattern=$2
FUZZ_WORKERS=$((($(getconf _NPROCESSORS_ONLN) + 1) / 2))
export FUZZ_WORKERS

fuzz() {
  go test -run '^$' -fuzz "^${1##*.}\$" -fuzztime "$FUZZ_FOR" -fuzzminimizetime 1s -parallel "$FUZZ_WORKERS" "./${1%.*}" </dev/null 2>&1
}

# Go before 1.27 fails when the time is over just as an input is being tried (golang/go#75804). No input is to blame for that.
out_of_time() { [[ $1 == *"context deadline exceeded"* && $1 != *"Failing input"* ]]; }

# A target that tries fewer inputs than that stands still.
export FEWEST=100

target() {
  local out tried
  out=$(fuzz "$1") || { out_of_time "$out" && out=$(fuzz "$1"); } || {
    printf 'fuzz %s: FAILED\n%s\n' "$1" "$out"
    return 255 # xargs starts no other
  }
  tried=$(sed -nE 's/.*execs: ([0-9]+).*/\1/p' <<<"$out" | tail -1)
  echo "fuzz $1: ${tried:-0} inputs"
  ((${tried:-0} >= FEWEST)) || {
    echo "fuzz $1: FAILED: it stands still"
    return 255
  }
}
export -f fuzz out_of_time target

targets=$(grep -rnE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+\(' cmd guest internal messages qemu actors |
  sed -E 's,^(.*)/[^/]*_test\.go:[0-9]+:func (Fuzz[A-Za-z0-9_]+)\(.*,\1.\2,' | sort -u | grep -E "$pattern")
xargs -P 2 -I{} bash -euo pipefail -c 'target {}' <<<"$targets"
