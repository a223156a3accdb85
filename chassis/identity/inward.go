package identity

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Header carries the signed identity from the router to a subgraph.
const Header = "Lethe-Identity"

// validity is how long a signed identity can be used: long enough for clocks that differ a little.
const validity = time.Minute

// readWithin bounds how long a request's body may take.
const readWithin = 20 * time.Second

// maxBody bounds what a subgraph reads of a request, in bytes.
const maxBody = 4 << 20

type inward struct {
	Subject   string `json:"sub,omitempty"`
	Role      Role   `json:"role"`
	RequestID string `json:"rid,omitempty"`
	Expires   int64  `json:"exp"`
}

// Signer signs identities for subgraphs, each with the key shared with that subgraph alone, so that one subgraph cannot
// speak to another in a user's name.
type Signer struct {
	keys map[string][]byte
	now  func() time.Time
}

// NewSigner takes the key of each subgraph by its name. A key has 32 bytes or more.
func NewSigner(keys map[string][]byte) (*Signer, error) {
	for name, k := range keys {
		if len(k) < 32 {
			return nil, fmt.Errorf("the key of subgraph %s has %d bytes: it must have at least 32", name, len(k))
		}
	}
	return &Signer{keys: keys, now: time.Now}, nil
}

// Value gives the value of [Header] for a request with this body to a subgraph, or "" where no key is known for it (a
// subgraph that is not Lethe's own).
func (s *Signer) Value(p Principal, subgraph string, body []byte) string {
	key := s.keys[subgraph]
	if key == nil {
		return ""
	}
	claims, err := json.Marshal(inward{p.Subject, p.Role, p.RequestID, s.now().Add(validity).Unix()})
	if err != nil {
		return ""
	}
	payload := base64.RawURLEncoding.EncodeToString(claims)
	return "v1." + payload + "." + base64.RawURLEncoding.EncodeToString(sign(key, payload, subgraph, body))
}

func sign(key []byte, payload, subgraph string, body []byte) []byte {
	digest := sha256.Sum256(body)
	mac := hmac.New(sha256.New, key)
	_, _ = io.WriteString(mac, payload)
	_, _ = mac.Write([]byte{0})
	_, _ = io.WriteString(mac, subgraph)
	_, _ = mac.Write([]byte{0})
	_, _ = mac.Write(digest[:])
	return mac.Sum(nil)
}

// Gate admits only requests that the router signed for one subgraph, and puts their principal into the context.
type Gate struct {
	subgraph string
	key      []byte
	now      func() time.Time
}

// NewGate takes the subgraph's name and the key that it shares with the router.
func NewGate(subgraph string, key []byte) (*Gate, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("the key that subgraph %s shares with the router has %d bytes: it must have at least 32", subgraph, len(key))
	}
	return &Gate{subgraph: subgraph, key: key, now: time.Now}, nil
}

// Open checks a value of [Header] against a body.
func (g *Gate) Open(value string, body []byte) (Principal, error) {
	rest, ok := strings.CutPrefix(value, "v1.")
	payload, mac, two := strings.Cut(rest, ".")
	if !ok || !two || len(value) > 4096 {
		return Principal{}, ErrUnauthenticated
	}
	sum, err := base64.RawURLEncoding.DecodeString(mac)
	if err != nil || !hmac.Equal(sum, sign(g.key, payload, g.subgraph, body)) {
		return Principal{}, ErrUnauthenticated
	}
	var c inward
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(raw, &c) != nil || g.now().Unix() > c.Expires {
		return Principal{}, ErrUnauthenticated
	}
	return Principal{Subject: c.Subject, Role: c.Role, RequestID: c.RequestID}, nil
}

// Wrap gives a handler that answers 401 to what the router did not sign and otherwise calls next with the principal in
// the request's context and the body whole.
func (g *Gate) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		// Where a connection has no deadlines, whoever made it bounds it.
		_ = control.SetReadDeadline(g.now().Add(readWithin))
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		_ = control.SetReadDeadline(time.Time{})
		if err != nil {
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				refuse(w, http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "The request is larger than 4 MiB: send less.")
				return
			}
			refuse(w, http.StatusBadRequest, "BAD_REQUEST", "The request could not be read: send it again.")
			return
		}
		p, err := g.Open(r.Header.Get(Header), body)
		if err != nil {
			refuse(w, http.StatusUnauthorized, "UNAUTHENTICATED", "This subgraph answers only the router: send the request there.")
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, r.WithContext(NewContext(r.Context(), p)))
	})
}

func refuse(w http.ResponseWriter, code int, name, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = fmt.Fprintf(w, `{"errors":[{"message":%q,"extensions":{"code":%q}}]}`, message, name)
}

// Outgoing adds the signed identity of ctx's principal to a request that goes to a subgraph.
func (s *Signer) Outgoing(ctx context.Context, header http.Header, subgraph string, body []byte) {
	if v := s.Value(FromContext(ctx), subgraph, body); v != "" {
		header.Set(Header, v)
	}
}
