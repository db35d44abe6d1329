package messages

import "time"

// StateChanged tells where an instance stands now. From an emulator to the fleet and on to its observers.
type StateChanged struct {
	Instance string        `json:"instance"`
	Attempt  string        `json:"attempt"` // the correlation id of this start
	From     string        `json:"from"`
	To       string        `json:"to"`
	Since    time.Duration `json:"-"`                  // since the start was asked for, or since the stop was
	How      string        `json:"how,omitempty"`      // it has become ready: by a cold boot or by a resume
	Snapshot string        `json:"snapshot,omitempty"` // key of the snapshot that it was resumed from, when ready
	Adopted  time.Time     `json:"adopted,omitzero"`   // when it had become ready under a former supervisor
	Services []Service     `json:"services,omitempty"` // where they are, once it is known
	Cause    Cause         `json:"cause,omitzero"`     // why, when something went wrong
}

// Service is one row of an instance's profile as the user meets it.
type Service struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Health string `json:"health,omitempty"` // what a health check asks
}

// ServiceChanged tells that a service has begun, or ceased, to answer as it should. From a prober to its emulator, and on
// to the fleet and its observers.
type ServiceChanged struct {
	Instance string        `json:"instance"`
	Service  string        `json:"service"`
	Healthy  bool          `json:"healthy"`
	Detail   string        `json:"detail,omitempty"` // what it answered, when not healthy
	After    time.Duration `json:"-"`                // since probing began
}

// DiskFull tells that the host's file system has no room for what the guest writes, so that the guest is paused; or that it has
// again. From an emulator to the fleet and on to its observers.
type DiskFull struct {
	Instance string `json:"instance"`
	Full     bool   `json:"full"`
}

// InstanceProgress tells how far a long step of an instance's start is: about once a second. From an emulator to the fleet and on
// to its observers.
type InstanceProgress struct {
	Instance string        `json:"instance"`
	Doing    string        `json:"doing"`           // in a few words: "downloading"
	Done     int64         `json:"done,omitempty"`  // bytes
	Total    int64         `json:"total,omitempty"` // bytes; 0 when it is not known
	Rate     float64       `json:"-"`               // bytes per second
	Left     time.Duration `json:"-"`               // 0 when it is not known
	Note     string        `json:"note,omitempty"`  // what it waits for
}

// AllHealthy says that every service has answered as it should. From a prober to its emulator.
type AllHealthy struct{}

// Notice is a line for the user that is neither a state nor an error. From an emulator to the fleet and on to its
// observers.
type Notice struct {
	Instance string `json:"instance"`
	Warning  bool   `json:"warning,omitempty"`
	Text     string `json:"text"`
}

func (*StateChanged) message()    {}
func (*StateChanged) toFleet()    {}
func (*StateChanged) toObserver() {}

func (*ServiceChanged) message()    {}
func (*ServiceChanged) toEmulator() {}
func (*ServiceChanged) toFleet()    {}
func (*ServiceChanged) toObserver() {}

func (*DiskFull) message()    {}
func (*DiskFull) toFleet()    {}
func (*DiskFull) toObserver() {}

func (*InstanceProgress) message()    {}
func (*InstanceProgress) toFleet()    {}
func (*InstanceProgress) toObserver() {}

func (*AllHealthy) message()    {}
func (*AllHealthy) toEmulator() {}

func (*Notice) message()    {}
func (*Notice) toFleet()    {}
func (*Notice) toObserver() {}
