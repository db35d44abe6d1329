package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stackemu/stackemu/internal/status"
)

func TestPrintTree(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	var b strings.Builder
	err := printTree(&b, []status.Actor{
		{Path: "fleet"},
		{Path: "fleet/_store"},
		{Path: "fleet/a", State: "ready", Restarts: 1, Failure: "machine: \x1b[31mkilled\nby whom", FailedAt: now.Add(-time.Minute)},
		{Path: "fleet/a/machine-2"},
		{Path: "fleet/a/monitor-2.1", Restarts: 1, Mailbox: 3, Failure: "no answer", FailedAt: now},
		{Path: "fleet/b", State: "probing"},
		{Path: "fleet/b/machine-1"},
	}, now)
	want := `ACTOR                 STATE    RESTARTS  WAITING  LAST FAILURE
fleet                 -        0         0        -
├─ _store             -        0         0        -
├─ a                  ready    1         0        machine: killed, 1m0s ago
│  ├─ machine-2       -        0         0        -
│  └─ monitor-2.1     -        1         3        no answer, 0s ago
└─ b                  probing  0         0        -
   └─ machine-1       -        0         0        -
`
	if err != nil || strings.ReplaceAll(b.String(), " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%v\n%s\nwant\n%s", err, b.String(), want)
	}
}

// The tree of a running supervisor tells of the VM that was lost, and what has come in its place.
func TestStatusTree(t *testing.T) {
	t.Parallel()
	e := newBackground(t, healthy)
	e.complains(e.run(exitFailed, "status", "--tree"), "^stackemu: default: status: it is not running")
	e.run(0, "start")
	e.says(e.run(0, "status", "--tree"), "^ACTOR +STATE +RESTARTS +WAITING +LAST FAILURE$", "^fleet ", "^├─ _observer", "^├─ _store", "^└─ default +ready +0 +0 +-$",
		"^   ├─ agent-", "^   ├─ machine-", "^   ├─ monitor-", "^   └─ prober-")
	follower := e.start("attach", "--json")
	follower.Until(`"state":"ready"`)
	if err := syscall.Kill(e.qemuPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	follower.Until(`"state":"backoff"`)
	follower.Until(`"state":"ready"`)
	e.says(e.run(0, "status", "--tree"), "^└─ default +ready +1 +[0-9]+ +machine: qemu: killed by signal killed, .* ago$")
	e.says(e.run(0, "status", "--tree", "--json"), `"path": "fleet/default"`, `"restarts": 1`, `"failure": "machine: qemu: killed`)
	e.stopped("default")
}
