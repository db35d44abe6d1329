package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/qemu"
)

// The image that `stackemu image build` makes has placeholder secrets until rotation replaces them.
var placeholderKey = strings.Repeat("0", 32) + strings.Repeat("f", 32)

// emulator is a home of its own with the reference image, and free ports.
type emulator struct {
	*testing.T
	bin, home string
	name      string // of the instance; "" is the default one
	env       []string
	port      map[string]int
}

// newEmulator is an emulator with a snapshot to resume: the one that all tests share.
func newEmulator(t *testing.T) *emulator {
	t.Helper()
	e := newEmulatorWithout(t)
	shared := filepath.Join(filepath.Dir(os.Getenv("STACKEMU_E2E_IMAGE")), "snapshots")
	if err := os.MkdirAll(shared, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(shared, filepath.Join(e.home, "snapshots")); err != nil {
		t.Fatal(err)
	}
	c := e.start("capture") // does nothing when there is one
	if code := c.End(); code != 0 {
		t.Fatalf("capture: exit code %d: %s", code, c.Stderr())
	}
	return e
}

// newEmulatorWithout is an emulator that has no snapshot yet.
func newEmulatorWithout(t *testing.T) *emulator {
	t.Helper()
	image, bin := os.Getenv("STACKEMU_E2E_IMAGE"), os.Getenv("STACKEMU_E2E_BIN")
	if image == "" || bin == "" {
		t.Skip("needs the reference image: run make e2e")
	}
	// Beside the image, so that an instance can keep hold of it with a hard link.
	dir, err := os.MkdirTemp(filepath.Dir(image), "home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &emulator{T: t, bin: bin, home: dir, port: map[string]int{}}
	e.env = append(os.Environ(), "STACKEMU_CONFIG=none", "STACK_EMULATOR_HOME="+e.home, "EMULATOR_IMAGE_DIR="+filepath.Dir(image))
	for _, name := range []string{"DASHBOARD", "BACKEND", "MINIO", "INBUCKET"} {
		e.port[name] = clitest.FreePort(t)
		e.env = append(e.env, fmt.Sprintf("EMULATOR_%s_PORT=%d", name, e.port[name]))
	}
	return e
}

// onAnotherPort moves the backend, for the starts that follow.
func (e *emulator) onAnotherPort() {
	e.Helper()
	e.port["BACKEND"] = clitest.FreePort(e.T)
	e.env = append(e.env, fmt.Sprintf("EMULATOR_BACKEND_PORT=%d", e.port["BACKEND"])) // the last one counts
}

// limit of one run of the program: a handful of cold boots on a slow machine.
const limit = 8 * time.Minute

func (e *emulator) start(args ...string) *clitest.Command {
	e.Helper()
	return e.startWith(nil, args...)
}

// startWith starts the program with variables of its own in its environment.
func (e *emulator) startWith(env []string, args ...string) *clitest.Command {
	e.Helper()
	c := clitest.Start(e, limit, append(e.env[:len(e.env):len(e.env)], env...), e.bin, args...)
	e.Cleanup(func() {
		if id, err := qemu.ReadPID(e.file("qemu.pid")); err == nil {
			_ = id.Kill() // only after a failed test is there one
		}
		if e.Failed() {
			e.Logf("standard output:\n%s\nserial console:\n%s", c.Stdout(), e.read("serial.log"))
		}
	})
	return c
}

func (e *emulator) file(name string) string {
	folder := e.name
	if folder == "" {
		folder = "vm"
	}
	return filepath.Join(e.home, "run", folder, name)
}

func (e *emulator) read(name string) string {
	b, _ := os.ReadFile(e.file(name))
	return string(b)
}

func (e *emulator) stop(c *clitest.Command) {
	e.Helper()
	c.Interrupt()
	if code := c.End(); code != 0 {
		e.Errorf("exit code %d: %s", code, c.Stderr())
	}
	e.nothingLeft()
}

// up starts the instance and waits until it is ready.
func (e *emulator) up(env ...string) *clitest.Command {
	e.Helper()
	c := e.startWith(env, "up")
	c.Until(`^default +ready`)
	return c
}

// reset throws the instance's data away.
func (e *emulator) reset() {
	e.Helper()
	c := e.start("reset", "--yes")
	if code := c.End(); code != 0 {
		e.Fatalf("reset: exit code %d: %s", code, c.Stderr())
	}
}

// key is the publishable client key that the instance has published.
func (e *emulator) key() string {
	e.Helper()
	key := e.read("internal-pck")
	if !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(key) {
		e.Errorf("published key: %q", key)
	}
	return key
}

// nothingLeft checks what must be gone after every end: process, sockets, ports, the lock's hold.
func (e *emulator) nothingLeft() {
	e.Helper()
	for _, name := range []string{"monitor.sock", "qga.sock", "qemu.pid"} {
		if _, err := os.Lstat(e.file(name)); err == nil {
			e.Errorf("%s is left", name)
		}
	}
	for _, port := range e.port {
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err != nil {
			e.Errorf("port %d: %v", port, err)
		} else {
			l.Close()
		}
	}
	// QEMU's command line names the instance's disk.
	processes, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, p := range processes {
		if b, err := os.ReadFile(p); err == nil && bytes.Contains(b, []byte(e.file("disk.qcow2"))) {
			e.Errorf("a process is left: %s", bytes.ReplaceAll(b, []byte{0}, []byte{' '}))
		}
	}
}

func (e *emulator) url(service, path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", e.port[service], path)
}

// call sends a JSON request and decodes the JSON answer into out, unless that is nil.
func (e *emulator) call(method, url string, headers map[string]string, body, out any) int {
	e.Helper()
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			e.Fatal(err)
		}
		sent = bytes.NewReader(b)
	}
	r, err := http.NewRequest(method, url, sent)
	if err != nil {
		e.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for k, v := range headers {
		r.Header.Set(k, v)
	}
	r.Close = true // a connection that is kept ends with the guest's kernel, and a POST is then not sent again
	client := &http.Client{Timeout: 30 * time.Second}
	answer, err := client.Do(r)
	if err != nil {
		e.Fatal(err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		e.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			e.Fatalf("%s %s: %d %s", method, url, answer.StatusCode, b)
		}
	}
	return answer.StatusCode
}

// get writes the body of a page into out.
func (e *emulator) get(out io.Writer, url string) {
	e.Helper()
	answer, err := http.Get(url)
	if err != nil {
		e.Fatal(err)
	}
	defer answer.Body.Close()
	if _, err := io.Copy(out, answer.Body); err != nil {
		e.Fatal(err)
	}
}

// client are the headers of a request with a project's publishable key.
func client(project, key string) map[string]string {
	return map[string]string{"X-Stack-Project-Id": project, "X-Stack-Access-Type": "client", "X-Stack-Publishable-Client-Key": key}
}

type credentials struct {
	ProjectID            string `json:"project_id"`
	PublishableClientKey string `json:"publishable_client_key"`
	SecretServerKey      string `json:"secret_server_key"`
}

// project asks for the credentials of the project of a config file.
func (e *emulator) project(key, file string) (credentials, int) {
	e.Helper()
	var got credentials
	code := e.call("POST", e.url("BACKEND", "/api/v1/internal/local-emulator/project"), client("internal", key),
		map[string]string{"absolute_file_path": file}, &got)
	return got, code
}
