package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/view"
)

// What is done sooner needs no word. On a plain stream every word is a line, so that there are few.
const (
	meterAfter = 2 * time.Second
	meterPlain = 10 * time.Second
)

// meter shows on standard error how far a long work is.
type meter struct {
	screen   *view.View
	terminal bool
	name     string // of the snapshot or file
	doing    string
	began    time.Time

	mu   sync.Mutex
	last time.Time
}

// metered runs a work that tells how far it is.
func metered(name, doing string, work func(snapshot.Progress) error) error {
	terminal, noColor := view.Detect(os.Stderr, os.LookupEnv)
	m := &meter{screen: view.New(os.Stderr, terminal, noColor), terminal: terminal, name: name, doing: doing, began: time.Now()}
	defer m.screen.Close()
	return work(m.tell)
}

func (m *meter) tell(done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since, again := time.Since(m.began), meterPlain
	if m.terminal {
		again = 0 // the view bounds how often it draws
	}
	if since < meterAfter || time.Since(m.last) < again {
		return
	}
	m.last = time.Now()
	m.screen.State(m.name, m.doing, since, progressText(done, total, since))
}

func progressText(done, total int64, since time.Duration) string {
	percent := 100.0
	if total > 0 {
		percent = 100 * float64(done) / float64(total)
	}
	rate := float64(done) / max(since.Seconds(), 0.001)
	return fmt.Sprintf("%3.0f %% of %s, %s/s", percent, size(total), size(int64(rate)))
}

// each does a work for each key. After a failure the rest is done, unless the user has had enough.
func each(ctx context.Context, keys []string, work func(key string) error) (failed []error) {
	for _, key := range keys {
		if err := work(key); err != nil {
			failed = append(failed, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return failed
}
