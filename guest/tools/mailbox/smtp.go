package mailbox

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// Limits of what is taken.
const (
	maxSource     = 10 << 20 // bytes of a message
	maxRecipients = 100
	smtpTimeout   = time.Minute // for one command, or its answer
)

// Receive takes mail until ctx ends.
func Receive(ctx context.Context, listener net.Listener, store *Store, logTo io.Writer) error {
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{store: store}, nil }))
	server.Domain = "localhost"
	server.MaxMessageBytes = maxSource
	server.MaxRecipients = maxRecipients
	server.ReadTimeout, server.WriteTimeout = smtpTimeout, smtpTimeout
	server.AllowInsecureAuth = true
	server.EnableSMTPUTF8 = true
	server.ErrorLog = log.New(logTo, "mail: ", 0)
	closed := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		// The listener, too: the server does not know of it before Serve has begun.
		closed <- errors.Join(server.Close(), listener.Close())
	})
	err := server.Serve(listener)
	if stop() {
		return errors.Join(err, server.Close())
	}
	if err := <-closed; err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// session is one connection of a client, which may bring several messages.
type session struct {
	store  *Store
	sender string
	to     []string
}

func (s *session) Reset()        { s.sender, s.to = "", nil }
func (s *session) Logout() error { return nil }

// AuthMechanisms: a product that is set up with a password wants to use it, and any will do.
func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, _ string) error { return nil }), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.sender = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(from io.Reader) error {
	source, err := io.ReadAll(from)
	if err != nil {
		return err
	}
	head := read(source).Header
	return s.store.Add(Envelope{Sender: s.sender, To: s.to, From: head.Get("From"), Subject: head.Get("Subject"),
		Received: time.Now().UTC(), Size: len(source)}, source)
}
