package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"
)

// Command is the command of stackguest that is the guest's end. It reads an [Invitation] as JSON from its standard input.
const Command = "session"

// Invitation tells the guest's end where to dial and what to say. It is a secret.
type Invitation struct {
	Port  int       `json:"port"`  // of the host's loopback device
	Token []byte    `json:"token"` // what to say first
	Keys  GuestKeys `json:"keys"`
}

// maxInvitation is how many bytes an invitation may have. It has a few hundred.
const maxInvitation = 16 << 10

// ReadInvitation reads what the host has to say.
func ReadInvitation(in io.Reader) (i Invitation, err error) {
	text, err := io.ReadAll(io.LimitReader(in, maxInvitation))
	if err == nil {
		err = json.Unmarshal(text, &i)
	}
	if err != nil {
		return i, errors.New("session: the invitation cannot be read") // the details would quote it
	}
	if i.Port < 1 || i.Port > 65535 || len(i.Token) != tokenSize {
		return i, errors.New("session: the invitation is not what was expected")
	}
	return i, i.Keys.Check()
}

// Program is what to run in the guest, as root.
type Program struct {
	Path     string    `json:"path,omitempty"` // absolute, or to be found in the guest's PATH; "" is root's login shell
	Args     []string  `json:"args,omitempty"`
	Terminal *Terminal `json:"terminal,omitempty"` // nil: it has none
}

// Terminal is what a program's terminal is like.
type Terminal struct {
	Type string `json:"type"` // for TERM
	Size
}

// Size is the size of a terminal in characters.
type Size struct {
	Rows uint16 `json:"rows"`
	Cols uint16 `json:"cols"`
}

// Exit is how a program has ended.
type Exit struct {
	Code   int `json:"code"`
	Signal int `json:"signal,omitempty"` // what killed it; the code means nothing then
}

// The words of the protocol: the one type of channel, which is opened with a [Program], and the requests on it.
const (
	channelProgram = "program@stackemu"
	requestResize  = "resize@stackemu" // to the guest: a Size
	requestExit    = "exit@stackemu"   // to the host, as the last word: an Exit
	requestAlive   = "alive@stackemu"  // to either, answered in any way
)

// Why a program was not started, as SSH has numbers for private use.
const (
	refusedNoProgram ssh.RejectionReason = 0xfe000001 + iota
	refusedStart
)

// ErrNoProgram is the error of a program that the guest does not have.
var ErrNoProgram = errors.New("no such program in the guest")

// maxWords bounds what is kept of a text of the other end, in bytes.
const maxWords = 1 << 10

// refusal is why the other end has not opened the channel.
func refusal(err error) error {
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		return err
	}
	if refused.Reason == refusedNoProgram {
		return ErrNoProgram
	}
	return fmt.Errorf("the guest says: %.*q", maxWords, refused.Message)
}

// packed is a value as it travels.
func packed(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // the types above can all be written
	}
	return text
}
