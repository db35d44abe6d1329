package view

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean takes out of a text what a terminal would obey instead of showing, for those who print without a [View]: what is in an
// error may come from a guest.
func Clean(text string) string { return clean(text) }

// JSON is where JSON goes that a terminal may show: what it would obey is written as an escape of JSON, which means the same to a
// program. What is written at once has to be whole values.
func JSON(out io.Writer) io.Writer { return jsonWriter{out} }

type jsonWriter struct{ out io.Writer }

func (w jsonWriter) Write(values []byte) (int, error) {
	if !bytes.ContainsFunc(values, obeyed) {
		return w.out.Write(values)
	}
	escaped := make([]byte, 0, len(values)+64)
	for rest := values; len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		switch {
		case !obeyed(r):
			escaped = append(escaped, rest[:size]...)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
		rest = rest[size:]
	}
	if _, err := w.out.Write(escaped); err != nil {
		return 0, err
	}
	return len(values), nil
}

// obeyed tells the characters that JSON may have as they are, and that are none to be shown. Line breaks and tabs are between values.
func obeyed(r rune) bool {
	return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
}
