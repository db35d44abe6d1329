package snapshot

import (
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// hostCPU asks the kernel: Intel Macs list the features, and Apple's own CPUs have the same ones within a model, whose
// family number stands for them.
func hostCPU() (string, error) {
	model, err := unix.Sysctl("machdep.cpu.brand_string")
	if err != nil {
		return "", err
	}
	features := map[string]bool{}
	for _, name := range []string{"machdep.cpu.features", "machdep.cpu.leaf7_features", "machdep.cpu.extfeatures"} {
		text, _ := unix.Sysctl(name) // unknown on Apple's CPUs
		for _, feature := range strings.Fields(strings.ToLower(text)) {
			features[feature] = true
		}
	}
	if family, err := unix.SysctlUint32("hw.cpufamily"); err == nil {
		features["family-"+strconv.FormatUint(uint64(family), 16)] = true
	}
	return describeCPU([]string{model}, features)
}
