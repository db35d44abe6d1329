package messages

// RunInGuest asks for a program to be run in an instance's guest, as root. From the command line to the fleet, and on to the
// emulator and its agent. [GuestRan] with the same ID answers, once. What the program is given is in no log.
type RunInGuest struct {
	Instance string   `json:"instance"`
	ID       string   `json:"id"`
	Path     string   `json:"path"`
	Args     []string `json:"-"`
	Stdin    []byte   `json:"-"`
}

// GuestRan says how a program in the guest has ended, or why it could not be run or waited for. From an agent to its emulator,
// and on to the fleet and its observers.
type GuestRan struct {
	Instance  string `json:"instance"`
	ID        string `json:"id"`
	ExitCode  int    `json:"exitCode"`
	Signal    int    `json:"signal,omitempty"` // what killed it; the exit code means nothing then
	Stdout    []byte `json:"-"`
	Stderr    []byte `json:"-"`
	Truncated bool   `json:"truncated,omitempty"` // there was more output than the agent keeps
	Cause     Cause  `json:"cause,omitzero"`
}

func (*RunInGuest) message()    {}
func (*RunInGuest) toFleet()    {}
func (*RunInGuest) toEmulator() {}
func (*RunInGuest) toAgent()    {}

func (*GuestRan) message()    {}
func (*GuestRan) toEmulator() {}
func (*GuestRan) toFleet()    {}
func (*GuestRan) toObserver() {}
