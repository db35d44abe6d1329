package control

import (
	"errors"
	"os"
	"testing"
	"time"
)

// A socket that was removed under its supervisor comes back, and goes with it.
func TestSocketIsRemoved(t *testing.T) {
	before := keepEvery
	keepEvery = time.Millisecond
	t.Cleanup(func() { keepEvery = before })
	path, f := socketIn(t), newFake()
	v, c := served(t, path, f)
	for range 2 {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		for {
			_, err := c.Status(t.Context())
			if err == nil {
				break
			}
			if !errors.Is(err, ErrNoSupervisor) {
				t.Fatal(err)
			}
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	if err := v.Hide(); err != nil {
		t.Error(err)
	}
	if err := v.Hide(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
