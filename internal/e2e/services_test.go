package e2e

import (
	"context"
	"image"
	"image/color"
	"image/png"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// All services at work for a person in a browser: an app's new user signs up with a code that comes by mail and gives himself
// a picture, and the admin sees him in the dashboard. All of it is there after the instance was stopped and started.
func TestSignUpInABrowser(t *testing.T) {
	e := newEmulator(t)
	c := e.up()
	page := newPage(t)
	css := func(selector string) chromedp.CSS { return chromedp.CSS(selector) }
	submit := css(`button[type=submit]`)

	page.signIn(e)
	page.do("the example project's own sign-in", chromedp.Click(css(`ul.projects li:last-child button[data-try]`)),
		chromedp.WaitVisible(css(`section input[name=email]`)))
	app := ask(page, chromedp.Location())
	page.do("ask for a code", chromedp.SendKeys(css(`section input[name=email]`), "Ann@Example.com"), chromedp.Click(submit),
		chromedp.WaitVisible(css(`input[name=code]`)))
	code := page.codeFromMail(e, e.url("INBUCKET", "/"))

	// The browser has left the page that had the nonce; a person has two tabs. So a second code, in a mail that is read by program.
	page.do("ask again", chromedp.Navigate(app), chromedp.WaitVisible(css(`section input[name=email]`)),
		chromedp.SendKeys(css(`section input[name=email]`), "ann@example.com"), chromedp.Click(submit), chromedp.WaitVisible(css(`input[name=code]`)))
	page.do("the first code", chromedp.SendKeys(css(`input[name=code]`), code), chromedp.Click(submit))
	page.until(`document.getElementById("notice").textContent.includes("code is wrong")`)
	var latest struct{ Body struct{ Text string } }
	if status := e.call("GET", e.url("INBUCKET", "/api/v1/mailbox/ann/latest"), nil, nil, &latest); status != 200 {
		t.Fatalf("the latest mail: %d", status)
	}
	page.do("the second code", chromedp.SetValue(css(`input[name=code]`), codeIn(t, latest.Body.Text)), chromedp.Click(submit), chromedp.WaitVisible(css(`#user`)))
	if user := page.text(`#user`); user != "ann@example.com" {
		t.Errorf("signed in as %q", user)
	}

	page.do("a picture", chromedp.SetUploadFiles(css(`input[name=picture]`), []string{picture(t)}), chromedp.Click(submit))
	const shown = `document.querySelector("img.picture")?.naturalWidth === 24`
	page.until(shown)
	page.do("a reload", chromedp.Reload(), chromedp.WaitVisible(css(`#user`))) // the session is the browser's
	page.until(shown)

	e.stop(c)
	c = e.up()
	page.do("the dashboard", chromedp.Navigate(e.url("DASHBOARD", "/projects")), chromedp.WaitVisible(css(`ul.projects`)),
		chromedp.Click(css(`ul.projects li:last-child button[aria-controls$=users]`)), chromedp.WaitVisible(css(`ul.users li`)))
	if user := page.text(`ul.users li`); !strings.HasPrefix(user, "ann@example.com") {
		t.Errorf("the dashboard shows %q", user)
	}
	page.until(shown)
	e.stop(c)
}

// A web page whose name has come to mean 127.0.0.1 (DNS rebinding) gets nothing from any service; people, and containers of the
// same machine, do.
func TestForeignNamesAreRefused(t *testing.T) {
	e := newEmulator(t)
	c := e.up()
	for service, path := range map[string]string{"BACKEND": "/health?db=1", "DASHBOARD": "/handler/sign-in", "MINIO": "/minio/health/live", "INBUCKET": "/"} {
		for host, want := range map[string]int{"localhost": 200, "127.0.0.1": 200, "app.localhost": 200, "host.docker.internal": 200,
			"evil.example": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403} {
			r, err := http.NewRequest(http.MethodGet, e.url(service, path), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Host, r.Close = net.JoinHostPort(host, strconv.Itoa(e.port[service])), true
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			if answer.Body.Close(); answer.StatusCode != want {
				t.Errorf("%s by the name %s: %d, want %d", service, host, answer.StatusCode, want)
			}
		}
	}
	e.stop(c)
}

// ask is what an action gives.
func ask[T any](p page, action chromedp.Action[T]) T {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageLimit)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		p.Fatal(err)
	}
	return value
}

// signIn signs the emulator's admin in to the dashboard.
func (p page) signIn(e *emulator) {
	p.Helper()
	p.do("sign in", chromedp.Navigate(e.url("DASHBOARD", "/handler/sign-in")), chromedp.WaitVisible(chromedp.CSS(`input[name=email]`)),
		chromedp.SendKeys(chromedp.CSS(`input[name=email]`), "local-emulator@stack-auth.com"),
		chromedp.SendKeys(chromedp.CSS(`input[name=password]`), "LocalEmulatorPassword"),
		chromedp.Click(chromedp.CSS(`button[type=submit]`)), chromedp.WaitVisible(chromedp.CSS(`ul.projects`)))
}

// codeFromMail opens the newest message of the inbox, and reads the code in its text. Its HTML is in a frame that runs no script.
func (p page) codeFromMail(e *emulator, inbox string) string {
	p.Helper()
	p.do("the inbox", chromedp.Navigate(inbox), chromedp.Click(chromedp.CSS(`#messages tbody tr:first-child a`)), chromedp.WaitVisible(chromedp.CSS(`pre`)))
	if sandbox := ask(p, chromedp.AttributeValue(chromedp.CSS(`iframe`), "sandbox")).Value; strings.Contains(sandbox, "allow-scripts") || strings.Contains(sandbox, "allow-same-origin") {
		p.Errorf("the frame may %q", sandbox)
	}
	return codeIn(p.T, p.text(`pre`))
}

func codeIn(t *testing.T, text string) string {
	t.Helper()
	code := regexp.MustCompile(`\b\d{6}\b`).FindString(text)
	if code == "" {
		t.Fatalf("no code in %q", text)
	}
	return code
}

// picture makes a file with a picture.
func picture(t *testing.T) string {
	t.Helper()
	drawn := image.NewRGBA(image.Rect(0, 0, 24, 24))
	for n := range 24 {
		drawn.Set(n, n, color.RGBA{R: 200, A: 255})
	}
	path := filepath.Join(t.TempDir(), "picture.png")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := png.Encode(file, drawn); err != nil {
		t.Fatal(err)
	}
	return path
}
