package snapshot_test

import (
	"strings"
	"testing"

	"github.com/stackemu/stackemu/internal/snapshot"
)

// The key must not change by accident: every snapshot on every host would be captured again.
func TestKey(t *testing.T) {
	if got, want := parts.Key(), "8a0c6ef0ce27f88465fa"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	same := with(func(p *snapshot.Parts) { p.Layout.RAMFile, p.Layout.RAMShare = "/somewhere/ram.img", true })
	if same.Key() != parts.Key() || parts.Diff(same) != "" {
		t.Error("where RAM lies on the host changes the key")
	}
}

func TestDiff(t *testing.T) {
	seen := map[string]string{parts.Key(): "nothing"}
	for _, test := range []struct {
		change func(*snapshot.Parts)
		want   string
	}{
		{func(p *snapshot.Parts) { p.ImageDigest = "sha256:ffeeddccbbaa998877" }, "image 0123456789ab -> ffeeddccbbaa"},
		{func(p *snapshot.Parts) { p.ImageDigest = "" }, "image 0123456789ab -> none"},
		{func(p *snapshot.Parts) { p.Layout.RAMMiB = 8192 }, "RAM in MiB 16 -> 8192"},
		{func(p *snapshot.Parts) { p.Layout.CPUs = 2 }, "vCPUs 4 -> 2"},
		{func(p *snapshot.Parts) { p.Layout.CPU = "host" }, "guest CPU max -> host"},
		{func(p *snapshot.Parts) { p.Layout.Machine = "q35" }, "machine type pc-q35-9.0 -> q35"},
		{func(p *snapshot.Parts) { p.Layout.Arch = "arm64" }, "architecture amd64 -> arm64"},
		{func(p *snapshot.Parts) { p.Layout.Original = true }, "original devices none -> true"},
		{func(p *snapshot.Parts) { p.QEMU = "QEMU emulator version 10.1.0 (Debian 1)" }, "QEMU 10.0.2 -> 10.1.0"},
		{func(p *snapshot.Parts) { p.QEMU = "QEMU emulator version 10.0.2 (v2)" }, "QEMU 10.0.2 (Debian 1:10.0.2+ds-2) -> 10.0.2 (v2)"},
		{func(p *snapshot.Parts) { p.QEMU = "" }, "QEMU 10.0.2 -> none"},
		{func(p *snapshot.Parts) { p.Accel = "kvm" }, "accelerator tcg -> kvm"},
		{func(p *snapshot.Parts) { p.HostCPU = "Xeon; avx sse" }, "host CPU AMD EPYC family 25 -> Xeon"},
		{func(p *snapshot.Parts) { p.HostCPU = "AMD EPYC family 25; avx a b c d e f" }, "host CPU features +a +b +c +d +2 more -avx2 -sse"},
		{func(p *snapshot.Parts) { p.Format = snapshot.MappedRAM }, "format lazy -> mapped-ram"},
		{func(p *snapshot.Parts) { p.Version = 99 }, "snapshot version 2 -> 99"},
		{func(p *snapshot.Parts) { p.Accel, p.Layout.CPUs = "kvm", 1 }, "vCPUs 4 -> 1, accelerator tcg -> kvm"},
	} {
		p := with(test.change)
		if got := parts.Diff(p); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
		if other, taken := seen[p.Key()]; taken {
			t.Errorf("%q has the key of %q", test.want, other)
		}
		seen[p.Key()] = test.want
	}
}

const amd = `processor	: 0
model name	: AMD EPYC
cpu family	: 25
model		: 17
stepping	: 1
cpu MHz		: 2596.144
flags		: sse fpu
bugs		: spectre_v1

processor	: 1
model name	: AMD EPYC
cpu family	: 25
model		: 17
stepping	: 1
cpu MHz		: 1200.000
flags		: fpu sse
`

const arm = `processor	: 0
Features	: fp asimd
CPU implementer	: 0x41
CPU part	: 0xd0c

processor	: 1
Features	: fp asimd
CPU implementer	: 0x41
CPU part	: 0xd0b
`

func TestHostCPU(t *testing.T) {
	for text, want := range map[string]string{
		amd: "AMD EPYC family 25 model 17 stepping 1; fpu sse",
		arm: "implementer 0x41 part 0xd0b + implementer 0x41 part 0xd0c; asimd fp",
	} {
		if got, err := snapshot.ParseCPUInfo([]byte(text)); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	for _, text := range []string{"", "garbage", "flags:", strings.Repeat("x", 1<<17)} {
		if got, err := snapshot.ParseCPUInfo([]byte(text)); err == nil {
			t.Errorf("%.20q: got %q", text, got)
		}
	}
	first, err := snapshot.HostCPU()
	if err != nil {
		t.Fatal(err)
	}
	if second, _ := snapshot.HostCPU(); second != first {
		t.Errorf("got %q, then %q", first, second)
	}
}

func FuzzCPUInfo(f *testing.F) {
	f.Add([]byte(amd))
	f.Add([]byte(arm))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := snapshot.ParseCPUInfo(text); err == nil && strings.HasSuffix(got, "; ") {
			t.Errorf("got %q, a CPU without features", got)
		}
	})
}
