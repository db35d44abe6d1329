package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "rewrite the reference of the commands in docs/cli.md")

const referenceMark = "<!-- commands -->\n"

// The reference in docs/cli.md is what the program says of itself.
func TestReference(t *testing.T) {
	const path = "../../docs/cli.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	guide, reference, found := strings.Cut(string(text), referenceMark)
	if !found {
		t.Fatalf("%s has no %s", path, referenceMark)
	}
	want := "\n" + referenceOf("stackemu", commands())
	if *update {
		if err := os.WriteFile(path, []byte(guide+referenceMark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if reference != want {
		t.Errorf("the reference in %s is not what the program says: go test ./cmd/stackemu -run TestReference -update", path)
	}
}

func referenceOf(path string, all []*cli.Command) string {
	var b strings.Builder
	for _, c := range all {
		if c.Hidden {
			continue
		}
		name := path + " " + c.Name
		if len(c.Subcommands) > 0 {
			b.WriteString(referenceOf(name, c.Subcommands))
			continue
		}
		fmt.Fprintf(&b, "### %s\n\n`%s`: %s.\n\n%s\n", name, strings.TrimSpace(name+" [OPTIONS] "+c.ArgsUsage), c.Usage, described(c.Description))
		if len(c.Flags) > 0 {
			b.WriteString("\n| option | meaning |\n| --- | --- |\n")
		}
		for _, f := range c.Flags {
			fmt.Fprintf(&b, "| %s | %s |\n", optionOf(f), meaningOf(f))
		}
		b.WriteString("\n")
	}
	return strings.TrimSuffix(b.String(), "\n") + map[bool]string{true: "\n"}[path != "stackemu"]
}

// described is a description as Markdown: its examples as code.
func described(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for n, line := range lines {
		words, example, found := strings.Cut(line, ": ")
		if more, ok := strings.CutPrefix(line, "          "); ok { // of several examples
			words, example, found = "Example", more, true
		}
		if found && strings.HasPrefix(words, "Example") {
			lines[n] = strings.Replace(words, "Examples", "Example", 1) + ": `" + strings.ReplaceAll(example, "`", "") + "`  "
			continue
		}
		lines[n] = strings.ReplaceAll(line, "<", `\<`)
	}
	return strings.TrimRight(strings.Join(lines, "\n"), " ")
}

// optionOf is a flag's names, with the placeholder of its value.
func optionOf(f cli.Flag) string {
	placeholder := ""
	if d, ok := f.(cli.DocGenerationFlag); ok && d.TakesValue() {
		placeholder = " " + placeholderOf(d)
	}
	var names []string
	for _, name := range f.Names() {
		dashes := "--"
		if len(name) == 1 {
			dashes = "-"
		}
		names = append(names, "`"+dashes+name+placeholder+"`")
	}
	return strings.Join(names, ", ")
}

func placeholderOf(d cli.DocGenerationFlag) string {
	if _, rest, found := strings.Cut(d.GetUsage(), "`"); found {
		word, _, _ := strings.Cut(rest, "`")
		return word
	}
	return "VALUE"
}

func meaningOf(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	text := strings.ReplaceAll(strings.ReplaceAll(d.GetUsage(), "`", ""), "|", `\|`)
	if value := strings.Trim(d.GetDefaultText(), `"`); d.TakesValue() && value != "" {
		text += " (default: " + value + ")"
	}
	return text
}
