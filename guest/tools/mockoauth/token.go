package mockoauth

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const thumbprintHash = crypto.SHA256

// maxForm is how many bytes a request may have.
const maxForm = 64 << 10

// How long tokens are good for.
const (
	accessLife  = time.Hour
	refreshLife = 30 * 24 * time.Hour
)

// The uses of a token that is ours. An ID token is the client's.
const (
	useAccess  = "access"
	useRefresh = "refresh"
)

// person is who has signed in.
type person struct {
	Email    string `json:"email,omitempty"`
	Verified bool   `json:"email_verified,omitempty"`
	Name     string `json:"name,omitempty"`
}

func personOf(email string) person {
	name, _, _ := strings.Cut(email, "@")
	return person{email, true, name}
}

// subject identifies a person: whoever has this e-mail address is always the same.
func (p person) subject() string {
	sum := sha256.Sum256([]byte(p.Email))
	return hex.EncodeToString(sum[:8])
}

// claims are what a token says.
type claims struct {
	jwt.Claims
	person
	Use    string `json:"use,omitempty"`
	Client string `json:"client_id,omitempty"`
	Scope  string `json:"scope,omitempty"`
	Nonce  string `json:"nonce,omitempty"`
}

// token exchanges a code, or a refresh token, for tokens (RFC 6749, 4.1.3 and 6).
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		fail(w, "invalid_request", err.Error())
		return
	}
	form := r.PostForm
	client := form.Get("client_id")
	if name, _, ok := r.BasicAuth(); ok {
		client = name
	}
	var g grant
	switch form.Get("grant_type") {
	case "authorization_code":
		var known bool
		g, known = p.take(form.Get("code"))
		if !known || g.client != client || g.redirect != form.Get("redirect_uri") || !g.proven(form.Get("code_verifier")) {
			fail(w, "invalid_grant", "the code is not known, was used, or is another client's")
			return
		}
	case "refresh_token":
		c, err := p.read(form.Get("refresh_token"), useRefresh)
		if err != nil || c.Client != client {
			fail(w, "invalid_grant", "the refresh token is not good")
			return
		}
		g = grant{client: client, scope: c.Scope, person: personOf(c.Email)}
	default:
		fail(w, "unsupported_grant_type", "authorization_code and refresh_token are supported")
		return
	}
	p.issue(w, g)
}

// proven says whether a verifier fits the challenge of the request (RFC 7636, 4.6).
func (g grant) proven(verifier string) bool {
	if g.challenge == "" {
		return true
	}
	if g.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		verifier = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(verifier), []byte(g.challenge)) == 1
}

func (p *Provider) issue(w http.ResponseWriter, g grant) {
	answer := map[string]any{"token_type": "Bearer", "expires_in": int(accessLife.Seconds()), "scope": g.scope}
	tokens := map[string]claims{
		"access_token":  {Use: useAccess, Client: g.client, Scope: g.scope},
		"refresh_token": {Use: useRefresh, Client: g.client, Scope: g.scope},
	}
	if slices.Contains(strings.Fields(g.scope), "openid") {
		tokens["id_token"] = claims{Nonce: g.nonce}
	}
	for name, c := range tokens {
		life := accessLife
		if c.Use == useRefresh {
			life = refreshLife
		}
		now := time.Now()
		c.Claims = jwt.Claims{Issuer: p.issuer, Subject: g.person.subject(), Audience: jwt.Audience{g.client}, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(life))}
		c.person = g.person
		text, err := jwt.Signed(p.signer).Claims(c).Serialize()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer[name] = text
	}
	tell(w, http.StatusOK, answer)
}

// read is a token of ours.
func (p *Provider) read(text, use string) (claims, error) {
	var c claims
	token, err := jwt.ParseSigned(text, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return c, err
	}
	if err := token.Claims(p.key.Key, &c); err != nil {
		return c, err
	}
	if c.Use != use {
		return c, jwt.ErrInvalidClaims
	}
	return c, c.Validate(jwt.Expected{Issuer: p.issuer, Time: time.Now()})
}

// me tells a client whom an access token stands for (OpenID Connect Core, 5.3).
func (p *Provider) me(w http.ResponseWriter, r *http.Request) {
	text, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	c, err := p.read(text, useAccess)
	if !isBearer || err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		tell(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	tell(w, http.StatusOK, struct {
		Subject string `json:"sub"`
		person
	}{c.Subject, c.person})
}

func (p *Provider) jwks(w http.ResponseWriter, _ *http.Request) {
	tell(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key}})
}

func (p *Provider) discovery(w http.ResponseWriter, _ *http.Request) {
	tell(w, http.StatusOK, map[string]any{
		"issuer": p.issuer, "authorization_endpoint": p.issuer + "/auth", "token_endpoint": p.issuer + "/token",
		"userinfo_endpoint": p.issuer + "/me", "jwks_uri": p.issuer + "/jwks",
		"response_types_supported": []string{"code"}, "grant_types_supported": []string{"authorization_code", "refresh_token"},
		"subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{string(jose.RS256)},
		"scopes_supported": []string{"openid", "email", "profile", "offline_access"}, "code_challenge_methods_supported": []string{"S256", "plain"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
		"claims_supported":                      []string{"sub", "email", "email_verified", "name"},
	})
}

func fail(w http.ResponseWriter, code, description string) {
	tell(w, http.StatusBadRequest, map[string]string{"error": code, "error_description": cmp.Or(description, code)})
}

func tell(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // whoever asked may be gone
}
