package trace

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/stackemu/stackemu/internal/browsertest"
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
	if n := strings.Count(page, "</script>"); n != 3 || strings.Contains(page, "<img") {
		t.Errorf("%d ends of scripts", n)
	}
}

// A person opens the page, searches, goes from message to message by keyboard, and changes the colours. With
// STACKEMU_SCREENSHOTS a picture of each step goes to that directory.
func TestPageInABrowser(t *testing.T) {
	p := newPage(t, start(t, "fallback"))
	p.Is(`document.title.startsWith("stackemu trace: default")`)
	p.Is(`document.getElementById("timeline").width > 500`)
	p.Is(`document.getElementById("words").textContent.includes("What went wrong")`)
	p.Picture("trace-light")

	p.Do("search", chromedp.SendKeys(chromedp.CSS("#search"), "stagefailed"))
	p.Is(`document.getElementById("found").textContent === "1 found"`)
	p.Key("Enter")
	p.Is(`document.querySelector("#details h2").textContent === "StageFailed"`)
	p.Is(`document.getElementById("details").textContent.includes("resuming → draining")`)
	p.Picture("trace-chosen")

	p.Run(`document.activeElement.blur()`)
	p.Key("ArrowUp")
	p.Is(`document.querySelector("#details h2").textContent === "staged"`)
	p.Is(`document.querySelector("#details .failure").textContent === "boom"`)
	p.Key("ArrowUp")
	p.Is(`document.querySelector("#details h2").textContent === "LoadState"`)
	p.Key("ArrowDown")
	p.Is(`document.querySelector("#details h2").textContent === "staged"`)
	p.Key("Escape")
	p.Is(`document.getElementById("help") !== null && document.getElementById("search").value === ""`)
	p.Key("ArrowRight")
	p.Is(`document.querySelector("#details h2").textContent === "Launch"`)
	p.Key("ArrowRight")
	for range 6 {
		p.Key("+")
	}
	p.Picture("trace-zoomed")
	p.Key("0")
	p.Key("t")
	p.Is(`document.documentElement.dataset.theme === "dark"`)
	p.Run(`document.getElementById("words").open = true`)
	p.Picture("trace-dark")
	p.Run(`document.getElementById("noise").click()`)
	p.Picture("trace-noise")

	// A click on a bar shows it.
	p.Run(`document.getElementById("noise").click(), document.getElementById("words").open = false`)
	p.Run(`(() => { const c = document.getElementById("timeline");
		for (let y = 40; y < c.clientHeight; y += 3) for (let x = 160; x < c.clientWidth; x += 3) {
			for (const kind of ["pointerdown", "pointerup"]) c.dispatchEvent(new PointerEvent(kind, {pointerId: 1, clientX: c.getBoundingClientRect().x + x, clientY: c.getBoundingClientRect().y + y, bubbles: true}));
			if (document.querySelector("#details h2")) return;
		} })()`)
	p.Is(`document.querySelector("#details h2") !== null`)
	p.NoErrors()
}

func newPage(t *testing.T, s *Start) *browsertest.Page {
	t.Helper()
	file := filepath.Join(t.TempDir(), "page.html")
	var b bytes.Buffer
	if err := HTML(&b, s); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return browsertest.Open(t, "file://"+file)
}
