package entrypoint

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
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
	"github.com/stackemu/stackemu/guest/tools/sentinel"
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
	if server == "orphan" {
		return playOrphan()
	}
	dir := os.Getenv("NODE_ENTRYPOINT_TEST_DIR")
	write := func(what, text string) bool {
		return os.WriteFile(filepath.Join(dir, server+"."+what), []byte(text), 0o600) == nil
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	cwd, err := os.Getwd()
	if err != nil || !write("cwd", cwd) || !write("script", os.Args[1]) || !write("env", strings.Join(os.Environ(), "\n")) {
		return 90
	}
	switch part {
	case server + "-fails-early":
		return 5
	case server + "-leaves-an-orphan":
		return leaveOrphan(write)
	}
	if server == "backend" {
		if n, err := os.NewFile(3, "gate").Read(make([]byte, 1)); n != 1 || err != nil {
			return 91
		}
	}
	if !write("listens", "") {
		return 90
	}
	if part == server+"-fails" {
		return 6
	}
	for sig := range signals {
		if sig == syscall.SIGTERM || !write(sig.String(), "") {
			break
		}
	}
	return 0
}

// leaveOrphan ends when its child has a port.
func leaveOrphan(write func(what, text string) bool) int {
	child := exec.Command(os.Args[0], "orphan/main")
	address, err := child.StdoutPipe()
	if err != nil || child.Start() != nil {
		return 90
	}
	text, err := bufio.NewReader(address).ReadString('\n')
	if err != nil || !write("port", strings.TrimSpace(text)) {
		return 90
	}
	return 7
}

// playOrphan has a port and cannot be asked to end.
func playOrphan() int {
	signal.Ignore(syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 90
	}
	fmt.Println(listener.Addr())
	select {}
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

func (w world) path(name string) string { return filepath.Join(w.dir, name) }

func (w world) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		t.Error(err)
	}
	return string(text)
}

// env is the environment that a server has seen.
func (w world) env(t *testing.T, server string) envfile.Vars {
	t.Helper()
	return envfile.FromEnviron(strings.Split(w.read(t, server+".env"), "\n"))
}

// until waits for done.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if done() {
			return
		}
	}
	t.Errorf("%s: not in time", what) // not Fatal: tests call this from goroutines
}

func (w world) waitFor(t *testing.T, file string) {
	t.Helper()
	until(t, file, func() bool {
		_, err := os.Stat(w.path(file))
		return err == nil
	})
}

// run runs the servers for as long as act takes, and asks them to end.
func (w world) run(t *testing.T, act func(signals chan<- os.Signal)) {
	t.Helper()
	signals := make(chan os.Signal, 1)
	acted := make(chan struct{})
	go func() {
		defer close(acted)
		act(signals)
		signals <- syscall.SIGTERM
	}()
	if code, err := Run(t.Context(), w.config, w.environ, signals); code != 0 || err != nil {
		t.Errorf("Run = %d, %v\n%s", code, err, w.log)
	}
	<-acted
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
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT} {
		w := newWorld(t, "serves")
		w.run(t, func(signals chan<- os.Signal) {
			w.waitFor(t, "dashboard.listens")
			signals <- sig
		})
		if _, err := os.Stat(w.path("backend.listens")); err == nil {
			t.Error("the backend listened without a database")
		}
	}
}

// Other signals are the servers'.
func TestRunPassesSignalsOn(t *testing.T) {
	w := newWorld(t, "serves")
	w.environ = append(w.environ, "STACK_DATABASE_CONNECTION_STRING="+startPostgres(t).URL("stack", "stack"))
	w.run(t, func(signals chan<- os.Signal) {
		w.waitFor(t, "dashboard.listens")
		w.waitFor(t, "backend.listens")
		for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2} {
			signals <- sig
			w.waitFor(t, "dashboard."+sig.String())
			w.waitFor(t, "backend."+sig.String())
		}
	})
}

// What a server has started goes with it, or its port would be taken for the next one.
func TestRunLeavesNoOrphanWithAPort(t *testing.T) {
	w := newWorld(t, "dashboard-leaves-an-orphan")
	if code, err := Run(t.Context(), w.config, w.environ, nil); code != 7 {
		t.Errorf("Run = %d, %v, want the code of the server that ended", code, err)
	}
	address := w.read(t, "dashboard.port")
	until(t, "a free "+address, func() bool { // the kernel ends a process that was killed in its own time
		listener, err := net.Listen("tcp", address)
		return err == nil && listener.Close() == nil
	})
}

// The servers find the mock OAuth server of the developers' machine on their own, if that is wanted.
func TestRunForwards(t *testing.T) {
	for value, want := range map[string]bool{"true": true, "false": false, "": false} {
		w, host := newWorld(t, "serves"), listen(t)
		w.config.MockOAuth, w.config.MockOAuthHost = "127.0.0.1:"+freePort(t), host.Addr().String()
		w.environ = append(w.environ, "STACK_FORWARD_MOCK_OAUTH_SERVER="+value)
		var forwarded bool
		w.run(t, func(chan<- os.Signal) {
			w.waitFor(t, "dashboard.listens")
			forwarded = reaches(w.config.MockOAuth, host)
		})
		if forwarded != want {
			t.Errorf("%q: forwarded = %v", value, forwarded)
		}
		_ = host.Close()
	}
	if Default.MockOAuth != "127.0.0.1:32202" || Default.MockOAuthHost != "host.docker.internal:32202" {
		t.Errorf("the product's addresses are others: %+v", Default)
	}
}

// reaches says whether a connection to address is one to host.
func reaches(address string, host net.Listener) bool {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	defer conn.Close()
	other, err := host.Accept()
	return err == nil && other.Close() == nil
}

func freePort(t *testing.T) string {
	t.Helper()
	l := listen(t)
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
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

// An emulator without its keys, or with others than hexadecimal ones, does not start anything.
func TestRunRefusesBadKeys(t *testing.T) {
	for _, name := range []string{secret.PublishableClientKey, secret.SecretServerKey, secret.SuperSecretAdminKey} {
		for _, bad := range []string{"", "x' OR 1=1"} {
			w := newWorld(t, "serves")
			w.environ = append(w.environ, name+"="+bad)
			code, err := Run(t.Context(), w.config, w.environ, nil)
			if code != 1 || !errors.Is(err, secret.ErrFormat) || !strings.Contains(err.Error(), name) {
				t.Errorf("%s=%q: Run = %d, %v, want 1 and ErrFormat", name, bad, code, err)
			}
			if left, err := os.ReadDir(w.dir); err != nil || len(left) != 1 {
				t.Errorf("%s=%q: touched %v, %v", name, bad, left, err)
			}
		}
	}
}

// Any other stack starts with keys of its own.
func TestRunWithoutKeys(t *testing.T) {
	w := newWorld(t, "serves")
	w.environ = append(w.environ, "NEXT_PUBLIC_STACK_IS_LOCAL_EMULATOR=", secret.SecretServerKey+"=")
	w.run(t, func(chan<- os.Signal) { w.waitFor(t, "backend.env") })
	if key := w.env(t, "backend")[secret.SecretServerKey]; secret.Check(secret.SecretServerKey, key) != nil {
		t.Errorf("the backend has the key %q", key)
	}
}

// Each step can be left out, by either variable.
func TestStepsOfTheDatabase(t *testing.T) {
	server := startPostgres(t)
	for n, test := range []struct {
		set              string
		migrated, seeded bool
	}{
		{"STACK_SKIP_SEED_SCRIPT=true", true, false},
		{"STACK_RUN_SEED_SCRIPT=false", true, false},
		{"STACK_SKIP_SEED_SCRIPT=false", true, true},
		{"STACK_SKIP_MIGRATIONS=true STACK_RUN_SEED_SCRIPT=false", false, false},
		{"STACK_RUN_MIGRATIONS=false STACK_SKIP_SEED_SCRIPT=true", false, false},
	} {
		w := newWorld(t, "")
		env := envfile.FromEnviron(strings.Fields(test.set))
		env["STACK_DATABASE_CONNECTION_STRING"] = server.URL("stack", fmt.Sprint("steps", n))
		if err := w.config.prepareDatabase(t.Context(), env, nil); err != nil {
			t.Fatal(err)
		}
		log := w.log.String()
		if strings.Contains(log, "applied migrations/") != test.migrated || strings.Contains(log, "applied seed/") != test.seeded {
			t.Errorf("%s: %s", test.set, log)
		}
	}
}

// Servers run in the working directory, with all of the application filled; with other keys they find these. In the
// application's own directory it is the same, and no less of the application is left.
func TestWorkingDirectory(t *testing.T) {
	for _, name := range []string{"work", "app"} {
		w := newWorld(t, "serves")
		work := w.path(name)
		for _, key := range []string{secret.Placeholders()[secret.PublishableClientKey], strings.Repeat("1", 64), strings.Repeat("2", 64)} {
			w.environ = append(w.environ, "STACK_RUNTIME_WORK_DIR="+work, secret.PublishableClientKey+"="+key)
			for _, server := range []string{"backend", "dashboard"} {
				_ = os.Remove(w.path(server + ".env"))
			}
			w.run(t, func(chan<- os.Signal) {
				w.waitFor(t, "dashboard.env")
				w.waitFor(t, "backend.env")
			})
			for _, server := range []string{"backend", "dashboard"} {
				cwd, script := w.read(t, server+".cwd"), w.read(t, server+".script")
				if cwd != work || script != filepath.Join(work, server, "server.js") {
					t.Errorf("%s: the %s is %s in %s", name, server, script, cwd)
				}
			}
			script := w.read(t, name+"/dashboard/built/api.js")
			for _, want := range []string{"'" + key + "'", "'http://localhost:8102'", "'internal'"} {
				if !strings.Contains(script, want) {
					t.Errorf("%s: the built script does not have %s", name, want)
				}
			}
			if strings.Contains(script, "SENTINEL") {
				t.Errorf("%s: a sentinel is left in the built script", name)
			}
			checkApp(t, work)
			checkApp(t, w.config.App)
			w.read(t, name+"/"+sentinel.Marker)
		}
	}
}

// checkApp compares the files of the application that have no sentinels.
func checkApp(t *testing.T, dir string) {
	t.Helper()
	const source = "../../stack/files/app"
	err := filepath.WalkDir(source, func(path string, found os.DirEntry, err error) error {
		if err != nil || found.IsDir() {
			return err
		}
		want, err := os.ReadFile(path)
		if err != nil || bytes.Contains(want, []byte("SENTINEL")) {
			return err
		}
		if have, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(path, source))); err != nil || !bytes.Equal(have, want) {
			t.Errorf("%s is not as it was: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// The copy is one that Node runs, with packages that only the application has.
func TestRunWithNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	w := newWorld(t, "")
	w.config.Node, w.config.NoBlob = node, false
	driver := filepath.Join(w.config.App, "node_modules/pg")
	if err := errors.Join(os.MkdirAll(driver, 0o755),
		os.WriteFile(filepath.Join(driver, "index.js"), []byte("exports.Pool = class { on() {} };\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	backend, dashboard := freePort(t), freePort(t)
	w.environ = append(w.environ, "STACK_DATABASE_CONNECTION_STRING="+startPostgres(t).URL("stack", "stack"), "BACKEND_PORT="+backend,
		"DASHBOARD_PORT="+dashboard)
	w.run(t, func(chan<- os.Signal) {
		for url, want := range map[string]string{"http://127.0.0.1:" + backend + "/health": "",
			"http://127.0.0.1:" + dashboard + "/api.js": secret.Placeholders()[secret.PublishableClientKey]} {
			until(t, url, func() bool { return answers(url, want) })
		}
	})
}

// answers says whether url has an answer with text in it.
func answers(url, text string) bool {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return err == nil && answer.StatusCode == http.StatusOK && strings.Contains(string(body), text)
}

func TestServersGetTheirEnvironment(t *testing.T) {
	w := newWorld(t, "serves")
	w.run(t, func(chan<- os.Signal) {
		w.waitFor(t, "dashboard.listens")
		w.waitFor(t, "backend.env")
	})
	dashboard, backend := w.env(t, "dashboard"), w.env(t, "backend")
	for name, value := range secret.Placeholders() {
		if backend[name] != value {
			t.Errorf("the backend has %s=%q", name, backend[name])
		}
		if _, set := dashboard[name]; set {
			t.Errorf("the dashboard has %s, which it does not need", name)
		}
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
