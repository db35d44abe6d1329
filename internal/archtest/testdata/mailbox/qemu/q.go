package qemu

func f(x interface{ Result() }) { x.Result() }
