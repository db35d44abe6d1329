package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What the documents tell people to type exists: commands, their flags, targets of make, and the files that links lead to.
func TestDocuments(t *testing.T) {
	root := filepath.Join("..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, found...)
	}
	commandsSeen := 0
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range typed(string(text)) {
			for _, m := range ofUs.FindAllStringSubmatch(line, -1) {
				words := strings.Fields(m[1])
				if slices.Contains(past, words[0]) {
					continue
				}
				if what := unknownIn(words); what != "" {
					t.Errorf("%s: there is no %s: %s", path, what, line)
				}
				commandsSeen++
			}
			for _, m := range ofMake.FindAllStringSubmatch(line, -1) {
				if !strings.Contains(string(makefile), "\n"+m[1]+":") {
					t.Errorf("%s: there is no target %s: %s", path, m[1], line)
				}
			}
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), m[1])); err != nil && !strings.Contains(m[1], "://") {
				t.Errorf("%s: a link leads nowhere: %v", path, err)
			}
		}
	}
	if len(all) < 10 || commandsSeen < 100 {
		t.Errorf("%d commands in %d documents: is that all?", commandsSeen, len(all))
	}
}

var (
	// What trace says of us is in the past.
	past   = []string{"took", "captured"}
	ofUs   = regexp.MustCompile("(?:^|bin/|[ (\"])stackemu ([a-z-][^`|;&>#)\"]*)")
	ofMake = regexp.MustCompile(`(?:^|[ (])make ([a-z][a-z0-9-]*)`)
	link   = regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)\s]*)?\)`)
	inline = regexp.MustCompile("`([^`\n]+)`")
)

// typed is what a document shows as code.
func typed(text string) (lines []string) {
	fenced := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced:
			lines = append(lines, strings.TrimPrefix(line, "$ "))
		default:
			for _, m := range inline.FindAllStringSubmatch(line, -1) {
				lines = append(lines, m[1])
			}
		}
	}
	return lines
}

// unknownIn is the first command or flag that there is not.
func unknownIn(words []string) string {
	among, flags := commands(), []string{"log-level", "log-format", "help", "version", "h", "v"}
	for n, word := range words {
		word = strings.TrimRight(word, ".,:")
		if flag, isFlag := strings.CutPrefix(word, "-"); isFlag {
			flag, _, _ = strings.Cut(strings.TrimPrefix(flag, "-"), "=")
			switch {
			case flag == "": // what follows is another program's
				return ""
			case !slices.Contains(flags, flag) && word != "-it":
				return "flag " + word
			}
			continue
		}
		placeholder := strings.ToUpper(word) == word
		if len(among) == 0 || placeholder || word == alias || n > 0 && strings.HasPrefix(words[n-1], "--log-") {
			continue
		}
		c := commandNamed(among, word)
		if c == nil {
			return "command " + word
		}
		among = c.Subcommands
		for _, f := range c.Flags {
			flags = append(flags, f.Names()...)
		}
	}
	return ""
}
