#!/usr/bin/env bash
# Starts an image through bin/stackemu as a user would, asks every service whether it is well, and stops.
#
#   scripts/smoke-test.sh IMAGE     in a home of its own, which is removed; a captured snapshot is, too
set -euo pipefail
image=$(realpath "${1:?usage: scripts/smoke-test.sh IMAGE}")
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=$(mktemp -d "$(dirname "$image")/smoke-XXXXXX") # beside the image: an instance keeps hold of it by a hard link
export STACK_EMULATOR_HOME=$home
finish() {
  local code=$?
  ((code == 0)) || bin/stackemu logs >&2 || true
  bin/stackemu stop --all >&2 || true
  rm -rf "$home"
  exit "$code"
}
trap finish EXIT

mkdir "$home/images"
ln "$image" "$home/images/"
[[ ! -e $image.json ]] || ln "$image.json" "$home/images/" # which says what a pull from our own repository knows

bin/stackemu start
bin/stackemu status
# The dashboard's address is that of a page; the services say what their own health check is.
bin/stackemu status --json | grep -q '"state": *"ready"'
bin/stackemu stop
bin/stackemu start # of the session
bin/stackemu status
bin/stackemu stop
echo "smoke-test: $image starts, is healthy, stops, and starts again"
