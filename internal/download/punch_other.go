//go:build !linux

package download

import (
	"errors"
	"os"
)

const canPunch = false

func punch(*os.File, int64, int64) error { return errors.ErrUnsupported }
