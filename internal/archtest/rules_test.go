package archtest

import (
	"go/ast"
	"slices"
	"strings"
)

// rules are all rules about Go files, by the name of their bad example in testdata.
var rules = map[string]func(*tree) []breach{
	"imports":  checkImports,
	"exit":     checkExit,
	"sleep":    checkSleep,
	"mailbox":  checkMailbox,
	"comments": checkPackageComments,
}

// layers says which imports are forbidden where. A path stands for itself and all below it. Because every package of
// the module is under the rule, none can be reached over a detour either.
var layers = []struct {
	folders   []string
	forbidden []string
	why       string
}{
	{
		folders:   []string{"qemu", "guest", "internal", "cmd/stackguest"},
		forbidden: []string{"github.com/asynkron/protoactor-go", module + "/actors", module + "/messages"},
		why:       "plain libraries know neither actors nor messages",
	},
	{
		folders:   []string{"messages"},
		forbidden: []string{"github.com/asynkron/protoactor-go", module + "/actors"},
		why:       "messages are plain structs: who carries them is not their business",
	},
	{
		folders:   []string{"qemu", "guest", "internal", "messages", "actors"},
		forbidden: []string{module + "/cmd"},
		why:       "commands are on top",
	},
	{
		folders:   []string{"qemu"},
		forbidden: []string{module + "/guest"},
		why:       "QEMU runs any guest",
	},
}

func checkImports(tr *tree) (found []breach) {
	for _, f := range tr.files {
		for _, layer := range layers {
			if !in(f.dir, layer.folders...) {
				continue
			}
			for _, spec := range f.ast.Imports {
				if p := importPath(spec); in(p, layer.forbidden...) {
					found = append(found, tr.breach(f, spec, "imports %s: %s", p, layer.why))
				}
			}
		}
	}
	return found
}

// checkExit: code that ends the process cannot be tested or reused, and skips what its callers have deferred.
func checkExit(tr *tree) (found []breach) {
	for _, f := range tr.files {
		if f.test || f.ast.Name.Name == "main" {
			continue
		}
		found = append(found, tr.uses(f, "only a command may end the process or read its arguments",
			"os.Exit", "os.Args", "log.Fatal", "log.Fatalf", "log.Fatalln", "syscall.Exit")...)
	}
	return found
}

// checkSleep: who waits must also wait for a context, and wake up when there is something to do.
func checkSleep(tr *tree) (found []breach) {
	for _, f := range tr.files {
		if !f.test {
			found = append(found, tr.uses(f, "waits for nothing that could happen: use a timer and a context", "time.Sleep")...)
		}
	}
	return found
}

// unsafe are methods of protoactor-go that an actor must not call, and what each does, as seen with the version in
// go.mod.
var unsafe = map[string]string{
	"Result":            "blocks the mailbox until the future ends",
	"SetReceiveTimeout": "fires once only, and races with the mailbox",
	"SendRepeatedly":    "races when it is cancelled",
	"RequestRepeatedly": "races when it is cancelled",
	"ReenterAfter":      "runs in the incarnation that a restart has replaced",
	"PipeTo":            "answers an incarnation that did not ask",
}

func checkMailbox(tr *tree) (found []breach) {
	for _, f := range tr.files {
		if f.test || !in(f.dir, "actors") {
			continue
		}
		ast.Inspect(f.ast, func(node ast.Node) bool {
			call, ok := node.(*ast.CallExpr)
			if !ok {
				return true
			}
			if method, ok := call.Fun.(*ast.SelectorExpr); ok && unsafe[method.Sel.Name] != "" {
				name := method.Sel.Name
				found = append(found, tr.breach(f, method.Sel, "calls %s, which %s", name, unsafe[name]))
			}
			return true
		})
	}
	return found
}

func checkPackageComments(tr *tree) (found []breach) {
	first := map[string]*file{}
	commented := map[string]bool{}
	for _, f := range tr.files {
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		if first[f.dir] == nil {
			first[f.dir] = f
		}
		commented[f.dir] = commented[f.dir] || f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != ""
	}
	for _, f := range tr.files {
		if f == first[f.dir] && !commented[f.dir] {
			found = append(found, tr.breach(f, f.ast.Name, "package %s has no package comment", f.ast.Name.Name))
		}
	}
	return found
}

// uses finds the uses, called or not, of things that packages export, written like "time.Sleep".
func (tr *tree) uses(f *file, why string, things ...string) (found []breach) {
	names := f.names()
	ast.Inspect(f.ast, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := selector.X.(*ast.Ident); ok {
			if thing := names[pkg.Name] + "." + selector.Sel.Name; slices.Contains(things, thing) {
				found = append(found, tr.breach(f, selector, "%s: %s", thing, why))
			}
		}
		return true
	})
	return found
}
