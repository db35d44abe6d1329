package main

import (
	"testing"

	"github.com/stackemu/stackemu/internal/control"
)

// A story of leases: o, u and k take one of a kind, and give it back as capital letters. ! is where the instance is stopped.
func TestLeases(t *testing.T) {
	for story, want := range map[string]string{
		"uU":       "",
		"oO":       "!",
		"ouOU":     "!",
		"ouUO":     "!",
		"ouOuUU":   "!",
		"okKO":     "",
		"okOK":     "",
		"uoOkUK":   "",
		"oOu":      "!-", // there is none of an instance that is being stopped
		"ouOUoOuU": "!----",
	} {
		var l leases
		kinds := map[rune]control.LeaseKind{'o': control.LeaseOwn, 'u': control.LeaseUse, 'k': control.LeaseKeep}
		ids, got := map[rune][]string{}, ""
		for _, step := range story {
			if kind, takes := kinds[step]; takes {
				id, ok := l.take(kind)
				if !ok {
					got += "-"
					continue
				}
				ids[step] = append(ids[step], id)
				continue
			}
			held := ids[step+'a'-'A']
			if len(held) == 0 {
				got += "-"
				continue
			}
			ids[step+'a'-'A'] = held[1:]
			for range 2 { // twice is as good as once
				if _, last := l.giveBack(held[0]); last {
					got += "!"
				}
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", story, got, want)
		}
	}
}
