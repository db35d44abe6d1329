// Package control is how a command talks to the supervisor of an instance: HTTP with JSON over a unix socket, the instance's
// control.sock.
//
//	GET  /v1/status                 a status.Status
//	GET  /v1/actors                 all status.Actor of the supervisor
//	GET  /v1/events?after=SEQ       status.Event, one JSON object a line, from the one after SEQ on, until the instance has ended
//	POST /v1/stop   {"kill":bool}   begins a stop; the events tell how it goes
//	POST /v1/exec   [ExecRequest]   runs a program in the guest and answers with an [ExecResult] when it has ended
//	POST /v1/session [SessionRequest]  becomes a connection to the guest, for one program with live input and output
//	GET  /v1/lease?kind=KIND        uses the instance for as long as the answer lasts: see [LeaseKind]
//	POST /v1/return?id=ID           gives a lease back, and tells what becomes of the instance
//
// What the package promises:
//
//   - The socket is there while its supervisor holds the instance, and no longer: it is made after the lock was taken and
//     removed before the lock is given back. One that a killed supervisor left refuses connections: [ErrNoSupervisor].
//     One that was removed under its supervisor comes back by itself.
//   - Only processes of the same user are answered, and a client talks to a supervisor of its own user only.
//   - Every request and every answer names the version of the protocol. Another one is a [*VersionError], but for a stop:
//     any version of the program can stop what any other has started.
//   - A reader of events holds nobody up. One that is too slow misses events, and sees it by their numbers.
//
// Errors travel as [*Error], with a code for programs.
package control
