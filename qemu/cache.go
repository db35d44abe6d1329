package qemu

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
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

// entry is the form of a file of the cache. The sum is of the other two: a damaged file is as good as none.
type entry struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"`
	Sum   string          `json:"sum"`
}

func (e entry) sum() string {
	return fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%q %s", e.Key, e.Value)))
}

func kept[T any](path, key string) (value T, ok bool) {
	var e entry
	data, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(data, &e) != nil || e.Key != key || e.Sum != e.sum() {
		return value, false
	}
	return value, json.Unmarshal(e.Value, &value) == nil
}

func keep[T any](path, key string, value T) {
	text, err := json.Marshal(value)
	if err != nil {
		return
	}
	e := entry{Key: key, Value: text}
	e.Sum = e.sum()
	if data, err := json.Marshal(e); err == nil {
		_ = publish(path, func(tmp string) error { return os.WriteFile(tmp, append(data, '\n'), 0o600) })
	}
}
