package clitest

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
)

// lastPort counts those that tests have been given. They are below those that the kernel gives to connections, any of which may be in
// the way of one that is free now, and begin elsewhere in every process.
var lastPort atomic.Int32

// FreePort returns a TCP port of the loopback that is free, and that no other test of this process gets.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 1000 {
		port := 11000 + (os.Getpid()*61+int(lastPort.Add(1)))%15000
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
