package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/guestapi"
	"github.com/stackemu/stackemu/qemu/qemutest"
)

// Every form of a trace, of an instance that runs and of one that is stopped.
func TestTrace(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	u := e.up()
	check := func() {
		t.Helper()
		e.says(e.run(0, "trace"), `^default  ready by a resume, `, `^preparing .*capturing .*saving .*resuming `, `surveyed \(work of default\)`,
			`qemu: start`, `qmp: migrate`, `qemu-img: create|disk: `, `=> ready$`)
		e.says(e.run(0, "trace", "--explain"), `^default became ready in [0-9.]+ s by a resume, after it had captured a snapshot\.$`, `^[0-9.]+ s: .* exec`)
		e.says(e.run(0, "trace", "--mermaid"), `^sequenceDiagram$`, `emulator->>store: WantSnapshot`, `Note over emulator: ready`)
		e.says(e.run(0, "trace", "--actor", "monitor-2", "--type", "StateL"), `StateLoaded monitor-2 -> default`)

		var records []struct{ Kind, To, Type string }
		for line := range strings.Lines(e.run(0, "trace", "--json").Stdout()) {
			var r struct{ Kind, To, Type string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%v in %s", err, line)
			}
			records = append(records, r)
		}
		seen := map[string]bool{}
		for _, r := range records {
			if r.Kind == "external" {
				seen[r.To] = true
			}
		}
		for _, of := range []string{"qmp", "guest", "http", "qemu", "disk", "qemu-img"} {
			if !seen[of] {
				t.Errorf("nothing of %s in %d records", of, len(records))
			}
		}
		var events struct{ TraceEvents []any }
		if err := json.Unmarshal([]byte(e.run(0, "trace", "--perfetto").Stdout()), &events); err != nil || len(events.TraceEvents) < len(records) {
			t.Errorf("%d events for %d records, %v", len(events.TraceEvents), len(records), err)
		}
	}
	check()
	e.stop(u)
	check()

	page := filepath.Join(t.TempDir(), "a page.html")
	e.run(0, "trace", "--html", page)
	if text, err := os.ReadFile(page); err != nil || !bytes.Contains(text, []byte("<canvas")) {
		t.Errorf("the page: %v", err)
	}
}

// What happens is told while it happens.
func TestTraceFollow(t *testing.T) {
	t.Parallel()
	e := newEmulator(t, healthy)
	e.run(0, "capture")
	f := e.start("trace", "--follow", "--actor", "fleet/default")
	u := e.up()
	f.Until(`=> ready`)
	f.Interrupt()
	if code := f.End(); code != 0 {
		t.Errorf("exit code %d: %s", code, f.Stderr())
	}
	e.stop(u)
}

// The report has what is needed, and none of the secrets that the guest was given.
func TestBugReport(t *testing.T) {
	t.Parallel()
	s := healthy
	s.Guest = &qemutest.Guest{RequestTo: filepath.Join(t.TempDir(), "request")}
	e := newEmulator(t, s)
	e.env = append(e.env, "GITHUB_TOKEN=tok-of-the-test-1234", "HTTPS_PROXY=http://ada:proxy-pass-word@127.0.0.1:1/")
	u := e.up()
	text, err := os.ReadFile(s.Guest.RequestTo)
	if err != nil {
		t.Fatal(err)
	}
	var request guestapi.Request
	if err := json.Unmarshal(text, &request); err != nil || len(request.Secrets) != len(guestapi.SecretNames) {
		t.Fatalf("%v, %d secrets", err, len(request.Secrets))
	}
	secrets := map[string]string{"GITHUB_TOKEN": "tok-of-the-test-1234", "proxy": "proxy-pass-word", "published key": e.rotated()}
	for name, secret := range request.Secrets {
		secrets[name] = secret
	}
	// A guest and a QEMU that say what they should not.
	for _, file := range []string{"serial.log", "qemu.log", "messages.jsonl"} {
		f, err := os.OpenFile(e.file("run/vm", file), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for name, secret := range secrets {
			if _, err := f.WriteString("leaked " + name + " is <" + secret + ">\n"); err != nil {
				t.Fatal(err)
			}
		}
		f.Close()
	}
	report := filepath.Join(t.TempDir(), "report.tar.gz")
	e.run(0, "bug-report", "--output", report)
	e.stop(u)

	files := unpackReport(t, report)
	for name, content := range files {
		for what, secret := range secrets {
			if strings.Contains(content, secret) {
				t.Errorf("%s has %s in it", name, what)
			}
		}
	}
	for name, pattern := range map[string]string{
		"SUMMARY.txt":     `(?s)^stackemu bug report of instance default.*qemu .*became ready in`,
		"explain.txt":     `became ready`,
		"trace.txt":       `=> ready`,
		"doctor.txt":      `(?m)^ok +qemu`,
		"trace.html":      `<canvas`,
		"environment.txt": `(?s)EMULATOR_RAM=512.*GITHUB_TOKEN=\[redacted\]`,
		"messages.jsonl":  `"type":"Launch"`,
		"serial.log":      `leaked CRON_SECRET is`,
		"qemu.log":        `leaked`,
		"snapshots.txt":   `ready`,
		"files.txt":       `disk\.qcow2`,
		"image.json":      `reference`,
	} {
		if !regexp.MustCompile(pattern).MatchString(files[name]) {
			t.Errorf("%s has no %q in it: %.300s", name, pattern, files[name])
		}
	}
	for _, name := range []string{"internal-pck", "runtime-config.iso", "disk.qcow2"} {
		if _, ok := files[name]; ok {
			t.Errorf("%s is in it", name)
		}
	}
	if info, err := os.Stat(report); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// unpackReport gives the files of a report by their names. The summary has to be the first.
func unpackReport(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 && filepath.Base(h.Name) != "SUMMARY.txt" {
			t.Errorf("%s comes first", h.Name)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(h.Name)] = string(content)
	}
}
