package qga

import (
	"context"
	"time"
)

// CPUTime is what the guest's processors have done since it was booted, all of them together: time at work, and time idle or
// waiting for a disk. Agents before 7.1 do not know (guest-get-cpustats, qga/qapi-schema.json).
func (g *Client) CPUTime(ctx context.Context) (busy, idle time.Duration, err error) {
	var cpus []struct { // milliseconds
		User, Nice, System, IRQ, SoftIRQ, Steal int64
		Idle, IOWait                            int64
	}
	if err := g.Execute(ctx, "guest-get-cpustats", nil, &cpus); err != nil {
		return 0, 0, err
	}
	for _, c := range cpus {
		busy += time.Duration(c.User+c.Nice+c.System+c.IRQ+c.SoftIRQ+c.Steal) * time.Millisecond
		idle += time.Duration(c.Idle+c.IOWait) * time.Millisecond
	}
	return busy, idle, nil
}
