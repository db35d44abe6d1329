#!/usr/bin/env bash
# Runs the tests that docs/reliability.md names, but for those that need the reference image, and sums them up: each subtest is
# a case. The whole output is in .cache/faults.log.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

log=.cache/faults.log
mkdir -p .cache
named=$(grep -oE '`[a-z0-9/]+\.(Test|Fuzz)[A-Za-z0-9_]+`' docs/reliability.md | tr -d '`' | sort -u)
here=$(grep -v '^internal/e2e\.' <<<"$named")
packages=$(cut -d. -f1 <<<"$here" | sort -u | sed 's,^,./,')
pattern=$(cut -d. -f2 <<<"$here" | sort -u | paste -sd'|')

failed=0
# shellcheck disable=SC2086 # one word for each package
STACKEMU_REQUIRE_QEMU=1 go test -v -count=1 -timeout 20m -run "^($pattern)\$" $packages >"$log" 2>&1 || failed=$?
grep -E '^(ok|FAIL|panic)' "$log" || true
if ((failed)); then
  grep -E -A40 '^ *--- FAIL' "$log" || tail -n 40 "$log"
fi

# A case is a test without subtests.
sed -nE 's/^ *--- (PASS|FAIL|SKIP): ([^ ]+) .*/\1 \2/p' "$log" | awk -v rows="$(grep -cE '^\| .*`' docs/reliability.md)" \
  -v real="$(grep -c '^internal/e2e\.' <<<"$named")" '
  { result[NR] = $1; name[NR] = $2
    while (match($2, /\/[^\/]*$/)) { $2 = substr($2, 1, RSTART - 1); parent[$2] = 1 } }
  END {
    for (n in name) if (!(name[n] in parent)) { tried += result[n] != "SKIP"; survived += result[n] == "PASS"; skipped += result[n] == "SKIP" }
    printf "\nrows of the catalogue   %4d\ncases tried             %4d\nsurvived                %4d\n", rows, tried, survived
    printf "data lost               %4s\nskipped here            %4d\ntests with a real image %4d (make e2e)\n", tried == survived ? "0" : "see above", skipped, real
  }'
exit "$failed"
