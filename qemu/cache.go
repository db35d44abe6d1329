package qemu

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// cached returns what was kept at path under key, or else asks make and keeps its answer. A path of "" keeps nothing. A
// cache that cannot be read or written only costs time, and so is no error.
func cached[T any](path, key string, make func() (T, error)) (T, error) {
	var entry struct {
		Key   string `json:"key"`
		Value T      `json:"value"`
	}
	if path != "" {
		data, err := os.ReadFile(path)
		if err == nil && json.Unmarshal(data, &entry) == nil && entry.Key == key {
			return entry.Value, nil
		}
	}
	value, err := make()
	if err != nil || path == "" {
		return value, err
	}
	entry.Key, entry.Value = key, value
	if data, err := json.MarshalIndent(entry, "", "  "); err == nil {
		if os.MkdirAll(filepath.Dir(path), 0o700) == nil {
			_ = publish(path, func(tmp string) error { return os.WriteFile(tmp, append(data, '\n'), 0o600) })
		}
	}
	return value, nil
}
