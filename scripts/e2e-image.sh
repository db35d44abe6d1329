#!/usr/bin/env bash
# Builds the reference image for the end-to-end tests with bin/stackemu, or keeps the one of an earlier run when
# nothing that goes into an image has changed since.
#
#   scripts/e2e-image.sh IMAGE     the path to build to, with the sum of what went into it in IMAGE.inputs
set -euo pipefail
image=${1:?usage: scripts/e2e-image.sh IMAGE}
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# All packages of ours that the image's builder and the guest's programs consist of. The programs themselves (guest/toolbin) are left
# out, as they are made from sources that are counted; so are tests.
inputs() {
  {
    echo guest
    go list -deps -f '{{with .Module}}{{if .Main}}{{$.Dir}}{{end}}{{end}}' ./guest ./guest/bootinit ./cmd/stackguest | sed "s|^$PWD/||" | grep -v '^guest\(/\|$\)'
  } | xargs -I{} find {} go.mod go.sum -maxdepth 99 -type f \
    ! -name '*_test.go' ! -path '*/testdata/*' ! -path 'guest/toolbin/*.gz' -print0 |
    LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}

sum=$(inputs)
if [[ -e $image && $(cat "$image.inputs" 2>/dev/null) == "$sum" ]]; then
  echo "e2e-image: $image is up to date"
  exit 0
fi
echo "e2e-image: building $image"
mkdir -p "$(dirname "$image")"
rm -f "$image.inputs"
bin/stackemu image build --output "$image"
echo "$sum" >"$image.inputs"
