package command

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/guest/tools/links"
)

func TestMainFindsTheCommand(t *testing.T) {
	var ran []string
	note := func(name string, code int) Command {
		return func(args []string, _ Streams) int {
			ran = append([]string{name}, args...)
			return code
		}
	}
	commands := map[string]Command{"one": note("one", 0), "two": note("two", 3)}
	tests := []struct {
		args []string
		ran  []string
		code int
	}{
		{[]string{"/usr/local/bin/one", "a"}, []string{"one", "a"}, 0},
		{[]string{"stackguest", "two", "-x"}, []string{"two", "-x"}, 3},
		{[]string{"./stackguest-linux-amd64", "one"}, []string{"one"}, 0},
		{[]string{"one", "two"}, []string{"one", "two"}, 0},
		{[]string{"stackguest"}, nil, 2},
		{[]string{"stackguest", "three"}, nil, 2},
	}
	for _, test := range tests {
		ran = nil
		var out bytes.Buffer
		code := Main(commands, test.args, Streams{Out: &out, Err: &out})
		if code != test.code || !slices.Equal(ran, test.ran) {
			t.Errorf("%q: ran %q with code %d, want %q with %d", test.args, ran, code, test.ran, test.code)
		}
		if code == 2 && !strings.Contains(out.String(), "one") {
			t.Errorf("%q: the usage does not list the commands: %q", test.args, out.String())
		}
	}
}

func TestLinksAreCommands(t *testing.T) {
	for _, name := range links.All {
		if All[name] == nil {
			t.Errorf("%s is no command", name)
		}
	}
}

func TestCommandsRefuseStrayArguments(t *testing.T) {
	for _, name := range []string{"render-stack-env", "run-stack-container", "postgres", "entrypoint", "cron-jobs", "mount-host-fs", "storage", "mail", "mock-oauth"} {
		var out bytes.Buffer
		if code := All[name]([]string{"stray"}, Streams{Err: &out}); code != 2 {
			t.Errorf("%s stray: code %d, want 2", name, code)
		}
	}
}

// What the host says that is wrong as a whole gets an answer, and nothing is touched: these run in the machine of the test.
func TestHostCommandsRefuse(t *testing.T) {
	for _, test := range []struct{ name, input, out, err string }{
		{"post-resume", "{}", `"name":"clock"`, "no time"},
		{"post-resume", `{"time":"2026-11-23T10:00:00Z","secrets":{"CRON_SECRET":"geheim"}}`, `"name":"rotation"`, "64 lower-case"},
		{"post-resume", "", "", "the request"},
		{"post-resume", "KEY=value", "", "the request"},
		{"post-resume", strings.Repeat(" ", maxInput+1), "", "more than"},
		{"rotate-secrets", "CRON_SECRET=geheim\n", "", "64 lower-case"},
		{"rotate-secrets", "", "", "64 lower-case"},
		{"trigger-fast-rotate", "geheim\n", "", "not an environment file"},
	} {
		var out, err bytes.Buffer
		code := All[test.name](nil, Streams{In: strings.NewReader(test.input), Out: &out, Err: &err})
		if code != 1 || !strings.Contains(out.String(), test.out) || !strings.Contains(err.String(), test.err) {
			t.Errorf("%s %.80q: code %d, %q, %q, want 1, %q, %q", test.name, test.input, code, &out, &err, test.out, test.err)
		}
		if test.out == "" && out.Len() > 0 || strings.Contains(out.String()+err.String(), "geheim") {
			t.Errorf("%s %.80q: %q, %q", test.name, test.input, &out, &err)
		}
	}
}

func TestAnnounce(t *testing.T) {
	console := filepath.Join(t.TempDir(), "console")
	if err := os.WriteFile(console, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := announce(console); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(console)
	if err != nil || !slices.Contains(strings.Split(string(text), "\n"), "STACK_SERVICES_READY") {
		t.Errorf("console: %q, %v, want the marker alone on a line", text, err)
	}
}
