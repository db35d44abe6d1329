package messages

import (
	"time"

	"github.com/stackemu/stackemu/internal/download/image"
)

// This file is the conversation about images that are fetched: the command line asks the fleet for one, an emulator without an
// image asks the downloader, which has each image fetched once however many ask, and tells all of them how it goes.

// Downloader is accepted by the downloader.
type Downloader interface {
	Message
	toDownloader()
}

// Transfer is accepted by a transfer: the one child of the downloader for each image that is being fetched.
type Transfer interface {
	Message
	toTransfer()
}

// PullImage asks for an image. From the command line to the fleet, and on to the downloader; or from an emulator to that.
// [PullProgress] tells how it goes, and [ImagePulled] or [PullFailed] is the answer.
type PullImage struct {
	Request image.Request `json:"request"`
}

// StopPulls tells the downloader that its sender does not want any more what it has asked for, and is answered with a
// [PullFailed] for each: at once where others want the image still, and else when the transfer has ended, with what has arrived
// on the disk for the next one. From the fleet, or from an emulator.
type StopPulls struct{}

// StopTransfer asks a transfer for the same. From the downloader.
type StopTransfer struct{}

// PullProgress tells how a pull stands, a few times a second at most. From a transfer to the downloader, and on to all who have
// asked.
type PullProgress struct {
	Request image.Request `json:"-"`
	Phase   image.Phase   `json:"phase"`
	Done    int64         `json:"done,omitempty"`  // bytes
	Total   int64         `json:"total,omitempty"` // bytes; 0 when it is not known
	Rate    float64       `json:"-"`               // bytes per second
	Left    time.Duration `json:"-"`               // 0 when it is not known
	Note    string        `json:"note,omitempty"`  // what it waits for
}

// ImagePulled says that the image is there. From a transfer to the downloader, and on to all who have asked.
type ImagePulled struct {
	Request image.Request `json:"request"`
	Result  image.Result  `json:"result"`
}

// PullFailed says why it is not; the image that was there before is there still. From a transfer to the downloader, and on to
// all who have asked.
type PullFailed struct {
	Request image.Request `json:"request"`
	Cause   Cause         `json:"cause"`
}

func (*PullImage) message()      {}
func (*PullImage) toFleet()      {}
func (*PullImage) toDownloader() {}

func (*StopPulls) message()      {}
func (*StopPulls) toDownloader() {}

func (*StopTransfer) message()    {}
func (*StopTransfer) toTransfer() {}

func (*PullProgress) message()      {}
func (*PullProgress) toDownloader() {}
func (*PullProgress) toEmulator()   {}
func (*PullProgress) toFleet()      {}
func (*PullProgress) toObserver()   {}

func (*ImagePulled) message()      {}
func (*ImagePulled) toDownloader() {}
func (*ImagePulled) toEmulator()   {}
func (*ImagePulled) toFleet()      {}
func (*ImagePulled) toObserver()   {}

func (*PullFailed) message()      {}
func (*PullFailed) toDownloader() {}
func (*PullFailed) toEmulator()   {}
func (*PullFailed) toFleet()      {}
func (*PullFailed) toObserver()   {}
