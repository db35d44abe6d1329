package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// keys are the letters of what can be measured, in the order of the table.
const keys = "abcdesfgh"

// maxInstances is how many instances side by side are a measurement and not a slip.
const maxInstances = 64

// ParseOnly reads the value of --only: letters with commas between them. "" is all of them.
func ParseOnly(value string) ([]string, error) {
	if strings.TrimSpace(value) == "" {
		return strings.Split(keys, ""), nil
	}
	wanted := map[string]bool{}
	for _, word := range strings.Split(value, ",") {
		key := strings.TrimSpace(word)
		if len(key) != 1 || !strings.Contains(keys, key) {
			return nil, fmt.Errorf("--only=%q: %q is not one of %s", value, key, strings.Join(strings.Split(keys, ""), ", "))
		}
		wanted[key] = true
	}
	var only []string
	for _, key := range strings.Split(keys, "") {
		if wanted[key] {
			only = append(only, key)
		}
	}
	return only, nil
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

// maxRuns bounds --runs: a slip would keep the machine busy for days.
const maxRuns = 1000

// CheckRuns refuses a value of --runs.
func CheckRuns(runs int) error {
	if runs < 1 || runs > maxRuns {
		return fmt.Errorf("--runs=%d: want 1 to %d", runs, maxRuns)
	}
	return nil
}
