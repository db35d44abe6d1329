package guest

import (
	"slices"
	"strings"
	"testing"
)

// Lines arrive in any pieces, and all of them are in the log.
func TestStepLog(t *testing.T) {
	var log strings.Builder
	var told []string
	s := &stepLog{log: &log, tell: func(step string) { told = append(told, step) }}
	pieces := []string{"I: extract", "ing archives...\nW: I: no step\nI: install", "ing\n", strings.Repeat("x", maxSerialLine+1), "\nI: done\nI: cut off"}
	for _, piece := range pieces {
		if n, err := s.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := []string{"extracting archives...", "installing", "done"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if log.String() != strings.Join(pieces, "") {
		t.Errorf("the log has %d bytes", log.Len())
	}
}
