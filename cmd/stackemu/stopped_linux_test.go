package main

import (
	"fmt"
	"os"
	"strings"
	"time"
)

// untilStopped waits until a process is stopped, as by Ctrl-Z.
func (e *emulator) untilStopped(pid int) {
	e.Helper()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			e.Fatal(err)
		}
		if strings.Contains(string(text), ") T ") {
			return
		}
	}
	e.Fatal("it does not stop")
}
