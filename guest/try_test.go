package guest

import (
	"context"
	"os"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

// TestBuildForReal builds an image at the path that STACKEMU_BUILD_IMAGE names. It takes minutes and needs packages.
func TestBuildForReal(t *testing.T) {
	output := os.Getenv("STACKEMU_BUILD_IMAGE")
	if output == "" {
		t.Skip("STACKEMU_BUILD_IMAGE names no image to build")
	}
	binary, err := qemu.Find(context.Background(), qemu.AMD64)
	if err != nil {
		t.Fatal(err)
	}
	result, err := Build(t.Context(), Options{
		Output: output, Qemu: binary, Accel: qemu.TCG, Container: os.Getenv("STACKEMU_BUILD_CONTAINER"),
		Progress: func(s Stage) { t.Logf("%-12s %-40s %v %v", s.Name, s.Detail, s.Took, s.Err) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", result)
}
