package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
)

// Manifest tells what a snapshot is made of and how it came to be. Whoever publishes one fills in Argv, GuestTools, Runtime
// and Took; the rest is the store's.
type Manifest struct {
	Key   string `json:"key"`
	Parts Parts  `json:"parts"`

	Argv       []string          `json:"argv"`              // of the QEMU that was captured, without the program's name
	GuestTools bool              `json:"guestTools"`        // the image has stackguest in it
	Runtime    map[string]string `json:"runtime,omitempty"` // what the guest knows of its host; nil when that was not noted
	Created    time.Time         `json:"created"`           // UTC
	Took       time.Duration     `json:"tookNs"`            // from the start of the capture boot until the VM was stored

	Files []File `json:"files"`
}

// File is a file of a snapshot as it was when it was sealed.
type File struct {
	Name string `json:"name"`
	identity

	// One of these says what its bytes are.
	SHA256 string    `json:"sha256,omitempty"` // in the form of [ImageDigest]
	CRC32C chunkSums `json:"crc32c,omitempty"` // one for every 4 MiB
}

// File returns the manifest's entry for a file, or nil.
func (m *Manifest) file(name string) *File {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}

// envelope is the manifest's file. The digest is that of the manifest as compact JSON.
type envelope struct {
	SHA256   string          `json:"sha256"`
	Manifest json.RawMessage `json:"manifest"`
}

// encode writes a manifest as JSON that people can read.
func (m *Manifest) encode() []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings, numbers, booleans and a time of this century cannot fail
	}
	text, err := json.MarshalIndent(envelope{sumOf(body), body}, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(text, '\n')
}

// decodeManifest reads what encode has written, and trusts nothing in it.
func decodeManifest(text []byte) (*Manifest, error) {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, err
	}
	var body bytes.Buffer
	if err := json.Compact(&body, e.Manifest); err != nil {
		return nil, errors.New("there is no manifest in it")
	}
	if sumOf(body.Bytes()) != e.SHA256 {
		return nil, errors.New("its digest is not that of its content")
	}
	m := new(Manifest)
	if err := json.Unmarshal(e.Manifest, m); err != nil {
		return nil, err
	}
	return m, m.validate()
}

// validate sees that the rest of the package may rely on a manifest: that it has an entry for each file of its format, no
// other, and a checksum for each byte of them.
func (m *Manifest) validate() error {
	if m.Parts.Key() != m.Key {
		return fmt.Errorf("its parts have the key %s, and it says %s", m.Parts.Key(), m.Key)
	}
	names, err := m.Parts.Format.names()
	if err != nil {
		return err
	}
	if len(m.Files) != len(names) {
		return fmt.Errorf("has %d files, and not %d", len(m.Files), len(names))
	}
	for _, name := range names {
		f := m.file(name)
		if f == nil {
			return fmt.Errorf("does not know %s", name)
		}
		if f.Size < 0 || f.SHA256 == "" && int64(len(f.CRC32C)) != 4*chunksIn(f.Size) {
			return fmt.Errorf("%s has no checksums", name)
		}
	}
	return nil
}

func sumOf(body []byte) string {
	sum := sha256.Sum256(body)
	return digestPrefix + hex.EncodeToString(sum[:])
}

// maxManifest bounds what is read of a manifest, in bytes: its longest part are the checksums of up to 1 TiB of RAM.
const maxManifest = 4 << 20

func readManifest(dir string) (*Manifest, error) {
	path := filepath.Join(dir, manifestName)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxManifest {
		return nil, fmt.Errorf("is no manifest: %v, %d bytes", info.Mode(), info.Size())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return decodeManifest(text)
}

// write puts the manifest into dir, on stable storage.
func (m *Manifest) write(dir string) error {
	path := filepath.Join(dir, manifestName)
	if err := renameio.WriteFile(path, m.encode(), 0o400, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir brings the names in a directory to stable storage.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
