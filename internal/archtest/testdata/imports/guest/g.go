package guest

import _ "github.com/stackemu/stackemu/qemu"
