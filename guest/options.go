package guest

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/stackemu/stackemu/qemu"
)

// Options say what image to build.
type Options struct {
	Arch      string       // amd64 or arm64; empty means this machine's
	Output    string       // path of the image
	SizeGiB   int          // virtual size of the disk in GiB; 0 means DefaultSizeGiB
	Container string       // docker save or OCI archive, or OCI directory; empty means the reference stack
	Engine    string       // crun or docker: what runs Container; empty means DefaultEngine
	Profile   string       // of the container's services; empty means the product's, at the product's ports
	Mirror    string       // Debian mirror's URL; empty means what this machine's apt uses
	Qemu      *qemu.Binary // runs the first boot
	Accel     qemu.Accel
	Progress  func(Stage) // told when a stage begins and ends; nil means nobody listens
}

// DefaultSizeGiB is the size of the disk as the guest sees it. Unused space costs nothing in the image.
const DefaultSizeGiB = 8

// minSizeGiB holds the reference stack with room for a database.
const minSizeGiB = 3

// A Stage is one step of a build, told twice: when it begins (Took is zero) and when it has ended.
type Stage struct {
	Name   string        // what is done, in a few words
	Detail string        // a line about what goes on inside, between begin and end
	Took   time.Duration // how long it took; zero while it runs
	Err    error         // why it failed
}

// Result describes a built image.
type Result struct {
	Path    string        // of the image
	Sidecar string        // of the description beside it
	Digest  string        // sha256:… of the image
	Size    int64         // of the image in bytes
	Took    time.Duration // from begin to end
}

// complete fills in defaults and refuses what cannot work, all complaints at once.
func (o Options) complete() (Options, error) {
	var errs []error
	if o.Arch == "" {
		o.Arch = runtime.GOARCH
	}
	if _, err := platformOf(o.Arch, runtime.GOOS, runtime.GOARCH); err != nil {
		errs = append(errs, err)
	}
	if o.Engine == "" {
		o.Engine = DefaultEngine
	}
	if err := checkEngine(o.Engine, o.Container); err != nil {
		errs = append(errs, err)
	}
	if o.SizeGiB == 0 {
		o.SizeGiB = DefaultSizeGiB
	}
	if o.SizeGiB < minSizeGiB || o.SizeGiB > 1024 {
		errs = append(errs, fmt.Errorf("size %d GiB: %d to 1024 are allowed", o.SizeGiB, minSizeGiB))
	}
	if strings.ContainsAny(o.Output, "\n\r") || o.Output == "" {
		errs = append(errs, fmt.Errorf("output %q: a file name is needed", o.Output))
	}
	if o.Qemu == nil {
		errs = append(errs, errors.New("no QEMU to run the first boot"))
	}
	if o.Progress == nil {
		o.Progress = func(Stage) {}
	}
	output, err := filepath.Abs(o.Output)
	o.Output = output
	return o, errors.Join(append(errs, err)...)
}

func (o Options) sizeBytes() int64 { return int64(o.SizeGiB) << 30 }
