package e2e

import (
	"context"
	"os/exec"
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

	var heading, card, wrong string
	run := func(what string, actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(page, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("wrong password", chromedp.Navigate(e.url("DASHBOARD", "/handler/sign-in")),
		chromedp.WaitVisible(`input[name=email]`),
		chromedp.SendKeys(`input[name=email]`, "local-emulator@stack-auth.com"),
		chromedp.SendKeys(`input[name=password]`, "wrong"),
		chromedp.Click(`button[type=submit]`),
		chromedp.WaitVisible(`[role=alert]:not(:empty)`),
		chromedp.Text(`[role=alert]`, &wrong))
	run("sign in", chromedp.SetValue(`input[name=password]`, ""),
		chromedp.SendKeys(`input[name=password]`, "LocalEmulatorPassword"),
		chromedp.Click(`button[type=submit]`),
		chromedp.WaitVisible(`ul.projects`),
		chromedp.Text(`h1`, &heading))
	run("new project", chromedp.SendKeys(`input[name=name]`, "Made in a browser"),
		chromedp.Click(`button[type=submit]`),
		chromedp.WaitVisible(`ul.projects li:first-child h2`),
		chromedp.Poll(`document.querySelector("ul.projects li h2")?.textContent === "Made in a browser"`, nil),
		chromedp.Click(`ul.projects li:first-child button[aria-controls$=keys]`),
		chromedp.WaitVisible(`ul.projects li:first-child code.key`),
		chromedp.Text(`ul.projects li:first-child code.key`, &card))
	if wrong == "" || heading != "Projects" || len(card) != 64 {
		t.Errorf("the alert %q, the heading %q, the key %q", wrong, heading, card)
	}
	e.stop(c)
}

// newPage is an empty page of a headless Chromium that talks to nobody but us.
func newPage(t *testing.T) context.Context {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("chromium: %v (make setup-test installs it)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true))
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	t.Cleanup(cancel)
	allocator, cancel := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	page, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	return page
}
