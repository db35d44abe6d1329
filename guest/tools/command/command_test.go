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
	for _, name := range []string{"render-stack-env", "run-stack-container", "postgres", "entrypoint", "cron-jobs", "mount-host-fs"} {
		var out bytes.Buffer
		if code := All[name]([]string{"stray"}, Streams{Err: &out}); code != 2 {
			t.Errorf("%s stray: code %d, want 2", name, code)
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
