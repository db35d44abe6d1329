package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/clitest"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/status"
)

// The image of arm64 boots and is captured; its instances resume with secrets of their own, and go on from their sessions.
// Where arm64 is foreign, the processor is emulated (docs/decisions/0019).
func TestARM64(t *testing.T) {
	if !strings.HasSuffix(os.Getenv("STACKEMU_E2E_IMAGE"), "-arm64.qcow2") {
		t.Skip("needs the image of arm64: run make e2e-arm64")
	}
	e := newEmulatorWithout(t)
	e.env = append(e.env, "EMULATOR_ARCH=arm64")
	t.Cleanup(func() { clitest.Start(t, limit, e.env, e.bin, "stop", "--all", "--kill").End() }) // only after a failed test is there anything
	started := func() string {
		e.run(0, "start", "--require-snapshot")
		if s := e.status(home.DefaultInstance).Data; s.How != status.HowResume || !s.Healthy {
			t.Errorf("the instance: %+v", s)
		}
		e.worksWith(e.key())
		return e.key()
	}
	e.run(0, "capture")
	first := started()
	if machine := e.run(0, "exec", "--", "uname", "-m"); machine != "aarch64" {
		t.Errorf("the guest is of %q", machine)
	}
	e.run(0, "stop")
	if again := started(); again != first {
		t.Error("a session has another key")
	}
	e.run(0, "stop")
	e.nothingLeft()
	e.reset()
	if second := started(); second == first {
		t.Error("two instances have the same key")
	}
	e.run(0, "stop")
}
