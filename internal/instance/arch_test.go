package instance

import (
	"errors"
	"strings"
	"testing"
)

// The data of a guest of one architecture is not given to one of another.
func TestDataOfAnotherArchitecture(t *testing.T) {
	conf := configure(t)
	i := open(t, conf)
	b := prepare(t, i)
	if err := errors.Join(b.commit(), b.Close(), i.Close()); err != nil {
		t.Fatal(err)
	}
	conf.Arch = "arm64"
	foreign := open(t, conf)
	_, err := cold(t.Context(), foreign)
	if err == nil || !strings.Contains(err.Error(), "has the data of a guest of amd64, not arm64: use another instance") {
		t.Errorf("got %v", err)
	}
	if err := foreign.Close(); err != nil {
		t.Fatal(err)
	}
	conf.Arch = "amd64"
	prepare(t, open(t, conf))
}
