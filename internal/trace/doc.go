// Package trace reads the message log of an instance (internal/msglog writes it, docs/trace.md describes it) and tells what has
// happened: as a tree, in plain words, as a sequence diagram, for ui.perfetto.dev, and as a page of its own.
//
// It promises that whatever bytes a log has, reading it is no failure: what is no record is counted and skipped, as the last
// line of a process that was killed is. A log may be read while it is written.
package trace
