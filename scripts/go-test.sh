#!/usr/bin/env bash
# Runs go test -v and prints what a plain go test would: a line for each package, and the output of what has failed. All of it is in LOG.
#
#   scripts/go-test.sh LOG ARGUMENT...
set -uo pipefail
log=$1
shift

mkdir -p "$(dirname "$log")"
go test -v "$@" 2>&1 | tee "$log" | grep --line-buffered -E '^(ok|FAIL|panic|\?|#|[^ ]+\.go:)'
failed=${PIPESTATUS[0]}
if ((failed)); then
  grep -E -B30 -A5 '^ *--- FAIL|^panic' "$log" || tail -n 40 "$log" # what a test says stands before its outcome
fi
exit "$failed"
