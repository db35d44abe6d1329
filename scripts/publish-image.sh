#!/usr/bin/env bash
# Publishes images: under a tag of their own with the date, which stays, and as emulator-BRANCH-latest, which moves.
#
#   scripts/publish-image.sh BRANCH DIR     DIR has stack-emulator-ARCH.qcow2 and its .sha256; uses gh and its GH_TOKEN
set -euo pipefail
branch=${1:?usage: scripts/publish-image.sh BRANCH DIR} dir=${2:?}
commit=$(git rev-parse HEAD)
dated=emulator-$branch-$(date -u +%Y-%m-%d)-${commit:0:9} latest=emulator-$branch-latest

assets=("$dir"/stack-emulator-*.qcow2 "$dir"/stack-emulator-*.qcow2.sha256)
(cd "$dir" && sha256sum --check --quiet -- *.sha256) # what was built is what is published

gh release view "$dated" >/dev/null 2>&1 ||
  gh release create "$dated" --target "$commit" --prerelease --title "$dated" --notes "Images of $commit."
gh release upload "$dated" --clobber "${assets[@]}"

# Asset by asset, so that there is never a moment without a release: a download that meets the change starts over.
gh release view "$latest" >/dev/null 2>&1 ||
  gh release create "$latest" --target "$commit" --prerelease --title "$latest" --notes "The latest images of $branch."
gh release upload "$latest" --clobber "${assets[@]}"
gh api --silent --method PATCH "repos/$GH_REPO/git/refs/tags/$latest" -f sha="$commit" -F force=true
gh release edit "$latest" --notes "The latest images of $branch: those of $dated."
echo "publish-image: $dated, and $latest with it"
