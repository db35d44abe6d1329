package qemu

// Accel is what executes the guest's code.
type Accel string

// The accelerators, from the native ones to the one that works everywhere.
const (
	KVM Accel = "kvm" // Linux
	HVF Accel = "hvf" // macOS
	TCG Accel = "tcg" // translation, 10 to 20 times slower
)

// option returns the value of -accel.
func (a Accel) option() string {
	if a == TCG {
		return "tcg,thread=multi" // one host thread for each virtual CPU
	}
	return string(a)
}
