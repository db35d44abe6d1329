package main

import (
	"bytes"
	"io"
	"strings"

	"github.com/stackemu/stackemu/internal/view"
)

// cleaned writes lines in which words of a guest may be, without what a terminal would obey.
func cleaned(out io.Writer, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		text, ended := strings.CutSuffix(line, "\n")
		if text = view.Clean(text); ended {
			text += "\n"
		}
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	return nil
}
