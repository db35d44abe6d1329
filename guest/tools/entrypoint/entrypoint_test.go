package entrypoint

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/stackemu/stackemu/guest/stack"
	"github.com/stackemu/stackemu/guest/tools/envfile"
	"github.com/stackemu/stackemu/guest/tools/pgtest"
	"github.com/stackemu/stackemu/guest/tools/secret"
)

// Node is played by this binary: the variable says how, the first argument which server it is.
const role = "NODE_ENTRYPOINT_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(role) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	os.Exit(playNode(os.Getenv(role), filepath.Base(filepath.Dir(os.Args[1]))))
}

func playNode(part, server string) int {
	dir := os.Getenv("NODE_ENTRYPOINT_TEST_DIR")
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	if err := os.WriteFile(filepath.Join(dir, server+".env"), []byte(strings.Join(os.Environ(), "\n")), 0o600); err != nil {
		return 90
	}
	if part == server+"-fails-early" {
		return 5
	}
	if server == "backend" {
		if n, err := os.NewFile(3, "gate").Read(make([]byte, 1)); n != 1 || err != nil {
			return 91
		}
	}
	if err := os.WriteFile(filepath.Join(dir, server+".listens"), nil, 0o600); err != nil {
		return 90
	}
	if part == server+"-fails" {
		return 6
	}
	<-signals
	return 0
}

// world is a container: an application, a run directory, and servers that play a part.
type world struct {
	config  Config
	dir     string
	environ []string
	log     *bytes.Buffer
}

func newWorld(t *testing.T, part string) world {
	t.Helper()
	dir := t.TempDir()
	app := filepath.Join(dir, "app")
	if err := os.CopyFS(app, os.DirFS("../../stack/files/app")); err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	env := envfile.Vars(maps.Clone(secret.Placeholders()))
	env.Merge(envfile.Vars{"NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR": "true", "STACK_RUNTIME_WORK_DIR": filepath.Join(dir, "work"),
		"STACK_DATABASE_CONNECTION_STRING": "postgres://nobody@/nothing?host=" + dir, role: part, "NODE_ENTRYPOINT_TEST_DIR": dir})
	return world{Config{App: app, RunDir: filepath.Join(dir, "run"), Node: os.Args[0], Log: log, NoBlob: true}, dir, env.Environ(), log}
}

func (w world) waitFor(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Join(w.dir, file)); err == nil {
			return
		}
	}
	t.Errorf("%s did not appear", file) // not Fatal: tests call this from goroutines
}

func TestRunEndsWithTheFirstServer(t *testing.T) {
	for _, part := range []string{"backend-fails-early", "dashboard-fails-early"} {
		w := newWorld(t, part)
		code, err := Run(t.Context(), w.config, w.environ, nil)
		name, _, _ := strings.Cut(part, "-")
		if code != 5 || err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %d, %v, want 5 and the name of the server", part, code, err)
		}
	}
}

func TestRunStopsWhenAsked(t *testing.T) {
	w := newWorld(t, "serves")
	signals := make(chan os.Signal, 1)
	go func() {
		w.waitFor(t, "dashboard.listens")
		signals <- syscall.SIGTERM
	}()
	code, err := Run(t.Context(), w.config, w.environ, signals)
	if code != 0 || err != nil {
		t.Errorf("Run = %d, %v", code, err)
	}
	if _, err := os.Stat(filepath.Join(w.dir, "backend.listens")); err == nil {
		t.Error("the backend listened without a database")
	}
}

func startPostgres(t *testing.T) *pgtest.Server {
	t.Helper()
	server, err := pgtest.New()
	if errors.Is(err, pgtest.ErrAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	return server
}

func TestRunWithADatabase(t *testing.T) {
	server := startPostgres(t)
	for name, test := range map[string]struct {
		part, file string
		code       int
	}{
		"serves":        {"serves", "backend.listens", 0},
		"backend fails": {"backend-fails", "", 6},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, test.part)
			w.environ = append(w.environ, "STACK_DATABASE_CONNECTION_STRING="+server.URL("stack", "stack"))
			signals := make(chan os.Signal, 1)
			if test.file != "" {
				go func() {
					w.waitFor(t, test.file)
					signals <- syscall.SIGTERM
				}()
			}
			if code, err := Run(t.Context(), w.config, w.environ, signals); code != test.code {
				t.Errorf("Run = %d, %v, want %d\n%s", code, err, test.code, w.log)
			}
		})
	}
}

func TestRunRefusesBadKeys(t *testing.T) {
	server := startPostgres(t)
	w := newWorld(t, "serves")
	w.environ = append(w.environ, "STACK_DATABASE_CONNECTION_STRING="+server.URL("stack", "stack"), secret.SecretServerKey+"=x' OR 1=1")
	if code, err := Run(t.Context(), w.config, w.environ, nil); code != 1 || !errors.Is(err, secret.ErrFormat) {
		t.Errorf("Run = %d, %v, want 1 and ErrFormat", code, err)
	}
}

func TestServersGetTheirEnvironment(t *testing.T) {
	w := newWorld(t, "backend-fails-early")
	signals := make(chan os.Signal, 1)
	w.environ = append(w.environ, role+"=serves")
	go func() {
		w.waitFor(t, "dashboard.listens")
		w.waitFor(t, "backend.env")
		signals <- syscall.SIGTERM
	}()
	if code, err := Run(t.Context(), w.config, w.environ, signals); code != 0 {
		t.Fatalf("Run = %d, %v", code, err)
	}
	read := func(name string) envfile.Vars {
		text, err := os.ReadFile(filepath.Join(w.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return envfile.FromEnviron(strings.Split(string(text), "\n"))
	}
	dashboard, backend := read("dashboard.env"), read("backend.env")
	for name, value := range secret.Placeholders() {
		if backend[name] != value {
			t.Errorf("the backend has %s=%q", name, backend[name])
		}
		if _, set := dashboard[name]; set {
			t.Errorf("the dashboard has %s, which it does not need", name)
		}
	}
	script, err := os.ReadFile(filepath.Join(w.dir, "work/dashboard/api.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{secret.Placeholders()[secret.PublishableClientKey], "http://localhost:8102", "'internal'"} {
		if !bytes.Contains(script, []byte(want)) {
			t.Errorf("the built script does not have %s", want)
		}
	}
	if bytes.Contains(script, []byte("SENTINEL")) {
		t.Error("a sentinel is left in the built script")
	}
}

// The default database URL and the container's user must fit the files of the stack.
func TestDefaultsFitTheStack(t *testing.T) {
	ident, err := stack.Files.Open("etc/stack/postgresql/pg_ident.conf")
	if err != nil {
		t.Fatal(err)
	}
	defer ident.Close()
	text := new(bytes.Buffer)
	if _, err := text.ReadFrom(ident); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), Default.User+" ") {
		t.Errorf("pg_ident.conf does not know %s", Default.User)
	}
}
