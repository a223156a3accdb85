package identity_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lethe/lethe/chassis/identity"
)

const issuerName = "https://issuer.example"

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func keySet(t testing.TB, issuers ...*identity.Issuer) identity.StaticKeys {
	t.Helper()
	all := identity.StaticKeys{}
	for _, i := range issuers {
		keys, err := identity.ParseKeys(i.KeySet())
		if err != nil {
			t.Fatal(err)
		}
		for id, k := range keys {
			all[id] = k
		}
	}
	return all
}

// kid gives the id under which an issuer publishes its key.
func kid(t testing.TB, i *identity.Issuer) string {
	t.Helper()
	for id := range keySet(t, i) {
		return id
	}
	return ""
}

func TestVerify(t *testing.T) {
	t.Parallel()
	issuer, stranger := identity.NewIssuer(issuerName, key(1)), identity.NewIssuer(issuerName, key(2))
	v := identity.NewVerifier(issuerName, keySet(t, issuer))
	now := time.Now()
	good := jwt.MapClaims{"iss": issuerName, "aud": identity.Audience, "sub": "cus_1", "role": "customer", "exp": now.Add(time.Hour).Unix()}
	with := func(name string, value any) jwt.MapClaims {
		c := jwt.MapClaims{}
		for k, v := range good {
			c[k] = v
		}
		if c[name] = value; value == nil {
			delete(c, name)
		}
		return c
	}
	sign := func(method jwt.SigningMethod, key any, id string, c jwt.Claims) string {
		t.Helper()
		token := jwt.NewWithClaims(method, c)
		if id != "" {
			token.Header["kid"] = id
		}
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	id := kid(t, issuer)
	for name, c := range map[string]struct {
		token string
		valid bool
	}{
		"a good token":                  {sign(jwt.SigningMethodEdDSA, key(1), id, good), true},
		"without a key's id":            {sign(jwt.SigningMethodEdDSA, key(1), "", good), true}, // there is one key
		"expired a little":              {sign(jwt.SigningMethodEdDSA, key(1), id, with("exp", now.Add(-20*time.Second).Unix())), true},
		"expired":                       {sign(jwt.SigningMethodEdDSA, key(1), id, with("exp", now.Add(-time.Minute).Unix())), false},
		"without an end":                {sign(jwt.SigningMethodEdDSA, key(1), id, with("exp", nil)), false},
		"not yet valid":                 {sign(jwt.SigningMethodEdDSA, key(1), id, with("nbf", now.Add(time.Hour).Unix())), false},
		"of another issuer":             {sign(jwt.SigningMethodEdDSA, key(1), id, with("iss", "https://other.example")), false},
		"for another audience":          {sign(jwt.SigningMethodEdDSA, key(1), id, with("aud", "other")), false},
		"without a subject":             {sign(jwt.SigningMethodEdDSA, key(1), id, with("sub", nil)), false},
		"without a role":                {sign(jwt.SigningMethodEdDSA, key(1), id, with("role", nil)), false},
		"with a role that nobody has":   {sign(jwt.SigningMethodEdDSA, key(1), id, with("role", "root")), false},
		"with the role of a worker":     {sign(jwt.SigningMethodEdDSA, key(1), id, with("role", string(identity.Service))), false},
		"with nobody's role":            {sign(jwt.SigningMethodEdDSA, key(1), id, with("role", string(identity.Anonymous))), false},
		"signed by a stranger":          {sign(jwt.SigningMethodEdDSA, key(2), id, good), false},
		"of a key that is not known":    {sign(jwt.SigningMethodEdDSA, key(2), kid(t, stranger), good), false},
		"not signed":                    {sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, id, good), false},
		"signed with the public key":    {sign(jwt.SigningMethodHS256, []byte(key(1).Public().(ed25519.PublicKey)), id, good), false},
		"with another payload":          {swapPayload(sign(jwt.SigningMethodEdDSA, key(1), id, good), sign(jwt.SigningMethodEdDSA, key(2), id, with("role", "admin"))), false},
		"cut off":                       {strings.TrimRight(sign(jwt.SigningMethodEdDSA, key(1), id, good), "ABCDEFGHIJKLMNOPQRSTUVWXYZ") + "!", false},
		"what is no token":              {"Bearer", false},
		"nothing":                       {"", false},
		"more than anybody may send us": {sign(jwt.SigningMethodEdDSA, key(1), id, with("x", strings.Repeat("x", 8192))), false},
	} {
		p, err := v.Verify(t.Context(), c.token)
		if (err == nil) != c.valid || err != nil && !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		if c.valid && (p.Subject != "cus_1" || p.Role != identity.Customer || !p.Expires.After(now)) {
			t.Errorf("%s stands for %+v", name, p)
		}
		if !c.valid && p != (identity.Principal{}) {
			t.Errorf("%s stands for somebody: %+v", name, p)
		}
	}
}

func swapPayload(token, other string) string {
	a, b := strings.Split(token, "."), strings.Split(other, ".")
	return a[0] + "." + b[1] + "." + a[2]
}

func TestIssuerRefuses(t *testing.T) {
	t.Parallel()
	issuer := identity.NewIssuer(issuerName, key(1))
	v := identity.NewVerifier(issuerName, keySet(t, issuer))
	for _, role := range []identity.Role{identity.Customer, identity.Support, identity.Supervisor, identity.Admin} {
		token, err := issuer.Token(role, "x_1", time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := v.Verify(t.Context(), token); err != nil || p.Role != role || p.Subject != "x_1" {
			t.Errorf("%s: %+v, %v", role, p, err)
		}
		if _, err := issuer.Token(role, "", time.Minute); err == nil {
			t.Errorf("%s: a token for nobody", role)
		}
	}
	for _, role := range []identity.Role{identity.Service, identity.Anonymous, "", "root"} {
		if _, err := issuer.Token(role, "x_1", time.Minute); err == nil {
			t.Errorf("a token for role %q", role)
		}
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	x := base64.RawURLEncoding.EncodeToString(key(1).Public().(ed25519.PublicKey))
	for text, want := range map[string]int{
		`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + x + `"},{"kty":"RSA","kid":"b"}]}`: 1,
		`{"keys":[{"kty":"RSA","kid":"b"}]}`:                        0,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`:       0,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"not base64"}]}`: 0,
		`{"keys":[]}`: 0, `[]`: 0, ``: 0,
	} {
		keys, err := identity.ParseKeys([]byte(text))
		if len(keys) != want || (err == nil) != (want > 0) {
			t.Errorf("%s holds %v, %v", text, keys, err)
		}
	}
}

// TestKeyRotation publishes another key: tokens of the new one are taken as soon as one comes, and unknown keys do not have
// the issuer asked again and again.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	before, after := identity.NewIssuer(issuerName, key(1)), identity.NewIssuer(issuerName, key(2))
	var published atomic.Pointer[identity.Issuer]
	var asked atomic.Int32
	published.Store(before)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(published.Load().KeySet())
	}))
	t.Cleanup(server.Close)
	check := func(v *identity.Verifier, i *identity.Issuer) error {
		t.Helper()
		token, err := i.Token(identity.Support, "staff_1", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		_, err = v.Verify(t.Context(), token)
		return err
	}
	keys := &identity.RemoteKeys{URL: server.URL, Client: server.Client()}
	v := identity.NewVerifier(issuerName, keys)
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if err := check(v, before); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	published.Store(after)
	for range 5 {
		if err := check(v, after); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("a key that is not known yet: %v", err)
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times", n)
	}
	// A process that starts now, and one whose pause is over, know the new key and not the old one.
	fresh := identity.NewVerifier(issuerName, &identity.RemoteKeys{URL: server.URL, Client: server.Client()})
	if err := check(fresh, after); err != nil {
		t.Error(err)
	}
	if err := check(fresh, before); !errors.Is(err, identity.ErrUnauthenticated) {
		t.Errorf("a key that is withdrawn: %v", err)
	}
}

// answers is an issuer's web server in the process.
type answers func() (status int, body []byte)

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	status, body := a()
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return w.Result(), nil
}

// TestKeysAreReadAgain lets the pause between two readings pass.
func TestKeysAreReadAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before, after := identity.NewIssuer(issuerName, key(1)), identity.NewIssuer(issuerName, key(2))
		status, published := http.StatusOK, before.KeySet()
		keys := &identity.RemoteKeys{URL: "http://issuer.example/keys", Client: &http.Client{Transport: answers(func() (int, []byte) { return status, published })}}
		if _, err := keys.Key(t.Context(), kid(t, before)); err != nil {
			t.Fatal(err)
		}
		published = after.KeySet()
		if _, err := keys.Key(t.Context(), kid(t, after)); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("read again at once: %v", err)
		}
		<-time.After(11 * time.Second)
		if _, err := keys.Key(t.Context(), kid(t, after)); err != nil {
			t.Errorf("not read again after the pause: %v", err)
		}
		status = http.StatusBadGateway
		<-time.After(11 * time.Second)
		if _, err := keys.Key(t.Context(), kid(t, before)); !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("while the issuer is away: %v", err)
		}
		if _, err := keys.Key(t.Context(), kid(t, after)); err != nil {
			t.Errorf("while the issuer is away its keys hold: %v", err)
		}
	})
}

// TestKeysWhileTheyAreRead asks for a key that is known while another is being looked for, and gives up the latter.
func TestKeysWhileTheyAreRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		issuer := identity.NewIssuer(issuerName, key(1))
		answer := make(chan struct{}, 1)
		answer <- struct{}{}
		keys := &identity.RemoteKeys{URL: "http://issuer.example/keys", Client: &http.Client{Transport: answers(func() (int, []byte) {
			<-answer
			return http.StatusOK, issuer.KeySet()
		})}}
		if _, err := keys.Key(t.Context(), kid(t, issuer)); err != nil {
			t.Fatal(err)
		}
		<-time.After(11 * time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		looked := make(chan error, 1)
		go func() {
			_, err := keys.Key(ctx, "unknown")
			looked <- err
		}()
		synctest.Wait()
		if _, err := keys.Key(t.Context(), kid(t, issuer)); err != nil {
			t.Error(err)
		}
		cancel()
		answer <- struct{}{}
		if err := <-looked; !errors.Is(err, identity.ErrUnauthenticated) {
			t.Errorf("the key that is not known: %v", err)
		}
	})
}

func TestBearer(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{"Bearer abc": "abc", "bearer  abc ": "abc", "Basic abc": "", "abc": "", "": ""} {
		if got := identity.Bearer(http.Header{"Authorization": {header}}); got != want {
			t.Errorf("%q holds %q, want %q", header, got, want)
		}
	}
}

func TestPrincipal(t *testing.T) {
	t.Parallel()
	for role, want := range map[identity.Role]struct{ own, other, staff, supervisor bool }{
		identity.Anonymous: {}, identity.Customer: {own: true}, identity.Support: {true, true, true, false},
		identity.Supervisor: {true, true, true, true}, identity.Admin: {true, true, true, true}, identity.Service: {own: true, other: true}, "root": {},
	} {
		p := identity.Principal{Subject: "cus_1", Role: role}
		if p.May("cus_1") != want.own || p.May("cus_2") != want.other || p.Staff() != want.staff || p.Supervisor() != want.supervisor {
			t.Errorf("%s may too much or too little", role)
		}
	}
	if (identity.Principal{Role: identity.Customer}).May("") {
		t.Error("a customer without an id is the customer of what belongs to nobody")
	}
	if p := identity.FromContext(t.Context()); p.Role != identity.Anonymous {
		t.Errorf("without an identity it is %+v", p)
	}
}
