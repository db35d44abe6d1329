package qemutest

import (
	"context"
	"os"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

// requireEnv makes a missing QEMU a failure instead of a reason to skip.
const requireEnv = "STACKEMU_REQUIRE_QEMU"

// Real returns the installed QEMU for guests of this machine's architecture. Without one the test is skipped, or fails if
// STACKEMU_REQUIRE_QEMU is 1.
func Real(t testing.TB) *qemu.Binary {
	t.Helper()
	b, err := qemu.Find(context.Background(), qemu.HostArch())
	switch {
	case err == nil:
		return b
	case os.Getenv(requireEnv) == "1":
		t.Fatalf("%s=1, but: %v", requireEnv, err)
	default:
		t.Skipf("needs a real QEMU: %v", err)
	}
	return nil
}
