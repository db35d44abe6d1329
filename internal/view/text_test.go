package view

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

func TestClean(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		"plain ✓ 語":              "plain ✓ 語",
		"a\tb\r\n":               "a b",
		"two\nlines\n\n":         "two\nlines",
		"\x1b[0;1;31mred\x1b[0m": "red",
		"\x1b[2J\x1b[Hx":         "x",
		"\x1b[?25lx":             "x",
		"\x1b]0;title\x07x":      "x",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1b(Bx\x1b=y\x1bcz":                      "xyz",
		"\u009b31mx\u009d0;t\ay":                   "xy",
		"cut \x1b[31":                              "cut",
		"cut \x1b":                                 "cut",
		"cut \x1b]0;no end\nnext":                  "cut \nnext",
		"cut \x1b[3\x1b[1mx":                       "cut x",
		"bell\a null\x00 del\x7f":                  "bell null del",
		"right\u202eleft":                          "rightleft",
		"bad \xff\xfe bytes":                       "bad  bytes",
	} {
		if got := clean(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"\x1b[31mx", "\x1b]0;t\x07", "\u009b", "\x1b\x1b[", "a\nb", "\xe2\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := clean(text)
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }); i >= 0 {
			t.Errorf("%q leaves a control character: %q", text, got)
		}
		if clean(got) != got {
			t.Errorf("%q: cleaning %q again gives %q", text, got, clean(got))
		}
	})
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                          "0.0s",
		400 * time.Millisecond:                "0.4s",
		59949 * time.Millisecond:              "59.9s",
		59999 * time.Millisecond:              "0m59s",
		time.Minute:                           "1m00s",
		2*time.Minute + 3900*time.Millisecond: "2m03s",
		61 * time.Minute:                      "1h01m",
	} {
		if got := elapsed(d); got != want {
			t.Errorf("%v: got %s, want %s", d, got, want)
		}
	}
}

// A terminal that has become narrower has broken the rows of the block in two, and more.
func TestEraseAfterNarrowing(t *testing.T) {
	s := screen{drawn: []int{0, 10, 11, 79}}
	if got, want := s.erase(10), strings.Repeat(cursorUp, 1+1+2+8)+"\r"+eraseBelow; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
