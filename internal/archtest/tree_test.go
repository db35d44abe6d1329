package archtest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/stackemu/stackemu"

// tree is the Go files of the module.
type tree struct {
	root  string
	fset  *token.FileSet
	files []*file
}

// file is a parsed Go file.
type file struct {
	path string // from the root, with slashes
	dir  string // its folder: "." for the root
	test bool   // a _test.go file, or a file of a package that exists for tests (qemutest)
	ast  *ast.File
}

// breach is one place where a rule is broken.
type breach struct {
	path string
	line int
	text string
}

func (b breach) String() string { return fmt.Sprintf("%s:%d: %s", b.path, b.line, b.text) }

// skipped are folders that are not part of the source: what make builds, what git keeps, what the go command passes over.
func skipped(name string) bool {
	return name == "testdata" || name == "bin" || name == "node_modules" ||
		name != "." && name != ".ci" && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_"))
}

// walk calls visit for every file below root that is part of the source.
func walk(t *testing.T, root string, visit func(path string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && skipped(entry.Name()):
			return fs.SkipDir
		case entry.Type().IsRegular():
			visit(p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func load(t *testing.T, root string) *tree {
	t.Helper()
	tr := &tree{root: root, fset: token.NewFileSet()}
	walk(t, root, func(p string) {
		if !strings.HasSuffix(p, ".go") {
			return
		}
		parsed, err := parser.ParseFile(tr.fset, filepath.Join(root, p), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		test := strings.HasSuffix(p, "_test.go") || strings.HasSuffix(parsed.Name.Name, "test")
		tr.files = append(tr.files, &file{path: p, dir: path.Dir(p), test: test, ast: parsed})
	})
	return tr
}

func (tr *tree) breach(f *file, node ast.Node, format string, args ...any) breach {
	return breach{f.path, tr.fset.Position(node.Pos()).Line, fmt.Sprintf(format, args...)}
}

// in is whether a folder is one of the given ones or below one.
func in(dir string, folders ...string) bool {
	for _, folder := range folders {
		if dir == folder || strings.HasPrefix(dir, folder+"/") {
			return true
		}
	}
	return false
}

func importPath(spec *ast.ImportSpec) string {
	p, _ := strconv.Unquote(spec.Path.Value)
	return p
}

// names maps the names that a file gives to its imports to their paths. An import without a name of its own has the
// last element of its path, which is right for the standard library.
func (f *file) names() map[string]string {
	names := map[string]string{}
	for _, spec := range f.ast.Imports {
		p := importPath(spec)
		name := path.Base(p)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = p
	}
	return names
}

// moduleRoot is the folder with go.mod above this package.
func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
