package sentinel

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The tree of the benchmarks: as large as a product's, with a sentinel in some of its files.
const (
	treeBytes = 300 << 20
	treeFiles = 6000
	withOne   = 40 // one file of so many has sentinels
)

var treeVars = map[string]string{"NEXT_PUBLIC_STACK_API_URL": "http://localhost:26701", "NEXT_PUBLIC_STACK_PROJECT_ID": "internal",
	"NEXT_PUBLIC_STACK_PUBLISHABLE_CLIENT_KEY": "0000", "NEXT_PUBLIC_STACK_DASHBOARD_URL": "http://localhost:26700"}

// makeTree writes what looks like built JavaScript.
func makeTree(b *testing.B) string {
	b.Helper()
	root := b.TempDir()
	line := []byte(`!function(e,t){"use strict";Object.defineProperty(t,"__esModule",{value:!0}),t.default=function(e){return e.props.children}}(this,exports);` + "\n")
	var sentinels bytes.Buffer
	for name := range treeVars {
		fmt.Fprintf(&sentinels, "const x = %q;\n", "STACK_ENV_VAR_SENTINEL_"+name)
	}
	random := rand.New(rand.NewPCG(1, 2)) // the same tree each time
	const mean = treeBytes / treeFiles
	for n := range treeFiles {
		dir := filepath.Join(root, fmt.Sprintf("chunks%d", n%50))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			b.Fatal(err)
		}
		text := bytes.Repeat(line, (mean/2+random.IntN(mean))/len(line)+1)
		if n%withOne == 0 {
			text = append(text, sentinels.Bytes()...)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.js", n)), text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	return root
}

// pipeline is what a shell script does: copy the tree, find the sentinels, and replace one after the other.
const pipeline = `set -e
cp -r "$1" "$2"
sentinels=$(find "$2" -type f -exec grep -l STACK_ENV_VAR_SENTINEL {} + | xargs grep -oh 'STACK_ENV_VAR_SENTINEL_[A-Z_]*' | sort -u)
for sentinel in $sentinels; do
  name=${sentinel#STACK_ENV_VAR_SENTINEL_}
  eval "value=\$$name"
  find "$2" -type f -exec sed -i "s|$sentinel|$value|g" {} +
done`

// BenchmarkTree compares the ways to fill a tree of 300 MB, in one run: go test -bench Tree ./guest/tools/sentinel
func BenchmarkTree(b *testing.B) {
	source := makeTree(b)
	ways := []struct {
		name string
		fill func(target string) error
	}{
		{"render", func(target string) error {
			_, err := Render(source, target, treeVars)
			return err
		}},
		{"pipeline", func(target string) error {
			cmd := exec.Command("sh", "-c", pipeline, "sh", source, target)
			cmd.Env = os.Environ()
			for name, value := range treeVars {
				cmd.Env = append(cmd.Env, name+"="+value)
			}
			out, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, out)
			}
			return nil
		}},
	}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			b.SetBytes(treeBytes)
			for b.Loop() {
				b.StopTimer()
				target := filepath.Join(b.TempDir(), "filled")
				b.StartTimer()
				if err := way.fill(target); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if text, err := os.ReadFile(filepath.Join(target, "chunks0/0.js")); err != nil || bytes.Contains(text, prefix) {
					b.Fatalf("not filled: %v", err)
				}
				if err := os.RemoveAll(target); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
	b.Run("again", func(b *testing.B) { // a start with the same values
		target := filepath.Join(b.TempDir(), "filled")
		if _, err := Render(source, target, treeVars); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if changed, err := Render(source, target, treeVars); err != nil || changed {
				b.Fatal(changed, err)
			}
		}
	})
}
