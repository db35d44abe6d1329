package main

import (
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/status"
)

func TestProgressInWords(t *testing.T) {
	p := status.Progress{Doing: "downloading", Done: 640e6, Total: 1280e6, Rate: 85.4e6, LeftMS: 7600, Note: "tries again: x answers 503"}
	for _, c := range []struct {
		of   status.Progress
		bar  bool
		want string
	}{
		{p, true, "█████░░░░░  640 MB of 1.28 GB  85 MB/s  8s left  tries again: x answers 503"},
		{p, false, "downloading  640 MB of 1.28 GB  85 MB/s  8s left  tries again: x answers 503"},
		{status.Progress{Doing: "unpacking the snapshot", Done: 1e9, Total: 4e9}, true, "unpacking the snapshot  ██░░░░░░░░  1.00 GB of 4.00 GB"},
		{status.Progress{Doing: "downloading", Done: 5000}, true, "downloading  5 kB"},
		{status.Progress{Doing: "looking"}, true, "looking"},
	} {
		if got := progressInWords(c.of, c.bar); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	if got, want := percent(&p), " 50 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, total := range []int64{1, 3, 1 << 62 / 20} {
		if got := []rune(progressBar(total, total)); len(got) != barWidth || got[barWidth-1] != '█' {
			t.Errorf("%q", string(got))
		}
	}
}

// A stream that is no terminal hears of news at once, and of more of the same every five seconds.
func TestPace(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p := pace{}
	for n, c := range []struct {
		after       time.Duration
		doing, note string
		want        bool
	}{
		{0, "looking", "", true},
		{10 * time.Millisecond, "downloading", "", true},
		{4 * time.Second, "downloading", "", false},
		{990 * time.Millisecond, "downloading", "", false},
		{10 * time.Millisecond, "downloading", "", true},
		{time.Second, "downloading", "tries again: x answers 503", true},
		{time.Second, "downloading", "tries again: x answers 503", false},
		{time.Second, "downloading", "", false}, // that it is well again is no news
		{time.Second, "publishing", "", true},
	} {
		at = at.Add(c.after)
		if got := p.due(status.Progress{Doing: c.doing, Note: c.note}, at); got != c.want {
			t.Errorf("%d: due is %v", n, got)
		}
	}
}
