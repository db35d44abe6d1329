package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// keys are the letters of what is measured unless told otherwise, in the order of the table; more are those of what takes so long
// that it has to be asked for.
const (
	keys = "abcdesfghp"
	more = "z"
)

// maxInstances is how many instances side by side are a measurement and not a slip.
const maxInstances = 64

// ParseOnly reads the value of --only: letters with commas between them. "" is all of them.
func ParseOnly(value string) ([]string, error) {
	if strings.TrimSpace(value) == "" {
		return strings.Split(keys, ""), nil
	}
	wanted, known := map[string]bool{}, strings.Split(keys+more, "")
	for _, word := range strings.Split(value, ",") {
		key := strings.TrimSpace(word)
		if !slices.Contains(known, key) {
			return nil, fmt.Errorf("--only=%q: %q is not one of %s", value, key, strings.Join(known, ", "))
		}
		wanted[key] = true
	}
	return slices.DeleteFunc(known, func(key string) bool { return !wanted[key] }), nil
}

// ParseInstances reads the value of --instances: numbers with commas between them.
func ParseInstances(value string) ([]int, error) {
	var counts []int
	for _, word := range strings.Split(value, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 1 || n > maxInstances {
			return nil, fmt.Errorf("--instances=%q: %q is not a number from 1 to %d", value, word, maxInstances)
		}
		counts = append(counts, n)
	}
	slices.Sort(counts)
	return slices.Compact(counts), nil
}

// maxCycles bounds --cycles, for the same reason.
const maxCycles = 100_000

// CheckCycles refuses a value of --cycles.
func CheckCycles(cycles int) error {
	if cycles < 1 || cycles > maxCycles {
		return fmt.Errorf("--cycles=%d: want 1 to %d", cycles, maxCycles)
	}
	return nil
}

// maxRuns bounds --runs: a slip would keep the machine busy for days.
const maxRuns = 1000

// CheckRuns refuses a value of --runs.
func CheckRuns(runs int) error {
	if runs < 1 || runs > maxRuns {
		return fmt.Errorf("--runs=%d: want 1 to %d", runs, maxRuns)
	}
	return nil
}
