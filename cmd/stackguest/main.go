// Command stackguest is everything that runs inside the guest and its container besides the stack itself: one static
// binary, called by the names of the guest contract.
package main

import (
	"os"

	"github.com/stackemu/stackemu/guest/tools/command"
)

func main() {
	os.Exit(command.Main(command.All, os.Args, command.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}
