package config

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// ValueError tells that a variable has a value that is not allowed.
type ValueError struct {
	Variable string
	Value    string
	Allowed  string // in words
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s=%q is not allowed; allowed: %s", e.Variable, e.Value, e.Allowed)
}

// reader takes values from the environment and collects what is wrong with them. Each method returns the default
// for a variable that is unset, empty or bad.
type reader struct {
	lookup func(string) (string, bool)
	errs   []error
}

// get is the value without surrounding blanks; ok is false if nothing is left of it.
func (r *reader) get(variable string) (value string, ok bool) {
	value, ok = r.lookup(variable)
	if !ok {
		return "", false
	}
	value = strings.TrimSpace(value)
	return value, value != ""
}

func (r *reader) reject(variable, value, allowed string) {
	r.errs = append(r.errs, &ValueError{Variable: variable, Value: value, Allowed: allowed})
}

func (r *reader) number(variable string, otherwise, low, high int) int {
	value, ok := r.get(variable)
	if !ok {
		return otherwise
	}
	n, ok := parseNumber(value, low, high)
	if !ok {
		r.reject(variable, value, fmt.Sprintf("a whole number from %d to %d", low, high))
		return otherwise
	}
	return n
}

func (r *reader) mebibytes(variable string, otherwise, low, high int) int {
	value, ok := r.get(variable)
	if !ok {
		return otherwise
	}
	n, ok := parseMebibytes(value, low, high)
	if !ok {
		r.reject(variable, value, fmt.Sprintf("a whole number of MiB from %d to %d, or of GiB with a G (4G)", low, high))
		return otherwise
	}
	return n
}

// maxWait bounds timeouts, so that sums of them cannot overflow.
const maxWait = 24 * time.Hour

func (r *reader) seconds(variable string, otherwise time.Duration) time.Duration {
	value, ok := r.get(variable)
	if !ok {
		return otherwise
	}
	d, ok := parseSeconds(value)
	if !ok {
		r.reject(variable, value, "a whole number of seconds from 1 to 86400, or a time such as 90s or 4m")
		return otherwise
	}
	return d
}

func (r *reader) flag(variable string) bool {
	value, ok := r.get(variable)
	if !ok {
		return false
	}
	switch strings.ToLower(value) {
	case "1", "true", "yes", "on":
		return true
	case "0", "false", "no", "off":
		return false
	}
	r.reject(variable, value, "1, true, yes, on; 0, false, no, off")
	return false
}

func (r *reader) arch(variable, otherwise string) string {
	value, ok := r.get(variable)
	if !ok {
		return otherwise
	}
	switch value {
	case "amd64", "x86_64":
		return "amd64"
	case "arm64", "aarch64":
		return "arm64"
	}
	r.reject(variable, value, "amd64 (or x86_64), arm64 (or aarch64)")
	return otherwise
}

// allowedFormats is what a snapshot format may be, in words.
const allowedFormats = string(snapshot.Lazy + ", " + snapshot.MappedRAM)

func (r *reader) format(variable string) snapshot.Format {
	value, ok := r.get(variable)
	if !ok {
		return ""
	}
	f, ok := parseFormat(value)
	if !ok {
		r.reject(variable, value, allowedFormats)
	}
	return f
}

// ParseFormat reads the value of --format. The error is the user's to mend.
func ParseFormat(value string) (snapshot.Format, error) {
	f, ok := parseFormat(value)
	if !ok {
		return "", fmt.Errorf("--format=%q is not allowed; allowed: %s", value, allowedFormats)
	}
	return f, nil
}

func parseFormat(value string) (snapshot.Format, bool) {
	switch f := snapshot.Format(value); f {
	case snapshot.Lazy, snapshot.MappedRAM:
		return f, true
	}
	return "", false
}

// path is an absolute path; a relative one counts from the working directory of now.
func (r *reader) path(variable string, otherwise func() (string, error)) string {
	value, ok := r.get(variable)
	if !ok {
		fallback, err := otherwise()
		if err != nil {
			r.reject(variable, value, err.Error())
		}
		return fallback
	}
	absolute, err := filepath.Abs(value)
	if err != nil || strings.ContainsRune(value, 0) {
		r.reject(variable, value, "the path of a folder")
		return value
	}
	return absolute
}

// parseNumber takes decimal digits and nothing else: no sign, no underscore, no other base.
func parseNumber(value string, low, high int) (int, bool) {
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || int(n) < low || int(n) > high {
		return 0, false
	}
	return int(n), true
}

// parseMebibytes takes what QEMU's -m takes, as far as people use it: 4096, 4096M, 4G.
func parseMebibytes(value string, low, high int) (int, bool) {
	value = strings.ToUpper(value)
	if digits, ok := strings.CutSuffix(value, "G"); ok {
		n, ok := parseNumber(digits, 1, high/1024)
		return n * 1024, ok && n*1024 >= low
	}
	return parseNumber(strings.TrimSuffix(value, "M"), low, high)
}

func parseSeconds(value string) (time.Duration, bool) {
	if n, ok := parseNumber(value, 1, int(maxWait/time.Second)); ok {
		return time.Duration(n) * time.Second, true
	}
	d, err := time.ParseDuration(value)
	if err != nil || d < time.Second || d > maxWait {
		return 0, false
	}
	return d, true
}
