package main

import (
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// untilStopped waits until a process is stopped, as by Ctrl-Z.
func (e *emulator) untilStopped(pid int) {
	e.Helper()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(50 * time.Millisecond) {
		state, err := exec.Command("ps", "-o", "state=", "-p", fmt.Sprint(pid)).Output()
		if err != nil {
			e.Fatal(err)
		}
		if strings.HasPrefix(string(state), "T") {
			return
		}
	}
	e.Fatal("it does not stop")
}
