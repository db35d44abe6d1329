package instance

import (
	"maps"
	"slices"
	"testing"

	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/guestapi"
)

// What a guest knows of its host it is not told again, and what it is told decides whether its services are left alone.
func TestWhatAGuestIsTold(t *testing.T) {
	ports := config.Ports{Dashboard: 26700, Backend: 26701, Storage: 26702, Mail: 26703}
	known := (&Boot{config: config.Config{PortPrefix: 267, Ports: ports}}).runtimeEnv()
	other := maps.Clone(known)
	other["STACK_EMULATOR_BACKEND_HOST_PORT"] = "1"
	for name, c := range map[string]struct {
		told               map[string]string
		way                Way
		session, unrotated bool
		runtime, clockOnly bool // wanted: the ports are told; nothing but the clock is
		open               bool
	}{
		"a boot":                            {nil, Cold, false, false, true, false, false},
		"a boot, no rotation":               {nil, Cold, false, true, true, false, false},
		"a snapshot":                        {known, Resume, false, false, false, false, false},
		"a snapshot, no rotation":           {known, Resume, false, true, false, false, true},
		"with other ports":                  {other, Resume, false, false, true, false, false},
		"with other ports, no rotation":     {other, Resume, false, true, true, false, false},
		"that says nothing of them":         {nil, Resume, false, true, true, false, false},
		"a session":                         {known, Resume, true, true, false, true, true},
		"a session with other ports":        {other, Resume, true, true, true, false, false},
		"a session that says nothing of it": {nil, Resume, true, true, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := &Boot{Way: c.way, told: c.told, fresh: true, config: config.Config{PortPrefix: 267, Ports: ports, NoRotation: c.unrotated}}
			if c.session {
				b.session = &session{}
			}
			request := b.wanted()
			if told := request.Runtime != nil; told != c.runtime || told && !maps.Equal(request.Runtime, known) {
				t.Errorf("is told %v", request.Runtime)
			}
			if got := b.wantsClockOnly(request); got != c.clockOnly {
				t.Errorf("clock only: %v", got)
			}
			if got := b.Open(); got != c.open {
				t.Errorf("open: %v", got)
			}
			if rotates := !c.unrotated; rotates != (len(request.Secrets) == len(guestapi.SecretNames)) {
				t.Errorf("is given %d secrets: %v", len(request.Secrets), slices.Sorted(maps.Keys(request.Secrets)))
			}
		})
	}
}
