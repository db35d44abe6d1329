package snapshot_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// manifestText is that of a published snapshot.
func manifestText(t testing.TB) []byte {
	s := snapshot.Open(t.TempDir())
	publish(t, s, parts)
	text, err := os.ReadFile(filepath.Join(find(t, s, parts).Dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A manifest with any one bit flipped, or cut anywhere, is either refused or means the same.
func TestDamagedManifest(t *testing.T) {
	text := manifestText(t)
	want, err := snapshot.DecodeManifest(text)
	check(t, err)
	tried, refused := 0, 0
	try := func(damaged []byte) {
		tried++
		if got, err := snapshot.DecodeManifest(damaged); err != nil {
			refused++
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v\nfrom %s", got, damaged)
		}
	}
	for at := range text {
		for bit := range 8 {
			if testing.Short() && bit != at%8 {
				continue
			}
			damaged := bytes.Clone(text)
			damaged[at] ^= 1 << bit
			try(damaged)
		}
		try(text[:at])
	}
	if refused < tried/2 {
		t.Errorf("only %d of %d were refused", refused, tried)
	}
}

// A manifest that is whole, and written by somebody else, cannot lead out of its directory or past a check.
func TestOthersManifests(t *testing.T) {
	text := manifestText(t)
	for what, change := range map[string]func(m *snapshot.Manifest){
		"another key":     func(m *snapshot.Manifest) { m.Key = mapped.Key() },
		"other parts":     func(m *snapshot.Manifest) { m.Parts.Accel = "kvm" },
		"unknown format":  func(m *snapshot.Manifest) { m.Parts.Format = "x"; m.Key = m.Parts.Key() },
		"another format":  func(m *snapshot.Manifest) { m.Parts.Format = snapshot.MappedRAM; m.Key = m.Parts.Key() },
		"file elsewhere":  func(m *snapshot.Manifest) { m.Files[0].Name = "../ram.img" },
		"file missing":    func(m *snapshot.Manifest) { m.Files = m.Files[1:] },
		"file twice":      func(m *snapshot.Manifest) { m.Files[0] = m.Files[1] },
		"no checksums":    func(m *snapshot.Manifest) { m.Files[0].CRC32C = nil },
		"short checksums": func(m *snapshot.Manifest) { m.Files[0].CRC32C = m.Files[0].CRC32C[:5] },
		"negative size":   func(m *snapshot.Manifest) { m.Files[0].Size = -1 },
	} {
		m, err := snapshot.DecodeManifest(text)
		check(t, err)
		change(m)
		if got, err := snapshot.DecodeManifest(m.Encode()); err == nil {
			t.Errorf("%s: read %+v", what, got)
		}
	}
}

func TestManifestIsReadable(t *testing.T) {
	text := manifestText(t)
	if !json.Valid(text) || bytes.Count(text, []byte("\n")) < 30 {
		t.Errorf("not for people: %s", text)
	}
	for _, want := range []string{`"accel": "tcg"`, `"qemu": "QEMU emulator version 10.0.2`, `"tookNs": 7000000000`, `"name": "ram.img"`, `"size": 16777216`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("there is no %s in %s", want, text)
		}
	}
}

func FuzzManifest(f *testing.F) {
	text := manifestText(f)
	m, err := snapshot.DecodeManifest(text)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"manifest":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := snapshot.DecodeManifest(text); err == nil {
			if again, err := snapshot.DecodeManifest(got.Encode()); err != nil || again.Key != got.Key {
				t.Errorf("%+v becomes %+v, %v", got, again, err)
			}
		}
		// The same as somebody's manifest with the right digest, so that its content is read.
		forged := *m
		if json.Unmarshal(text, &forged) == nil {
			if got, err := snapshot.DecodeManifest(forged.Encode()); err == nil && got.Key != got.Parts.Key() {
				t.Errorf("read %+v", got)
			}
		}
	})
}

func FuzzName(f *testing.F) {
	key := parts.Key()
	for _, seed := range []string{key, key + ".1", key + ".01", ".new-" + key + "-7", ".link-" + key, key + ".broken-20260102-030405.000000", "..", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		kind, key, number := snapshot.ParseName(name)
		if kind == "not ours" {
			return
		}
		if filepath.Base(name) != name || len(key) != 20 || !strings.Contains(name, key) || (number > 0) != (kind == "snapshot") {
			t.Errorf("%q is %q of %q, %d", name, kind, key, number)
		}
	})
}
