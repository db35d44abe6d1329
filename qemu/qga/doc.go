// Package qga speaks to the QEMU guest agent through the unix socket of its virtio-serial port.
//
// The protocol looks like QMP and is another one: no greeting, no events, no ids, one command at a time, and no way to
// see from the host whether an agent listens at all: the socket takes 180 KB for a guest in which none runs. So a
// [Client] trusts nothing before a sync. It sends a byte that no UTF-8 text holds, 0xFF, and a random number; the agent
// drops what it had half read and answers 0xFF and the number; everything before that answer is left over from somebody
// else (a command that timed out, the life before a snapshot) and is dropped.
//
// What a [Client] promises:
//
//   - The channel is synchronised before the first command, and again after any command that did not end with a whole
//     answer: a command never gets the answer of another one.
//   - Every command has a deadline: that of its context, or [DefaultTimeout]. One that runs into it leaves the client
//     usable. A sync waits for an agent that is not there yet: it is answered when the agent starts.
//   - Commands of several goroutines take turns, and waiting for the turn ends with the context too.
//   - A refusal by the agent is an [*Error] that keeps the class.
//
// A lost connection is not mended: the next command fails with [ErrClosed], and the owner dials anew.
package qga
