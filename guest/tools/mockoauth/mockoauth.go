// Package mockoauth is an OAuth 2 and OpenID Connect provider for trying out how people sign in with another account. Whoever
// asks becomes whom he says he is: there is no password, and any client, with any secret, may ask.
//
// Tokens are signed (RS256) and stand for themselves, so that a restart loses none. The key is made once and kept.
package mockoauth

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/stackemu/stackemu/guest/tools/owner"
	"github.com/stackemu/stackemu/guest/tools/private"
	"github.com/stackemu/stackemu/guest/tools/web"
)

// Config says where the provider is.
type Config struct {
	Address string // to listen at
	Issuer  string // its own URL, as browsers and servers see it
	KeyFile string // the signing key; its directory is made
	User    string // the system user that it runs as; "" is the caller's
}

// Run serves until ctx ends.
func Run(ctx context.Context, c Config) error {
	if err := owner.Become(c.User, filepath.Dir(c.KeyFile)); err != nil {
		return fmt.Errorf("mock-oauth: %w", err)
	}
	key, err := loadKey(c.KeyFile)
	if err != nil {
		return fmt.Errorf("mock-oauth: %w", err)
	}
	provider, err := New(c.Issuer, key)
	if err != nil {
		return fmt.Errorf("mock-oauth: %w", err)
	}
	if err := web.Serve(ctx, c.Address, provider); err != nil {
		return fmt.Errorf("mock-oauth: %w", err)
	}
	return nil
}

// keyBits is the size of the signing key, and keyType what its file says it is.
const (
	keyBits = 2048
	keyType = "PRIVATE KEY"
)

// loadKey reads the key, and makes it where there is none.
func loadKey(file string) (*rsa.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return makeKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyType {
		return nil, fmt.Errorf("%s: no %s in it", file, keyType)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	rsaKey, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: not an RSA key", file)
	}
	return rsaKey, nil
}

func makeKey(file string) (*rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, err
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, private.Replace(file, pem.EncodeToMemory(&pem.Block{Type: keyType, Bytes: text}))
}

// codeLife is how long a code may be exchanged for tokens.
const codeLife = time.Minute

// Provider is the provider: a handler of its endpoints.
type Provider struct {
	http.Handler
	issuer string
	signer jose.Signer
	key    jose.JSONWebKey // the public one

	lock  sync.Mutex
	codes map[string]grant // that have not been exchanged
}

// grant is what a person has allowed a client.
type grant struct {
	client, redirect, nonce, scope string
	challenge, method              string // of PKCE, RFC 7636
	person                         person
	until                          time.Time
}

// New makes a provider that signs with key.
func New(issuer string, key *rsa.PrivateKey) (*Provider, error) {
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := public.Thumbprint(thumbprintHash)
	if err != nil {
		return nil, err
	}
	public.KeyID = fmt.Sprintf("%x", thumbprint[:8])
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: public.KeyID}},
		new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return nil, err
	}
	p := &Provider{issuer: issuer, signer: signer, key: public, codes: map[string]grant{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("GET /auth", p.ask)
	mux.HandleFunc("POST /auth", p.allow)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET /me", p.me)
	mux.HandleFunc("POST /me", p.me)
	p.Handler = mux
	return p, nil
}

// keep notes a grant under a fresh code. Those that have become too old are forgotten meanwhile.
func (p *Provider) keep(g grant) string {
	code, now := rand.Text(), time.Now()
	g.until = now.Add(codeLife)
	p.lock.Lock()
	defer p.lock.Unlock()
	for old, g := range p.codes {
		if now.After(g.until) {
			delete(p.codes, old)
		}
	}
	p.codes[code] = g
	return code
}

// take is the one use of a code.
func (p *Provider) take(code string) (grant, bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	g, known := p.codes[code]
	delete(p.codes, code)
	return g, known && time.Now().Before(g.until)
}
