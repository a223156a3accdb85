package chassis

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Env reads configuration from environment variables, which all have a type, and collects every error, so that whoever
// starts a process learns of all of them at once.
type Env struct {
	get  func(string) (string, bool)
	errs []error
	seen map[string]bool
}

// NewEnv reads variables through get, which is os.LookupEnv in a process.
func NewEnv(get func(string) (string, bool)) *Env {
	return &Env{get: get, seen: map[string]bool{}}
}

func (e *Env) lookup(name string) (string, bool) {
	e.seen[name] = true
	v, ok := e.get(name)
	return strings.TrimSpace(v), ok && strings.TrimSpace(v) != ""
}

func (e *Env) fail(name, want string) {
	e.errs = append(e.errs, fmt.Errorf("%s %s", name, want))
}

// String gives a variable, or otherwise where it is not set.
func (e *Env) String(name, otherwise string) string {
	if v, ok := e.lookup(name); ok {
		return v
	}
	return otherwise
}

// Required gives a variable that must be set.
func (e *Env) Required(name, what string) string {
	v, ok := e.lookup(name)
	if !ok {
		e.fail(name, "is not set: it must hold "+what)
	}
	return v
}

// URL gives a variable that must be a URL with one of the schemes.
func (e *Env) URL(name, what string, schemes ...string) string {
	v := e.Required(name, what)
	if v == "" {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" {
		e.fail(name, "is not a URL: it must hold "+what)
		return ""
	}
	for _, s := range schemes {
		if u.Scheme == s {
			return v
		}
	}
	e.fail(name, "must start with "+strings.Join(schemes, ":// or ")+"://")
	return ""
}

// Key gives a variable that must hold at least n bytes of secret in base64.
func (e *Env) Key(name string, n int, what string) []byte {
	v := e.Required(name, what)
	if v == "" {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil || len(b) < n {
		e.fail(name, fmt.Sprintf("must hold %s: at least %d bytes in base64", what, n))
		return nil
	}
	return b
}

// Duration gives a variable as a duration between lo and hi, such as "30s".
func (e *Env) Duration(name string, otherwise, lo, hi time.Duration) time.Duration {
	v, ok := e.lookup(name)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < lo || d > hi {
		e.fail(name, fmt.Sprintf("must be a duration from %s to %s, such as \"30s\"", lo, hi))
		return otherwise
	}
	return d
}

// Int gives a variable as a number between lo and hi.
func (e *Env) Int(name string, otherwise, lo, hi int) int {
	v, ok := e.lookup(name)
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < lo || n > hi {
		e.fail(name, fmt.Sprintf("must be a whole number from %d to %d", lo, hi))
		return otherwise
	}
	return n
}

// Bool gives a variable as "true" or "false".
func (e *Env) Bool(name string, otherwise bool) bool {
	v, ok := e.lookup(name)
	if !ok {
		return otherwise
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		e.fail(name, "must be true or false")
		return otherwise
	}
	return b
}

// Err gives all that was wrong, or nil.
func (e *Env) Err() error { return errors.Join(e.errs...) }

// Names gives the variables that were asked for, sorted.
func (e *Env) Names() []string {
	names := make([]string, 0, len(e.seen))
	for n := range e.seen {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}
