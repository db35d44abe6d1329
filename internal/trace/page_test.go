package trace

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The page needs nothing but itself, and no text of a log can become a part of its program.
func TestPageIsSelfContained(t *testing.T) {
	s := start(t, "fallback")
	s.Records[3].Failure = `</script><script>alert(1)</script>`
	s.Records[3].Body = json.RawMessage(`{"cause":"</script><img src=x onerror=alert(1)>"}`)
	var b bytes.Buffer
	if err := HTML(&b, s); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if found := regexp.MustCompile(`(?i)<[^>]*\b(src|href)\s*=|@import|url\(|fetch\(|XMLHttp`).FindString(page); found != "" {
		t.Errorf("the page asks for %q", found)
	}
	if n := strings.Count(page, "</script>"); n != 2 || strings.Contains(page, "<img") {
		t.Errorf("%d ends of scripts", n)
	}
}

// A person opens the page, searches, goes from message to message by keyboard, and changes the colours. With
// STACKEMU_SCREENSHOTS a picture of each step goes to that directory.
func TestPageInABrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes seconds")
	}
	p := newPage(t, start(t, "fallback"))
	p.is(`document.title.startsWith("stackemu trace: default")`)
	p.is(`document.getElementById("timeline").width > 500`)
	p.is(`document.getElementById("words").textContent.includes("What went wrong")`)
	p.picture("light")

	p.do("search", chromedp.SendKeys(chromedp.CSS("#search"), "stagefailed"))
	p.is(`document.getElementById("found").textContent === "1 found"`)
	p.key("Enter")
	p.is(`document.querySelector("#details h2").textContent === "StageFailed"`)
	p.is(`document.getElementById("details").textContent.includes("resuming → draining")`)
	p.picture("chosen")

	p.run(`document.activeElement.blur()`)
	p.key("ArrowUp")
	p.is(`document.querySelector("#details h2").textContent === "staged"`)
	p.is(`document.querySelector("#details .failure").textContent === "boom"`)
	p.key("ArrowUp")
	p.is(`document.querySelector("#details h2").textContent === "LoadState"`)
	p.key("ArrowDown")
	p.is(`document.querySelector("#details h2").textContent === "staged"`)
	p.key("Escape")
	p.is(`document.getElementById("help") !== null && document.getElementById("search").value === ""`)
	p.key("ArrowRight")
	p.is(`document.querySelector("#details h2").textContent === "Launch"`)
	p.key("ArrowRight")
	for range 6 {
		p.key("+")
	}
	p.picture("zoomed")
	p.key("0")
	p.key("t")
	p.is(`document.documentElement.dataset.theme === "dark"`)
	p.run(`document.getElementById("words").open = true`)
	p.picture("dark")
	p.run(`document.getElementById("noise").click()`)
	p.picture("noise")

	// A click on a bar shows it.
	p.run(`document.getElementById("noise").click(), document.getElementById("words").open = false`)
	p.run(`(() => { const c = document.getElementById("timeline");
		for (let y = 40; y < c.clientHeight; y += 3) for (let x = 160; x < c.clientWidth; x += 3) {
			for (const kind of ["pointerdown", "pointerup"]) c.dispatchEvent(new PointerEvent(kind, {pointerId: 1, clientX: c.getBoundingClientRect().x + x, clientY: c.getBoundingClientRect().y + y, bubbles: true}));
			if (document.querySelector("#details h2")) return;
		} })()`)
	p.is(`document.querySelector("#details h2") !== null`)
	p.is(`window.failures.length === 0`)
}

// browsing is a page of a headless Chromium that talks to nobody.
type browsing struct {
	*testing.T
	ctx context.Context
}

const stepLimit = time.Minute

func newPage(t *testing.T, s *Start) browsing {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("chromium: %v (make setup-test installs it)", err)
	}
	var b bytes.Buffer
	if err := HTML(&b, s); err != nil {
		t.Fatal(err)
	}
	// Errors of the script are collected from its first line on.
	watched := strings.Replace(b.String(), "<script>// The", "<script>window.failures = []; addEventListener(\"error\", e => failures.push(e.message));</script><script>// The", 1)
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(watched), 0o600); err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(1400, 900), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true))
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	p := browsing{t, ctx}
	if err := chromedp.Do(ctx, chromedp.Navigate("file://"+file)); err != nil { // the browser lives as long as this context
		t.Fatal(err)
	}
	return p
}

func (p browsing) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepLimit)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.Fatalf("%s: %v", what, err)
	}
}

// key presses a key as a person does who has not clicked anywhere.
func (p browsing) key(name string) {
	p.Helper()
	p.run(fmt.Sprintf(`(document.activeElement || document.body).dispatchEvent(new KeyboardEvent("keydown", {key: %q, bubbles: true, cancelable: true}))`, name))
}

func (p browsing) run(script string) {
	p.Helper()
	p.is("(" + script + ", true)")
}

func (p browsing) is(expression string) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, stepLimit)
	defer cancel()
	yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression))
	if err != nil || !yes {
		p.Errorf("%s: %v, %v", expression, yes, err)
	}
}

func (p browsing) picture(name string) {
	p.Helper()
	dir := os.Getenv("STACKEMU_SCREENSHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, stepLimit)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "trace-"+name+".png"), png, 0o600)
	}
	if err != nil {
		p.Errorf("picture %s: %v", name, err)
	}
}
