package home

import (
	"fmt"
	"os"
	"path/filepath"
)

// Instance is the files of one instance.
type Instance struct {
	Name string
	Dir  string

	Disk      string // the overlay on the image: what the instance has written
	Base      string // the image that the overlay is on: a second name of it, which a newer image does not take away
	ConfigISO string // the STACKCFG disk, written anew at each start

	MonitorSock string // QMP
	AgentSock   string // guest agent
	ControlSock string // this instance's supervisor

	PID           string // the VM's process: its first line is the bare pid, for other tools
	SerialLog     string // the guest's console
	QEMULog       string // what QEMU itself said
	SupervisorLog string
	MessagesLog   string // every message of the actors, one JSON object a line

	PublishedKey string // the publishable client key, for the product's tools
	Session      string // folder of a saved session
	Lock         string // held by the one supervisor of the instance
}

// Instance is where the instance name is; a name that is not allowed is a *NameError. Nothing is made on disk.
func (h Home) Instance(name string) (Instance, error) {
	if err := CheckName(name); err != nil {
		return Instance{}, err
	}
	folder := name
	if name == DefaultInstance {
		folder = defaultFolder
	}
	dir := filepath.Join(h.Run, folder)
	in := func(file string) string { return filepath.Join(dir, file) }
	return Instance{
		Name:          name,
		Dir:           dir,
		Disk:          in("disk.qcow2"),
		Base:          in("base.qcow2"),
		ConfigISO:     in("runtime-config.iso"),
		MonitorSock:   in("monitor.sock"),
		AgentSock:     in("qga.sock"),
		ControlSock:   in("control.sock"),
		PID:           in("qemu.pid"),
		SerialLog:     in("serial.log"),
		QEMULog:       in("qemu.log"),
		SupervisorLog: in("supervisor.log"),
		MessagesLog:   in("messages.jsonl"),
		PublishedKey:  in("internal-pck"),
		Session:       in("session"),
		Lock:          in("lock"),
	}, nil
}

// Create makes the instance's folder, and makes it private if it was there for others to read.
func (i Instance) Create() error {
	if err := os.MkdirAll(i.Dir, 0o700); err != nil {
		return fmt.Errorf("home: instance %s: %w", i.Name, err)
	}
	if err := tighten(i.Dir); err != nil {
		return fmt.Errorf("home: instance %s: %w", i.Name, err)
	}
	return nil
}
