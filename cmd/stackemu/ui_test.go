package main

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/stackemu/stackemu/internal/browsertest"
	"github.com/stackemu/stackemu/internal/clitest"
)

// ui starts `stackemu ui` and gives its link.
func (e *emulator) ui(args ...string) (*clitest.Command, string) {
	e.Helper()
	c := e.start(append([]string{"ui"}, args...)...)
	return c, c.Until(`^http://127\.0\.0\.1:\d+/#`)
}

// A person opens the page, starts an instance, sees how it becomes healthy and what has happened, throws its data away, and sees
// that the page's end is told.
func TestUIInABrowser(t *testing.T) {
	e := newBackground(t, healthy)
	e.run(0, "capture")
	c, link := e.ui()
	p := browsertest.Open(t, link)
	p.Until(`document.getElementById("connection").textContent === "live"`)
	p.Until(`document.getElementById("state").textContent.startsWith("stopped")`)
	p.Is(`!location.href.includes("token")`)
	p.Is(`document.querySelector("[data-action=stop]").disabled && !document.querySelector("[data-action=start]").disabled`)

	p.Run(`document.querySelector("[data-action=start]").click()`)
	p.Until(`document.getElementById("state").textContent.startsWith("ready")`)
	p.Until(`document.querySelectorAll("#services .dot.well").length === 2`)
	p.Until(`document.getElementById("machine").textContent.includes("in the background")`)
	p.Until(`[...document.querySelectorAll("#actors li")].some(e => e.textContent.startsWith("monitor-1"))`)
	p.Until(`document.getElementById("log").textContent.includes("ready after")`)
	p.Is(`!document.querySelector("[data-action=start]:not(:disabled)")`)
	p.Picture("ui-light")

	// The timeline is the one of `trace --html`.
	p.Do("search", chromedp.SendKeys(chromedp.CSS("#search"), "Launch"))
	p.Key("Enter")
	p.Is(`document.querySelector("#details h2").textContent === "Launch"`)
	p.Run(`document.getElementById("follow").click()`)
	p.Run(`document.getElementById("theme").click()`)
	p.Is(`document.documentElement.dataset.theme === "dark"`)
	p.Run(`document.getElementById("tab-supervisor").click()`)
	p.Until(`document.getElementById("log").textContent.includes("ready")`)
	p.Picture("ui-dark")

	// A reload needs no link; a reset asks first.
	p.Do("reload", chromedp.Reload())
	p.Until(`document.getElementById("state").textContent.startsWith("ready")`)
	p.Run(`document.querySelector("[data-action=reset]").click()`)
	p.Until(`document.getElementById("sure").open`)
	p.Picture("ui-sure")
	p.Run(`document.querySelector("#sure [value=no]").click()`)
	p.Is(`document.getElementById("state").textContent.startsWith("ready")`)
	p.Run(`document.querySelector("[data-action=reset]").click()`)
	p.Run(`document.querySelector("#sure [value=yes]").click()`)
	p.Until(`document.getElementById("state").textContent.startsWith("stopped") && !document.querySelector("[data-action=start]").disabled`)
	e.says(e.run(0, "reset", "--yes"), `default has no data`)
	p.NoErrors()

	c.Interrupt()
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	p.Until(`document.getElementById("connection").classList.contains("lost")`)
	e.nothingLeft()
}

// What cannot be started says why, on the page.
func TestUITellsFailures(t *testing.T) {
	e := newBackground(t, healthy)
	e.env = append(e.env, "QEMU_SYSTEM_X86_64=/nonexistent/qemu")
	c, link := e.ui()
	p := browsertest.Open(t, link)
	p.Until(`document.getElementById("state").textContent.startsWith("stopped")`)
	p.Run(`document.querySelector("[data-action=start]").click()`)
	p.Until(`document.getElementById("trouble").textContent.includes("/nonexistent/qemu")`)
	p.Picture("ui-trouble")
	p.NoErrors()
	c.Interrupt()
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
}

// The link is for this run and this machine only.
func TestUIRefusesStrangers(t *testing.T) {
	e := newEmulator(t, healthy)
	c, link := e.ui("pr-42")
	address, fragment, _ := strings.Cut(link, "#")
	secret, err := url.ParseQuery(fragment)
	if err != nil || len(secret.Get("token")) < 20 || secret.Get("instance") != "pr-42" {
		t.Fatalf("%s: %v", link, err)
	}
	for token, want := range map[string]int{"": 401, "x": 401, secret.Get("token"): 404} {
		r, err := http.NewRequest("POST", address+"api/instances/default/destroy", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("token %q: %s", token, answer.Status)
		}
	}
	port := regexp.MustCompile(`:(\d+)/`).FindStringSubmatch(address)[1]
	e.complains(e.run(1, "ui", "--port", port), fmt.Sprintf(`^stackemu: ui: listen tcp4 127\.0\.0\.1:%s: bind: address already in use$`, port))
	c.Interrupt()
	c.End()
}

// An instance in the foreground has its page beside it, which a browser is led to without showing its link to others.
func TestUpWithUI(t *testing.T) {
	e := newEmulator(t, healthy)
	bin, opened := t.TempDir(), filepath.Join(t.TempDir(), "opened")
	script := "#!/bin/sh\nprintf '%s\\n' \"$@\" >" + opened + "\n"
	for _, name := range []string{"xdg-open", "open"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	e.env = append(e.env, "PATH="+bin+":"+os.Getenv("PATH"), "TMPDIR="+t.TempDir())
	c := e.start("up", "--ui", "--open")
	link := c.Until(`^http://127\.0\.0\.1:\d+/#`)
	c.Until(`^default +ready`)
	lead := strings.TrimPrefix(awaitFile(t, opened), "file://")
	if strings.Contains(lead, "token") {
		t.Fatalf("opened %q", lead)
	}
	if info, err := os.Stat(lead); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others can read it", info, err)
	}
	p := browsertest.Open(t, "file://"+lead)
	p.Until(`location.href.startsWith(` + fmt.Sprintf("%q", link[:strings.Index(link, "#")]) + `)`)
	p.Until(`document.getElementById("machine").textContent.includes("in the foreground")`)
	p.Run(`document.querySelector("[data-action=stop]").click()`)
	if code := c.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, c.Stderr())
	}
	if _, err := os.Stat(lead); err == nil {
		t.Errorf("%s is left", lead)
	}
	e.nothingLeft()
	e.complains(e.run(2, "up", "--ui", "--detach"), `stackemu ui`)
}

// awaitFile waits until there is a line in a file.
func awaitFile(t *testing.T, path string) string {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, _ := os.ReadFile(path) // it may not be there yet
		if line, _, whole := strings.Cut(string(text), "\n"); whole {
			return line
		}
	}
	t.Fatalf("there is nothing in %s", path)
	return ""
}
