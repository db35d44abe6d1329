// Package qmp speaks the QEMU Machine Protocol over one unix socket.
//
// What a [Conn] promises:
//
//   - Every command has a deadline: that of its context, or [DefaultTimeout]. A command that runs into it fails alone;
//     the connection stays good and the late answer is dropped. Only a command of which a part has already been written
//     takes the connection with it, because QEMU could not make sense of what follows.
//   - Answers are matched by id. Commands of any number of goroutines may be under way; QEMU works on one at a time.
//   - Events never hold up answers. They wait in a queue of [EventQueue] for a goroutine that hands them to the callback
//     in order, beginning with those that came during the handshake. If the callback falls that far behind, the oldest
//     event is dropped and counted in [Conn.Dropped].
//   - The end is told once, by [Conn.Done], after the last event has been handed over: who waits for it has seen
//     everything that QEMU said, the SHUTDOWN event with its reason among it. Commands under way fail at once.
//   - A refusal by QEMU is an [*Error] that keeps the class.
//
// A QMP socket has one client at a time: QEMU accepts the next one when the connection before it has been closed, and a
// second one that dials meanwhile hangs in its handshake until its context ends.
//
// The typed calls of go-qemu work on the value of [Conn.Monitor]. go-qemu's own SocketMonitor is not used: it has no
// deadlines, dies of lines over 64 KiB, blocks on events that nobody reads, and shares its buffer between goroutines.
package qmp
