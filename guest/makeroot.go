package guest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// requiredPrograms are the programs of the host that every build runs, with the Debian package of each.
var requiredPrograms = map[string]string{
	"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "e2fsck": "e2fsprogs", "tar": "tar",
	"unshare": "util-linux", "apt-get": "apt", "apt-config": "apt",
}

// isRoot reports whether the caller may do without a user namespace.
func isRoot() bool { return os.Geteuid() == 0 }

// inNamespace puts a program that has to give files to other users into a user namespace, unless the caller is root.
// The caller is root in there, so that it reaches its own files too.
func inNamespace(root bool, argv ...string) []string {
	if root {
		return argv
	}
	return append([]string{"unshare", "--map-auto", "--map-root-user", "--"}, argv...)
}

func (b *builder) rootDir() string { return filepath.Join(b.work, "root") }

// makeRoot unpacks the whole root of the VM, with the container in it, into rootDir. Both runs of mmdebstrap go at the
// same time; their tars meet in one, which never exists as a file.
func (b *builder) makeRoot(ctx context.Context) error {
	if err := os.Mkdir(b.rootDir(), 0o755); err != nil {
		return err
	}
	sources, err := packageSources(ctx, b.Mirror)
	if err != nil {
		return err
	}
	options, err := aptOptions(ctx)
	if err != nil {
		return err
	}
	group, ctx := newGroup(ctx)
	log := b.stepLogs("packages")
	vm := group.output(ctx, b.bootstrapCommand(ctx, bootstrap{
		Arch: b.Arch, Variant: "essential", Packages: b.packages(), Sources: sources, AptOptions: options, Root: isRoot(),
		Exclude: slowToInstall(b.Arch), KeepModules: slices.Concat(diskModules, b.modules()),
	}), log("machine"))
	stack, closer, err := b.container(ctx, group, sources, options, log("container"))
	if err != nil {
		group.cancel(err)
		return errors.Join(err, group.wait())
	}
	defer closer.Close()

	unpack := inNamespace(isRoot(), "tar", "--extract", "--preserve-permissions", "--numeric-owner", "--directory", b.rootDir())
	in := group.input(ctx, command(ctx, unpack[0], unpack[1:]...), b.log)
	group.do(func() error {
		return errors.Join(b.assemble(in, vm, stack), in.Close())
	})
	return group.wait()
}

// stepLogs makes logs for programs that run at the same time in a stage. Their steps are told one at a time.
func (b *builder) stepLogs(stage string) func(of string) io.Writer {
	var telling sync.Mutex
	return func(of string) io.Writer {
		return &stepLog{log: b.log, tell: func(step string) {
			telling.Lock()
			defer telling.Unlock()
			b.Progress(Stage{Name: stage, Detail: of + ": " + step})
		}}
	}
}

// packages are what the VM itself consists of.
func (b *builder) packages() []string {
	return slices.Concat(vmPackages, b.platform.packages, engines[b.Engine].packages)
}

// modules are the kernel modules of the initial RAM disk, each after those it needs.
func (b *builder) modules() []string { return slices.Concat(b.platform.modules, initrdModules) }

func (b *builder) bootstrapCommand(ctx context.Context, s bootstrap) *exec.Cmd {
	cmd := command(ctx, "mmdebstrap", s.args()...)
	cmd.Env = append(cmd.Env, bootstrapEnv...)
	return cmd
}

// container opens what the container is made of.
func (b *builder) container(ctx context.Context, group *group, sources, options []string, log io.Writer) (*container, io.Closer, error) {
	if b.Container != "" {
		return engines[b.Engine].open(b.Container, b.Arch, b.work)
	}
	root := group.output(ctx, b.bootstrapCommand(ctx, referenceBootstrap(b.Arch, isRoot(), sources, options)), log)
	stack, err := referenceContainer(b.Arch, root, b.stackguest)
	return stack, io.NopCloser(nil), err
}

// assemble writes the tar of the whole root: Debian's files, ours over them, what boots, the container.
func (b *builder) assemble(out io.Writer, vm io.Reader, stack *container) error {
	tw := tar.NewWriter(out)
	root := newRootWriter(tw, "")
	kernel := kernelParts{wanted: b.modules()}
	var status strings.Builder
	err := root.copyFrom(vm, func(h *tar.Header, data io.Reader) (bool, error) {
		if h.Name == "./var/lib/dpkg/status" {
			return b.takeStatus(h, data, root, &status)
		}
		return kernel.keepInVM(h, data)
	})
	if err != nil {
		return fmt.Errorf("root of the VM: %w", err)
	}
	b.removable = removablePackages(status.String(), b.packages())
	entries, err := vmEntries(b.stackguest)
	if err != nil {
		return err
	}
	initrd, err := kernel.initrd(b.bootinit)
	if err != nil {
		return err
	}
	b.boot = bootFiles{kernel: kernel.image, initrd: initrd, loader: kernel.loader}
	if !b.platform.uefi {
		entries = append(entries, entry{Path: "/boot/vmlinuz", Mode: 0o644, Data: kernel.image},
			entry{Path: "/boot/initrd.img", Mode: 0o644, Data: initrd})
	}
	if err := root.add(entries...); err != nil {
		return err
	}
	if err := stack.writeTo(tw); err != nil {
		return fmt.Errorf("root of the container: %w", err)
	}
	return tw.Close()
}

// takeStatus notes dpkg's status file on its way.
func (b *builder) takeStatus(h *tar.Header, data io.Reader, root *rootWriter, status *strings.Builder) (bool, error) {
	if _, err := io.Copy(status, data); err != nil {
		return false, err
	}
	return false, root.add(entry{Path: "/var/lib/dpkg/status", Mode: 0o644, Data: []byte(status.String())})
}

// removeRoot removes rootDir, whose files may belong to users of the namespace. It is also what cleans up after an
// interrupted build, so that it has a time limit of its own.
func (b *builder) removeRoot() error {
	if _, err := os.Stat(b.rootDir()); os.IsNotExist(err) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	rm := inNamespace(isRoot(), "rm", "-rf", "--one-file-system", b.rootDir())
	return newRunner(io.Discard)(ctx, rm[0], rm[1:]...)
}
