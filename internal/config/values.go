package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ValueError tells that a variable, a flag or a key of a file has a value that is not allowed.
type ValueError struct {
	Variable string
	Value    string
	Allowed  string // in words
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("%s=%q is not allowed; allowed: %s", e.Variable, e.Value, e.Allowed)
}

func parseSwitch(value string) (on, ok bool) {
	switch strings.ToLower(value) {
	case "1", "true", "yes", "on":
		return true, true
	case "0", "false", "no", "off":
		return false, true
	}
	return false, false
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
