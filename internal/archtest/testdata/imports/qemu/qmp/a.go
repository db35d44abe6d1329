package qmp

import (
	_ "github.com/stackemu/stackemu/actors"   // want: imports github.com/stackemu/stackemu/actors
	_ "github.com/stackemu/stackemu/guest"    // want: QEMU runs any guest
	_ "github.com/stackemu/stackemu/internal" // fine
)
