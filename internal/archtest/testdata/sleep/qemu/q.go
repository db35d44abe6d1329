package qemu

import "time"

func f() {
	time.Sleep(1) // want: time.Sleep
	<-time.After(1)
}
