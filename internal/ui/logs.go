package ui

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/stackemu/stackemu/internal/control"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
	"github.com/stackemu/stackemu/internal/tail"
)

// sources are the logs of an instance that the page can show.
var sources = []string{"events", "supervisor", "serial", "qemu"}

// logBegins is how many lines before its end a log begins.
const logBegins = 300

// logLines sends a log, and what is appended to it.
func logLines(ctx context.Context, files home.Instance, source string, send func(frame) error) error {
	path := map[string]string{"supervisor": files.SupervisorLog, "serial": files.SerialLog, "qemu": files.QEMULog}[source]
	copied := func() error { return tail.Copy(ctx, sender(send), path, tail.Options{Lines: logBegins, Follow: true}) }
	if source == "events" {
		copied = func() error { return events(ctx, files, send) }
	}
	for {
		err := copied()
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, control.ErrNoSupervisor) && !errors.Is(err, control.ErrCutOff) {
			return err
		}
		select {
		case <-time.After(round): // it may come
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// sender is a frame for each piece of a log.
type sender func(frame) error

func (s sender) Write(p []byte) (int, error) {
	if err := s(frame{Log: string(p)}); err != nil {
		return 0, err
	}
	return len(p), nil
}

// events sends what happens to an instance as `stackemu attach` tells it.
func events(ctx context.Context, files home.Instance, send func(frame) error) error {
	return control.NewClient(files.ControlSock).Events(ctx, 0, func(e status.Event) error {
		return send(frame{Log: e.Time.Format(time.TimeOnly) + "  " + eventLine(e) + "\n"})
	})
}

func eventLine(e status.Event) string {
	words := []string{e.Text}
	switch e.Kind {
	case status.StateEntered, status.Ended:
		words = []string{e.State}
		if e.ElapsedMS > 0 {
			words = append(words, fmt.Sprintf("after %.2f s", float64(e.ElapsedMS)/1000))
		}
		if e.How != "" {
			words = append(words, "by "+e.How)
		}
		if e.Cause != "" {
			words = append(words, "! "+e.Cause)
		}
	case status.ServiceChanged:
		words = []string{e.Service, "healthy"}
		if !e.Healthy {
			words = []string{e.Service, "not healthy:", e.Detail}
		}
	}
	return strings.Join(words, " ")
}
