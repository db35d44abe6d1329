package trace

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// diagramMark stands before a diagram in docs/ that is made from a golden log: <!-- trace: fallback, from resuming 1, until ready -->.
var diagramMark = regexp.MustCompile("(?s)(<!-- trace: ([a-z-]+)(?:, from ([a-z-]+) (\\d+))?(?:, until ([a-z-]+))? -->\n```mermaid\n)(.*?)(```\n)")

// The sequence diagrams of docs/ show what really happens. With -update they are written anew.
func TestDiagramsOfTheDocumentation(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		now := diagramMark.ReplaceAllFunc(text, func(block []byte) []byte {
			found++
			m := diagramMark.FindSubmatch(block)
			s, n := start(t, string(m[2])), 1
			if len(m[4]) > 0 {
				n, _ = strconv.Atoi(string(m[4]))
			}
			var b bytes.Buffer
			if err := s.run.Mermaid(&b, s.run.Between(string(m[3]), n, string(m[5]))); err != nil {
				t.Fatal(err)
			}
			return bytes.Join([][]byte{m[1], b.Bytes(), m[7]}, nil)
		})
		if bytes.Equal(now, text) {
			continue
		}
		if !*update {
			t.Errorf("a diagram in %s is not what happens (go test ./internal/trace -run TestDiagrams -update writes it anew)", file)
			continue
		}
		if err := os.WriteFile(file, now, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if found < 6 {
		t.Errorf("%d diagrams", found)
	}
}
