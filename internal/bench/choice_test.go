package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestParseOnly(t *testing.T) {
	for value, want := range map[string]string{"": "a b c d e s f g h p", " ": "a b c d e s f g h p", "b": "b", "c, a,a": "a c", "h,s": "s h", "z,a": "a z"} {
		if got, err := ParseOnly(value); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"x", "ab", "a,", ",", "A", "a,b,floor"} {
		if got, err := ParseOnly(value); err == nil || !strings.Contains(err.Error(), "--only=") {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
}

func TestParseInstances(t *testing.T) {
	for value, want := range map[string][]int{"1": {1}, "4, 1,2,1": {1, 2, 4}, "64": {64}} {
		if got, err := ParseInstances(value); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
	for _, value := range []string{"", "0", "-1", "65", "1,,2", "two"} {
		if got, err := ParseInstances(value); err == nil || !strings.Contains(err.Error(), "--instances=") {
			t.Errorf("%q: %v, %v", value, got, err)
		}
	}
}

func TestCheckRuns(t *testing.T) {
	for runs, ok := range map[int]bool{-1: false, 0: false, 1: true, 1000: true, 1001: false} {
		if err := CheckRuns(runs); (err == nil) != ok {
			t.Errorf("%d: %v", runs, err)
		}
	}
}
