package qmp

import (
	"bytes"
	"encoding/json"
	"testing"
)

// FuzzParse feeds lines to the parser. Whatever comes, it says what it is or that it is nothing.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		`{"return": {}, "id": "1"}`, `{"return": null, "id": ""}`, `{"id": "1", "error": {"class": "GenericError", "desc": "no"}}`,
		`{"event": "SHUTDOWN", "data": {"guest": true}, "timestamp": {"seconds": 1, "microseconds": 2}}`,
		`{"QMP": {"version": {"qemu": {"micro": 2, "minor": 0, "major": 10}, "package": ""}, "capabilities": ["oob"]}}`,
		`[]`, `null`, `{`, "\xff", `{"event": 1}`, `{"event": "E", "return": {}}`, `{"id": 1, "return": {}}`,
	} {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		_, _ = parseGreeting(line)
		m, err := parse(line)
		if err != nil {
			return
		}
		kinds := 0
		for _, is := range []bool{m.event != nil, m.result != nil, m.err != nil} {
			if is {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%q is %d kinds of message", line, kinds)
		}
		if m.result != nil && !json.Valid(m.result) {
			t.Errorf("%q gives %q", line, m.result)
		}
		if !bytes.Equal(m.raw, line) {
			t.Errorf("%q was changed to %q", line, m.raw)
		}
	})
}
