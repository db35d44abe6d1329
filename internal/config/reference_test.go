package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/stackemu.schema.json and the table in docs/configuration.md")

const (
	schemaPath    = "../../docs/stackemu.schema.json"
	referencePath = "../../docs/configuration.md"
	referenceMark = "<!-- settings -->\n"
)

// The published schema is what `stackemu config schema` prints.
func TestSchemaFile(t *testing.T) {
	want := string(Schema())
	if *update {
		if err := os.WriteFile(schemaPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(schemaPath); err != nil || string(got) != want {
		t.Errorf("%s is not what the program says (%v): go test ./internal/config -update", schemaPath, err)
	}
}

// The table in docs/configuration.md is the table of settings.
func TestReference(t *testing.T) {
	text, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	guide, reference, found := strings.Cut(string(text), referenceMark)
	if !found {
		t.Fatalf("%s has no %s", referencePath, referenceMark)
	}
	want := "\n" + referenceTable()
	if *update {
		if err := os.WriteFile(referencePath, []byte(guide+referenceMark+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if reference != want {
		t.Errorf("the table in %s is not what the program says: go test ./internal/config -update", referencePath)
	}
}

func referenceTable() string {
	var b strings.Builder
	b.WriteString("| key | variable | flag | default | meaning | allowed |\n| --- | --- | --- | --- | --- | --- |\n")
	for n := range settings {
		s := &settings[n]
		key, meaning := "`"+s.key+"`", s.meaning
		if s.userOnly != "" {
			key += " (1)"
		}
		var variables []string
		for _, name := range s.variables {
			name = "`" + name + "`"
			if s.opposite {
				name += " (2)"
			}
			variables = append(variables, name)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", key, strings.Join(variables, ", "), code(s.flag), s.defaultInWords(), meaning, s.allowedInFile())
	}
	return b.String()
}

func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func (s *setting) defaultInWords() string {
	if s.presetWords != "" {
		return s.presetWords
	}
	text, _ := s.preset(nil) // only those that are the same everywhere have no words
	return code(text)
}

// The examples of the documentation are what they say they are.
func TestExamples(t *testing.T) {
	text, err := os.ReadFile(referencePath)
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(text), "```yaml\n")[1:]
	if len(examples) < 2 {
		t.Fatal("there are no examples")
	}
	for _, example := range examples {
		example, _, _ = strings.Cut(example, "```")
		f := parse("/p/stackemu.yaml", !strings.Contains(example, "# your own file"), "/home/u", []byte(example))
		if len(f.Problems) > 0 || len(f.values)+len(f.profiles) == 0 {
			t.Errorf("%v in\n%s", f.Problems, example)
		}
	}
}

// Every setting can be told from the others, and everybody knows what it is for.
func TestSettings(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settings {
		for _, name := range append([]string{s.key, s.flag}, s.variables...) {
			if seen[name] && name != "" {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if s.meaning == "" || s.allowed == "" || s.schema == nil || len(s.tags) == 0 || s.is == nil || s.put == nil || s.show == nil || s.preset == nil {
			t.Errorf("%s: something is missing", s.key)
		}
		if s.opposite && s.show(&Config{}) != "true" {
			t.Errorf("%s: is not the opposite of its variables", s.key)
		}
	}
}
