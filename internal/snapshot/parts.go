package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stackemu/stackemu/qemu"
)

// Format is how RAM and devices are stored.
type Format string

// The formats.
const (
	Lazy      Format = "lazy"       // RAM as a plain file, to be mapped; devices as a migration stream
	MappedRAM Format = "mapped-ram" // one migration file with pages at fixed places
)

// Version is that of the directory's layout, the manifest, and the devices that follow from a qemu.Layout. It is part of every key: a program that knows another
// version finds nothing, rather than something that it would misread.
const Version = 2

// Parts is all that decides whether a snapshot can be resumed.
type Parts struct {
	ImageDigest string      `json:"imageDigest"` // of [ImageDigest]
	Layout      qemu.Layout `json:"layout"`
	QEMU        string      `json:"qemu"` // qemu.Binary.Build: the version with the distribution's package
	Accel       string      `json:"accel"`
	HostCPU     string      `json:"hostCPU"` // of [HostCPU]
	Format      Format      `json:"format"`
	Version     int         `json:"version"` // [Version]
}

// keyLength is in hexadecimal digits: 80 bits are beyond any accident.
const keyLength = 20

// Key names the snapshot that these parts belong to: the beginning of the SHA-256 of their JSON, whose order of fields is
// that of the structs.
func (p Parts) Key() string {
	sum := sha256.Sum256(p.json())
	return hex.EncodeToString(sum[:])[:keyLength]
}

func (p Parts) json() []byte {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings, numbers and booleans cannot fail
	}
	return text
}

// Diff says in words what leads from p to q, such as "QEMU 10.0.2 -> 10.1.0, RAM 4096 -> 8192". It is "" when the keys are
// the same.
func (p Parts) Diff(q Parts) string { return strings.Join(p.changes(q), ", ") }

// changes is one sentence for each part that differs.
func (p Parts) changes(q Parts) []string {
	var c changes
	c.add("image", shortDigest(p.ImageDigest), shortDigest(q.ImageDigest))
	c.layout(p.Layout, q.Layout)
	c.add("QEMU", qemuVersion(p.QEMU, q.QEMU), qemuVersion(q.QEMU, p.QEMU))
	c.add("accelerator", p.Accel, q.Accel)
	c.hostCPU(p.HostCPU, q.HostCPU)
	c.add("format", string(p.Format), string(q.Format))
	c.add("snapshot version", fmt.Sprint(p.Version), fmt.Sprint(q.Version))
	return c
}

type changes []string

func (c *changes) add(what, from, to string) {
	if from != to {
		*c = append(*c, fmt.Sprintf("%s %s -> %s", what, orNone(from), orNone(to)))
	}
}

// layoutWords are the fields of a layout's JSON in the user's words.
var layoutWords = map[string]string{
	"arch": "architecture", "machine": "machine type", "cpu": "guest CPU", "cpus": "vCPUs", "ramMiB": "RAM in MiB", "original": "original devices",
}

// layout compares by JSON, as the key does, so that no field can be forgotten here.
func (c *changes) layout(p, q qemu.Layout) {
	from, to := fields(p), fields(q)
	all := maps.Clone(from)
	maps.Copy(all, to)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		word, known := layoutWords[name]
		if !known {
			word = "layout: " + name
		}
		c.add(word, string(from[name]), string(to[name]))
	}
}

func fields(l qemu.Layout) map[string]json.RawMessage {
	text, _ := json.Marshal(l) // strings, numbers and booleans cannot fail
	var m map[string]json.RawMessage
	_ = json.Unmarshal(text, &m)
	for name, value := range m {
		m[name] = bytes.Trim(value, `"`)
	}
	return m
}

// qemuVersion is the version alone where that tells two builds apart, else the whole build.
func qemuVersion(build, other string) string {
	if v := versionIn(build); v != versionIn(other) {
		return v
	}
	return strings.TrimPrefix(build, qemuPrefix)
}

const qemuPrefix = "QEMU emulator version "

func versionIn(build string) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(build, qemuPrefix), " ")
	return version
}

// shortDigest is enough of a digest to tell two images apart by eye.
func shortDigest(digest string) string {
	digest = strings.TrimPrefix(digest, digestPrefix)
	return digest[:min(12, len(digest))]
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
