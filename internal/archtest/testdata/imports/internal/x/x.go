package x

import (
	"github.com/asynkron/protoactor-go/actor"          // want: neither actors nor messages
	_ "github.com/stackemu/stackemu/cmd/stackemu/flag" // want: commands are on top
	_ "github.com/stackemu/stackemu/messagesofanother" // fine: another package
)

var _ actor.PID
