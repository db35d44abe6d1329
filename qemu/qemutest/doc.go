// Package qemutest is a QEMU without virtual machines, for tests: the test binary runs itself again and plays one.
//
// A test package that wants it calls [Main] first thing in its TestMain. [Binary] then gives a [qemu.Binary] whose process
// does what a [Script] says: speaks QMP and the agent's protocol on the sockets that it was handed, sends events, serves
// HTTP on the forwarded ports, takes its time, floods, hangs, ignores, and dies on cue. Everything else is real: a
// process with a pid, inherited descriptors, standard error, signals.
//
// [Monitor.Serve] and [Agent.Serve] play the two protocols on a connection, without a process.
package qemutest
