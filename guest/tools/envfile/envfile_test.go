package envfile

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, text string
		want       Vars
	}{
		{"empty", "", Vars{}},
		{"plain", "A=1\nB=two words\n", Vars{"A": "1", "B": "two words"}},
		{"no final line end", "A=1", Vars{"A": "1"}},
		{"DOS line ends", "A=1\r\nB=2\r\n", Vars{"A": "1", "B": "2"}},
		{"comments and empty lines", "# one\n\n  # two\n   \nA=1\n", Vars{"A": "1"}},
		{"the last one counts", "A=1\nA=2\n", Vars{"A": "2"}},
		{"values are taken as they are", "A=\"q\"=$(x) # y\n", Vars{"A": `"q"=$(x) # y`}},
		{"empty value", "A=\n", Vars{"A": ""}},
		{"spaces belong to the value", "A= 1 \n", Vars{"A": " 1 "}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse([]byte(test.text))
			if err != nil || !maps.Equal(got, test.want) {
				t.Errorf("Parse(%q) = %v, %v, want %v", test.text, got, err, test.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"A", "=1", "1A=1", "A B=1", "A-B=1", " A=1", "export A=1", "Ä=1", "A=\x00", "A=a\rb\n", "A=\xff\n",
	} {
		if vars, err := Parse([]byte(text)); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q) = %v, %v, want ErrSyntax", text, vars, err)
		}
	}
	if _, err := Parse(make([]byte, maxFile+1)); !errors.Is(err, ErrSyntax) {
		t.Errorf("a file that is too large: %v, want ErrSyntax", err)
	}
}

func TestFormatRefusesInjection(t *testing.T) {
	for _, vars := range []Vars{
		{"A": "1\nCRON_SECRET=mine"}, {"A": "1\rB=2"}, {"A": "\x00"}, {"A\nB": "1"}, {"A=B": "1"}, {"": "1"}, {"A": "\xff"},
	} {
		if text, err := vars.Format(); !errors.Is(err, ErrSyntax) {
			t.Errorf("Format(%q) = %q, %v, want ErrSyntax", vars, text, err)
		}
	}
}

func TestWriteIsPrivateAndReadsBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte("OLD=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	want := Vars{"A": "1", "B": "x=y"}
	if err := want.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if got, err := Read(path); err != nil || !maps.Equal(got, want) {
		t.Errorf("Read = %v, %v, want %v", got, err, want)
	}
	if got, err := ReadIfExists(path + ".absent"); err != nil || len(got) != 0 {
		t.Errorf("ReadIfExists of nothing = %v, %v", got, err)
	}
}

func TestEnviron(t *testing.T) {
	vars := FromEnviron([]string{"B=2=3", "A=1", "=C:=odd", "broken"})
	if want := (Vars{"A": "1", "B": "2=3"}); !maps.Equal(vars, want) {
		t.Errorf("FromEnviron = %v, want %v", vars, want)
	}
	if got := vars.Environ(); len(got) != 2 || got[0] != "A=1" || got[1] != "B=2=3" {
		t.Errorf("Environ = %q", got)
	}
}

// What is parsed can be written, and is the same when it is read again.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"A=1\nB=2\n", "#\n\r\n", "A=\r", "A=1\n\nA=2", "=\n", "A=é"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		vars, err := Parse(data)
		if err != nil {
			return
		}
		text, err := vars.Format()
		if err != nil {
			t.Fatalf("Format(%q): %v", vars, err)
		}
		again, err := Parse(text)
		if err != nil || !maps.Equal(vars, again) {
			t.Fatalf("%q became %q: %v", vars, again, err)
		}
	})
}
