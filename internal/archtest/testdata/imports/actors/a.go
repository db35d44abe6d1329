package actors

import (
	_ "github.com/asynkron/protoactor-go/actor"
	_ "github.com/stackemu/stackemu/messages"
	_ "github.com/stackemu/stackemu/qemu"
)
