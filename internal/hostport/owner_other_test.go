//go:build !linux

package hostport

import "testing"

func TestParseLsof(t *testing.T) {
	got := parseLsof("p123\ncnode\nLbob\nf20\np124\ncother\nLann\nf20\n")
	if want := (Owner{PID: 123, Command: "node", User: "bob"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := parseLsof(""); got != (Owner{}) {
		t.Errorf("nothing: %+v", got)
	}
}
