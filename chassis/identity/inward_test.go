package identity_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lethe/lethe/chassis/identity"
)

func shared(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

func newGate(t testing.TB, subgraph string, key []byte) *identity.Gate {
	t.Helper()
	g, err := identity.NewGate(subgraph, key)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func newSigner(t testing.TB, keys map[string][]byte) *identity.Signer {
	t.Helper()
	s, err := identity.NewSigner(keys)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestGate(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, map[string][]byte{"orders": shared(1), "customers": shared(2)})
	gate := newGate(t, "orders", shared(1))
	who := identity.Principal{Subject: "cus_1", Role: identity.Customer, RequestID: "req_1"}
	body := []byte(`{"query":"{ me { id } }"}`)
	good := signer.Value(who, "orders", body)
	if p, err := gate.Open(good, body); err != nil || p != who {
		t.Fatalf("opened %+v, %v", p, err)
	}
	version, rest, _ := strings.Cut(good, ".")
	payload, mac, _ := strings.Cut(rest, ".")
	admin := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"x","role":"admin","exp":99999999999}`))
	for name, c := range map[string]struct {
		value string
		body  []byte
	}{
		"another body":                    {good, []byte(`{"query":"{ customers { id } }"}`)},
		"no body":                         {good, nil},
		"signed for another subgraph":     {signer.Value(who, "customers", body), body},
		"signed with another key":         {newSigner(t, map[string][]byte{"orders": shared(3)}).Value(who, "orders", body), body},
		"another identity":                {version + "." + admin + "." + mac, body},
		"a signature that is cut off":     {version + "." + payload + "." + mac[:20], body},
		"no signature":                    {version + "." + payload + ".", body},
		"nothing but an identity":         {version + "." + payload, body},
		"a signature that is no base64":   {version + "." + payload + ".!" + mac[1:], body},
		"a version that is not known":     {"v2." + rest, body},
		"nothing":                         {"", body},
		"more than a header should be":    {good + strings.Repeat("A", 4096), body},
		"a subgraph that has no key here": {signer.Value(who, "catalogue", body), body},
	} {
		if p, err := gate.Open(c.value, c.body); !errors.Is(err, identity.ErrUnauthenticated) || p != (identity.Principal{}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	for i := range mac { // each character of the signature counts
		tampered := []byte(good)
		at := len(good) - len(mac) + i
		tampered[at] = map[bool]byte{true: 'B', false: 'A'}[tampered[at] == 'A']
		if i == len(mac)-1 {
			continue // its last bits are padding
		}
		if _, err := gate.Open(string(tampered), body); err == nil {
			t.Errorf("with another character at %d it is let in", i)
		}
	}
	if _, err := identity.NewGate("orders", shared(1)[:31]); err == nil {
		t.Error("a gate takes a short key")
	}
	if _, err := identity.NewSigner(map[string][]byte{"orders": shared(1)[:31]}); err == nil {
		t.Error("a signer takes a short key")
	}
}

// TestReplay uses a signed identity again later: it holds for a minute.
func TestReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		gate := newGate(t, "orders", shared(1))
		body := []byte("{}")
		value := newSigner(t, map[string][]byte{"orders": shared(1)}).Value(identity.Principal{Role: identity.Support, Subject: "staff_1"}, "orders", body)
		for _, c := range []struct {
			wait time.Duration
			let  bool
		}{{0, true}, {59 * time.Second, true}, {3 * time.Second, false}, {time.Hour, false}} {
			<-time.After(c.wait)
			if _, err := gate.Open(value, body); (err == nil) != c.let {
				t.Errorf("after %s more: %v", c.wait, err)
			}
		}
	})
}

func TestWrap(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, map[string][]byte{"orders": shared(1)})
	who := identity.Principal{Subject: "cus_1", Role: identity.Customer, RequestID: "req_1"}
	handler := newGate(t, "orders", shared(1)).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || identity.FromContext(r.Context()) != who {
			t.Errorf("the handler sees %+v, %v", identity.FromContext(r.Context()), err)
		}
		_, _ = w.Write(body)
	}))
	send := func(body string, header http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
		for k, v := range header {
			r.Header[k] = v
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	signed := http.Header{}
	signer.Outgoing(identity.NewContext(t.Context(), who), signed, "orders", []byte("hello"))
	if w := send("hello", signed); w.Code != http.StatusOK || w.Body.String() != "hello" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	for name, c := range map[string]struct {
		body   string
		header http.Header
		status int
		code   string
	}{
		"unsigned":   {"hello", nil, http.StatusUnauthorized, "UNAUTHENTICATED"},
		"tampered":   {"hullo", signed, http.StatusUnauthorized, "UNAUTHENTICATED"},
		"very large": {strings.Repeat("x", 4<<20+1), signed, http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE"},
	} {
		if w := send(c.body, c.header); w.Code != c.status || !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) || w.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: answered %d %s", name, w.Code, w.Body)
		}
	}
	elsewhere := http.Header{}
	signer.Outgoing(identity.NewContext(t.Context(), who), elsewhere, "reviews", []byte("hello"))
	if len(elsewhere) > 0 {
		t.Errorf("a subgraph that is not Lethe's own is sent %v", elsewhere)
	}
}

// deadlines is a connection that notes its read deadlines.
type deadlines struct {
	*httptest.ResponseRecorder
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestSlowBodies bounds how long a body may take, and not what comes after it.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
	newGate(t, "orders", shared(1)).Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", http.NoBody))
	if len(w.set) != 2 || w.set[0].IsZero() || !w.set[1].IsZero() {
		t.Errorf("the deadlines are %v", w.set)
	}
}

// FuzzOpen gives the gate any header and any body: only what was signed is let in.
func FuzzOpen(f *testing.F) {
	signer := newSigner(f, map[string][]byte{"orders": shared(1)})
	gate := newGate(f, "orders", shared(1))
	good := signer.Value(identity.Principal{Subject: "cus_1", Role: identity.Customer}, "orders", []byte("{}"))
	f.Add(good, []byte("{}"))
	f.Add("v1..", []byte{})
	f.Add("v1.e30.AAAA", []byte("{}"))
	f.Fuzz(func(t *testing.T, value string, body []byte) {
		p, err := gate.Open(value, body)
		if err == nil && (p.Subject != "cus_1" || string(body) != "{}") {
			t.Errorf("%q is let in with %q as %+v", value, body, p)
		}
		if err != nil && p != (identity.Principal{}) {
			t.Errorf("%q is refused and stands for %+v", value, p)
		}
	})
}
