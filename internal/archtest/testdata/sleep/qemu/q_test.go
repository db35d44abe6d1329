package qemu

import "time"

func g() { time.Sleep(1) }
