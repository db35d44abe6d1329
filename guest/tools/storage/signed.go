package storage

import (
	"context"
	"crypto/subtle"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The parts of a signature of version 4.
const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
	dateHeader = "X-Amz-Date"
	hashHeader = "X-Amz-Content-Sha256"
)

// maxExpires is how long a signed URL may be good for, in seconds: a week, as S3 has it.
const maxExpires = 7 * 24 * 60 * 60

// errUnsigned says what a request without a signature lacks.
var errUnsigned = errors.New("the request is not signed")

// signed lets only requests through that are signed with keys, in a header or in the URL. Preflights of browsers carry no
// signature.
func signed(keys Keys, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			if err := verify(r, keys, time.Now()); err != nil {
				refuse(w, err)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// refuse answers as S3 does.
func refuse(w http.ResponseWriter, reason error) {
	code := "SignatureDoesNotMatch"
	if errors.Is(reason, errUnsigned) {
		code = "AccessDenied"
	}
	body, err := xml.Marshal(struct {
		XMLName struct{} `xml:"Error"`
		Code    string
		Message string
	}{Code: code, Message: reason.Error()})
	if err != nil {
		http.Error(w, code, http.StatusForbidden)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write(append([]byte(xml.Header), body...)) // whoever asked may be gone
}

// signature is what a request says of its own signature.
type signature struct {
	scope   []string // key id, day, region, service, "aws4_request"
	headers []string // that are signed
	value   string
	when    time.Time
}

// verify signs a request anew, from what its signature says of itself, and compares.
func verify(r *http.Request, keys Keys, now time.Time) error {
	query := r.URL.Query()
	if query.Get("X-Amz-Algorithm") == algorithm {
		return verifyURL(r, query, keys, now)
	}
	kind, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if kind != algorithm {
		return errUnsigned
	}
	fields := map[string]string{}
	for field := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	s, err := parse(fields["Credential"], fields["SignedHeaders"], fields["Signature"], r.Header.Get(dateHeader), keys)
	if err != nil {
		return err
	}
	again := bare(r, s.headers)
	err = signer().SignHTTP(context.Background(), credentials(keys), again, r.Header.Get(hashHeader), s.scope[3], s.scope[2], s.when)
	if err != nil {
		return err
	}
	_, want, _ := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return compare(s.value, want)
}

func verifyURL(r *http.Request, query url.Values, keys Keys, now time.Time) error {
	s, err := parse(query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders"), query.Get("X-Amz-Signature"), query.Get(dateHeader), keys)
	if err != nil {
		return err
	}
	expires, err := strconv.Atoi(query.Get("X-Amz-Expires"))
	if err != nil || expires < 1 || expires > maxExpires {
		return fmt.Errorf("X-Amz-Expires: want 1 to %d seconds", maxExpires)
	}
	if now.After(s.when.Add(time.Duration(expires) * time.Second)) {
		return errors.New("the signed URL has expired")
	}
	again := bare(r, s.headers)
	query.Del("X-Amz-Signature")
	again.URL.RawQuery = query.Encode()
	hash := "UNSIGNED-PAYLOAD"
	if given := query.Get(hashHeader); given != "" {
		hash = given
	}
	uri, _, err := signer().PresignHTTP(context.Background(), credentials(keys), again, hash, s.scope[3], s.scope[2], s.when)
	if err != nil {
		return err
	}
	resigned, err := url.Parse(uri)
	if err != nil {
		return err
	}
	return compare(s.value, resigned.Query().Get("X-Amz-Signature"))
}

func parse(credential, headers, value, when string, keys Keys) (signature, error) {
	s := signature{scope: strings.Split(credential, "/"), headers: strings.Split(headers, ";"), value: value}
	if len(s.scope) != 5 || s.scope[3] != "s3" || s.scope[0] != keys.ID {
		return s, fmt.Errorf("the credential %q is not known", credential)
	}
	var err error
	if s.when, err = time.Parse(timeFormat, when); err != nil {
		return s, fmt.Errorf("%s: %w", dateHeader, err)
	}
	return s, nil
}

// bare is a request with those parts of r that are signed. What came on the way, a proxy's headers say, is not.
func bare(r *http.Request, headers []string) *http.Request {
	target := *r.URL
	target.Host = r.Host
	again := &http.Request{Method: r.Method, URL: &target, Host: r.Host, Header: http.Header{}}
	for _, name := range headers {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	return again
}

func compare(given, want string) error {
	if subtle.ConstantTimeCompare([]byte(given), []byte(want)) != 1 {
		return errors.New("the signature is not the one that these credentials give")
	}
	return nil
}

// signer signs as S3 has it: paths are not escaped once more, and no header moves into the query.
func signer() *v4.Signer {
	return v4.NewSigner(func(o *v4.SignerOptions) {
		o.DisableURIPathEscaping = true
		o.DisableHeaderHoisting = true
	})
}

func credentials(keys Keys) aws.Credentials {
	return aws.Credentials{AccessKeyID: keys.ID, SecretAccessKey: keys.Secret}
}
