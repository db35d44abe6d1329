// Package session is a program in the guest with live input and output, or with a terminal: what `stackemu exec` and `stackemu
// shell` do.
//
// Three take part. The user's command makes fresh keys for both ends ([NewKeys]). The supervisor waits for the guest at a port of
// the loopback device ([Await]) and tells it, over the guest agent, where that is, together with the keys and a token of one use:
// an [Invitation]. The guest's end ([Serve], in stackguest) dials, says the token, and from then on the supervisor passes bytes on
// and no more: both ends speak SSH with each other, each proving itself by the keys that only the two know. One connection runs
// one program.
//
// What the package promises:
//
//   - The connection's end is the program's: with it goes the whole session of processes that the program has begun. What a program
//     that has ended by itself leaves behind does not hold the session up, and goes on if it ignores hangups.
//   - Neither end believes what the other says. A guest that does not come, talks nonsense or never stops talking costs an
//     error: all that is kept of what it says is bounded, all waits have a deadline, and a guest that has fallen silent is
//     noticed.
//   - No secret is in a command line, and none is of use twice.
//
// docs/decisions/0017-interactive-exec.md says why it is done so.
package session
