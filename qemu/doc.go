// Package qemu runs QEMU as a plain library: virtual hardware to command line, accelerator probe, capabilities, process,
// sockets, pid files and disk images. It knows no actor and no message; what it starts, it hands over.
//
// The parts in the order in which a caller meets them:
//
//   - [Find] gives the [Binary] of an architecture, with [Binary.Capabilities] asked from QEMU itself.
//   - [Default] gives a [Layout], the exact virtual hardware, and [ProbeAccel] runs guest code on it to choose an [Accel].
//   - [CheckImage] refuses a disk image that would make QEMU open other files; [Binary.CreateOverlay] puts a writable
//     layer over it.
//   - [Listen] makes the sockets of monitor and agent; [Layout.Argv] puts layout and [Wiring] into arguments; [Start]
//     gives a [Process].
//   - [WritePID] notes whose process that is, so that a later process can trust the note ([Identity.Alive]).
//
// The sockets are listening before QEMU exists and are handed to it as open descriptors. So a dial works at once, waits in
// the socket's queue until QEMU is up, and cannot miss it. Three duties follow for the caller:
//
//  1. Close both results of [Listen] once [Start] has returned. As long as a copy is open in this process, a dial
//     succeeds and hangs although QEMU is dead.
//  2. Remove the socket's path when QEMU is gone: nobody else does, closing leaves it ([Listen] also replaces a left one).
//  3. Bound the handshake of a dial by a context: a connection can be in the queue of a QEMU that hangs.
//
// When the guest's agent opens its port, QEMU sends the QMP event VSERPORT_CHANGE with the data {"id": [AgentDevice],
// "open": true}; when the agent ends, or the guest is reset, the same with false. At most one a second is sent. Who
// connects to the monitor later asks query-chardev for "frontend-open" of [AgentChardev] (qmp.Conn.FrontendOpen). An open
// port is a hint to sync, and a sync is the proof.
//
// Environment: QEMU_SYSTEM_X86_64, QEMU_SYSTEM_AARCH64 and QEMU_IMG name programs to use in the place of those in PATH.
package qemu
