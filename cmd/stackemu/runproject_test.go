package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/envtext"
)

func TestAskProject(t *testing.T) {
	const good = `{"project_id":"p","publishable_client_key":"k","secret_server_key":"topsecret","more":1}`
	for _, c := range []struct {
		name   string
		status int
		body   string
		want   string // of the error
	}{
		{"as it should be", 200, good, ""},
		{"the key is refused", 401, good, "refuses the published key (status 401); `stackemu restart` makes a new one"},
		{"an old image", 404, "", "does not know config files"},
		{"it fails", 500, good, "answers with status 500"},
		{"a redirect", 302, good, "answers with status 302"},
		{"no JSON", 200, "topsecret", "is not that of a project"},
		{"half of it", 200, `{"project_id":"p","publishable_client_key":"k"}`, "is not that of a project"},
		{"no value for an environment", 200, strings.Replace(good, "topsecret", `topsecret\u0000`, 1), "is not that of a project"},
		{"too much of it", 200, `{"secret_server_key":"` + strings.Repeat("x", maxProject), "is not that of a project"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				var body map[string]string
				err := json.NewDecoder(r.Body).Decode(&body)
				if err != nil || body["absolute_file_path"] != "/a/b" || r.Method != http.MethodPost || r.URL.Path != projectPath ||
					r.Header.Get("X-Stack-Project-Id") != "internal" || r.Header.Get("X-Stack-Access-Type") != "client" || r.Header.Get("X-Stack-Publishable-Client-Key") != "key" {
					t.Errorf("asked with %v, %v, %v", r.URL, r.Header, body)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
			own, err := askProject(t.Context(), server.Listener.Addr().String(), "key", "/a/b")
			if c.want == "" {
				if want := (credentials{"p", "k", "topsecret"}); err != nil || own != want {
					t.Errorf("got %v, %v", own, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "topsecret") || own != (credentials{}) {
				t.Errorf("got %v, %v", own, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := askProject(ctx, "127.0.0.1:1", "key", "/a/b"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestMountedBy(t *testing.T) {
	all := []config.Mount{{Dir: "/a/b"}, {Dir: "/c"}}
	for file, want := range map[string]bool{"/a/b/f": true, "/a/b/x/f": true, "/a/f": false, "/a/bb/f": false, "/c/f": true, "/f": false} {
		if got := mountedBy(all, file); got != want {
			t.Errorf("%s: got %v", file, got)
		}
	}
}

// A variable that nobody has called public has no public name, and secrets of others are not handed on.
func TestCommandEnvironment(t *testing.T) {
	vars := append(marked([]envtext.Var{{Name: "STACK_API_URL", Value: "u"}, {Name: "STACK_NEW_THING", Value: "n"}}),
		variable{Var: envtext.Var{Name: secretKeyVariable, Value: "s"}})
	got := commandEnvironment([]string{"A=1", "STACK_SECRET_SERVER_KEY=x", "STACK_SUPER_SECRET_ADMIN_KEY=x", "STACK_API_URL=x"}, vars)
	want := []string{"A=1", "STACK_API_URL=x", "STACK_API_URL=u", "NEXT_PUBLIC_STACK_API_URL=u", "VITE_STACK_API_URL=u", "EXPO_PUBLIC_STACK_API_URL=u",
		"STACK_NEW_THING=n", "STACK_SECRET_SERVER_KEY=s"} // of two with one name, the later one wins
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestWorst(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		command, instance error
		want              int
	}{
		{nil, nil, 0}, {exitStatus(3), nil, 3}, {nil, broken, exitFailed}, {exitStatus(3), broken, 3}, {broken, nil, exitFailed}, {broken, broken, exitFailed},
	} {
		if got := exitCode(worst(c.command, c.instance)); got != c.want {
			t.Errorf("%v, %v: got %d, want %d", c.command, c.instance, got, c.want)
		}
	}
}

// Before the command there is something to break off, and after it something else.
func TestRelayWithoutACommand(t *testing.T) {
	r := newRelay(t.Context())
	defer r.close()
	r.handle(syscall.SIGUSR1)
	if r.ctx.Err() != nil {
		t.Error("SIGUSR1 is the command's affair")
	}
	r.handle(syscall.SIGTERM)
	if r.ctx.Err() == nil || r.interrupted() != syscall.SIGTERM {
		t.Errorf("got %v, %v", r.ctx.Err(), r.interrupted())
	}
	if err := r.run(&program{"/bin/true", []string{"true"}}, os.Environ()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	rest := r.rest()
	r.handle(syscall.SIGINT)
	if rest.Err() != nil {
		t.Error("the echo of a signal is no second one")
	}
	r.last = r.last.Add(-2 * bounce)
	r.handle(syscall.SIGINT)
	if rest.Err() == nil || r.interrupted() != syscall.SIGTERM {
		t.Errorf("got %v, %v", rest.Err(), r.interrupted())
	}
}
