// Package nodeblob makes Node start in half the time.
//
// Debian builds Node without its start-up snapshot, so that every start compiles all of Node's own JavaScript: 1.3 s of
// CPU under an emulated processor. Node can write such a snapshot itself (--build-snapshot). [Path] keeps one, and makes it
// anew when it was made by another Node or on another CPU, which Node would refuse.
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
	"strings"
	"time"
)

// Refused is the exit code of a Node that will not start from a snapshot.
const Refused = 14

// buildTimeout bounds the making of a snapshot, which takes 0.4 s natively and 3 s emulated.
const buildTimeout = time.Minute

const (
	blobName = "node.blob"
	keyName  = "node.blob.key"
)

// Path returns the snapshot in dir for the Node binary at node. With an error there is none, and Node is to be started
// without.
func Path(ctx context.Context, node, dir string) (string, error) {
	cpu, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "", fmt.Errorf("nodeblob: %w", err)
	}
	defer cpu.Close()
	want, err := key(node, cpu)
	if err != nil {
		return "", fmt.Errorf("nodeblob: %w", err)
	}
	blob := filepath.Join(dir, blobName)
	if have, err := os.ReadFile(filepath.Join(dir, keyName)); err == nil && string(have) == want {
		if _, err := os.Stat(blob); err == nil {
			return blob, nil
		}
	}
	if err := build(ctx, node, dir, want); err != nil {
		return "", fmt.Errorf("nodeblob: %w", errors.Join(err, Remove(dir)))
	}
	return blob, nil
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
	cmd := exec.CommandContext(ctx, node, "--snapshot-blob", filepath.Join(dir, blobName), "--build-snapshot", script)
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %.500s", err, out)
	}
	return os.WriteFile(filepath.Join(dir, keyName), []byte(key), 0o644)
}

// cpuFields are the lines of /proc/cpuinfo that say what the CPU can do, on x86 and on ARM; others change all the time.
var cpuFields = []string{"vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU "}

// key identifies a Node binary on a CPU.
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
	fmt.Fprintf(sum, "%s %d %d\n", node, info.Size(), info.ModTime().UnixNano())
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
