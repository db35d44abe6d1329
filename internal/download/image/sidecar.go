package image

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/home"
)

// Sidecar is the description of an image in the file <image>.json beside it.
type Sidecar struct {
	Source     string    `json:"source"`         // "release", "artifact", "url", "file"; "built" is the image builder's
	From       string    `json:"from,omitempty"` // the same for people
	Repository string    `json:"repository,omitempty"`
	Tag        string    `json:"tag,omitempty"`
	Run        int64     `json:"run,omitempty"`
	PR         int       `json:"pr,omitempty"`
	Digest     string    `json:"digest"`             // sha256:… of the image
	Size       int64     `json:"size"`               // bytes
	Transfer   string    `json:"transfer,omitempty"` // sha256:… of the archive that it came in
	ETag       string    `json:"etag,omitempty"`
	Created    time.Time `json:"created"`

	// What is known of its content, when it comes from a file that has a description itself.
	Profile    string   `json:"profile,omitempty"`
	GuestTools bool     `json:"guestTools,omitempty"`
	Services   []string `json:"services,omitempty"`
}

// maxSidecar is how long a description may be, in bytes.
const maxSidecar = 1 << 20

// ReadSidecar reads a description. None, and one that cannot be read, is an empty one: it decides nothing by itself.
func ReadSidecar(path string) (s Sidecar) {
	info, err := os.Stat(path)
	if err != nil || info.Size() > maxSidecar {
		return Sidecar{}
	}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &s) != nil {
		return Sidecar{}
	}
	return s
}

// describe takes over what the description of the file at path knows of its content, if it is about this image.
func (s *Sidecar) describe(path string) {
	if known := ReadSidecar(home.ImageAt(path).Sidecar); known.Digest == s.Digest {
		s.Profile, s.GuestTools, s.Services = known.Profile, known.GuestTools, known.Services
	}
}

// publish gives an image its name. The description goes first, and the digest in it tells, after a crash between the two, that
// it is not about the image that is there.
func publish(from, to, sidecar string, s Sidecar) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(sidecar, append(text, '\n'), 0o644, renameio.WithTempDir(filepath.Dir(sidecar))); err != nil {
		return err
	}
	return download.Publish(from, to)
}

// remove removes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
