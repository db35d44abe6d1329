package guest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stackemu/stackemu/qemu"
)

func TestOptionsComplete(t *testing.T) {
	o, err := Options{Output: "image.qcow2", Qemu: &qemu.Binary{}}.complete()
	if err != nil || o.Arch != runtime.GOARCH || o.SizeGiB != DefaultSizeGiB || !filepath.IsAbs(o.Output) || o.Progress == nil {
		t.Errorf("%+v, %v", o, err)
	}
	_, err = Options{Arch: "riscv64", SizeGiB: 1}.complete()
	for _, want := range []string{"no images of riscv64", "size 1 GiB: 3 to 1024", `output ""`, "no QEMU"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

func TestPublish(t *testing.T) {
	b := testBuilder(t, nil)
	built := filepath.Join(b.work, "built")
	if err := os.WriteFile(built, []byte("abc"), 0o600); err != nil {
		t.Fatal(err)
	}
	result, err := b.publish(built)
	const digest = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of "abc", FIPS 180-2
	if err != nil || result.Digest != digest || result.Size != 3 || result.Path != b.Output {
		t.Errorf("%+v, %v", result, err)
	}
	text, err := os.ReadFile(result.Sidecar)
	if err != nil {
		t.Fatal(err)
	}
	var description Sidecar
	if err := json.Unmarshal(text, &description); err != nil {
		t.Fatal(err)
	}
	if description.Source != "built" || description.Digest != digest || description.Profile != "reference" || !description.GuestTools {
		t.Errorf("%s", text)
	}
}

// TestFailureLeavesLogsOnly fails a build between two stages.
func TestFailureLeavesLogsOnly(t *testing.T) {
	dir := t.TempDir()
	output := filepath.Join(dir, "image.qcow2")
	work, err := os.MkdirTemp(dir, ".image-build-*")
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{Options: Options{Output: output, Progress: func(Stage) {}}, work: work, logs: filepath.Join(work, "log")}
	if err := os.Mkdir(b.logs, 0o700); err != nil {
		t.Fatal(err)
	}
	if b.log, err = os.Create(filepath.Join(b.logs, "build.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(b.rootDir(), "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("no space left")
	err = b.close(b.stage(t.Context(), "disk", func(context.Context) error { return cause }))
	if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), "disk: no space left\nlogs: "+output+".log") {
		t.Errorf("%v", err)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 || left[0].Name() != "image.qcow2.log" {
		t.Errorf("left: %v, %v", left, err)
	}
}

func TestStageTellsWhyItWasStopped(t *testing.T) {
	stop := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	var told []Stage
	b := testBuilder(t, func(s Stage) { told = append(told, s) })
	var err error
	if b.log, err = os.Create(filepath.Join(b.work, "build.log")); err != nil {
		t.Fatal(err)
	}
	defer b.log.Close()
	err = b.stage(ctx, "packages", func(context.Context) error { return errors.New("signal: terminated") })
	if !errors.Is(err, stop) || len(told) != 2 || !errors.Is(told[1].Err, stop) {
		t.Errorf("%v, %+v", err, told)
	}
}
