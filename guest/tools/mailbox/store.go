package mailbox

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"go.etcd.io/bbolt"
)

// maxMessages is how many messages are kept. The oldest make room.
const maxMessages = 500

// lockTimeout is how long the database of a predecessor that is ending is waited for.
const lockTimeout = 10 * time.Second

// errNoMessage means that a message is not there, or no longer.
var errNoMessage = errors.New("there is no such message")

// Envelope is what is known of a message without reading it again.
type Envelope struct {
	ID       uint64    `json:"-"`
	Sender   string    `json:"sender"` // as SMTP has it, for delivery
	To       []string  `json:"to"`
	From     string    `json:"from"` // as the message has it, for people
	Subject  string    `json:"subject"`
	Received time.Time `json:"received"`
	Size     int       `json:"size"` // bytes
}

// The buckets of the database. The keys of both are the messages' numbers, which count up and are never used twice.
var (
	envelopes = []byte("envelopes")
	sources   = []byte("sources")
)

// Store keeps messages, on the disk: what it has taken is synced.
type Store struct {
	database *bbolt.DB

	lock     sync.Mutex
	watchers map[chan struct{}]struct{}
}

// OpenStore opens the database in a file. The caller closes it.
func OpenStore(file string) (*Store, error) {
	database, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	err = database.Update(func(tx *bbolt.Tx) error {
		for _, name := range [][]byte{envelopes, sources} {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, database.Close())
	}
	return &Store{database: database, watchers: map[chan struct{}]struct{}{}}, nil
}

// Close closes the database.
func (s *Store) Close() error { return s.database.Close() }

// Add keeps a message.
func (s *Store) Add(e Envelope, source []byte) error {
	return s.change(func(tx *bbolt.Tx) error {
		to := tx.Bucket(envelopes)
		number, err := to.NextSequence()
		if err != nil {
			return err
		}
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if err := errors.Join(to.Put(key(number), text), tx.Bucket(sources).Put(key(number), source)); err != nil {
			return err
		}
		if oldest := number - min(number, maxMessages); oldest > 0 {
			return remove(tx, oldest)
		}
		return nil
	})
}

// List returns the envelopes of all messages that wanted says yes to, the newest first.
func (s *Store) List(wanted func(Envelope) bool) ([]Envelope, error) {
	var all []Envelope
	err := s.database.View(func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(envelopes).Cursor()
		for k, text := cursor.Last(); k != nil; k, text = cursor.Prev() {
			e, err := decode(k, text)
			if err != nil {
				return err
			}
			if wanted(e) {
				all = append(all, e)
			}
		}
		return nil
	})
	return all, err
}

// Get returns a message.
func (s *Store) Get(number uint64) (e Envelope, source []byte, err error) {
	err = s.database.View(func(tx *bbolt.Tx) error {
		text := tx.Bucket(envelopes).Get(key(number))
		if text == nil {
			return errNoMessage
		}
		source = append(source, tx.Bucket(sources).Get(key(number))...)
		e, err = decode(key(number), text)
		return err
	})
	return e, source, err
}

// Remove forgets messages. Those that are not there are no error.
func (s *Store) Remove(numbers ...uint64) error {
	return s.change(func(tx *bbolt.Tx) error {
		for _, number := range numbers {
			if err := remove(tx, number); err != nil {
				return err
			}
		}
		return nil
	})
}

func remove(tx *bbolt.Tx, number uint64) error {
	return errors.Join(tx.Bucket(envelopes).Delete(key(number)), tx.Bucket(sources).Delete(key(number)))
}

// Watch returns a channel that is told when messages have come or gone, and a function that ends it.
func (s *Store) Watch() (<-chan struct{}, func()) {
	told := make(chan struct{}, 1) // one is enough: a watcher looks at everything anew
	s.lock.Lock()
	defer s.lock.Unlock()
	s.watchers[told] = struct{}{}
	return told, func() {
		s.lock.Lock()
		defer s.lock.Unlock()
		delete(s.watchers, told)
	}
}

func (s *Store) change(do func(*bbolt.Tx) error) error {
	if err := s.database.Update(do); err != nil {
		return err
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	for told := range maps.Keys(s.watchers) {
		select {
		case told <- struct{}{}:
		default:
		}
	}
	return nil
}

func decode(key, text []byte) (e Envelope, err error) {
	err = json.Unmarshal(text, &e)
	e.ID = binary.BigEndian.Uint64(key)
	return e, err
}

// key sorts as the numbers do.
func key(number uint64) []byte { return binary.BigEndian.AppendUint64(nil, number) }
