package containertest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/container"
)

// Docker is a daemon that knows of one container, or of none, and a command line that only notes how it was called.
type Docker struct {
	dir     string // of the command line
	mu      sync.Mutex
	status  string
	pid     int
	removed int
}

// OnDocker makes docker the engine of the layout, until the test ends.
func OnDocker(t *testing.T, l *container.Layout) *Docker {
	t.Helper()
	dir := filepath.Dir(l.RunDir)
	d := &Docker{dir: dir + "/bin"}
	l.Engine, l.Docker = dir+"/engine", dir+"/docker.sock"
	makeDir(t, d.dir)
	script := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>" + d.dir + "/called\nenv >>" + d.dir + "/env\n[ ! -e " + d.dir + "/answer ] || . " + d.dir + "/answer\n"
	for path, text := range map[string]string{l.Engine: "docker\n", d.dir + "/docker": script} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", d.dir+":"+os.Getenv("PATH"))
	listener, err := net.Listen("unix", l.Docker)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: d}
	go func() { _ = server.Serve(listener) }() // until it is closed
	t.Cleanup(func() { _ = server.Close() })
	return d
}

// Set gives the container a state and a first process; "" is none.
func (d *Docker) Set(status string, pid int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.status, d.pid = status, pid
}

// Answer is what the command line does when it is called, in the language of the shell.
func (d *Docker) Answer(t *testing.T, script string) {
	t.Helper()
	if err := os.WriteFile(d.dir+"/answer", []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
}

// Removed is how often the container was removed.
func (d *Docker) Removed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.removed
}

// Called are the arguments of each call of the command line, in a line.
func (d *Docker) Called() string { return d.read("called") }

// Env is the environment that the command line was called with.
func (d *Docker) Env() string { return d.read("env") }

func (d *Docker) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(d.dir, name)) // none before the first call
	return string(text)
}

// ServeHTTP answers as the daemon does.
func (d *Docker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := "/containers/" + container.Name
	switch {
	case d.status == "":
		http.Error(w, `{"message":"No such container: stack"}`, http.StatusNotFound)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, name+"/json"):
		fmt.Fprintf(w, `{"Id":"1","State":{"Status":%q,"Pid":%d}}`, d.status, d.pid)
	case r.Method == http.MethodDelete && strings.HasSuffix(r.URL.Path, name) && r.URL.Query().Get("force") == "true":
		d.removed++
		d.status, d.pid = "", 0
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, `{"message":"page not found"}`, http.StatusBadRequest)
	}
}
