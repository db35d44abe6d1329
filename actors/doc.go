// Package actors is the supervisor tree: the only place of the program where things happen at the same time.
//
//	fleet                     one per process
//	├─ observer               passes what happens on to the command line
//	├─ _downloader            has images fetched, each by a transfer below it
//	└─ default                an emulator: one per instance, the start-up state machine
//	   ├─ machine-1           owns the QEMU process of generation 1
//	   ├─ monitor-1           owns its QMP channel
//	   ├─ agent-1             owns its guest-agent channel
//	   └─ prober-1            owns its health checks
//
// What the package promises:
//
//   - Receive never blocks. Work that takes time runs in a goroutine that belongs to the actor's [life], and comes back as
//     a message.
//   - An actor owns one resource and is the only one to touch it. When the actor has stopped, the resource is gone: no
//     process, socket or timer outlives its owner.
//   - Nothing is restarted in place. What failed is stopped, and a new generation with a new name is spawned, by the
//     emulator, which alone decides. A failure is an error handed to it, never a panic that is meant.
//   - Every message is written to the message log by the first middleware of every actor (see mk).
//
// What it does not promise: messages of different senders may overtake each other, and the library's own Terminated
// overtakes everything. Where an order matters it is one sender's order, and the message's comment says so.
package actors
