package image_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/github"
	"github.com/stackemu/stackemu/internal/github/githubtest"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/qemu"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const name = "stack-emulator-amd64.qcow2"

// place is a home, and a GitHub to fill it from.
type place struct {
	*testing.T
	server *githubtest.Server
	puller *image.Puller
	home   home.Home
	mu     sync.Mutex
	phases []image.Phase
}

func newPlace(t *testing.T, token string) *place {
	t.Helper()
	s := githubtest.New(t)
	h := home.New(filepath.Join(t.TempDir(), "home"))
	return &place{T: t, server: s, home: h, puller: &image.Puller{Home: h, API: s.API.URL, Token: func(context.Context) string { return token },
		Options: download.Options{Chunk: 64 << 10}}}
}

// disk is an image with something in it.
func disk(n byte) []byte { return append(qemutest.Qcow2(""), bytes.Repeat([]byte{n}, 100_000)...) }

func (p *place) pull(r image.Request) (image.Result, error) {
	if r.Arch == "" {
		r.Arch = "amd64"
	}
	return p.puller.Pull(p.Context(), r, func(now image.Progress) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if n := len(p.phases); n == 0 || p.phases[n-1] != now.Phase {
			p.phases = append(p.phases, now.Phase)
		}
	})
}

// has checks that this is the image, that its description fits, and that nothing else is left.
func (p *place) has(body []byte) image.Sidecar {
	p.Helper()
	i := p.home.Image("amd64")
	got, err := os.ReadFile(i.Disk)
	if err != nil || !bytes.Equal(got, body) {
		p.Fatalf("the image has %d bytes, %v; want %d", len(got), err, len(body))
	}
	s := image.ReadSidecar(i.Sidecar)
	if s.Digest != githubtest.Digest(body) || s.Size != int64(len(body)) {
		p.Errorf("sidecar: %+v", s)
	}
	p.only(filepath.Base(i.Disk), filepath.Base(i.Sidecar), filepath.Base(i.Lock))
	return s
}

func (p *place) only(want ...string) {
	p.Helper()
	entries, _ := os.ReadDir(p.home.Images)
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	slices.Sort(want)
	if !slices.Equal(have, want) {
		p.Errorf("in images: %q, want %q", have, want)
	}
}

func TestRelease(t *testing.T) {
	p := newPlace(t, "secret")
	p.server.Release("emulator-dev-latest", name, disk(1))
	r, err := p.pull(image.Request{})
	if err != nil {
		t.Fatal(err)
	}
	s := p.has(disk(1))
	if r.UpToDate || r.From != "release emulator-dev-latest of stack-auth/stack-auth" || s.Tag != "emulator-dev-latest" || s.Source != "release" || s.ETag == "" {
		t.Errorf("%+v, %+v", r, s)
	}
	if want := []image.Phase{image.Looking, image.Downloading, image.Publishing}; !slices.Equal(p.phases, want) {
		t.Errorf("phases %q", p.phases)
	}

	before := len(p.server.Asked())
	if r, err = p.pull(image.Request{}); err != nil || !r.UpToDate || r.Digest != s.Digest {
		t.Errorf("%+v, %v", r, err)
	}
	if asked := p.server.Asked()[before:]; len(asked) != 1 {
		t.Errorf("asked %q for an image that is there", asked)
	}
	if r, err = p.pull(image.Request{Force: true}); err != nil || r.UpToDate {
		t.Errorf("%+v, %v", r, err)
	}
	// A description that is about another image is not believed.
	if err := os.WriteFile(p.home.Image("amd64").Disk, disk(7), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err = p.pull(image.Request{Tag: "emulator-dev-latest"}); err != nil || r.UpToDate {
		t.Errorf("%+v, %v", r, err)
	}
	p.has(disk(1))
}

// The image from before stays until the new one is there, and who has it open keeps it.
func TestReplacement(t *testing.T) {
	p := newPlace(t, "")
	id := p.server.Release("emulator-dev-latest", name, disk(1))
	if _, err := p.pull(image.Request{}); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(p.home.Image("amd64").Disk)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	p.server.Announce(id, githubtest.Digest([]byte("something else")))
	if _, err := p.pull(image.Request{}); err == nil {
		t.Fatal("a wrong digest was published")
	} else if _, ok := errors.AsType[*download.DigestError](err); !ok {
		t.Error(err)
	}
	p.has(disk(1))
	p.server.Release("emulator-dev-latest", name, disk(2))
	if _, err := p.pull(image.Request{}); err != nil {
		t.Fatal(err)
	}
	p.has(disk(2))
	if h, err := qemu.ReadHeader(open); err != nil || h.VirtualSize != 1<<30 {
		t.Errorf("%+v, %v", h, err)
	}
	b := make([]byte, 1)
	if _, err := open.ReadAt(b, int64(len(disk(1))-1)); err != nil || b[0] != 1 {
		t.Errorf("the open image has %d, %v", b[0], err)
	}
}

// The release is replaced in the middle of a pull: what is fetched in the end is the new one.
// The reference image is known by where it comes from: what is published is the disk alone.
func TestOwnRelease(t *testing.T) {
	p := newPlace(t, "")
	p.server.ReleaseOf(image.OwnRepo, "emulator-dev-latest", "", map[string][]byte{name: disk(1)})
	if _, err := p.pull(image.Request{Repo: image.OwnRepo}); err != nil {
		t.Fatal(err)
	}
	if s := p.has(disk(1)); s.Profile != "reference" || !s.GuestTools {
		t.Errorf("%+v", s)
	}
	p.server.Release("emulator-dev-latest", name, disk(2))
	if _, err := p.pull(image.Request{}); err != nil {
		t.Fatal(err)
	}
	if s := p.has(disk(2)); s.Profile != "" || s.GuestTools {
		t.Errorf("the product's: %+v", s)
	}
}

func TestReleaseIsReplacedMeanwhile(t *testing.T) {
	p := newPlace(t, "")
	id := p.server.Release("emulator-dev-latest", name, disk(1))
	var once sync.Once
	p.server.Faults(func(w http.ResponseWriter, r *http.Request) bool {
		if !githubtest.OfStore(r) {
			return false
		}
		once.Do(func() {
			p.server.Replace(id, disk(2))
			p.server.Release("emulator-dev-latest", name, disk(2))
		})
		return false
	})
	if _, err := p.pull(image.Request{}); err != nil {
		t.Fatal(err)
	}
	p.has(disk(2))
}

func TestRefusedImages(t *testing.T) {
	dataFile := disk(1)
	dataFile[79] |= 4 // incompatible feature: external data file
	for what, body := range map[string][]byte{"backing file": qemutest.Qcow2("/etc/passwd"), "another file": dataFile, "not a qcow2": []byte("<html>login</html>")} {
		p := newPlace(t, "")
		p.server.Release("emulator-dev-latest", name, body)
		if _, err := p.pull(image.Request{}); err == nil || !strings.Contains(err.Error(), "refused: qemu: ") || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		p.only(name + ".lock")
		file := filepath.Join(t.TempDir(), "x.qcow2")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := p.pull(image.Request{File: file}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		p.only(name + ".lock")
	}
}

func zipOf(t *testing.T, entry string, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(entry)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = f.Write(body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestPullRequestAndRun(t *testing.T) {
	p := newPlace(t, "secret")
	p.server.Token("secret")
	p.server.Pull(7, "patch", "somebody/stack-auth")
	p.server.Run(70, githubtest.Repo, "patch", "somebody/stack-auth", "success")
	p.server.Artifact(70, "qemu-emulator-amd64", zipOf(t, name, disk(1)), false)
	r, err := p.pull(image.Request{PR: 7})
	if err != nil {
		t.Fatal(err)
	}
	s := p.has(disk(1))
	if s.PR != 7 || s.Run != 70 || s.Source != "artifact" || s.Transfer == "" || r.From != "pull request 7 of stack-auth/stack-auth (run 70)" {
		t.Errorf("%+v", s)
	}
	if r, err := p.pull(image.Request{Run: 70}); err != nil || !r.UpToDate {
		t.Errorf("%+v, %v", r, err)
	}

	for what, archive := range map[string][]byte{"leads out of it": zipOf(t, "../"+name, disk(1)), "is not in it": zipOf(t, "other", nil), "backing file": zipOf(t, name, qemutest.Qcow2("x")),
		"not a valid zip file": zipOf(t, name, disk(2))[:300]} {
		p.server.Run(71, githubtest.Repo, "patch", githubtest.Repo, "success")
		p.server.Artifact(71, "qemu-emulator-amd64", archive, false)
		if _, err := p.pull(image.Request{Run: 71}); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: %v", what, err)
		}
		p.has(disk(1))
	}
	p.server.Pull(8, "patch", "")
	if _, err := p.pull(image.Request{PR: 8}); err == nil || !strings.Contains(err.Error(), "a repository that is gone") {
		t.Error(err)
	}
}

func TestArtifactsNeedAToken(t *testing.T) {
	p := newPlace(t, "")
	for _, r := range []image.Request{{PR: 1}, {Run: 1}} {
		if _, err := p.pull(r); !errors.Is(err, github.ErrNeedsToken) {
			t.Error(err)
		}
	}
	if asked := p.server.Asked(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestNoSuchRelease(t *testing.T) {
	p := newPlace(t, "")
	if _, err := p.pull(image.Request{Branch: "x"}); err == nil || !strings.Contains(err.Error(), "release emulator-x-latest of stack-auth/stack-auth: not found (404)") ||
		!strings.Contains(err.Error(), "stackemu list-releases") {
		t.Error(err)
	}
	p.server.Release("emulator-x-latest", "other", nil)
	if _, err := p.pull(image.Request{Branch: "x"}); err == nil || !strings.HasSuffix(err.Error(), "has no "+name+"; it has: other") {
		t.Error(err)
	}
}

func TestFile(t *testing.T) {
	p := newPlace(t, "")
	file := filepath.Join(t.TempDir(), "mine.qcow2")
	about, _ := json.Marshal(map[string]any{"source": "built", "digest": githubtest.Digest(disk(3)), "profile": "reference", "guestTools": true, "services": []string{"backend"}})
	for path, body := range map[string][]byte{file: disk(3), file + ".json": about} {
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.pull(image.Request{File: file}); err != nil {
		t.Fatal(err)
	}
	if s := p.has(disk(3)); s.Profile != "reference" || !s.GuestTools || len(s.Services) != 1 || s.Source != "file" {
		t.Errorf("%+v", s)
	}
	for what, c := range map[string]struct {
		change   func(path string) error
		force    bool
		upToDate bool
	}{
		"again":    {func(string) error { return nil }, false, true},
		"by force": {func(string) error { return nil }, true, false},
		"with other words": {func(path string) error {
			return os.WriteFile(path+".json", bytes.ReplaceAll(about, []byte("reference"), []byte("other")), 0o600)
		}, false, false},
		"of the same size":    {func(path string) error { return os.WriteFile(path, disk(5), 0o600) }, false, false},
		"and what was before": {func(path string) error { return os.WriteFile(path, disk(3), 0o600) }, false, true},
	} {
		q := newPlace(t, "")
		copied := filepath.Join(t.TempDir(), "mine.qcow2")
		for path, body := range map[string][]byte{copied: disk(3), copied + ".json": about} {
			if err := os.WriteFile(path, body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.pull(image.Request{File: copied}); err != nil {
			t.Fatal(err)
		}
		if err := c.change(copied); err != nil {
			t.Fatal(err)
		}
		if r, err := q.pull(image.Request{File: copied, Force: c.force}); err != nil || r.UpToDate != c.upToDate {
			t.Errorf("%s: %+v, %v", what, r, err)
		}
	}
	if _, err := p.pull(image.Request{File: p.home.Image("amd64").Disk}); err == nil || !strings.Contains(err.Error(), "is the image already") {
		t.Error(err)
	}
	if _, err := p.pull(image.Request{File: file + "x"}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	p.has(disk(3))
	if asked := p.server.Asked(); len(asked) != 0 {
		t.Errorf("asked %q", asked)
	}
}

func TestURL(t *testing.T) {
	p := newPlace(t, "secret")
	id := p.server.Release("x", name, disk(4))
	link := fmt.Sprintf("%s/store/asset-%d?sig=1", p.server.Store.URL, id)
	if _, err := p.pull(image.Request{File: link}); err != nil {
		t.Fatal(err)
	}
	if s := p.has(disk(4)); s.Source != "url" || strings.Contains(s.From, "sig") {
		t.Errorf("%+v", s)
	}
	asked := func() int { return len(p.server.Asked()) }
	before := asked()
	loud := strings.Replace(link, "http://", "HTTP://", 1)
	if r, err := p.pull(image.Request{File: loud}); err != nil || !r.UpToDate || asked() != before+1 {
		t.Errorf("%+v, %v, asked %d times", r, err, asked()-before)
	}
	if r, err := p.pull(image.Request{File: link, Force: true}); err != nil || r.UpToDate {
		t.Errorf("by force: %+v, %v", r, err)
	}
	p.server.Replace(id, disk(5))
	if r, err := p.pull(image.Request{File: link}); err != nil || r.UpToDate {
		t.Errorf("changed: %+v, %v", r, err)
	}
	p.has(disk(5))
}

// Two pulls at once: one fetches, the other waits, says so, and finds it done.
func TestTwoAtOnce(t *testing.T) {
	p := newPlace(t, "")
	p.server.Release("emulator-dev-latest", name, disk(1))
	waiting, first := make(chan struct{}), make(chan error)
	var begun sync.Once
	started := make(chan struct{})
	p.server.Faults(func(_ http.ResponseWriter, r *http.Request) bool {
		if githubtest.OfStore(r) {
			begun.Do(func() { close(started); <-waiting })
		}
		return false
	})
	go func() {
		_, err := p.pull(image.Request{})
		first <- err
	}()
	<-started
	var once sync.Once
	r, err := p.puller.Pull(t.Context(), image.Request{Arch: "amd64"}, func(now image.Progress) {
		if now.Phase == image.Waiting {
			once.Do(func() { close(waiting) })
		}
	})
	if err != nil || !r.UpToDate {
		t.Errorf("%+v, %v", r, err)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	p.has(disk(1))
}

func TestInterruptedPullGoesOn(t *testing.T) {
	p := newPlace(t, "")
	body := append(disk(1), make([]byte, 1<<20)...)
	p.server.Release("emulator-dev-latest", name, body)
	ctx, cancel := context.WithCancelCause(t.Context())
	n := 0
	var mu sync.Mutex
	p.server.Faults(func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		if n++; n == 12 {
			cancel(errors.New("Ctrl-C"))
		}
		return false
	})
	p.puller.Options.Connections = 1
	if _, err := p.puller.Pull(ctx, image.Request{Arch: "amd64"}, func(image.Progress) {}); err == nil || !strings.Contains(err.Error(), "Ctrl-C") {
		t.Fatal(err)
	}
	p.server.Faults(nil)
	p.only(name+".lock", name+".part", name+".part.json")
	if r, err := p.pull(image.Request{}); err != nil || r.Resumed == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	p.has(body)
}

func TestContradictions(t *testing.T) {
	for _, r := range []image.Request{{PR: 1, Run: 2}, {Tag: "a", Branch: "b"}, {File: "x", PR: 1}, {File: "x", Repo: "a/b"}, {File: "ftp://h/x"}, {File: "file:///x"}, {File: "https://"}, {PR: -1}, {Run: -1}, {Repo: "x"}, {Tag: "a b"}, {Branch: "../x"}} {
		r.Arch = "amd64"
		if r.Check() == nil {
			t.Errorf("%+v is no error", r)
		}
	}
	if (image.Request{Arch: "mips"}).Check() == nil {
		t.Error("mips is no error")
	}
}

func TestReleases(t *testing.T) {
	p := newPlace(t, "")
	p.server.ReleaseOf(githubtest.Repo, "emulator-x-latest", "prerelease", map[string][]byte{name: disk(2)})
	p.server.Release("v1", "other", nil)
	p.server.Release("emulator-dev-latest", name, disk(1))
	if _, err := p.pull(image.Request{}); err != nil {
		t.Fatal(err)
	}
	list, err := p.puller.Releases(t.Context(), "", 10)
	if err != nil || len(list) != 2 || !list[0].Images[0].Installed || list[1].Images[0].Installed || list[0].Kind != "latest" || list[1].Kind != "pre-release" {
		t.Errorf("%+v, %v", list, err)
	}
}
