package messages

// AgentPort says that the guest has opened or closed the port of its agent: QMP's VSERPORT_CHANGE event. From a monitor to
// its emulator and on to the agent, which need not poll for a guest that is still booting.
type AgentPort struct {
	Open bool `json:"open"`
}

// AgentReady says that the guest agent has answered a sync. From an agent to its emulator.
type AgentReady struct{}

// PowerOffGuest asks the guest to shut itself down. From an emulator to its agent; [RungRefused] answers a failure, the
// machine's end is the success.
type PowerOffGuest struct{}

func (*AgentPort) message()    {}
func (*AgentPort) toEmulator() {}
func (*AgentPort) toAgent()    {}

func (*AgentReady) message()    {}
func (*AgentReady) toEmulator() {}

func (*PowerOffGuest) message() {}
func (*PowerOffGuest) toAgent() {}
