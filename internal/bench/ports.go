package bench

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/stackemu/stackemu/internal/hostport"
)

// The ports are taken from below those that systems give to outgoing connections: one of these could take a port between two
// starts.
const (
	lowestPort  = 20000
	highestPort = 32000
	portBlock   = 4 // services of one instance
	portTries   = 200
)

// ports gives out blocks of host ports, none of them twice at a time.
type ports struct {
	mu    sync.Mutex
	given map[int]bool
}

// block returns the first of some consecutive ports that are free.
func (p *ports) block() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.given == nil {
		p.given = map[int]bool{}
	}
	for range portTries {
		first := lowestPort + portBlock*rand.IntN((highestPort-lowestPort)/portBlock)
		if !p.given[first] && allFree(first) {
			p.given[first] = true
			return first, nil
		}
	}
	return 0, errors.New("no free host ports")
}

// giveBack says that nothing uses a block any more.
func (p *ports) giveBack(first int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.given, first)
}

func allFree(first int) bool {
	for port := first; port < first+portBlock; port++ {
		if hostport.Check(port) != nil {
			return false
		}
	}
	return true
}

// portNames are the parts of the variables' names.
var portNames = []string{"DASHBOARD", "BACKEND", "MINIO", "INBUCKET"}

// portVariables are the program's variables for the ports of a block.
func portVariables(first int) []string {
	var env []string
	for n, name := range portNames {
		env = append(env, fmt.Sprintf("EMULATOR_%s_PORT=%d", name, first+n))
	}
	return env
}

// isPortVariable tells whether a line of the environment is one of these.
func isPortVariable(line string) bool {
	return slices.ContainsFunc(portNames, func(name string) bool { return strings.HasPrefix(line, "EMULATOR_"+name+"_PORT=") })
}
