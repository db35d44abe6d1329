#!/usr/bin/env bash
# Sums up the tests that docs/reliability.md names, but for those that need the reference image: each subtest is a case.
#
#   scripts/faults.sh          runs them; the whole output is in .cache/faults.log
#   scripts/faults.sh LOG      they have been run: LOG is the output of go test -v
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

named=$(grep -oE '`[a-z0-9/]+\.(Test|Fuzz)[A-Za-z0-9_]+`' docs/reliability.md | tr -d '`' | sort -u)
here=$(grep -v '^internal/e2e\.' <<<"$named")
pattern=$(cut -d. -f2 <<<"$here" | sort -u | paste -sd'|')

failed=0
log=${1:-.cache/faults.log}
if (($# == 0)); then
  packages=$(cut -d. -f1 <<<"$here" | sort -u | sed 's,^,./,')
  mkdir -p .cache
  # shellcheck disable=SC2086 # one word for each package
  STACKEMU_REQUIRE_QEMU=1 scripts/go-test.sh "$log" -count=1 -timeout 20m -run "^($pattern)\$" $packages || failed=$?
fi

# A case is a test without subtests. A package's name stands behind its tests; those of the end-to-end tests that have namesakes do not count.
sed -nE "s/^ *--- (PASS|FAIL|SKIP): (($pattern)(\/[^ ]+)?) .*/\1 \2/p; s/^(ok|FAIL)[[:space:]]+([^ ]+).*/package \2/p" "$log" | awk -v rows="$(grep -cE '^\| .*`' docs/reliability.md)" \
  -v real="$(grep -c '^internal/e2e\.' <<<"$named")" '
  $1 == "package" { if ($2 !~ /internal\/e2e/) for (n in name) count(name[n], result[n]); delete name; delete result; delete parent; next }
  { result[NR] = $1; name[NR] = $2
    while (match($2, /\/[^\/]*$/)) { $2 = substr($2, 1, RSTART - 1); parent[$2] = 1 } }
  function count(test, outcome) {
    if (test in parent) return
    tried += outcome != "SKIP"; survived += outcome == "PASS"; skipped += outcome == "SKIP"
  }
  END {
    printf "\nrows of the catalogue   %4d\ncases tried             %4d\nsurvived                %4d\n", rows, tried, survived
    printf "data lost               %4s\nskipped here            %4d\ntests with a real image %4d (make e2e)\n", tried == survived ? "0" : "see above", skipped, real
    exit tried == 0 }' || failed=1
exit "$failed"
