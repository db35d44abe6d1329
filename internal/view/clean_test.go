package view

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
)

// What is printed for programs means the same to them, and nothing to a terminal.
func TestJSON(t *testing.T) {
	for _, text := range []string{"", "plain ✓ 語", "a\tb\r\n", "\x1b[2J\a", "\u009b31m\u009d0;t\x7f", "right\u202eleft", "tag \U000e0041 \U0001f600", "bad \xff"} {
		var out strings.Builder
		e := json.NewEncoder(JSON(&out))
		e.SetIndent("", "\t")
		if err := e.Encode(map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		if err := json.Unmarshal([]byte(out.String()), &got); err != nil || got["text"] != strings.ToValidUTF8(text, "\ufffd") {
			t.Errorf("%q has become %q (%v) by %s", text, got["text"], err, out.String())
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool {
			return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
		}); i >= 0 {
			t.Errorf("%q: a terminal would obey %q", text, out.String()[i:])
		}
	}
}
