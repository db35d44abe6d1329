package snapshot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/span"
)

// digestPrefix names the hash, as the sidecars of images and container registries do.
const digestPrefix = "sha256:"

// ImageDigest returns the SHA-256 of an image, as "sha256:" and hexadecimal digits. Reading an image takes a second or
// more, so the answer is kept in cacheDir for as long as the file is the same one: path, inode, size and time of change.
// A cache that cannot be read or written only costs time. The image's sidecar is not asked: it says what was published,
// and not what lies there now.
func ImageDigest(ctx context.Context, imagePath, cacheDir string) (string, error) {
	digest, err := imageDigest(ctx, imagePath, cacheDir)
	if err != nil {
		return "", fmt.Errorf("snapshot: digest of the image: %w", err)
	}
	return digest, nil
}

// cachedDigest is the cache's file. There is one for each file name of an image.
type cachedDigest struct {
	Path     string   `json:"path"`
	Identity identity `json:"identity"`
	Digest   string   `json:"digest"`
}

func imageDigest(ctx context.Context, path, cacheDir string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	before, err := identityOf(f)
	if err != nil {
		return "", err
	}
	cache := filepath.Join(cacheDir, "digest-"+filepath.Base(path)+".json")
	if known := readCachedDigest(cache); known.Path == path && known.Identity == before && known.Digest != "" {
		return known.Digest, nil
	}
	end := span.Begin(ctx, "disk", "digest of the image")
	digest, err := sha256Of(ctx, f)
	end(err)
	if err != nil {
		return "", err
	}
	if after, err := identityOf(f); err != nil || after != before {
		return "", fmt.Errorf("%s is being written to", path)
	}
	entry, _ := json.MarshalIndent(cachedDigest{path, before, digest}, "", "  ") // strings and numbers cannot fail
	if os.MkdirAll(cacheDir, 0o700) == nil {
		_ = renameio.WriteFile(cache, append(entry, '\n'), 0o600, renameio.WithTempDir(cacheDir))
	}
	return digest, nil
}

func readCachedDigest(path string) (c cachedDigest) {
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return cachedDigest{}
	}
	return c
}

// sha256Of reads a file from where it stands.
func sha256Of(ctx context.Context, r io.Reader) (string, error) {
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, reader{ctx, r}, make([]byte, 1<<20)); err != nil {
		return "", err
	}
	return digestPrefix + hex.EncodeToString(hash.Sum(nil)), nil
}

// reader ends a long read with its context.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}
