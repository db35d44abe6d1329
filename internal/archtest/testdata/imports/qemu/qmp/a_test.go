package qmp

import _ "github.com/stackemu/stackemu/messages" // want: imports github.com/stackemu/stackemu/messages
