package nodeblob

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestArgs(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	dir := t.TempDir()
	args, err := Args(t.Context(), node, dir)
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "main.js")
	if err := os.WriteFile(script, []byte("console.log(require('node:http').STATUS_CODES[200], process.argv[2])"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(node, append(args, script, "x")...).Output()
	if err != nil || string(out) != "OK x\n" {
		t.Errorf("a script from the snapshot: %q, %v", out, err)
	}

	blob := filepath.Join(dir, blobName)
	first, err := os.Stat(blob)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Args(t.Context(), node, dir); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(blob); err != nil || !os.SameFile(first, again) || !again.ModTime().Equal(first.ModTime()) {
		t.Errorf("a good snapshot was made anew: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, keyName), []byte("another CPU"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Args(t.Context(), node, dir); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(blob); err != nil || again.ModTime().Equal(first.ModTime()) {
		t.Errorf("the snapshot of another CPU was kept: %v", err)
	}
}

func TestArgsWithoutNode(t *testing.T) {
	dir := t.TempDir()
	if args, err := Args(t.Context(), filepath.Join(dir, "absent"), dir); err == nil {
		t.Errorf("Args = %q", args)
	}
	failing := filepath.Join(dir, "node")
	if err := os.WriteFile(failing, []byte("#!/bin/sh\necho no snapshots here\nexit 9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Args(t.Context(), failing, dir); err == nil || !strings.Contains(err.Error(), "no snapshots here") {
		t.Errorf("err = %v, want one with what Node said", err)
	}
	if _, err := os.Stat(filepath.Join(dir, keyName)); err == nil {
		t.Error("a failed build left a key")
	}
}

func TestKey(t *testing.T) {
	node := filepath.Join(t.TempDir(), "node")
	if err := os.WriteFile(node, []byte("1"), 0o755); err != nil {
		t.Fatal(err)
	}
	const cpu = "processor\t: 0\nmodel\t: 6\ncpu MHz\t: 1000.0\nflags\t: fpu sse\n\nprocessor\t: 1\n"
	of := func(cpuinfo string) string {
		t.Helper()
		sum, err := key(node, strings.NewReader(cpuinfo))
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	if of(cpu) != of(strings.Replace(cpu, "1000.0", "2000.0", 1)+"\n") {
		t.Error("the clock rate is in the key")
	}
	if of(cpu) == of(strings.Replace(cpu, "sse", "sse avx", 1)) {
		t.Error("the CPU's features are not in the key")
	}
	before := of(cpu)
	if err := os.WriteFile(node, []byte("22"), 0o755); err != nil {
		t.Fatal(err)
	}
	if of(cpu) == before {
		t.Error("the Node binary is not in the key")
	}
}
