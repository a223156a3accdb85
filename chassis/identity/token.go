package identity

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Audience is what tokens for Lethe's graph name as their audience.
const Audience = "lethe"

type claims struct {
	Role Role `json:"role"`
	jwt.RegisteredClaims
}

// Issuer makes tokens. It is for development: in production an identity provider does, with the same claims.
type Issuer struct {
	name string
	key  ed25519.PrivateKey
	kid  string
	now  func() time.Time
}

// NewIssuer takes the issuer's name, as it stands in the tokens, and its key.
func NewIssuer(name string, key ed25519.PrivateKey) *Issuer {
	pub := key.Public().(ed25519.PublicKey)
	return &Issuer{name: name, key: key, kid: base64.RawURLEncoding.EncodeToString(pub[:8]), now: time.Now}
}

// Token gives a token that is valid for ttl. It refuses a role that tokens do not carry and an empty subject.
func (i *Issuer) Token(role Role, subject string, ttl time.Duration) (string, error) {
	if !role.Valid() {
		return "", fmt.Errorf("no token is issued for role %q: it must be customer, support, supervisor or admin", role)
	}
	if subject == "" {
		return "", errors.New("no token is issued without a subject")
	}
	now := i.now()
	t := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{role, jwt.RegisteredClaims{
		Issuer: i.name, Subject: subject, Audience: jwt.ClaimStrings{Audience},
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
	}})
	t.Header["kid"] = i.kid
	return t.SignedString(i.key)
}

// KeySet gives the issuer's public key as a JWK set (RFC 7517, RFC 8037).
func (i *Issuer) KeySet() []byte {
	set := keySet{Keys: []jwk{{KeyType: "OKP", Curve: "Ed25519", ID: i.kid, X: base64.RawURLEncoding.EncodeToString(i.key.Public().(ed25519.PublicKey)), Use: "sig", Algorithm: "EdDSA"}}}
	out, err := json.Marshal(set)
	if err != nil {
		return nil
	}
	return out
}

type keySet struct {
	Keys []jwk `json:"keys"`
}

type jwk struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	ID        string `json:"kid,omitempty"`
	X         string `json:"x"`
	Use       string `json:"use,omitempty"`
	Algorithm string `json:"alg,omitempty"`
}

// Keys finds an issuer's public keys.
type Keys interface {
	// Key gives the key with this id, or the only key where id is empty.
	Key(ctx context.Context, id string) (ed25519.PublicKey, error)
}

// ParseKeys reads a JWK set and keeps its Ed25519 keys; others are left out, since Lethe takes EdDSA only.
func ParseKeys(data []byte) (StaticKeys, error) {
	var set keySet
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("read the JWK set: %w", err)
	}
	keys := StaticKeys{}
	for _, k := range set.Keys {
		if k.KeyType != "OKP" || k.Curve != "Ed25519" {
			continue
		}
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || len(x) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("read the JWK set: key %q is not an Ed25519 key", k.ID)
		}
		keys[k.ID] = ed25519.PublicKey(x)
	}
	if len(keys) == 0 {
		return nil, errors.New("read the JWK set: it holds no Ed25519 key")
	}
	return keys, nil
}

// StaticKeys are public keys by their id.
type StaticKeys map[string]ed25519.PublicKey

// Key implements [Keys].
func (s StaticKeys) Key(_ context.Context, id string) (ed25519.PublicKey, error) {
	if k, ok := s[id]; ok {
		return k, nil
	}
	if id == "" && len(s) == 1 {
		for _, k := range s {
			return k, nil
		}
	}
	return nil, ErrUnauthenticated
}

// RemoteKeys are the keys that an issuer publishes under a URL. They are read when first needed, and again when a token
// names a key that is not among them, but not more often than every ten seconds.
type RemoteKeys struct {
	URL    string
	Client *http.Client

	reading sync.Mutex // held while the keys are read: whoever needs a key that is known does not wait for it
	read    time.Time

	mu   sync.Mutex
	keys StaticKeys
}

func (r *RemoteKeys) known(ctx context.Context, id string) (ed25519.PublicKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys.Key(ctx, id)
}

// Key implements [Keys].
func (r *RemoteKeys) Key(ctx context.Context, id string) (ed25519.PublicKey, error) {
	if k, err := r.known(ctx, id); err == nil {
		return k, nil
	}
	r.reading.Lock()
	defer r.reading.Unlock()
	if k, err := r.known(ctx, id); err == nil {
		return k, nil // read meanwhile
	}
	if time.Since(r.read) < 10*time.Second {
		return nil, ErrUnauthenticated
	}
	r.read = time.Now()
	// The keys are for everybody: they are read also when the client that needed them first has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("read the keys of the token issuer: %w", err)
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("read the keys of the token issuer: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read the keys of the token issuer: status %d: %w", resp.StatusCode, errors.Join(err, ErrUnauthenticated))
	}
	keys, err := ParseKeys(body)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.keys = keys
	r.mu.Unlock()
	return keys.Key(ctx, id)
}

// Verifier checks the tokens of one issuer.
type Verifier struct {
	issuer string
	keys   Keys
	parser *jwt.Parser
}

// leeway is how much clocks may differ.
const leeway = 30 * time.Second

// NewVerifier takes the issuer's name and where its keys are.
func NewVerifier(issuer string, keys Keys) *Verifier {
	return &Verifier{issuer: issuer, keys: keys, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(issuer), jwt.WithAudience(Audience),
		jwt.WithExpirationRequired(), jwt.WithLeeway(leeway),
	)}
}

// Verify gives the principal that a token stands for, or ErrUnauthenticated.
func (v *Verifier) Verify(ctx context.Context, token string) (Principal, error) {
	if len(token) > 8192 {
		return Principal{}, ErrUnauthenticated
	}
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return v.keys.Key(ctx, kid)
	})
	if err != nil {
		return Principal{}, errors.Join(ErrUnauthenticated, err)
	}
	if !c.Role.Valid() || c.Subject == "" {
		return Principal{}, ErrUnauthenticated
	}
	return Principal{Subject: c.Subject, Role: c.Role, Expires: c.ExpiresAt.Add(leeway)}, nil
}

// Bearer gives the token of an Authorization header, or "" where there is none.
func Bearer(h http.Header) string {
	scheme, token, ok := strings.Cut(h.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
