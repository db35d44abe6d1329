package guest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// Sidecar is the description of an image in the file <image>.json beside it.
type Sidecar struct {
	Source     string    `json:"source"` // "built"
	Digest     string    `json:"digest"` // sha256:…
	Size       int64     `json:"size"`   // bytes
	Profile    string    `json:"profile,omitempty"`
	Created    time.Time `json:"created"`
	GuestTools bool      `json:"guestTools"` // stackguest is in it
	Services   []string  `json:"services,omitempty"`
}

// publish gives the finished image its name. The description goes first: one without its image is overwritten by the next
// build, whereas an image with an old description would be taken for another.
func (b *builder) publish(built string) (Result, error) {
	digest, size, err := digestFile(built)
	if err != nil {
		return Result{}, err
	}
	description := Sidecar{Source: "built", Digest: digest, Size: size, Created: time.Now().UTC().Truncate(time.Second), GuestTools: true,
		Profile: "reference"}
	switch {
	case b.Container == "":
		description.Services = []string{"dashboard", "backend", "storage", "mail"}
	case b.Profile != "":
		description.Profile = b.Profile
	}
	text, err := json.MarshalIndent(description, "", "  ")
	if err != nil {
		return Result{}, err
	}
	sidecar := b.Output + ".json"
	err = renameio.WriteFile(sidecar, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(sidecar)))
	if err != nil {
		return Result{}, err
	}
	if err := os.Rename(built, b.Output); err != nil {
		return Result{}, err
	}
	return Result{Path: b.Output, Sidecar: sidecar, Digest: digest, Size: size}, syncDir(filepath.Dir(b.Output))
}

func digestFile(path string) (digest string, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	hash := sha256.New()
	if size, err = io.Copy(hash, f); err != nil {
		return "", 0, err
	}
	return "sha256:" + hex.EncodeToString(hash.Sum(nil)), size, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
