package mockoauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type world struct {
	*testing.T
	server *httptest.Server
	client *http.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, err := loadKey(filepath.Join(t.TempDir(), "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var p *Provider
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	if p, err = New(server.URL, key); err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &world{t, server, client}
}

// ask is what a client asks for unless changes say otherwise.
func ask(changes ...string) url.Values {
	values := url.Values{"client_id": {"app"}, "redirect_uri": {"http://localhost:3000/back?x=1"}, "response_type": {"code"},
		"scope": {"openid email"}, "state": {"s t"}, "nonce": {"n"}}
	for n := 0; n < len(changes); n += 2 {
		values.Set(changes[n], changes[n+1])
	}
	return values
}

func (w *world) do(method, path string, form url.Values, header ...string) (*http.Response, string) {
	w.Helper()
	request, err := http.NewRequest(method, w.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for n := 0; n < len(header); n += 2 {
		request.Header.Set(header[n], header[n+1])
	}
	answer, err := w.client.Do(request)
	if err != nil {
		w.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.Fatal(err)
	}
	return answer, string(text)
}

// back is where the provider sends the browser.
func (w *world) back(form url.Values) url.Values {
	w.Helper()
	answer, text := w.do(http.MethodPost, "/auth", form)
	target, err := answer.Location()
	if err != nil {
		w.Fatalf("%d, %s", answer.StatusCode, text)
	}
	if target.Host != "localhost:3000" || target.Query().Get("x") != "1" || target.Query().Get("state") != "s t" {
		w.Errorf("sent to %s", target)
	}
	return target.Query()
}

type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
	ID      string `json:"id_token"`
	Error   string `json:"error"`
}

func (w *world) exchange(form url.Values) (got tokens) {
	w.Helper()
	_, text := w.do(http.MethodPost, "/token", form)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		w.Fatalf("%s: %v", text, err)
	}
	return got
}

func codeForm(code string, changes ...string) url.Values {
	form := ask(changes...)
	form.Set("grant_type", "authorization_code")
	form.Set("code", code)
	return form
}

func TestSignIn(t *testing.T) {
	w := newWorld(t)
	if answer, text := w.do(http.MethodGet, "/auth?"+ask("login_hint", `"><b>`).Encode(), nil); answer.StatusCode != http.StatusOK ||
		!strings.Contains(text, `name="state" value="s t"`) || strings.Contains(text, "<b>") {
		t.Errorf("the page: %d, %s", answer.StatusCode, text)
	}
	code := w.back(ask("email", " Ann@Example.com ")).Get("code")
	got := w.exchange(codeForm(code))
	if got.Access == "" || got.Refresh == "" || got.ID == "" {
		t.Fatalf("%+v", got)
	}
	if again := w.exchange(codeForm(code)); again.Error != "invalid_grant" {
		t.Errorf("a code was good twice: %+v", again)
	}
	w.checkID(got.ID)

	for n, access := range []string{got.Access, w.exchange(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {got.Refresh}, "client_id": {"app"}}).Access} {
		answer, text := w.do(http.MethodGet, "/me", nil, "Authorization", "Bearer "+access)
		if answer.StatusCode != http.StatusOK || !strings.Contains(text, `"email":"ann@example.com"`) || !strings.Contains(text, `"sub":"`+personOf("ann@example.com").subject()) {
			t.Errorf("%d: %d, %s", n, answer.StatusCode, text)
		}
	}
	for name, bad := range map[string]string{"none": "", "refresh": got.Refresh, "ID": got.ID, "changed": got.Access[:len(got.Access)-8] + "AAAAAAAA"} {
		if answer, text := w.do(http.MethodGet, "/me", nil, "Authorization", "Bearer "+bad); answer.StatusCode != http.StatusUnauthorized {
			t.Errorf("with %s token: %d, %s", name, answer.StatusCode, text)
		}
	}
}

// checkID reads an ID token as a client does: with what the discovery leads to.
func (w *world) checkID(text string) {
	w.Helper()
	_, about := w.do(http.MethodGet, "/.well-known/openid-configuration", nil)
	var where struct {
		Issuer string
		JWKS   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(about), &where); err != nil || where.Issuer != w.server.URL {
		w.Fatalf("%s: %v", about, err)
	}
	_, published := w.do(http.MethodGet, strings.TrimPrefix(where.JWKS, w.server.URL), nil)
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(published), &keys); err != nil || len(keys.Keys) != 1 || !keys.Keys[0].IsPublic() {
		w.Fatalf("%s: %v", published, err)
	}
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		w.Fatal(err)
	}
	var c claims
	if err := token.Claims(keys, &c); err != nil {
		w.Fatal(err)
	}
	if err := c.Validate(jwt.Expected{Issuer: where.Issuer, AnyAudience: jwt.Audience{"app"}, Time: time.Now()}); err != nil {
		w.Error(err)
	}
	if c.Nonce != "n" || c.Email != "ann@example.com" || !c.Verified {
		w.Errorf("%+v", c)
	}
}

func TestCodesAreBound(t *testing.T) {
	w := newWorld(t)
	sum := sha256.Sum256([]byte("verifier"))
	challenge := base64.RawURLEncoding.EncodeToString(sum[:])
	for _, test := range []struct {
		name           string
		asked, claimed []string
		want           string
	}{
		{"as it should be", nil, nil, ""},
		{"another client", nil, []string{"client_id", "other"}, "invalid_grant"},
		{"another redirect", nil, []string{"redirect_uri", "http://localhost:3000/"}, "invalid_grant"},
		{"S256", []string{"code_challenge", challenge, "code_challenge_method", "S256"}, []string{"code_verifier", "verifier"}, ""},
		{"S256, wrong", []string{"code_challenge", challenge, "code_challenge_method", "S256"}, []string{"code_verifier", "guess"}, "invalid_grant"},
		{"plain", []string{"code_challenge", "verifier"}, []string{"code_verifier", "verifier"}, ""},
		{"plain, missing", []string{"code_challenge", "verifier"}, nil, "invalid_grant"},
	} {
		code := w.back(ask(append(test.asked, "email", "ann@example.com")...)).Get("code")
		if got := w.exchange(codeForm(code, test.claimed...)); got.Error != test.want {
			t.Errorf("%s: %+v, want %q", test.name, got, test.want)
		}
	}
	if got := w.exchange(url.Values{"grant_type": {"password"}}); got.Error != "unsupported_grant_type" {
		t.Errorf("%+v", got)
	}
}

func TestBadRequests(t *testing.T) {
	w := newWorld(t)
	for _, changes := range [][]string{{"client_id", ""}, {"redirect_uri", "/back"}, {"redirect_uri", "http://localhost/#x"}} {
		if answer, _ := w.do(http.MethodGet, "/auth?"+ask(changes...).Encode(), nil); answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %d", changes, answer.StatusCode)
		}
	}
	for _, changes := range [][]string{{"response_type", "token"}, {"code_challenge", "x", "code_challenge_method", "S1"}, {"email", "nobody"}} {
		if got := w.back(ask(changes...)).Get("error"); got != "invalid_request" {
			t.Errorf("%q: %q", changes, got)
		}
	}
}

func TestPromptNone(t *testing.T) {
	w := newWorld(t)
	answer, _ := w.do(http.MethodGet, "/auth?"+ask("prompt", "none", "login_hint", "bob@example.com").Encode(), nil)
	target, err := answer.Location()
	if err != nil || target.Query().Get("code") == "" {
		t.Errorf("%v, %v", target, err)
	}
}

func TestTheKeyIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key.pem")
	first, err := loadKey(file)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadKey(file)
	if err != nil || !first.Equal(second) {
		t.Errorf("another key: %v", err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(file, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadKey(file); err == nil {
		t.Error("a file without a key was taken")
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, Config{Address: "127.0.0.1:0", Issuer: "http://localhost:8114", KeyFile: filepath.Join(t.TempDir(), "new", "key.pem")}); err != nil {
		t.Error(err)
	}
}
