package messages

import (
	_ "github.com/asynkron/protoactor-go" // want: messages are plain structs
	_ "github.com/stackemu/stackemu/qemu" // fine: value types
)
