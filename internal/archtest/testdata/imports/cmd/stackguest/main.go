package main

import _ "github.com/asynkron/protoactor-go/eventstream" // want: neither actors nor messages
