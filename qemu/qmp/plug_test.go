package qmp_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stackemu/stackemu/qemu/qemutest"
	"github.com/stackemu/stackemu/qemu/qmp"
)

func TestForward(t *testing.T) {
	ctx, q := within(t, patience), fake(t, qemutest.Monitor{})
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := taken.Addr().(*net.TCPAddr).Port
	err = q.AddForward(ctx, "net0", port, 80)
	var denied *qmp.PortError
	if !errors.As(err, &denied) || denied.Port != port || strings.Count(err.Error(), "qmp:") != 1 {
		t.Errorf("got %v", err)
	}
	taken.Close()
	if err := q.AddForward(ctx, "net0", port, 80); err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	for range 2 { // the second time there is none
		if err := q.RemoveForward(ctx, "net0", port); err != nil {
			t.Error(err)
		}
	}
	if c, err := net.Dial("tcp", address); err == nil {
		c.Close()
		t.Error("the forward is still there")
	}
	var refusal *qmp.Error
	if err := q.AddForward(ctx, "nope", port, 80); !errors.As(err, &refusal) || errors.As(err, &denied) && denied.Port != port {
		t.Errorf("got %v", err)
	}
	if err := q.RemoveForward(ctx, "nope", port); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
}

// plugged returns a connection to a played QEMU with one mount plugged in.
func plugged(t *testing.T, u qemutest.Unplug) *qmp.Conn {
	t.Helper()
	_, q := incoming(t, qemutest.Script{Monitor: qemutest.Monitor{Unplug: u}},
		"-fsdev", "local,id=src,path=/", "-device", "pcie-root-port,id=hostfs-port,bus=pcie.0")
	if err := q.PlugMount(within(t, patience), "mount0", "src", "hostfs", "hostfs-port"); err != nil {
		t.Fatal(err)
	}
	return q
}

func TestPlug(t *testing.T) {
	q := plugged(t, qemutest.Unplug{})
	ctx := within(t, patience)
	var refusal *qmp.Error
	for name, a := range map[string][4]string{
		"twice":      {"mount0", "src", "t", "hostfs-port"},
		"no port":    {"mount1", "src", "t", "nowhere"},
		"taken port": {"mount1", "src", "t", "hostfs-port"},
	} {
		if err := q.PlugMount(ctx, a[0], a[1], a[2], a[3]); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 { // the second time there is none
		if err := q.Unplug(ctx, "mount0"); err != nil {
			t.Error(err)
		}
	}
	if err := q.PlugMount(ctx, "mount0", "nothing", "t", "hostfs-port"); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
	if err := q.PlugMount(ctx, "mount0", "src", strings.Repeat("t", qmp.MaxMountTag+1), "hostfs-port"); !errors.As(err, &refusal) {
		t.Errorf("got %v", err)
	}
}

// A guest that has not heard the request is asked again; one that refuses is not.
func TestUnplug(t *testing.T) {
	if err := plugged(t, qemutest.Unplug{Forgotten: 1}).Unplug(within(t, patience), "mount0"); err != nil {
		t.Error(err)
	}
	var refusal *qmp.UnplugError
	if err := plugged(t, qemutest.Unplug{Refused: true}).Unplug(within(t, patience), "mount0"); !errors.As(err, &refusal) || refusal.ID != "mount0" {
		t.Errorf("got %v", err)
	}
	if err := plugged(t, qemutest.Unplug{Forgotten: 1000}).Unplug(within(t, 50*time.Millisecond), "mount0"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// What a request meets besides: one under way, a device that cannot be plugged, the end.
func TestUnplugAnswers(t *testing.T) {
	busy := `{"error": {"class": "GenericError", "desc": "Device mount0 is already in the process of unplug"}, "id": %q}` + "\r\n"
	gone := `{"error": {"class": "DeviceNotFound", "desc": "Device 'mount0' not found"}, "id": %q}` + "\r\n"
	never := `{"error": {"class": "GenericError", "desc": "Bus 'pcie.0' does not support hotplugging"}, "id": %q}` + "\r\n"
	other := `{"event": "DEVICE_DELETED", "data": {"path": "/machine/peripheral/mount0/virtio-backend"}}` + "\r\n"
	for name, c := range map[string]struct {
		answers []string
		text    string
	}{
		"busy, then gone": {[]string{busy + other, busy + other, gone}, ""},
		"never":           {[]string{never}, "does not support hotplugging"},
		"the end":         {[]string{busy}, "connection closed"},
	} {
		q, p := connect(t, nil)
		go func() {
			for _, a := range c.answers {
				p.say(fmt.Sprintf(a, p.next().ID))
			}
			p.c.Close()
		}()
		err := q.Unplug(within(t, patience), "mount0")
		if c.text == "" && err != nil || c.text != "" && (err == nil || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
