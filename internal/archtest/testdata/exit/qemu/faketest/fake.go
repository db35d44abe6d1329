package faketest

import "os"

func Main() { os.Exit(len(os.Args)) }
