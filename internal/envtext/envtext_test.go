package envtext

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

var vars = []Var{{"URL", "http://localhost:26701"}, {"EMPTY", ""}, {"ODD", "a'b\"c $d `e` \\f\nnext"}}

func written(t *testing.T, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := Formats[format](&b, vars); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDotenv(t *testing.T) {
	const want = "URL=http://localhost:26701\nEMPTY=\"\"\nODD=\"a'b\\\"c \\$d \\`e\\` \\\\f\\nnext\"\n"
	if got := written(t, "dotenv"); got != want {
		t.Errorf("got %s", got)
	}
}

// A shell that reads the lines has the values.
func TestShell(t *testing.T) {
	cmd := exec.Command("sh", "-c", `eval "$(cat)"; printf '%s|%s|%s' "$URL" "$EMPTY" "$ODD"`)
	cmd.Stdin = strings.NewReader(written(t, "shell"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(out), vars[0].Value+"|"+vars[1].Value+"|"+vars[2].Value; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSON(t *testing.T) {
	text := written(t, "json")
	var got map[string]string
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	for _, v := range vars {
		if got[v.Name] != v.Value {
			t.Errorf("%s: got %q", v.Name, got[v.Name])
		}
	}
	if strings.Index(text, "URL") > strings.Index(text, "ODD") {
		t.Errorf("the order is lost: %s", text)
	}
}

func TestName(t *testing.T) {
	for text, want := range map[string]bool{"A": true, "_a1": true, "1A": false, "": false, "A-B": false, "A=B": false, "Ä": false} {
		if Name(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func FuzzShell(f *testing.F) {
	f.Add("it's")
	f.Fuzz(func(t *testing.T, value string) {
		var b bytes.Buffer
		if err := Shell(&b, []Var{{"X", value}}); err != nil {
			t.Fatal(err)
		}
		quoted := strings.TrimSuffix(strings.TrimPrefix(b.String(), "export X="), "\n")
		if got := strings.ReplaceAll(quoted[1:len(quoted)-1], `'\''`, "'"); got != value {
			t.Errorf("%q became %q", value, got)
		}
	})
}
