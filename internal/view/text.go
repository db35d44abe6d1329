package view

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The states that mean something here, in the words of the emulator's state machine: what every attempt begins with, and what
// Ready enters.
const (
	statePreparing = "preparing"
	stateReady     = "ready"
)

// stateWidth is the width of the column of states: the longest is "cold-booting".
const stateWidth = 12

// stateLine is one event in plain words: "default  cold-booting   0.4s  detail".
func stateLine(instance, state string, since time.Duration, detail string) string {
	line := fmt.Sprintf("%s  %-*s  %5s", instance, stateWidth, state, elapsed(since))
	if detail != "" {
		line += "  " + detail
	}
	return line
}

func serviceLine(i *instance, s Service) string {
	if s.Healthy {
		return stateLine(i.name, s.Name, s.Took, "healthy")
	}
	return stateLine(i.name, s.Name, time.Since(i.start), s.Note)
}

func urlLines(urls []URL) []string {
	width := 0
	for _, u := range urls {
		width = max(width, len(u.Name))
	}
	lines := make([]string, len(urls))
	for n, u := range urls {
		lines[n] = fmt.Sprintf("  %-*s  %s", width, oneLine(u.Name), oneLine(u.URL))
	}
	return lines
}

func cleanURLs(urls []URL) []URL {
	cleaned := make([]URL, len(urls))
	for n, u := range urls {
		cleaned[n] = URL{oneLine(u.Name), oneLine(u.URL)}
	}
	return cleaned
}

// elapsed writes a time as people compare it: 0.4s, 59.9s, 2m03s, 1h02m.
func elapsed(d time.Duration) string {
	switch {
	case d < time.Minute-50*time.Millisecond: // else %.1f would round to 60.0s
		return fmt.Sprintf("%.1fs", max(d, 0).Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
}

// clean takes out of a text what a terminal would obey instead of showing: escape sequences as a whole, control
// characters, and the invisible characters that change the direction of text. Tabs become blanks; line breaks stay,
// except at the end.
func clean(text string) string {
	var out strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		switch {
		case r == '\x1b' || r == '\u009b' || r == '\u009d':
			text = afterEscape(text)
			continue
		case r == '\n':
			out.WriteByte('\n')
		case r == '\t':
			out.WriteByte(' ')
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == utf8.RuneError && size == 1:
		default:
			out.WriteRune(r)
		}
		text = text[size:]
	}
	return strings.TrimRight(out.String(), "\n ")
}

// oneLine is a clean text without line breaks, for what has one row.
func oneLine(text string) string {
	return strings.ReplaceAll(clean(text), "\n", " ")
}

// afterEscape is what follows the escape sequence at the start of text (ECMA-48): ESC [ parameters final, ESC ] string
// BEL or ESC \, or ESC intermediates final. A sequence that does not end takes the rest of its line.
func afterEscape(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	rest := text[size:]
	kind := byte(0)
	switch {
	case r == '\u009b':
		kind = '['
	case r == '\u009d':
		kind = ']'
	case rest != "":
		kind = rest[0]
	}
	if r == '\x1b' && rest != "" && (kind == '[' || kind == ']') {
		rest = rest[1:]
	}
	for n := 0; n < len(rest); n++ {
		b := rest[n]
		switch {
		case b == '\n':
			return rest[n:]
		case kind == ']' && b == '\a':
			return rest[n+1:]
		case kind == ']' && b == '\x1b':
			return strings.TrimPrefix(rest[n+1:], "\\")
		case kind == ']':
		case kind == '[' && b >= 0x40 && b <= 0x7e, kind != '[' && b >= 0x30 && b <= 0x7e:
			return rest[n+1:]
		case b == '\x1b' || b >= 0x7f: // not part of a sequence: it was cut off
			return rest[n:]
		}
	}
	return ""
}
