package view_test

import (
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

// model is a small terminal: it obeys the control sequences that it knows, and fails the test on any other. It has as
// many rows as are written, so that what a real terminal would have scrolled away can be looked at too.
type model struct {
	t        *testing.T
	mu       sync.Mutex
	rows     []string
	row, col int
	hidden   bool // the cursor
	styled   bool // a style is on
	styles   int  // how often a style was switched on
	writes   int
}

func newModel(t *testing.T) *model { return &model{t: t, rows: []string{""}} }

func (m *model) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes++
	for text := string(p); text != ""; {
		text = m.step(text)
	}
	return len(p), nil
}

func (m *model) step(text string) string {
	for sequence, obey := range map[string]func(){
		"\x1b[A":    func() { m.row = max(m.row-1, 0) },
		"\x1b[J":    func() { m.rows = append(m.rows[:m.row], "") },
		"\x1b[?25l": func() { m.hidden = true },
		"\x1b[?25h": func() { m.hidden = false },
		"\x1b[0m":   func() { m.styled = false },
		"\x1b[1m":   m.style, "\x1b[2m": m.style, "\x1b[31m": m.style, "\x1b[32m": m.style, "\x1b[33m": m.style,
		"\r": func() { m.col = 0 },
		"\n": m.newline,
	} {
		if rest, ok := strings.CutPrefix(text, sequence); ok {
			obey()
			return rest
		}
	}
	r, size := utf8.DecodeRuneInString(text)
	if r < ' ' || r == 0x7f {
		m.t.Errorf("the terminal got a control code: %q", text)
	}
	row := []rune(m.rows[m.row])
	m.rows[m.row] = string(append(row[:min(m.col, len(row))], r))
	m.col++
	return text[size:]
}

func (m *model) style() { m.styled = true; m.styles++ }

func (m *model) newline() {
	m.row, m.col = m.row+1, 0
	if m.row == len(m.rows) {
		m.rows = append(m.rows, "")
	}
}

// shows is the text on the screen, without the empty row that the cursor rests in.
func (m *model) shows() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.TrimSuffix(strings.Join(m.rows, "\n"), "\n")
}

func (m *model) want(screen string) {
	m.t.Helper()
	if got := m.shows(); got != strings.TrimPrefix(screen, "\n") {
		m.t.Errorf("the screen shows:\n%s\nwant:%s", got, screen)
	}
}
