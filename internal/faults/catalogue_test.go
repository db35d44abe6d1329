package faults

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// catalogues are the documents whose tables name tests, as `package.TestName`.
var catalogues = []string{"reliability.md", "security.md"}

var (
	named = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	tests = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// Every row of a catalogue names a test, and every test that is named exists.
func TestCatalogue(t *testing.T) {
	root := filepath.Join("..", "..")
	known := map[string]map[string]bool{} // by package
	for _, document := range catalogues {
		text, err := os.ReadFile(filepath.Join(root, "docs", document))
		if err != nil {
			t.Fatal(err)
		}
		rows, inTable := 0, false
		for line := range strings.Lines(string(text)) {
			inTable = strings.HasPrefix(line, "| ") && (inTable || strings.HasSuffix(line, "| tests |\n"))
			if !inTable || strings.HasSuffix(line, "| tests |\n") || strings.HasPrefix(line, "| --- ") {
				continue
			}
			rows++
			all := named.FindAllStringSubmatch(line, -1)
			if len(all) == 0 {
				t.Errorf("%s: a row without a test: %s", document, line)
			}
			for _, m := range all {
				if known[m[1]] == nil {
					known[m[1]] = testsIn(t, filepath.Join(root, m[1]))
				}
				if !known[m[1]][m[2]] {
					t.Errorf("%s: there is no %s in %s", document, m[2], m[1])
				}
			}
		}
		if rows < 10 {
			t.Errorf("%s: %d rows: is it a catalogue?", document, rows)
		}
	}
}

func testsIn(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range tests.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
		}
	}
	return names
}
