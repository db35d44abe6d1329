package qemu

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// cached returns what was kept at path under key, or else asks make and keeps its answer. A path of "" keeps nothing. A
// cache that cannot be read or written only costs time, and so is no error.
//
// Of several processes that want the same answer at once, one asks and the others wait for it: questions that are asked side
// by side slow each other down, and could be answered differently.
func cached[T any](ctx context.Context, path, key string, make func() (T, error)) (T, error) {
	if path == "" {
		return make()
	}
	if value, ok := kept[T](path, key); ok {
		return value, nil
	}
	if dir := filepath.Dir(path); os.MkdirAll(dir, 0o700) == nil {
		lock := flock.New(dir, flock.SetFlag(os.O_RDONLY)) // the folder itself: no file is left
		if held, _ := lock.TryLockContext(ctx, cachePoll); held {
			defer lock.Close()
		}
		if value, ok := kept[T](path, key); ok {
			return value, nil
		}
	}
	value, err := make()
	if err == nil {
		keep(path, key, value)
	}
	return value, err
}

// cachePoll is how often an answer that another process asks for is looked for.
const cachePoll = 20 * time.Millisecond

// entry is the form of a file of the cache.
type entry[T any] struct {
	Key   string `json:"key"`
	Value T      `json:"value"`
}

func kept[T any](path, key string) (value T, ok bool) {
	var e entry[T]
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &e) != nil || e.Key != key {
		return value, false
	}
	return e.Value, true
}

func keep[T any](path, key string, value T) {
	data, err := json.MarshalIndent(entry[T]{key, value}, "", "  ")
	if err == nil {
		_ = publish(path, func(tmp string) error { return os.WriteFile(tmp, append(data, '\n'), 0o600) })
	}
}
