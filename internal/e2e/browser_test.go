package e2e

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A person signs in with the emulator's admin, makes a project and sees it with its keys.
func TestSignInInABrowser(t *testing.T) {
	e := newEmulator(t)
	c := e.start("up")
	c.Until(`^default +ready`)
	page := newPage(t)

	css := func(selector string) chromedp.CSS { return chromedp.CSS(selector) }
	email, password, submit := css(`input[name=email]`), css(`input[name=password]`), css(`button[type=submit]`)

	signIn := func(as string) []chromedp.Action[chromedp.Void] {
		return []chromedp.Action[chromedp.Void]{chromedp.Navigate(e.url("DASHBOARD", "/handler/sign-in")), chromedp.WaitVisible(email),
			chromedp.SendKeys(email, "local-emulator@stack-auth.com"), chromedp.SendKeys(password, as), chromedp.Click(submit)}
	}
	page.do("a wrong password", append(signIn("wrong"), chromedp.WaitVisible(css(`[role=alert]:not(:empty)`)))...)
	page.do("the right one", append(signIn("LocalEmulatorPassword"), chromedp.WaitVisible(css(`ul.projects`)))...)
	if heading := page.text(`h1`); heading != "Projects" {
		t.Errorf("heading %q", heading)
	}
	page.do("a new project", chromedp.SendKeys(css(`input[name=name]`), "Made in a browser"), chromedp.Click(submit))
	page.until(`document.querySelector("ul.projects li:first-child h2")?.textContent === "Made in a browser"`)
	page.do("its keys", chromedp.Click(css(`ul.projects li:first-child button[aria-controls$=keys]`)),
		chromedp.WaitVisible(css(`ul.projects li:first-child code.key`)))
	if key := page.text(`ul.projects li:first-child code.key`); !strings.HasPrefix(key, "pck_") {
		t.Errorf("key %q", key)
	}
	e.stop(c)
}

// page is a page of a headless Chromium that talks to nobody but us.
type page struct {
	*testing.T
	ctx context.Context
}

func newPage(t *testing.T) page {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("chromium: %v (make setup-test installs it)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	p := page{t, ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("about:blank")); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	return p
}

const pageLimit = time.Minute // for a step; the guest's Node runs under emulation

func (p page) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageLimit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("%s: %v; the page shows: %q", what, err, p.shown())
	}
}

// shown is what a person would see.
func (p page) shown() string {
	ctx, cancel := context.WithTimeout(p.ctx, pageLimit)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// until waits until a JavaScript expression is true.
func (p page) until(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageLimit)
	defer cancel()
	if _, err := chromedp.Run(ctx, chromedp.Poll[bool](expression)); err != nil {
		p.Fatalf("%s: %v; the page shows: %q", expression, err, p.shown())
	}
}

func (p page) text(selector string) string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, pageLimit)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(selector)))
	if err != nil {
		p.Fatalf("%s: %v", selector, err)
	}
	return text
}
