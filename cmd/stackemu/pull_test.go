package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/github/githubtest"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

const imageName = "stack-emulator-amd64.qcow2"

// published is an emulator with an image in it, and a GitHub that has others.
type published struct {
	*emulator
	server *githubtest.Server
}

func newPublished(t *testing.T, s qemutest.Script) *published {
	t.Helper()
	p := &published{newBackground(t, s), githubtest.New(t)}
	p.env = append(p.env, "GITHUB_API_URL="+p.server.API.URL, "GITHUB_TOKEN=secret", "NO_PROXY=127.0.0.1")
	p.allPorts()
	return p
}

// allPorts are for an image that does not say which services it has: it has all of them.
func (e *emulator) allPorts() {
	e.Helper()
	for _, name := range []string{"MINIO", "INBUCKET"} {
		e.env = append(e.env, fmt.Sprintf("EMULATOR_%s_PORT=%d", name, clitest.FreePort(e.T)))
	}
}

// diskWith is an image of a few MB that no other is like.
func diskWith(n byte) []byte {
	b := qemutest.Qcow2("")
	return append(b, []byte(strings.Repeat(string(rune('a'+n)), 20<<20))...)
}

func (p *published) has(body []byte) {
	p.Helper()
	got, err := os.ReadFile(p.file("images", imageName))
	if err != nil || githubtest.Digest(got) != githubtest.Digest(body) {
		p.Errorf("the image has %d bytes, %v", len(got), err)
	}
}

func TestPull(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.run(0, "capture") // of the image before
	before := p.snapshots()
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	c := p.run(0, "pull")
	p.says(c, "^image +looking", "^image +downloading", "^image: .*/images/stack-emulator-amd64.qcow2  21 MB  sha256:.*from release emulator-dev-latest of stack-auth/stack-auth$",
		"removed 1 snapshot of the image before", "capturing", "captured the snapshot", "stopped")
	p.saysNot(c, "warning")
	p.has(diskWith(1))
	if now := p.snapshots(); len(now) != 1 || now[0] == before[0] {
		t.Errorf("snapshots: were %q, are %q", before, now)
	}

	c = p.run(0, "pull", "--skip-snapshot")
	p.says(c, "already up to date")
	p.saysNot(c, "downloading", "preparing")
	c = p.run(0, "pull", "--json")
	p.says(c, `^\{\n`, `"command": "pull"`, `"upToDate": true`, `"captured": false`)
	p.saysNot(p.run(0, "pull", "--skip-snapshot", "--force", "--tag", "emulator-dev-latest"), "up to date")

	c = p.run(0, "list-releases")
	p.says(c, "^TAG +KIND +DATE +IMAGES +INSTALLED$", "^emulator-dev-latest +latest +2026-05-04 +amd64 21 MB +amd64$")
	c = p.run(0, "list-releases", "--json")
	var list struct {
		Data struct {
			Releases []struct {
				Tag    string
				Images []struct{ Installed bool }
			}
		}
	}
	if err := json.Unmarshal([]byte(c.Stdout()), &list); err != nil || len(list.Data.Releases) != 1 || !list.Data.Releases[0].Images[0].Installed {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestPullThatFails(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	before, err := os.ReadFile(p.file("images", imageName))
	if err != nil {
		t.Fatal(err)
	}
	p.complains(p.run(exitFailed, "pull", "--branch", "x"), "^stackemu: pull: github: release emulator-x-latest of stack-auth/stack-auth: not found")
	id := p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	p.server.Announce(id, githubtest.Digest(nil))
	p.complains(p.run(exitFailed, "pull"), "^stackemu: pull: download: the digest is wrong")
	p.server.Release("emulator-dev-latest", imageName, qemutest.Qcow2("/etc/passwd"))
	p.complains(p.run(exitFailed, "pull"), "^stackemu: pull: refused: qemu: .*backing file")
	p.has(before)
	if len(p.snapshots()) != 0 {
		t.Error("captured all the same")
	}
}

// stall lets so many answers of the store through, and holds the others. held waits until it does.
func (p *published) stall(n int32) (held, letGo func()) {
	stuck, free := make(chan struct{}), make(chan struct{})
	var count atomic.Int32
	var once sync.Once
	p.server.Faults(func(_ http.ResponseWriter, r *http.Request) bool {
		if !githubtest.OfStore(r) || count.Add(1) <= n {
			return false
		}
		once.Do(func() { close(stuck) })
		select {
		case <-free:
		case <-r.Context().Done():
		}
		return false
	})
	held = func() {
		p.Helper()
		select {
		case <-stuck:
		case <-time.After(time.Minute):
			p.Fatal("nothing is being downloaded")
		}
	}
	return held, sync.OnceFunc(func() { close(free) })
}

func TestPullIsInterrupted(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	held, letGo := p.stall(1)
	defer letGo()
	c := p.start("pull", "--skip-snapshot")
	held()
	c.Until(`downloading .* 8 MB of 21 MB$`) // a whole chunk, for no more comes: parts of chunks are not kept
	c.Interrupt()
	if code := c.End(); code != exitForced || !strings.Contains(c.Stderr(), "stackemu: pull: interrupted; the next pull goes on from here") {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	p.server.Faults(nil)
	p.says(p.run(0, "pull", "--skip-snapshot"), "of it were there from an earlier pull")
	p.has(diskWith(1))
}

func TestListReleasesIsInterrupted(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	asked := make(chan struct{}, 10)
	p.server.Faults(func(_ http.ResponseWriter, r *http.Request) bool {
		asked <- struct{}{}
		<-r.Context().Done()
		return true
	})
	for _, args := range [][]string{{"list-releases"}, {"list-releases", "--json"}} {
		c := p.start(args...)
		<-asked
		c.Interrupt()
		if code := c.End(); code != exitForced {
			t.Errorf("exit code %d: %s", code, c.Stderr())
		}
		if len(args) == 1 {
			p.complains(c, "^stackemu: list-releases: interrupted$")
			continue
		}
		p.says(c, `"code": "interrupted"`, `"retryable": true`)
	}
}

// An image build is interrupted while it looks for QEMU, which takes its time here.
func TestImageBuildIsInterrupted(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	slow, asked := filepath.Join(t.TempDir(), "qemu"), filepath.Join(t.TempDir(), "asked")
	if err := syscall.Mkfifo(asked, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(slow, []byte("#!/bin/sh\necho >"+asked+"\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	e.env = append(e.env, "QEMU_SYSTEM_X86_64="+slow)
	c := e.start("image", "build", "--json", "--output", filepath.Join(t.TempDir(), "x.qcow2"))
	if _, err := os.ReadFile(asked); err != nil {
		t.Fatal(err)
	}
	c.Interrupt()
	if code := c.End(); code != exitForced {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.says(c, `"command": "image build"`, `"code": "interrupted"`)
}

func TestPullOfAFileTwice(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	mine := filepath.Join(t.TempDir(), "mine.qcow2")
	if err := os.WriteFile(mine, diskWith(1), 0o600); err != nil {
		t.Fatal(err)
	}
	p.run(0, "pull", "--skip-snapshot", "--file", mine)
	c := p.run(0, "pull", "--skip-snapshot", "--file", mine)
	p.says(c, "image: already up to date")
	p.saysNot(c, "downloading")
	p.saysNot(p.run(0, "pull", "--skip-snapshot", "--force", "--file", mine), "up to date")
}

func TestPullIsKilled(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	held, letGo := p.stall(1)
	defer letGo()
	c := p.start("pull", "--skip-snapshot")
	held()
	c.Kill()
	c.End()
	p.server.Faults(nil)
	p.run(0, "pull", "--skip-snapshot")
	p.has(diskWith(1))
	entries, _ := os.ReadDir(p.file("images"))
	for _, e := range entries {
		if strings.Contains(e.Name(), ".part") || strings.HasSuffix(e.Name(), ".new") {
			t.Errorf("%s is left", e.Name())
		}
	}
}

func TestTwoPullsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	p.server.Release("emulator-dev-latest", imageName, diskWith(1))
	held, letGo := p.stall(1)
	defer letGo()
	first := p.start("pull", "--skip-snapshot")
	held()
	second := p.start("pull", "--skip-snapshot")
	second.Until("waiting .*another process writes the image")
	letGo()
	if code := first.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, first.Stderr())
	}
	if code := second.End(); code != 0 || !strings.Contains(second.Stdout(), "already up to date") {
		t.Errorf("exit code %d: %s%s", code, second.Stdout(), second.Stderr())
	}
	p.has(diskWith(1))
}

// An instance that runs on the image before keeps it, and its snapshot, also when it starts again.
func TestPullBelowAnInstance(t *testing.T) {
	t.Parallel()
	p := newPublished(t, healthy)
	u := p.up()
	key := p.rotated()
	mine := filepath.Join(t.TempDir(), "mine.qcow2")
	about := fmt.Sprintf(`{"source":"built","digest":%q,"profile":"reference","services":["dashboard","backend"]}`, githubtest.Digest(diskWith(1)))
	for path, text := range map[string][]byte{mine: diskWith(1), mine + ".json": []byte(about)} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.says(p.run(0, "pull", "--skip-snapshot", "--file", mine), "kept 1 snapshot of the image before, in use now")
	p.has(diskWith(1))
	if !p.accepts(key) {
		t.Error("the instance has suffered")
	}
	p.stop(u)
	u = p.up()
	if again := p.rotated(); again != key {
		t.Errorf("the key was %s and is %s", key, again)
	}
	p.stop(u)
	p.says(u, "runs on the image that it was made from", "resuming", "ready")
	p.saysNot(u, "cold-booting", "capturing")
}
