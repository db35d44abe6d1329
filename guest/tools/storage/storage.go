// Package storage is the object storage of the stack: what an S3 client needs, in one file on the disk, behind the health
// path of the product's own storage.
//
// An object that has been answered for is on the disk: the file is a bbolt database, which syncs at the end of every write.
// Objects are held in memory while they come and go, so their size is bounded.
package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3bolt"
	"go.etcd.io/bbolt"

	"github.com/stackemu/stackemu/guest/tools/owner"
	"github.com/stackemu/stackemu/guest/tools/web"
)

// HealthPath answers 200 as long as the storage does, as the product's does.
const HealthPath = "/minio/health/live"

// maxObject bounds one request, in bytes. Larger objects come in parts, each of its own request.
const maxObject = 256 << 20

// lockTimeout is how long the database of a predecessor that is ending is waited for.
const lockTimeout = 10 * time.Second

// Config says where the storage is and who may use it.
type Config struct {
	Address string   // to listen at
	File    string   // the database; its directory is made
	User    string   // the system user that it runs as; "" is the caller's
	Buckets []string // made where they are missing
	Keys    Keys
}

// Keys are the credentials of the one user. They are no secret: every emulator has the same.
type Keys struct{ ID, Secret string }

// Run serves until ctx ends.
func Run(ctx context.Context, c Config) (err error) {
	if err := owner.Become(c.User, filepath.Dir(c.File)); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	objects, err := Open(c)
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	defer func() { err = errors.Join(err, objects.Close()) }()
	if err := web.Serve(ctx, c.Address, objects); err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	return nil
}

// Objects is an open storage: a handler of S3's requests.
type Objects struct {
	http.Handler
	database *bbolt.DB
}

// Open opens the database and sees to its buckets. The caller closes it.
func Open(c Config) (*Objects, error) {
	database, err := bbolt.Open(c.File, 0o600, &bbolt.Options{Timeout: lockTimeout})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.File, err)
	}
	backend := s3bolt.New(database)
	if err := makeBuckets(backend, c.Buckets); err != nil {
		return nil, errors.Join(err, database.Close())
	}
	s3 := http.MaxBytesHandler(signed(c.Keys, gofakes3.New(backend).Server()), maxObject)
	mux := http.NewServeMux()
	mux.Handle("/", s3)
	mux.HandleFunc(HealthPath, func(http.ResponseWriter, *http.Request) {})
	return &Objects{mux, database}, nil
}

// Close closes the database.
func (o *Objects) Close() error { return o.database.Close() }

func makeBuckets(backend gofakes3.Backend, names []string) error {
	have, err := backend.ListBuckets()
	if err != nil {
		return err
	}
	for _, name := range names {
		if slices.ContainsFunc(have, func(b gofakes3.BucketInfo) bool { return b.Name == name }) {
			continue
		}
		if err := backend.CreateBucket(name); err != nil {
			return fmt.Errorf("bucket %s: %w", name, err)
		}
	}
	return nil
}
