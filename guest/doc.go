// Package guest builds the reference image: the disk of a VM that runs the stack.
//
// It promises that Build either publishes a complete image, checked and booted once, or leaves nothing under its name
// and says why. The path of an image:
//
//	mmdebstrap (VM)  ──tar──┐
//	our files, initrd ──────┼─> one tar ─> mke2fs -d ─> disk with GRUB ─> first boot (cloud-init) ─> compressed qcow2
//	mmdebstrap or archive ──┘
//
// Everything up to the first boot is done on the host without mounting anything and without root: where the caller is
// not root, a user namespace stands in. The first boot runs under the same virtual hardware as every later one, makes
// the database, and removes cloud-init again.
package guest
