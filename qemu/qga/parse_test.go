package qga

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// FuzzParse feeds lines to the parser of answers.
func FuzzParse(f *testing.F) {
	for _, line := range []string{`{"return": {}}`, `{"return": null}`, `{"error": {"class": "GenericError", "desc": "no"}}`,
		`{}`, `[]`, `{`, "\xff", `{"return": 1, "error": {}}`} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parse(line)
		if err == nil && r.err == nil && !json.Valid(r.value) {
			t.Errorf("%q gives %q", line, r.value)
		}
	})
}

// FuzzSync puts any leftovers in front of a sync's answer: it has to be found, and what follows has to be left alone.
func FuzzSync(f *testing.F) {
	for _, left := range []string{"", "\n", "{\"return\": {}}\n", "half a li", "\xff", "\xff\xff{\"return\": 5}\n", "\xff{\"return\": 4}\n"} {
		f.Add([]byte(left))
	}
	f.Fuzz(func(t *testing.T, left []byte) {
		const id = 123456789012345
		answer := fmt.Sprintf("\xff{\"return\": %d}\n", id)
		if bytes.Contains(left, []byte("123456789012345")) || bytes.Contains(left, []byte("1.2")) {
			t.Skip("has the answer in it")
		}
		r := bufio.NewReaderSize(bytes.NewReader([]byte(string(left)+answer+"rest")), 16)
		for {
			ok, err := readSync(r, id)
			if err != nil {
				t.Fatalf("%q hides the answer: %v", left, err)
			}
			if ok {
				break
			}
		}
		rest, err := bufio.NewReader(r).ReadString(0)
		if rest != "rest" {
			t.Errorf("%q: %q is left, %v", left, rest, err)
		}
	})
}
