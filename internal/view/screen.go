package view

import (
	"io"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// The control sequences that the view uses (ECMA-48, and DEC's cursor mode): every terminal of today knows them.
const (
	cursorUp   = "\x1b[A"
	eraseBelow = "\x1b[J"
	hideCursor = "\x1b[?25l"
	showCursor = "\x1b[?25h"
	resetStyle = "\x1b[0m"
)

// line is a line of the block: it is cut to the width of the terminal before it is painted.
type line struct {
	text  string
	paint func(string) string
}

// screen draws the block. The cursor rests at the start of the row below it, so that what the terminal itself echoes
// (a ^C) is erased with the next redraw.
type screen struct {
	out   io.Writer
	drawn []int // width in columns of each line of the block that is on the screen
	hid   bool  // the cursor
}

// Without an answer from the terminal, this is how large one is.
const (
	usualWidth  = 80
	usualHeight = 24
)

func (s *screen) size() (width, height int) {
	if file, ok := s.out.(interface{ Fd() uintptr }); ok {
		if w, h, err := term.GetSize(int(file.Fd())); err == nil && w > 0 && h > 0 {
			return w, h
		}
	}
	return usualWidth, usualHeight
}

// redraw replaces the block, in one write, with permanent lines above it.
func (s *screen) redraw(permanent []string, block []line) {
	if len(permanent) == 0 && len(block) == 0 && len(s.drawn) == 0 {
		return
	}
	width, height := s.size()
	block = block[:max(min(len(block), height-1), 0)] // the cursor cannot go up further than the screen reaches
	var frame strings.Builder
	if !s.hid {
		s.hid = true
		frame.WriteString(hideCursor)
	}
	frame.WriteString(s.erase(width))
	for _, text := range permanent {
		frame.WriteString(text + "\n")
	}
	s.drawn = s.drawn[:0]
	for _, l := range block {
		text := runewidth.Truncate(l.text, width-1, "…") // the last column is left alone: some terminals wrap after it
		s.drawn = append(s.drawn, runewidth.StringWidth(text))
		frame.WriteString(l.paint(text) + "\n")
	}
	_, _ = io.WriteString(s.out, frame.String())
}

// erase goes back to the first row of the block. A terminal that has become narrower has broken its lines in two.
func (s *screen) erase(width int) string {
	rows := 0
	for _, columns := range s.drawn {
		rows += 1 + max(columns-1, 0)/width
	}
	return strings.Repeat(cursorUp, rows) + "\r" + eraseBelow
}

// leave removes the block for good.
func (s *screen) leave(permanent []string) {
	s.redraw(permanent, nil)
	if s.hid {
		s.hid = false
		_, _ = io.WriteString(s.out, showCursor)
	}
}

// style paints text, or leaves it as it is.
type style struct{ color bool }

func (s style) paint(code, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + resetStyle
}

func (s style) none(text string) string   { return text }
func (s style) strong(text string) string { return s.paint("1", text) }
func (s style) faint(text string) string  { return s.paint("2", text) }
func (s style) good(text string) string   { return s.paint("32", text) }
func (s style) bad(text string) string    { return s.paint("31", text) }

func (s style) level(level Level, text string) string {
	switch level {
	case Warn:
		return s.paint("33", "warning:") + " " + text
	case Error:
		return s.paint("31", "error:") + " " + text
	}
	return text
}
