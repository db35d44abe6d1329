package qemu

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// Ten that want the same answer at once ask for it once.
func TestCachedAsksOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cache", "answer.json")
	var asked atomic.Int32
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			got, err := cached(t.Context(), path, "key", func() (string, error) {
				asked.Add(1)
				return "answer", nil
			})
			if err != nil || got != "answer" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	other, err := cached(t.Context(), path, "another key", func() (string, error) { return "another answer", nil })
	if err != nil || other != "another answer" {
		t.Errorf("got %q, %v", other, err)
	}
}

func TestCachedKeepsNoError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "answer.json")
	boom := errors.New("boom")
	for range 2 {
		if _, err := cached(context.Background(), path, "key", func() (int, error) { return 0, boom }); !errors.Is(err, boom) {
			t.Errorf("got %v", err)
		}
	}
	if n, err := cached(context.Background(), path, "key", func() (int, error) { return 7, nil }); n != 7 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
