package tracetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/trace"
)

// log is a log of one process, one second to a line: kind, from, to, type, state, next, failure.
func log(t *testing.T, lines ...string) *trace.Log {
	t.Helper()
	text := `{"time":"2026-01-01T00:00:00Z","kind":"run","type":"run","body":{"pid":1}}` + "\n"
	for n, line := range lines {
		f := strings.Split(line, ",")
		at := time.Date(2026, 1, 1, 0, 0, n, 0, time.UTC).Format(time.RFC3339Nano)
		text += fmt.Sprintf(`{"time":%q,"seq":%d,"instance":"web","kind":%q,"from":%q,"to":%q,"type":%q,"state":%q,"next":%q,"failure":%q}`+"\n",
			at, n+1, f[0], f[1], f[2], f[3], f[4], f[5], f[6])
	}
	l, err := trace.Read(strings.NewReader(text))
	if err != nil || l.Torn > 0 {
		t.Fatal(err, l.Torn)
	}
	return l
}

func TestUnhandled(t *testing.T) {
	const (
		failed  = "failure,fleet/web/monitor-1,fleet/web,Failure,ready,,no answer"
		gone    = ",,fleet/web/monitor-1,Stopped,,,"
		another = ",,fleet/web/monitor-1.1,Started,,,"
		died    = ",fleet/web/machine-1,fleet/web,MachineExited,ready,,killed"
		drains  = ",fleet/web/monitor-1,fleet/web,MonitorLost,ready,draining,"
		waits   = ",fleet/web/machine-1,fleet/web,Terminated,draining,backoff,"
		refresh = ",fleet/web/agent-1,fleet/web,RefreshFailed,refreshing,,boom"
		again   = ",fleet/web,fleet/web/agent-1,RefreshGuest,,,"
		stops   = ",fleet/web/machine-1,fleet/web,Terminated,stopping,stopped,"
		panics  = ",,fleet/web/prober-1,probed,,,panic: oh"
		other   = ",,fleet,StateChanged,,,"
	)
	for name, c := range map[string]struct {
		lines []string
		want  string // in what is unhandled; empty for nothing
	}{
		"a successor":                   {[]string{failed, gone, another, stops}, ""},
		"another state":                 {[]string{failed, gone, drains, waits, stops}, ""},
		"the instance ends":             {[]string{failed, gone, other, stops, stops}, ""},
		"nobody for long":               {[]string{failed, gone, other, other, other, other, other, other}, "no successor, and no other state, follows no answer"},
		"nobody, and it goes on":        {[]string{failed, another, stops}, "no end of the actor follows"},
		"somebody else's successor":     {[]string{failed, gone, strings.Replace(another, "monitor", "prober", 1), other, other, other, other, other}, "no successor"},
		"cut short":                     {[]string{failed, gone, other}, ""},
		"a death, and nothing":          {[]string{died, other, other, other, other, other, other}, "MachineExited, from fleet/web/machine-1 to fleet/web in state ready: no other state follows killed"},
		"a death":                       {[]string{died, drains, waits, stops}, ""},
		"what drains for ever":          {[]string{drains, other, other, other, other, other, other}, "no other state follows"},
		"a refresh is tried again":      {[]string{refresh, again, stops}, ""},
		"a refresh is not tried again":  {[]string{refresh, other, other, other, other, other, other}, "no other try"},
		"a panic, whatever is after it": {[]string{panics, stops}, "a panic panic: oh"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(Unhandled(log(t, c.lines...)), "\n")
			if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
