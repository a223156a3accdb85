package console

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	// minSessionKey is the least length of Options.SessionKey in bytes.
	minSessionKey = 32
	// sessionLife bounds a session from its sign-in, sessionIdle from its last use.
	sessionLife = 8 * time.Hour
	sessionIdle = time.Hour
	// sessionRenew is how old the last use on record may become before the cookie is written anew.
	sessionRenew = 5 * time.Minute
	// maxCookie is what every browser keeps of a cookie, with room for its attributes.
	maxCookie = 3800
)

// session is what the cookie carries, sealed: the page and its scripts never see the token.
type session struct {
	Staff  *Staff    `json:"staff,omitempty"` // nil before sign-in
	Token  string    `json:"token,omitempty"`
	CSRF   string    `json:"csrf"`
	Issued time.Time `json:"issued"`
	Seen   time.Time `json:"seen"`
}

// mayApprove says whether the person may act as the second person of an erasure.
func (s *session) mayApprove() bool {
	return s.Staff != nil && (s.Staff.Role == "supervisor" || s.Staff.Role == "admin")
}

// sessions reads and writes session cookies.
type sessions struct {
	aead   cipher.AEAD
	name   string
	secure bool
	now    func() time.Time
}

// errSession is every reason for which a cookie is no session.
var errSession = errors.New("the cookie is no valid session")

func newSessions(key []byte, secure bool) (*sessions, error) {
	if len(key) < minSessionKey {
		return nil, fmt.Errorf("the session key has %d bytes: it needs at least %d random ones", len(key), minSessionKey)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "lethe console session v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the session key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("make the session cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the session cipher: %w", err)
	}
	name := "lethe-console"
	if secure {
		name = "__Host-" + name // browsers then insist on Secure, no Domain, and the path "/"
	}
	return &sessions{aead: aead, name: name, secure: secure, now: time.Now}, nil
}

// fresh gives a session for somebody who is not signed in, or who is just signing in.
func (s *sessions) fresh(staff *Staff, token string) *session {
	now := s.now().UTC()
	return &session{Staff: staff, Token: token, CSRF: rand.Text(), Issued: now, Seen: now}
}

// seal gives the cookie's value for a session.
func (s *sessions) seal(v *session) (string, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("encode the session: %w", err)
	}
	value := base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(s.name)))
	if len(value) > maxCookie {
		return "", fmt.Errorf("the session takes %d bytes, more than the %d that a cookie holds", len(value), maxCookie)
	}
	return value, nil
}

// open reads a cookie's value. The error is errSession when it was not sealed here, or is over.
func (s *sessions) open(value string) (*session, error) {
	if len(value) > maxCookie {
		return nil, errSession
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, errSession
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(s.name))
	if err != nil {
		return nil, errSession
	}
	var v session
	if err := json.Unmarshal(plain, &v); err != nil || v.CSRF == "" {
		return nil, errSession
	}
	now := s.now()
	if now.Sub(v.Issued) > sessionLife || now.Sub(v.Seen) > sessionIdle || v.Seen.After(now.Add(time.Minute)) {
		return nil, errSession
	}
	return &v, nil
}

// read gives the session of a request, or errSession.
func (s *sessions) read(r *http.Request) (*session, error) {
	c, err := r.Cookie(s.name)
	if err != nil {
		return nil, errSession
	}
	return s.open(c.Value)
}

// write sets the cookie of a session.
func (s *sessions) write(w http.ResponseWriter, v *session) error {
	value, err := s.seal(v)
	if err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(value, int(sessionLife.Seconds())))
	return nil
}

// end removes the cookie.
func (s *sessions) end(w http.ResponseWriter) { http.SetCookie(w, s.cookie("", -1)) }

func (s *sessions) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{Name: s.name, Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteStrictMode}
}

// renew writes the cookie anew when the last use on record is old.
func (s *sessions) renew(w http.ResponseWriter, v *session) error {
	now := s.now().UTC()
	if now.Sub(v.Seen) < sessionRenew {
		return nil
	}
	v.Seen = now
	return s.write(w, v)
}

// genuine says whether a form carries the session's CSRF token.
func (v *session) genuine(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.PostFormValue("csrf")), []byte(v.CSRF)) == 1
}
