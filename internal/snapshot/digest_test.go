package snapshot_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot"
)

func TestImageDigest(t *testing.T) {
	dir := t.TempDir()
	image, cache := filepath.Join(dir, "image.qcow2"), filepath.Join(dir, "cache")
	digest := func(want string) {
		t.Helper()
		sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(want)))
		if got, err := snapshot.ImageDigest(within(t), image, cache); err != nil || got != sum {
			t.Errorf("got %s, %v, want that of %q", got, err, want)
		}
	}
	long := time.Now().Add(-time.Hour)
	write(t, image, []byte("one"))
	check(t, os.Chtimes(image, long, long))
	digest("one")

	rot(t, image, 0) // nobody can see it without reading: the answer of the cache shows that it is used
	digest("one")
	check(t, os.Link(image, image+".link"))
	digest("one")
	write(t, image, []byte("two"))
	digest("two")
	write(t, image+".new", []byte("six"))
	check(t, errors.Join(os.Chtimes(image+".new", long, long), os.Rename(image+".new", image)))
	digest("six")

	file := filepath.Join(cache, "digest-image.qcow2.json")
	write(t, file, []byte("garbage"))
	digest("six")
	check(t, errors.Join(os.Remove(file), os.Mkdir(file, 0o700)))
	digest("six")
}

func TestImageDigestFails(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{dir, filepath.Join(dir, "none")} {
		if got, err := snapshot.ImageDigest(within(t), path, dir); err == nil {
			t.Errorf("%s has %s", path, got)
		}
	}
	image := filepath.Join(dir, "image")
	write(t, image, []byte("x"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := snapshot.ImageDigest(ctx, image, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
