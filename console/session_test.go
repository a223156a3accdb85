package console

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

func newTestSessions(tb testing.TB, key byte) *sessions {
	tb.Helper()
	s, err := newSessions(bytes.Repeat([]byte{key}, 32), false)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestSessionTampering(t *testing.T) {
	t.Parallel()
	s := newTestSessions(t, 1)
	value, err := s.seal(s.fresh(&Staff{ID: "stf_ada", Role: "support"}, "secret-token"))
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.open(value)
	if err != nil || v.Token != "secret-token" || v.Staff.ID != "stf_ada" || v.mayApprove() {
		t.Fatalf("%+v %v", v, err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil || bytes.Contains(raw, []byte("secret-token")) {
		t.Fatalf("the cookie is not sealed: %v", err)
	}
	for i := range raw {
		forged := bytes.Clone(raw)
		forged[i] ^= 1
		if _, err := s.open(base64.RawURLEncoding.EncodeToString(forged)); err == nil {
			t.Fatalf("byte %d can be changed", i)
		}
	}
	for i := range len(value) {
		if _, err := s.open(value[:i]); err == nil {
			t.Fatalf("it can be cut at %d", i)
		}
	}
	if _, err := newTestSessions(t, 2).open(value); err == nil {
		t.Error("another key opens it")
	}
	secure, err := newSessions(bytes.Repeat([]byte{1}, 32), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := secure.open(value); err == nil {
		t.Error("a cookie of another name opens")
	}
	if c := secure.cookie(value, 1); c.Name != "__Host-lethe-console" || !c.Secure || c.Domain != "" || c.Path != "/" {
		t.Errorf("the secure cookie is %v", c)
	}
	if _, err := s.open(value + strings.Repeat("A", maxCookie)); err == nil {
		t.Error("it has no bound")
	}
	if _, err := s.seal(s.fresh(nil, strings.Repeat("x", maxCookie))); err == nil {
		t.Error("a session that no cookie holds is sealed")
	}
}

func TestSessionEnds(t *testing.T) {
	t.Parallel()
	s := newTestSessions(t, 1)
	begin := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	now := begin
	s.now = func() time.Time { return now }
	open := func(v *session) bool {
		value, err := s.seal(v)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.open(value)
		return err == nil
	}
	v := s.fresh(&Staff{ID: "stf_ada"}, "t")
	for _, c := range []struct {
		at, seen time.Duration
		want     bool
	}{
		{sessionIdle, 0, true},
		{sessionIdle + time.Second, 0, false},
		{sessionLife, sessionLife - time.Minute, true},
		{sessionLife + time.Second, sessionLife, false},
		{0, time.Hour, false},
	} {
		now, v.Seen = begin.Add(c.at), begin.Add(c.seen)
		if got := open(v); got != c.want {
			t.Errorf("at %v, last seen at %v: %v", c.at, c.seen, got)
		}
	}
}

func FuzzSession(f *testing.F) {
	s := newTestSessions(f, 1)
	value, err := s.seal(s.fresh(&Staff{ID: "stf_ada"}, "token"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value)
	f.Add("")
	f.Add("AAAA")
	f.Add(value[:len(value)-4] + "AAAA")
	f.Fuzz(func(t *testing.T, cookie string) {
		v, err := s.open(cookie)
		if err != nil {
			return
		}
		// Only what was sealed under the key opens, by this process or by another of the fuzzer's.
		if v.Token != "token" || v.Staff == nil || v.Staff.ID != "stf_ada" {
			t.Fatalf("a forged cookie opens: %+v", v)
		}
	})
}

func TestWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{label("AWAITING_APPROVAL"), "Awaiting approval"},
		{humanise("erasurePreview"), "erasure preview"},
		{humanise("VERIFY_AGAIN"), "verify again"},
		{humanise("request_id"), "request id"},
		{number(1234567), "1,234,567"},
		{number(-1234), "−1,234"},
		{number(999), "999"},
		{waiting("the grace to end"), "It waits for the grace to end."},
		{waiting("Staff: look."), "Staff: look."},
		{term8601("P8Y"), "8 years"},
		{term8601("P1M"), "1 month"},
		{term8601("PT4H"), "PT4H"},
		{term8601(""), ""},
		{until(now, now.Add(36*time.Hour)), "in 2 days"},
		{until(now, now.Add(3*time.Hour)), "within a day"},
		{until(now, now.Add(-3*time.Hour)), "today"},
		{until(now, now.Add(-30*time.Hour)), "a day ago"},
		{until(now, now.Add(-80*time.Hour)), "3 days ago"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}
