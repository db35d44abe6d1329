package messages

import "github.com/stackemu/stackemu/internal/snapshot"

// This file is the conversation between emulators and the store. What the store grants an instance it keeps for it (a
// lock that no eviction can pass) until the instance gives it back, publishes it, or ends.

// WantSnapshot asks the store for a snapshot of that very kind. From an emulator; [SnapshotGranted], [CaptureGranted] or
// [SnapshotDenied] answers, and [CaptureAwaited] before that when somebody else is capturing it.
type WantSnapshot struct {
	Instance   string         `json:"instance"`
	Parts      snapshot.Parts `json:"-"`
	Key        string         `json:"key"` // of Parts
	MayCapture bool           `json:"mayCapture"`
	Force      bool           `json:"force,omitempty"` // capture also when there is one
}

// SnapshotGranted gives an instance a snapshot to resume. From the store to an emulator.
type SnapshotGranted struct {
	Key     string            `json:"key"`
	Files   snapshot.Files    `json:"-"`
	Runtime map[string]string `json:"-"` // what its guest knows of its host; nil when nobody can say
}

// CaptureGranted gives an instance a directory to capture into, because there is no snapshot. From the store to an emulator.
type CaptureGranted struct {
	Key   string         `json:"key"`
	Files snapshot.Files `json:"-"`
	Why   string         `json:"why"` // there is no snapshot
}

// CaptureAwaited says that somebody else is capturing, which is waited for. From the store to an emulator.
type CaptureAwaited struct {
	Key string `json:"key"`
}

// SnapshotUnpacking tells how far the snapshot is restored from its packed form, where that takes long: about once a second. The
// answer to [WantSnapshot] follows. From the store to an emulator.
type SnapshotUnpacking struct {
	Done  int64 `json:"done"`  // bytes
	Total int64 `json:"total"` // bytes
}

// SnapshotDenied says why there is neither a snapshot nor a capture. From the store to an emulator.
type SnapshotDenied struct {
	Cause Cause `json:"cause"`
}

// SnapshotBroken says that a snapshot failed its check and was set aside; the answer to [WantSnapshot] follows. From the
// store to an emulator.
type SnapshotBroken struct {
	Cause Cause `json:"cause"`
}

// PublishSnapshot asks the store to publish what was captured. From an emulator; [SnapshotPublished] answers.
type PublishSnapshot struct {
	Instance string            `json:"instance"`
	Manifest snapshot.Manifest `json:"-"`
}

// SnapshotPublished says that the capture can be resumed, or why it cannot. From the store to an emulator.
type SnapshotPublished struct {
	Cause Cause `json:"cause,omitzero"`
}

// ReleaseSnapshot gives back what was granted. A capture that was not published is thrown away. From an emulator to the
// store.
type ReleaseSnapshot struct {
	Instance string `json:"instance"`
}

// ResumeFailed says that the granted snapshot could not be resumed. From an emulator to the store, which retires a
// snapshot that fails again and again, and tells so by [SnapshotBroken]; [FailureCounted] answers in any case.
type ResumeFailed struct {
	Instance string `json:"instance"`
	Cause    Cause  `json:"cause"`
}

// FailureCounted says that a failure is on the disk: a program that ends now does not forget it. From the store to an emulator.
type FailureCounted struct{}

// ResumeWorked says that an instance got ready from the granted snapshot. From an emulator to the store.
type ResumeWorked struct {
	Instance string `json:"instance"`
}

func (*WantSnapshot) message() {}
func (*WantSnapshot) toStore() {}

func (*SnapshotGranted) message()    {}
func (*SnapshotGranted) toEmulator() {}

func (*CaptureGranted) message()    {}
func (*CaptureGranted) toEmulator() {}

func (*CaptureAwaited) message()    {}
func (*CaptureAwaited) toEmulator() {}

func (*SnapshotUnpacking) message()    {}
func (*SnapshotUnpacking) toEmulator() {}

func (*SnapshotDenied) message()    {}
func (*SnapshotDenied) toEmulator() {}

func (*SnapshotBroken) message()    {}
func (*SnapshotBroken) toEmulator() {}

func (*PublishSnapshot) message() {}
func (*PublishSnapshot) toStore() {}

func (*SnapshotPublished) message()    {}
func (*SnapshotPublished) toEmulator() {}

func (*ReleaseSnapshot) message() {}
func (*ReleaseSnapshot) toStore() {}

func (*ResumeFailed) message() {}
func (*ResumeFailed) toStore() {}

func (*FailureCounted) message()    {}
func (*FailureCounted) toEmulator() {}

func (*ResumeWorked) message() {}
func (*ResumeWorked) toStore() {}
