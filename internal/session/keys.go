package session

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// Keys are what the two ends of one session know each other by.
type Keys struct {
	host ed25519.PrivateKey // ours
	own  ed25519.PublicKey  // of the key below
	to   ed25519.PrivateKey // the guest's
}

// GuestKeys are what the guest has to know of them: a secret.
type GuestKeys struct {
	Own  []byte `json:"own"`  // the seed of its private key
	Host []byte `json:"host"` // the public key of the other end
}

// NewKeys makes keys for one session.
func NewKeys() (Keys, error) {
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Keys{}, fmt.Errorf("session: %w", err)
	}
	own, to, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Keys{}, fmt.Errorf("session: %w", err)
	}
	return Keys{host, own, to}, nil
}

// Guest is the guest's part.
func (k Keys) Guest() GuestKeys {
	return GuestKeys{Own: k.to.Seed(), Host: k.host.Public().(ed25519.PublicKey)}
}

var errKeys = errors.New("session: these are no keys")

// Check tells whether the keys can be keys.
func (g GuestKeys) Check() error {
	if len(g.Own) != ed25519.SeedSize || len(g.Host) != ed25519.PublicKeySize {
		return errKeys
	}
	return nil
}

var errStranger = errors.New("the other end is not who it should be")

// user is the name that SSH wants for who logs in. There is one: root.
const user = "root"

// clientConfig is the user's end.
func (k Keys) clientConfig() (*ssh.ClientConfig, error) {
	signer, err := ssh.NewSignerFromKey(k.host)
	if err != nil {
		return nil, err
	}
	theirs, err := ssh.NewPublicKey(k.own)
	if err != nil {
		return nil, err
	}
	return &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.FixedHostKey(theirs)}, nil
}

// serverConfig is the guest's end.
func (g GuestKeys) serverConfig() (*ssh.ServerConfig, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	signer, err := ssh.NewSignerFromKey(ed25519.NewKeyFromSeed(g.Own))
	if err != nil {
		return nil, err
	}
	theirs, err := ssh.NewPublicKey(ed25519.PublicKey(g.Host))
	if err != nil {
		return nil, err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), theirs.Marshal()) {
			return nil, errStranger
		}
		return &ssh.Permissions{}, nil
	}}
	config.AddHostKey(signer)
	return config, nil
}
