package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/urfave/cli/v2"

	"github.com/stackemu/stackemu/internal/bugreport"
	"github.com/stackemu/stackemu/internal/config"
	"github.com/stackemu/stackemu/internal/doctor"
	"github.com/stackemu/stackemu/internal/home"
	"github.com/stackemu/stackemu/internal/msglog"
	"github.com/stackemu/stackemu/internal/snapshot"
	"github.com/stackemu/stackemu/internal/trace"
	"github.com/stackemu/stackemu/qemu"
)

func bugReportCommand() *cli.Command {
	return &cli.Command{
		Name:      "bug-report",
		Usage:     "pack what is needed to find a bug into one archive, without secrets",
		ArgsUsage: "[NAME]",
		Description: "The archive has a summary on top, what the last starts did, logs, versions and configuration. Secrets are taken out; disks,\n" +
			"memory and sessions are not in it. It is yours to look through before you show it to anybody: nothing is sent anywhere.\n\nExample: stackemu bug-report",
		Flags: []cli.Flag{
			nameFlag(),
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE` (default: stackemu-NAME-TIME.tar.gz here)"},
			jsonFlag(),
		},
		Action: bugReport,
	}
}

func bugReport(c *cli.Context) error {
	conf, files, err := knownInstance(c)
	if err != nil {
		return err
	}
	now := time.Now()
	base := fmt.Sprintf("stackemu-%s-%s", files.Name, now.Format("20060102-150405"))
	output := c.String("output")
	if output == "" {
		output = base + ".tar.gz"
	}
	explained, _ := config.Explain(sources(c)) // what is wrong is among the doctor's findings
	r := &bugPack{Context: c.Context, conf: conf, explained: explained, findings: doctor.Examine(c.Context, sources(c)), files: files, now: now, base: base}
	if err := r.write(output); err != nil {
		return fmt.Errorf("%s: %w", files.Name, err)
	}
	if c.Bool("json") {
		return printData("bug-report", map[string]any{"instance": files.Name, "path": output})
	}
	fmt.Printf("wrote %s: look through it before you show it to anybody\n", output)
	return nil
}

// bugPack is one archive on its way.
type bugPack struct {
	context.Context
	conf      config.Config
	explained config.Explained
	findings  []doctor.Finding
	files     home.Instance
	now       time.Time
	base      string
	pack      *bugreport.Packer
}

// write writes the archive whole or not at all.
func (r *bugPack) write(output string) error {
	file, err := renameio.NewPendingFile(output, renameio.WithPermissions(0o600))
	if err != nil {
		return fmt.Errorf("bug report: %w", err)
	}
	defer file.Cleanup()
	r.pack = bugreport.NewPacker(file, r.base, r.now, r.redactor())
	if err := errors.Join(r.add(), r.pack.Close()); err != nil {
		return err
	}
	return file.CloseAtomicallyReplace()
}

// redactor knows every secret that this process can read: the published key, and what stands in the environment.
func (r *bugPack) redactor() *bugreport.Redactor {
	var secrets []string
	if key, err := os.ReadFile(r.files.PublishedKey); err == nil {
		secrets = append(secrets, string(key))
	}
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); secretName(name) {
			secrets = append(secrets, value)
		} else if address, err := url.Parse(value); err == nil && address.User != nil {
			password, _ := address.User.Password()
			secrets = append(secrets, password)
		}
	}
	dir, _ := os.UserHomeDir() // without one there is nothing to hide
	return bugreport.NewRedactor(dir, secrets...)
}

func secretName(name string) bool {
	name = strings.ToUpper(name)
	return slices.ContainsFunc([]string{"TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "PRIVATE_KEY", "_KEY"}, func(part string) bool { return strings.Contains(name, part) })
}

func (r *bugPack) add() error {
	log, err := trace.ReadFiles(r.files.MessagesLog)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := r.pack.Add("SUMMARY.txt", r.summary(log)); err != nil {
		return err
	}
	if log != nil {
		if err := r.traces(log); err != nil {
			return err
		}
	}
	errs := []error{r.pack.Add("environment.txt", environment()), r.pack.Add("settings.txt", r.settings()), r.pack.Add("doctor.txt", r.examined()), r.pack.Add("snapshots.txt", r.snapshots()), r.pack.Add("files.txt", listing(r.files.Dir))}
	for n := range msglog.Segments {
		path := msglog.Segment(r.files.MessagesLog, n)
		errs = append(errs, r.pack.AddFile(filepath.Base(path), path))
	}
	for _, path := range []string{r.files.SupervisorLog, r.files.QEMULog, r.files.SerialLog, r.files.LastStatus, r.files.Running} {
		errs = append(errs, r.pack.AddFile(filepath.Base(path), path))
	}
	sidecar := r.conf.Folders().Image(r.conf.Arch).Sidecar
	return errors.Join(append(errs, r.pack.AddFile("image.json", sidecar))...)
}

// summary is what whoever gets the report reads first.
func (r *bugPack) summary(log *trace.Log) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "stackemu bug report of instance %s, %s\n\n", r.files.Name, r.now.Format(time.RFC3339))
	fmt.Fprintf(&b, "stackemu  %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&b, "host      %d CPUs, %s\n", runtime.NumCPU(), kernel())
	if binary, err := qemu.Find(r.Context, qemu.Arch(r.conf.Arch)); err != nil {
		fmt.Fprintf(&b, "qemu      %v\n", err)
	} else {
		fmt.Fprintf(&b, "qemu      %s (%s)\n", binary.Build, binary.Path)
	}
	fmt.Fprintf(&b, "guest     %s, %d MiB RAM, %d vCPUs\n\n", r.conf.Arch, r.conf.RAMMiB, r.conf.CPUs)
	if log == nil || log.Last() == nil {
		fmt.Fprintf(&b, "There is no start in its message log.\n")
		return b.Bytes()
	}
	starts := log.Starts()
	fmt.Fprintf(&b, "The last of %d starts:\n\n", len(starts))
	_ = trace.Explain(&b, starts[len(starts)-1]) // to memory
	if log.Torn > 0 {
		fmt.Fprintf(&b, "\n%d lines of the message log are no records: a supervisor was killed, or the disk was full.\n", log.Torn)
	}
	fmt.Fprintf(&b, "\nSecrets were taken out of all files. trace.html is the timeline of this start: open it in a browser.\n")
	return b.Bytes()
}

func kernel() string {
	text, err := os.ReadFile("/proc/version")
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(text))
}

// traces are the starts in the forms that need no tool.
func (r *bugPack) traces(log *trace.Log) error {
	var words, tree, page bytes.Buffer
	for _, s := range log.Starts() {
		if err := errors.Join(trace.Explain(&words, s), trace.Tree(&tree, s, trace.Filter{}, true)); err != nil {
			return err
		}
		words.WriteString("\n")
		tree.WriteString("\n")
	}
	errs := []error{r.pack.Add("explain.txt", words.Bytes()), r.pack.Add("trace.txt", tree.Bytes())}
	if last := log.Last(); last != nil {
		errs = append(errs, trace.HTML(&page, last), r.pack.Add("trace.html", page.Bytes()))
	}
	return errors.Join(errs...)
}

// environment is the variables that change what stackemu does. Of those that hold secrets only the names are told.
func environment() []byte {
	var lines []string
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if !slices.ContainsFunc([]string{"EMULATOR_", "STACK_", "STACKEMU_", "QEMU_", "XDG_", "PATH", "LANG", "LC_", "TERM", "CI", "NO_COLOR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "GITHUB_", "DISPLAY"},
			func(prefix string) bool { return strings.HasPrefix(strings.ToUpper(name), prefix) }) {
			continue
		}
		if secretName(name) {
			value = "(set)"
		}
		lines = append(lines, name+"="+value)
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, "\n") + "\n")
}

// settings are all of them, and where each comes from.
func (r *bugPack) settings() []byte {
	var b bytes.Buffer
	_ = printSettings(&b, r.explained) // to memory
	return b.Bytes()
}

// examined is what the doctor says now.
func (r *bugPack) examined() []byte {
	var b bytes.Buffer
	_ = printFindings(&b, r.findings, false) // to memory
	return b.Bytes()
}

func (r *bugPack) snapshots() []byte {
	entries, err := snapshot.Open(r.conf.Folders().Snapshots).List()
	if err != nil {
		return []byte(err.Error() + "\n")
	}
	var b bytes.Buffer
	_ = printTable(&b, entries) // to memory
	return b.Bytes()
}

// listing is the names and sizes of an instance's files.
func listing(dir string) []byte {
	var b bytes.Buffer
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			return nil
		}
		if info, err := d.Info(); err == nil {
			fmt.Fprintf(&b, "%s %12d %s %s\n", info.Mode(), info.Size(), info.ModTime().Format(time.RFC3339), path)
		}
		return nil
	})
	return b.Bytes()
}
