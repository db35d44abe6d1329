package messages

// StartInstance asks the fleet for a running instance. From the command line. The fleet's observers hear of it as
// [StateChanged] and [ServiceChanged], and at its end as [InstanceEnded].
type StartInstance struct {
	Instance string `json:"instance"`
}

// CaptureSnapshot asks the fleet to see that there is a snapshot to start from. From the command line. The observers hear of
// it as of an instance that stops when it is done.
type CaptureSnapshot struct{}

// StopInstances asks the fleet to stop every instance; Kill asks it not to wait for the guests. From the command line.
// Each running instance ends with an [InstanceEnded], and then the fleet says [FleetIdle].
type StopInstances struct {
	Kill bool `json:"kill,omitempty"`
}

// StopInstance asks the fleet to stop one instance, as [StopInstances] does all.
type StopInstance struct {
	Instance string `json:"instance"`
	Kill     bool   `json:"kill,omitempty"`
}

// InstanceEnded is an emulator's last word, to the fleet and on to its observers: no process of the instance is left.
// Cause is nil after a clean stop.
type InstanceEnded struct {
	Instance string `json:"instance"`
	State    string `json:"state"`
	Cause    Cause  `json:"cause,omitzero"`
}

// FleetIdle tells the observers that no instance is left, so that a foreground runner can end.
type FleetIdle struct{}

func (*StartInstance) message() {}
func (*StartInstance) toFleet() {}

func (*CaptureSnapshot) message() {}
func (*CaptureSnapshot) toFleet() {}

func (*StopInstances) message() {}
func (*StopInstances) toFleet() {}

func (*StopInstance) message() {}
func (*StopInstance) toFleet() {}

func (*InstanceEnded) message()    {}
func (*InstanceEnded) toFleet()    {}
func (*InstanceEnded) toObserver() {}

func (*FleetIdle) message()    {}
func (*FleetIdle) toObserver() {}
