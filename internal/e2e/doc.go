// Package e2e holds the tests that run the real program with a real QEMU and the real reference image. It has no code of its
// own. `make e2e` builds the image and the program and says where they are (STACKEMU_E2E_IMAGE, STACKEMU_E2E_BIN); without
// them the tests are skipped.
package e2e
