package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/download"
	"github.com/stackemu/stackemu/internal/download/image"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/messages"
)

// This file puts into words how far a long step is.

// lineEvery is how often a stream that is no terminal hears of progress.
const lineEvery = 5 * time.Second

// pace says when a stream that is no terminal hears of progress: of news at once, and of more of the same now and then.
type pace struct {
	doing, note string
	last        time.Time
}

func (p *pace) due(now status.Progress, at time.Time) bool {
	if now.Doing == p.doing && (now.Note == p.note || now.Note == "") && at.Sub(p.last) < lineEvery {
		return false
	}
	p.doing, p.note, p.last = now.Doing, now.Note, at
	return true
}

// progressOf is the progress of a pull.
func progressOf(m *messages.PullProgress) status.Progress {
	return status.Progress{Doing: string(m.Phase), Done: m.Done, Total: m.Total, Rate: m.Rate, LeftMS: m.Left.Milliseconds(), Note: m.Note}
}

// progressInWords says what is done, and how far it is: "downloading  640 MB of 1.28 GB  85 MB/s  8s left". With a bar a download
// needs no name, for which 80 columns have no room.
func progressInWords(p status.Progress, bar bool) string {
	if bar && p.Total > 0 && p.Doing == string(image.Downloading) {
		return amountInWords(p, bar)
	}
	return strings.TrimSpace(p.Doing + "  " + amountInWords(p, bar))
}

func amountInWords(p status.Progress, bar bool) string {
	var parts []string
	if bar && p.Total > 0 {
		parts = append(parts, progressBar(p.Done, p.Total))
	}
	switch {
	case p.Total > 0:
		parts = append(parts, fmt.Sprintf("%s of %s", download.Bytes(p.Done), download.Bytes(p.Total)))
	case p.Done > 0:
		parts = append(parts, download.Bytes(p.Done))
	}
	if p.Rate > 0 {
		parts = append(parts, download.Bytes(int64(p.Rate))+"/s")
	}
	if left := time.Duration(p.LeftMS) * time.Millisecond; left > 0 {
		parts = append(parts, left.Round(time.Second).String()+" left")
	}
	if p.Note != "" {
		parts = append(parts, p.Note)
	}
	return strings.Join(parts, "  ")
}

// percent is how much is done, where that is known: " 50 %".
func percent(p *status.Progress) string {
	if p == nil || p.Total <= 0 {
		return ""
	}
	return fmt.Sprintf(" %d %%", 100*min(p.Done, p.Total)/p.Total)
}

// barWidth is the width of a bar in columns.
const barWidth = 10

func progressBar(done, total int64) string {
	full := int(min(done, total) * barWidth / total)
	return strings.Repeat("█", full) + strings.Repeat("░", barWidth-full)
}
