// Package nodeblob makes Node start in half the time.
//
// Debian builds Node without its start-up snapshot, so that every start compiles all of Node's own JavaScript: 1.3 s of
// CPU under an emulated processor. Node can write such a snapshot itself (--build-snapshot). [Args] keeps one, and makes it
// anew when it was made by another Node, on another CPU or with other flags, which Node would refuse.
package nodeblob

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Refused is the exit code of a Node that will not start from a snapshot.
const Refused = 14

// buildTimeout bounds the making of a snapshot, which takes 0.4 s natively and 3 s emulated.
const buildTimeout = time.Minute

// flags have V8 compile JavaScript to machine code only where it is run for long, and not already what runs at a start: that costs
// more than it gains, and with its compilers a processor that is emulated has a sixth more code to translate. Both are
// a budget that a function uses up by running (bytes of bytecode, 67584 by default) and a size of code that is compiled at once
// (bytes, 4096); see `node --v8-options`.
var flags = []string{"--interrupt-budget=10000000", "--baseline-batch-compilation-threshold=1000000"}

const (
	blobName = "node.blob"
	keyName  = "node.blob.key"
)

// Args returns the arguments with which the Node binary at node starts from the snapshot in dir. With an error there is none, and
// Node is to be started without them.
func Args(ctx context.Context, node, dir string) ([]string, error) {
	cpu, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return nil, fmt.Errorf("nodeblob: %w", err)
	}
	defer cpu.Close()
	want, err := key(node, cpu)
	if err != nil {
		return nil, fmt.Errorf("nodeblob: %w", err)
	}
	if !kept(dir, want) {
		if err := build(ctx, node, dir, want); err != nil {
			return nil, fmt.Errorf("nodeblob: %w", errors.Join(err, Remove(dir)))
		}
	}
	return args(dir), nil
}

func args(dir string) []string {
	return append(slices.Clone(flags), "--snapshot-blob", filepath.Join(dir, blobName))
}

// kept says whether dir has a snapshot with the key.
func kept(dir, key string) bool {
	have, err := os.ReadFile(filepath.Join(dir, keyName))
	if err != nil || string(have) != key {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, blobName))
	return err == nil
}

// Remove deletes the snapshot in dir, so that the next start makes a new one.
func Remove(dir string) error {
	for _, name := range []string{keyName, blobName} { // the key first: without it the snapshot counts for nothing
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// build makes the snapshot of a Node that has loaded nothing. The key is written last.
func build(ctx context.Context, node, dir, key string) error {
	if err := Remove(dir); err != nil {
		return err
	}
	script := filepath.Join(dir, "node.blob.js")
	if err := os.WriteFile(script, nil, 0o644); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, append(args(dir), "--build-snapshot", script)...)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %.500s", err, out)
	}
	return os.WriteFile(filepath.Join(dir, keyName), []byte(key), 0o644)
}

// cpuFields are the lines of /proc/cpuinfo that say what the CPU can do, on x86 and on ARM; others change all the time.
var cpuFields = []string{"vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU "}

// key identifies a Node binary with the flags on a CPU.
func key(node string, cpuinfo io.Reader) (string, error) {
	info, err := os.Stat(node)
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(cpuinfo)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %d %d %q\n", node, info.Size(), info.ModTime().UnixNano(), flags)
	first, _, _ := strings.Cut(string(text), "\n\n") // one block for each CPU, all the same
	for line := range strings.Lines(first) {
		for _, field := range cpuFields {
			if strings.HasPrefix(line, field) {
				io.WriteString(sum, line)
				break
			}
		}
	}
	return fmt.Sprintf("%x\n", sum.Sum(nil)), nil
}
