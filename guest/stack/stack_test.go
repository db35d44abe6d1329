package stack

import (
	"encoding/json"
	"io/fs"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := fs.ReadFile(Files, path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFilesAreComplete(t *testing.T) {
	for _, path := range []string{
		"app/names.js", "app/backend/server.js", "app/dashboard/server.js", "app/dashboard/built/index.html", "app/migrations/0001_projects.sql",
		"app/seed/0001_admin.sql", "etc/supervisor/supervisord.conf", "etc/stack/postgresql/postgresql.conf",
		"usr/local/lib/stack/supervisord.py", "var/log/stack/README",
	} {
		if _, err := fs.Stat(Files, path); err != nil {
			t.Error(err)
		}
	}
}

func TestPathsAreRelativeToTheRoot(t *testing.T) {
	paths := append([]string{Binary}, Remove...)
	for path := range Preseed {
		paths = append(paths, path)
	}
	for _, path := range paths {
		if filepath.IsAbs(path) || strings.Contains(path, "..") {
			t.Errorf("%s is not a path inside the root", path)
		}
		if _, err := filepath.Match(path, ""); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range Excludes {
		if !filepath.IsAbs(path) {
			t.Errorf("dpkg wants a path from the root: %s", path)
		}
	}
}

func TestImageConfig(t *testing.T) {
	image := ImageConfig("arm64")
	if err := image.Check(); err != nil {
		t.Error(err)
	}
	data, err := json.Marshal(image)
	if err != nil {
		t.Fatal(err)
	}
	if want := `"Volumes":{"/var/lib/postgresql":{},"/var/lib/stack-mail":{}`; image.Architecture != "arm64" || !strings.Contains(string(data), want) {
		t.Errorf("image = %s, want %s in it", data, want)
	}
	for _, arg := range image.Config.Entrypoint[1:] {
		if strings.HasPrefix(arg, "/") {
			if _, err := fs.Stat(Files, strings.TrimPrefix(arg, "/")); err != nil {
				t.Error(err)
			}
		}
	}
}

// A program that is ended without its children leaves one that keeps a port, and its successor fails for ever.
func TestProgramsAreEndedAsGroups(t *testing.T) {
	conf := read(t, "etc/supervisor/supervisord.conf")
	sections := strings.Split(conf, "[program:")[1:]
	if len(sections) != 6 {
		t.Errorf("%d programs, want 6", len(sections))
	}
	for _, section := range sections {
		name, _, _ := strings.Cut(section, "]")
		for _, want := range []string{"stopasgroup=true", "killasgroup=true", "autorestart=true", "stdout_logfile=/var/log/stack/" + name + ".log",
			"redirect_stderr=true", "command=/" + Binary + " "} {
			if !strings.Contains(section, want) {
				t.Errorf("%s has no %s", name, want)
			}
		}
	}
}

func TestSentinelsInTheBuild(t *testing.T) {
	script := read(t, "app/dashboard/built/api.js")
	found := regexp.MustCompile(`STACK_ENV_VAR_SENTINEL_[A-Z_]+`).FindAllString(script, -1)
	slices.Sort(found)
	want := []string{
		"STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_API_URL",
		"STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_INBUCKET_WEB_URL",
		"STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_PROJECT_ID",
		"STACK_ENV_VAR_SENTINEL_NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY",
	}
	if !slices.Equal(found, want) {
		t.Errorf("sentinels = %q, want %q", found, want)
	}
}

// The tests of the JavaScript run under Node itself.
func TestJavaScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	files, err := filepath.Glob("jstest/*.test.js")
	if err != nil || len(files) == 0 {
		t.Fatalf("no tests: %v", err)
	}
	out, err := exec.Command(node, append([]string{"--test"}, files...)...).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
