package instance

import (
	"fmt"
	"net"
	"testing"

	goqmp "github.com/digitalocean/go-qemu/qmp"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// A capture whose port was taken after it had been chosen takes another one.
func TestCaptureTakesAnotherPort(t *testing.T) {
	c := configure(t)
	i := open(t, c)
	survey, err := i.Survey(t.Context(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	reserved, _, err := snapshot.Open(c.Folders().Snapshots).Reserve(t.Context(), survey.Want.Parts, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reserved.Abandon()
	files := reserved.Files()
	b, err := i.Prepare(t.Context(), Choice{Capture: &files})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	taken := b.Services()[0].HostPort
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", taken))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := b.Launch()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Kill(); <-p.Done() }()
	m, err := b.DialMonitor(t.Context(), func(goqmp.Event) {})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := b.OpenPorts(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if now := b.Services()[0].HostPort; now == taken {
		t.Errorf("it has port %d, which somebody else has", now)
	}
}
