package qemu

import "fmt"

// Accel is what executes the guest's code.
type Accel string

// The accelerators, from the native ones to the one that works everywhere.
const (
	KVM Accel = "kvm" // Linux
	HVF Accel = "hvf" // macOS
	TCG Accel = "tcg" // translation, 10 to 20 times slower
)

// codeCacheMiB bounds what TCG keeps of the code that it has translated. QEMU's own bound, 1 GiB, is reached in time, since nothing is
// dropped before; a start with rotation fills 140 MiB. With this one it takes a tenth longer, and answers of servers that run do
// not (docs/decisions/0025-less-to-translate.md).
const codeCacheMiB = 96

// option returns the value of -accel.
func (a Accel) option() string {
	if a == TCG {
		return fmt.Sprintf("tcg,thread=multi,tb-size=%d", codeCacheMiB) // one host thread for each virtual CPU
	}
	return string(a)
}
