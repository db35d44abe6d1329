// Package ram saves the RAM of a machine whose RAM file is mapped privately: what its guest has written since the file was
// made is in no file, only in QEMU's memory. It finds those pages, a small part of all, and writes them into a copy of the
// file. Together with the devices (qmp.Conn.SaveDevices) that is the machine's whole state.
//
// What it promises:
//
//   - The machine is left alone: its memory is read by way of /proc, as a debugger would. Only reading costs it anything.
//   - A page is found if the kernel keeps a private copy of it, in memory or swapped out. Whether the copy differs from the
//     file is not looked at.
//   - The RAM file is recognised by device and inode, so that it may have been renamed or removed since. All of it has to
//     be mapped, and privately; else nothing is written.
//   - The process is the one that was meant, from the first byte to the last ([qemu.Identity]).
//
// What the caller promises: the guest is paused from before [Save] until the devices have been saved too. Pages of a guest
// that runs are of different moments.
//
// The kernel lets a process read another's memory if both have the same user and, where Yama guards it
// (kernel.yama.ptrace_scope), the other is a child: of a QEMU that another process has started, saving may be refused. That
// is a [*PermissionError], which says so. Systems other than Linux have no such interface: [ErrUnsupported].
package ram
