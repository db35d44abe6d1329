package mailbox

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a mail server that runs.
type world struct {
	*testing.T
	file  string
	store *Store
	smtp  string
	web   *httptest.Server
	end   func()
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, file: filepath.Join(t.TempDir(), "mail.db")}
	w.start()
	t.Cleanup(func() { w.end() })
	return w
}

func (w *world) start() {
	w.Helper()
	var err error
	if w.store, err = OpenStore(w.file); err != nil {
		w.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	w.smtp = listener.Addr().String()
	w.web = httptest.NewServer(Handler(w.store))
	ctx, cancel := context.WithCancel(context.Background())
	received := make(chan error, 1)
	go func() { received <- Receive(ctx, listener, w.store, os.Stderr) }()
	w.end = func() {
		cancel()
		w.web.Close()
		if err := errors.Join(<-received, w.store.Close()); err != nil {
			w.Error(err)
		}
	}
}

func (w *world) mail(source string, to ...string) {
	w.Helper()
	source = strings.ReplaceAll(source, "\n", "\r\n")
	if err := smtp.SendMail(w.smtp, smtp.PlainAuth("", "any", "thing", "127.0.0.1"), "stack@example.com", to, []byte(source)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) ask(method, path string) (*http.Response, string) {
	w.Helper()
	request, err := http.NewRequest(method, w.web.URL+path, nil)
	if err != nil {
		w.Fatal(err)
	}
	answer, err := w.web.Client().Do(request)
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

func (w *world) get(path string) string {
	w.Helper()
	answer, text := w.ask(http.MethodGet, path)
	if answer.StatusCode != http.StatusOK {
		w.Errorf("%s: %d, %s", path, answer.StatusCode, text)
	}
	return text
}

func (w *world) json(path string, into any) {
	w.Helper()
	if err := json.Unmarshal([]byte(w.get(path)), into); err != nil {
		w.Fatal(err)
	}
}

const rich = `From: =?utf-8?q?St=C3=A4ck?= <stack@example.com>
To: Ann <ann+code@example.com>
Subject: =?utf-8?q?Your_code_=E2=9C=94?=
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

The code is 123456, sch=F6n.
--inner
Content-Type: text/html; charset=utf-8

<p>The code is <b>123456</b>.<script>alert(1)</script></p>
--inner--
--outer
Content-Type: application/pdf
Content-Disposition: attachment; filename="bill.pdf"
Content-Transfer-Encoding: base64

SGVsbG8=
--outer--
`

func TestMailIsKeptAndShown(t *testing.T) {
	w := newWorld(t)
	w.mail(rich, "Ann+code@example.com", "bob@example.com")
	w.end() // what has been taken is there after any end
	w.start()

	var list []header
	w.json("/api/v1/mailbox/ann", &list)
	if len(list) != 1 || list[0].Subject != "Your code ✔" || list[0].From != "Stäck <stack@example.com>" || list[0].Mailbox != "ann" {
		t.Fatalf("list: %+v", list)
	}
	for _, id := range []string{list[0].ID, "latest"} {
		var m whole
		w.json("/api/v1/mailbox/bob@example.com/"+id, &m)
		if m.Body.Text != "The code is 123456, schön." || !strings.Contains(m.Body.HTML, "<b>123456</b>") || m.Header.Get("To") != "Ann <ann+code@example.com>" {
			t.Errorf("message: %+v", m)
		}
		if len(m.Attachments) != 1 || m.Attachments[0].FileName != "bill.pdf" || m.Attachments[0].ContentType != "application/pdf" {
			t.Errorf("attachments: %+v", m.Attachments)
		}
	}
	if text := w.get("/"); !strings.Contains(text, "Your code ✔") {
		t.Errorf("the page: %s", text)
	}
	text := w.get("/messages/" + list[0].ID)
	if !strings.Contains(text, "schön") || !strings.Contains(text, `sandbox="allow-popups`) || strings.Contains(text, "alert(1)") {
		t.Errorf("the message's page: %s", text)
	}
	if source := w.get("/messages/" + list[0].ID + "/source"); !strings.Contains(source, "boundary=inner") {
		t.Errorf("source: %s", source)
	}
	answer, file := w.ask(http.MethodGet, "/messages/"+list[0].ID+"/files/0")
	if file != "Hello" || answer.Header.Get("Content-Disposition") != `attachment; filename=bill.pdf` {
		t.Errorf("file: %q, %v", file, answer.Header)
	}
}

// The HTML of a stranger runs no script, whether it is framed or opened.
func TestHTMLIsSandboxed(t *testing.T) {
	w := newWorld(t)
	w.mail(rich, "ann@example.com")
	answer, text := w.ask(http.MethodGet, "/messages/1/html")
	policy := answer.Header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "sandbox ") || strings.Contains(policy, "allow-scripts") || !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
	if !strings.Contains(text, "<b>123456</b>") {
		t.Errorf("html: %s", text)
	}
}

func TestMailIsRemoved(t *testing.T) {
	w := newWorld(t)
	for n, to := range []string{"ann", "bob", "ann", "eve"} {
		w.mail(fmt.Sprintf("Subject: %d\n\nx\n", n+1), to+"@example.com")
	}
	for _, step := range []struct{ method, path, left string }{
		{http.MethodDelete, "/api/v1/mailbox/bob/1", "1234"}, // not in that mailbox
		{http.MethodDelete, "/api/v1/mailbox/ann/1", "234"},
		{http.MethodDelete, "/api/v1/mailbox/eve", "23"},
		{http.MethodPost, "/delete", ""},
	} {
		w.ask(step.method, step.path)
		all, err := w.store.List(func(Envelope) bool { return true })
		left := ""
		for _, e := range all {
			left = e.Subject + left
		}
		if err != nil || left != step.left {
			t.Errorf("%s %s: %q is left, %v, want %q", step.method, step.path, left, err, step.left)
		}
	}
	for _, path := range []string{"/messages/1", "/messages/x", "/messages/1/files/0", "/api/v1/mailbox/ann/latest", "/api/v1/mailbox/ann/1"} {
		if answer, _ := w.ask(http.MethodGet, path); answer.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
	if text := w.get("/api/v1/mailbox/ann"); text != "[]\n" {
		t.Errorf("an empty mailbox: %s", text)
	}
}

func TestAPageIsToldOfMail(t *testing.T) {
	w := newWorld(t)
	answer, err := w.web.Client().Get(w.web.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	w.mail("Subject: x\n\nx\n", "ann@example.com")
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if lines.Text() == "event: changed" {
			return
		}
	}
	t.Errorf("no event: %v", lines.Err())
}

func TestOldMailMakesRoom(t *testing.T) {
	store, err := OpenStore(filepath.Join(t.TempDir(), "mail.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	store.database.NoSync = true // for the test's speed
	for range maxMessages + 3 {
		if err := store.Add(Envelope{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	all, err := store.List(func(Envelope) bool { return true })
	if err != nil || len(all) != maxMessages || all[0].ID != maxMessages+3 {
		t.Errorf("%d messages, the newest %+v, %v", len(all), all[0], err)
	}
}

func TestDamagedMail(t *testing.T) {
	for _, test := range []struct{ source, text string }{
		{"", ""},
		{"no header at all", "no header at all"},
		{"Subject: x\n\nplain", "plain"},
		{"Content-Type: multipart/mixed\n\nno boundary", "no boundary"},
		{"Content-Type: text/plain; charset=unheard-of\n\nplain", "plain"},
		{"Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\n%%%", ""},
		{"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n--b\nbroken", "first"},
	} {
		if c := read([]byte(test.source)); !strings.Contains(c.Text, test.text) {
			t.Errorf("%q: %+v", test.source, c)
		}
	}
}

func TestMailboxOf(t *testing.T) {
	for address, want := range map[string]string{"Ann@example.com": "ann", "ann+x@example.com": "ann", "ann": "ann", `"a@b"@example.com`: `"a@b"`} {
		if got := mailboxOf(address); got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestAMessageThatIsTooLargeIsRefused(t *testing.T) {
	w := newWorld(t)
	err := smtp.SendMail(w.smtp, nil, "a@b.example", []string{"ann@example.com"}, make([]byte, maxSource+1))
	if err == nil {
		t.Error("it was taken")
	}
	if text := w.get("/api/v1/mailbox/" + url.PathEscape("ann@example.com")); text != "[]\n" {
		t.Error(text)
	}
}

func TestRunStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := Config{SMTP: "127.0.0.1:0", Web: "127.0.0.1:0", File: filepath.Join(t.TempDir(), "new", "mail.db"), Log: os.Stderr}
	if err := Run(ctx, c); err != nil {
		t.Error(err)
	}
}
