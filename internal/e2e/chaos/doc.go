// Package chaos holds the chaos run: the real program with a real QEMU and the reference image, three instances under a load
// that writes rows, and random faults. It has no code of its own. `make chaos` runs it (docs/chaos.md): STACKEMU_CHAOS_MINUTES
// says for how long, and without it the test is skipped.
package chaos
