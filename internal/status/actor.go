package status

import "time"

// Actor is one actor of a supervisor, as it is now.
type Actor struct {
	Path     string    `json:"path"` // from the root, with / between: fleet/default/monitor-1
	State    string    `json:"state,omitempty"`
	Restarts int       `json:"restarts"` // how often its place was filled anew after a failure; an emulator's are lost VMs
	Mailbox  int       `json:"mailbox"`  // messages that wait
	Failure  string    `json:"failure,omitempty"`
	FailedAt time.Time `json:"failedAt,omitzero"`
}
