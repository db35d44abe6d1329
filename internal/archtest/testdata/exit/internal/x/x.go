package x

import (
	"log"
	sys "os"
)

func f() {
	if len(sys.Args) > 1 { // want: os.Args: only a command
		sys.Exit(1) // want: os.Exit
	}
	quit := sys.Exit // want: os.Exit
	quit(2)
	log.Fatalf("x") // want: log.Fatalf
	var os struct{ Exit func(int) }
	os.Exit(3) // fine: not the package
}
