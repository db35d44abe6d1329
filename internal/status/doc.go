// Package status says how an instance is: a value that is computed from what has happened to it, by a pure function.
//
// [Apply] is that function. A supervisor feeds it with every event of its instance, a client that follows the events feeds
// it the same ones, and both have the same picture. What no event tells (the memory of the VM's process) is added by who
// collects a status, and is as old as the answer.
//
// The JSON forms of [Status] and [Event] are for programs of other people as well. Within one [Schema], fields are added but
// never taken away and never change their meaning; a reader must pass over fields, kinds and states that it does not know.
package status
