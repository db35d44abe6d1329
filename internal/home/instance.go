package home

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Instance is the files of one instance.
type Instance struct {
	Name string
	Dir  string

	Disk      string // the overlay on the image: what the instance has written
	FreshDisk string // the same until somebody could have asked the guest to write: it may be thrown away
	Base      string // the image that the overlay is on: a second name of it, which a newer image does not take away
	Layer     string // a snapshot's disk layer between the two, by a second name as well
	RAM       string // what a cold-booted VM has its RAM on: a hole
	ConfigISO string // the STACKCFG disk, written anew at each start

	MonitorSock string // QMP
	AgentSock   string // guest agent
	ToolsSock   string // the guest's tools
	ControlSock string // this instance's supervisor

	PID           string // the VM's process: its first line is the bare pid, for other tools
	Running       string // what a later supervisor has to know of that VM
	SerialLog     string // the guest's console
	QEMULog       string // what QEMU itself said
	SupervisorLog string
	LastStatus    string // how the last run has ended, as long as there is no other
	MessagesLog   string // every message of the actors, one JSON object a line

	PublishedKey string // the publishable client key, for the product's tools
	Session      string // folder of a saved session
	SessionNew   string // the same while it is being saved
	SessionLive  string // the same while a VM goes on from it, which makes it worthless to others
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
	return h.instanceIn(name, filepath.Join(h.Run, folder)), nil
}

// Instances are the names of all instances that have a folder, sorted, the default one first.
func (h Home) Instances() ([]string, error) {
	entries, err := os.ReadDir(h.Run)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("home: %w", err)
	}
	var names []string
	for _, e := range entries {
		switch {
		case !e.IsDir():
		case e.Name() == defaultFolder:
			names = slices.Insert(names, 0, DefaultInstance)
		case e.Name() != DefaultInstance && CheckName(e.Name()) == nil:
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// captureFolder is no instance's: no name begins with a dot.
const captureFolder = ".capture"

// Capture is where a snapshot is captured for nobody in particular.
func (h Home) Capture() Instance { return h.instanceIn("capture", filepath.Join(h.Run, captureFolder)) }

func (h Home) instanceIn(name, dir string) Instance {
	in := func(file string) string { return filepath.Join(dir, file) }
	return Instance{
		Name:          name,
		Dir:           dir,
		Disk:          in("disk.qcow2"),
		FreshDisk:     in("disk.fresh.qcow2"),
		Base:          in("base.qcow2"),
		Layer:         in("layer.qcow2"),
		RAM:           in("ram.img"),
		ConfigISO:     in("runtime-config.iso"),
		MonitorSock:   in("monitor.sock"),
		AgentSock:     in("qga.sock"),
		ToolsSock:     in("tools.sock"),
		ControlSock:   in("control.sock"),
		PID:           in("qemu.pid"),
		SerialLog:     in("serial.log"),
		QEMULog:       in("qemu.log"),
		SupervisorLog: in("supervisor.log"),
		LastStatus:    in("status.json"),
		MessagesLog:   in("messages.jsonl"),
		Running:       in("vm.json"),
		PublishedKey:  in("internal-pck"),
		Session:       in("session"),
		SessionNew:    in("session.new"),
		SessionLive:   in("session.live"),
		Lock:          in("lock"),
	}
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
