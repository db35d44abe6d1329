// Package browsertest drives a headless Chromium in tests: a page that talks to nobody but this machine, and collects the errors of
// its scripts.
package browsertest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// limit is for one step. The machine may be busy with virtual machines.
const limit = time.Minute

// Page is a page of a browser that ends with the test.
type Page struct {
	testing.TB
	ctx context.Context
}

// Open opens an address. The test is skipped where there is no Chromium, and where tests have to be short.
func Open(t testing.TB, address string) *Page {
	t.Helper()
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("chromium: %v (make setup-test installs it)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1400, 900), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	p := &Page{t, ctx}
	if err := chromedp.Do(ctx, watch(), chromedp.Navigate(address)); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	return p
}

// watch collects the errors of every page from its first line on, and what its Content-Security-Policy has forbidden.
func watch() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
			window.failures = [];
			addEventListener("error", e => failures.push(e.message));
			addEventListener("unhandledrejection", e => failures.push(String(e.reason)));
			addEventListener("securitypolicyviolation", e => failures.push(e.violatedDirective + " " + e.blockedURI));`})
		return err
	})
}

// Do takes steps.
func (p *Page) Do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("%s: %v", what, err)
	}
}

// Key presses a key as a person does who has not clicked anywhere.
func (p *Page) Key(name string) {
	p.Helper()
	p.Run(fmt.Sprintf(`(document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true}))`, name))
}

// Run runs a JavaScript expression.
func (p *Page) Run(script string) {
	p.Helper()
	p.Is("(" + script + ", true)")
}

// Is checks that an expression is true now.
func (p *Page) Is(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
	if err != nil || !yes {
		p.Errorf("%s: %v, %v", expression, yes, err)
	}
}

// pause is how long a page is left alone between two looks.
const pause = 50 * time.Millisecond

// Until waits until an expression is true, also on a page that this one leads to.
func (p *Page) Until(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
		if yes {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			p.Fatalf("%s: %v; the page says\n%s", expression, err, p.Text("body"))
		}
	}
}

// Text is what an element shows.
func (p *Page) Text(selector string) string {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector)))
	if err != nil {
		p.Errorf("%s: %v", selector, err)
	}
	return text
}

// NoErrors checks that no script of the page has failed, and that its policy has forbidden nothing.
func (p *Page) NoErrors() {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	failures, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`window.failures`))
	if err != nil || len(failures) > 0 {
		p.Errorf("errors of the page: %q, %v", failures, err)
	}
}

// Picture takes one of the whole page, for people who look at it: it goes to $STACKEMU_SCREENSHOTS, if that is set.
func (p *Page) Picture(name string) {
	p.Helper()
	dir := os.Getenv("STACKEMU_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, limit)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600)
	}
	if err != nil {
		p.Errorf("picture %s: %v", name, err)
	}
}
