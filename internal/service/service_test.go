package service

import (
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var spec = Spec{Instance: "pr-42", Program: "/opt/my programs/stackemu", Args: []string{"supervise", "--", "pr-42"},
	Dir: "/srv/100% mine", Env: []string{"EMULATOR_RAM=2048", `PATH=/usr/bin:/opt/"q" & $x\`}, Log: "/srv/run/supervisor.log"}

func TestTexts(t *testing.T) {
	for name, got := range map[string]string{"unit.golden": unit(spec), "agent.golden": agent(spec)} {
		path := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs (-update rewrites it); got:\n%s", path, got)
		}
	}
}

// What systemd itself says of a unit.
func TestUnitIsVerified(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze")
	}
	real := spec
	dir := t.TempDir()
	real.Program, real.Dir = filepath.Join(dir, "50% of $a program"), dir
	if err := os.WriteFile(real.Program, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "stackemu-pr-42.service")
	if err := os.WriteFile(path, []byte(unit(real)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), analyze, "--user", "verify", path)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Failed to initialize manager") {
		t.Skipf("systemd-analyze does not work here: %s", out)
	}
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, filepath.Base(path)) { // others are about this machine
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestAgentIsXML(t *testing.T) {
	for d := xml.NewDecoder(strings.NewReader(agent(spec))); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// played is a manager whose commands are noted.
func played(t *testing.T, m *Manager) (ran *[]string) {
	t.Helper()
	ran = &[]string{}
	m.run = func(_ context.Context, command ...string) (string, error) {
		line := strings.Join(command, " ")
		*ran = append(*ran, line)
		if strings.Contains(line, "show") {
			return "ActiveState=active\nUnitFileState=enabled", nil
		}
		return "", nil
	}
	return ran
}

func TestInstallAndRemove(t *testing.T) {
	dir := t.TempDir()
	m := Systemd(dir)
	ran := played(t, m)
	path := filepath.Join(dir, "systemd/user/stackemu-pr-42.service")
	want := func(what string, done []string, err error, words ...string) {
		t.Helper()
		if err != nil || !slices.Equal(done, words) {
			t.Errorf("%s: did %q, %v, want %q", what, done, err, words)
		}
	}
	if installed, _, err := m.Status(t.Context(), "pr-42"); installed || err != nil {
		t.Errorf("before: %v, %v", installed, err)
	}
	done, err := m.Install(t.Context(), spec)
	want("install", done, err, "wrote "+path, "systemctl --user daemon-reload", "systemctl --user enable stackemu-pr-42.service")
	if text, err := os.ReadFile(path); err != nil || string(text) != unit(spec) {
		t.Errorf("%s: %v", path, err)
	}
	done, err = m.Install(t.Context(), spec)
	want("again", done, err, path+" is as it should be", "systemctl --user daemon-reload", "systemctl --user enable stackemu-pr-42.service")
	if installed, words, err := m.Status(t.Context(), "pr-42"); !installed || words != "ActiveState=active, UnitFileState=enabled" || err != nil {
		t.Errorf("status: %v, %q, %v", installed, words, err)
	}
	done, err = m.Remove(t.Context(), "pr-42")
	want("remove", done, err, "systemctl --user disable --now stackemu-pr-42.service", "removed "+path, "systemctl --user daemon-reload")
	*ran = nil
	done, err = m.Remove(t.Context(), "pr-42")
	want("remove again", done, err)
	if len(*ran) > 0 {
		t.Errorf("ran %q", *ran)
	}
}

func TestManagerFails(t *testing.T) {
	m := Systemd(t.TempDir())
	m.run = func(context.Context, ...string) (string, error) { return "", errors.New("no bus") }
	done, err := m.Install(t.Context(), spec)
	if err == nil || len(done) != 1 {
		t.Errorf("did %q, %v", done, err)
	}
	if _, err := m.Remove(t.Context(), spec.Instance); err == nil {
		t.Error("it was removed without a word to the manager")
	}
	if _, err := os.Stat(m.Path(spec.Instance)); err != nil {
		t.Error(err)
	}
}

func TestLaunchd(t *testing.T) {
	home := t.TempDir()
	m := Launchd(home, 501)
	played(t, m)
	done, err := m.Install(t.Context(), spec)
	path := filepath.Join(home, "Library/LaunchAgents/dev.stackemu.pr-42.plist")
	if err != nil || !slices.Equal(done, []string{"wrote " + path, "launchctl enable gui/501/dev.stackemu.pr-42"}) {
		t.Errorf("did %q, %v", done, err)
	}
	if done, err = m.Remove(t.Context(), "pr-42"); err != nil || done[len(done)-1] != "removed "+path {
		t.Errorf("did %q, %v", done, err)
	}
}

func TestRun(t *testing.T) {
	if out, err := run(t.Context(), "echo", " x "); out != "x" || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := run(t.Context(), "sh", "-c", "echo why >&2; exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3: why") {
		t.Errorf("got %v", err)
	}
}
