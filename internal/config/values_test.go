package config

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

// The parsers take a value only if it is in range, and never guess: what they take reads the same when written again.
func FuzzParsers(f *testing.F) {
	for _, seed := range []string{"0", "1", "007", "4096", "4G", "4g", "512M", "-1", "1e3", "0x10", "1_0", "٣", "90s", "4m", "1h1h", "9999999999999999999G", "G", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if n, ok := parseNumber(value, 1, 65535); ok {
			if n < 1 || n > 65535 || strconv.Itoa(n) != strings.TrimLeft(value, "0") {
				t.Errorf("number %q is taken for %d", value, n)
			}
		}
		if n, ok := parseMebibytes(value, minRAMMiB, maxRAMMiB); ok && (n < minRAMMiB || n > maxRAMMiB) {
			t.Errorf("%q is taken for %d MiB", value, n)
		}
		if d, ok := parseSeconds(value); ok && (d < time.Second || d > maxWait) {
			t.Errorf("%q is taken for %v", value, d)
		}
	})
}
