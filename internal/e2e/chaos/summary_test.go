//go:build linux

package chaos

import (
	"fmt"
	"io"
	"time"
)

// count is how often a fault was tried.
type count struct{ tried, survived, impossible int }

// rowCount is what has become of the rows of all instances. Of the requests that had no answer some were carried out.
type rowCount struct{ acknowledged, lost, unanswered, unexpected int }

func (h *house) note(f *fault, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.counts[f.name]
	if c == nil {
		c = &count{}
		h.counts[f.name] = c
	}
	if isSkip(err) {
		c.impossible++
		return
	}
	c.tried++
	if err == nil {
		c.survived++
	}
}

// summary writes the table at the end.
func (h *house) summary(to io.Writer) {
	const form = "%-60s %6v %9v  %s\n"
	fmt.Fprintf(to, form, "fault", "tried", "survived", "")
	var sum count
	for _, f := range catalogue {
		c := h.counts[f.name]
		if c == nil {
			continue
		}
		note := ""
		if c.impossible > 0 {
			note = fmt.Sprintf("%d not possible here", c.impossible)
		}
		fmt.Fprintf(to, form, f.name, c.tried, c.survived, note)
		sum.tried, sum.survived = sum.tried+c.tried, sum.survived+c.survived
	}
	fmt.Fprintf(to, form, "all", sum.tried, sum.survived, "")
	fmt.Fprintf(to, "\n%.0f s; rows acknowledged: %d, lost: %d; requests without an answer: %d, of which %d were carried out\n",
		time.Since(h.began).Seconds(), h.rows.acknowledged, h.rows.lost, h.rows.unanswered, h.rows.unexpected)
}
