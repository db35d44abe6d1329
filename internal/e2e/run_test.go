package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// configFile makes a project's file, and gives the name by which the backend knows it.
func (e *emulator) configFile(text string) string {
	e.Helper()
	dir, err := filepath.EvalSymlinks(e.TempDir())
	if err != nil {
		e.Fatal(err)
	}
	path := filepath.Join(dir, "stack.config.ts")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		e.Fatal(err)
	}
	return path
}

// handsOn checks what `run` gives to a command, with an instance that runs already and goes on afterwards.
func (e *emulator) handsOn(file string) {
	e.Helper()
	own, code := e.project(e.key(), file)
	if code != 200 {
		e.Fatalf("credentials of %s: %d", e.name, code)
	}
	out := "\n" + e.run(0, "run", "--config-file", file, e.name, "--", "env") + "\n"
	for name, value := range map[string]string{
		"STACK_API_URL":                            fmt.Sprintf("http://localhost:%d", e.port["BACKEND"]),
		"STACK_PROJECT_ID":                         own.ProjectID,
		"VITE_STACK_PROJECT_ID":                    own.ProjectID,
		"NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY": own.PublishableClientKey,
		"STACK_SECRET_SERVER_KEY":                  own.SecretServerKey,
	} {
		if !strings.Contains(out, "\n"+name+"="+value+"\n") {
			e.Errorf("run %s: the command has another %s than %s", e.name, name, value)
		}
	}
	if strings.Contains(out, "_STACK_SECRET_SERVER_KEY=") {
		e.Errorf("run %s: the secret key is there by a name that frameworks publish", e.name)
	}
	e.run(0, "status", e.name)
}

// `run` starts an instance, lets the guest see the project, hands its credentials on, gives the command's exit code, and stops what it
// has started. What `start --config-file` prints later is of the same project.
func TestRun(t *testing.T) {
	e := newFleet(t)
	file := e.configFile("export const marker = 4711\n")
	const script = `"$0" status a && "$0" exec --no-stdin a -- cat "/host$1" && echo "project=$STACK_PROJECT_ID" && exit 7`
	out := e.run(7, "run", "--config-file", file, "a", "--", "sh", "-c", script, e.bin, file)
	_, project, _ := strings.Cut(strings.TrimSpace(out), "project=")
	if !strings.Contains(out, "marker = 4711") || project == "" {
		t.Errorf("the command has said %s", out)
	}
	e.run(3, "status", "a")

	var printed credentials
	if err := json.Unmarshal([]byte(e.run(0, "start", "--config-file", file, "a")), &printed); err != nil {
		t.Fatal(err)
	}
	one := e.of("a")
	if own, code := one.project(one.key(), file); code != 200 || own != printed || own.ProjectID != project {
		t.Errorf("the backend (%d) knows the project as %+v, printed was %+v, and it was %s", code, own, printed, project)
	}
	e.run(0, "stop", "a")
}
