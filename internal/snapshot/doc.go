// Package snapshot keeps warm snapshots on disk: virtual machines that were captured healthy and can be resumed instead of
// booted. It starts no QEMU; it says where a capture writes its files, and gives them out again when nothing has happened
// to them.
//
// It promises:
//
//   - A snapshot is found only under the [Parts] that it was captured with. Any other image, layout, QEMU, accelerator or
//     host CPU is another key: QEMU itself would resume many a mismatch, and run it wrongly, without a word.
//   - A snapshot is there as a whole or not at all, whenever a process or the host dies.
//   - A file that was truncated, replaced or written to since the capture is noticed before QEMU sees it ([DamagedError]),
//     and such a snapshot is set aside at once. What the disk itself has lost under an unchanged file is found by
//     [Store.Check] only, for it must read every byte.
//   - What a [Snapshot] or a [Reservation] holds, no process removes or changes until it is closed. The hold dies with the
//     process.
//   - Two captures under one key, in whatever processes, become one.
//
// The store's directory holds, for each key,
//
//	<key> -> <key>.<n>          a link to the generation that is in use: replacing it is one atomic step, and paths into
//	                            an older generation stay good for those that hold it
//	<key>.<n>/manifest.json     what the files must look like, and how they came to be
//	<key>.<n>/disk.qcow2        what the capture boot has written, over base.qcow2
//	<key>.<n>/base.qcow2        the image, by a hard link
//	<key>.<n>/ram.img           lazy: the guest's RAM, sparse
//	<key>.<n>/device.state      lazy: the state of all devices, a migration stream
//	<key>.<n>/savevm.zst        mapped-ram: RAM and devices in one file, packed
//	<key>.<n>/savevm.raw        mapped-ram: the same unpacked, and sparse. It is a cache: one that is missing is restored
//	<key>.<n>/lock, strikes     who holds it; how often it failed to resume
//	<key>.broken-<time>/        set aside: kept for whoever wants to know why, and never used again
//	.new-<key>-<n>/             a capture in progress
//	.lock                       held for moments, around every change and every taking of another lock
//
// A generation that no link names is garbage, and so is a capture whose lock nobody holds. Both are removed by the next
// [Store.Reserve].
package snapshot
