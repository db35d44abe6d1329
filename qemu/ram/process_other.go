//go:build !linux

package ram

import (
	"context"
	"fmt"
	"os"

	"github.com/stackemu/stackemu/qemu"
)

// process is not to be had here.
type process struct{ runs []Run }

func examine(_ context.Context, _ qemu.Identity, _ os.FileInfo, _ func(*process) error) error {
	return fmt.Errorf("ram: %w", ErrUnsupported)
}

func (p *process) copyTo(context.Context, *os.File, func(done, total int64)) (int64, error) {
	return 0, ErrUnsupported
}
