package chassis

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
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
	e.Refuse(fmt.Errorf("%s %s", name, want))
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
	if err != nil || u.Hostname() == "" || !isPort(u.Port()) {
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

// isPort reports whether text is a port that can be connected to, or empty.
func isPort(text string) bool {
	if text == "" {
		return true
	}
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
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

// Refuse notes what is wrong with a variable that was read in another way; nil for nothing.
func (e *Env) Refuse(err error) {
	if err != nil && !slices.ContainsFunc(e.errs, func(known error) bool { return known.Error() == err.Error() }) {
		e.errs = append(e.errs, err) // once, however often the variable is read
	}
}

// Listen returns a variable that must hold an address to listen on, HOST:PORT, of which the host may be left out.
func (e *Env) Listen(name, otherwise string) string {
	v := e.String(name, otherwise)
	if err := CheckListen(v); err != nil {
		e.Refuse(fmt.Errorf("%s %w", name, err))
		return otherwise
	}
	return v
}

// CheckListen returns what is wrong with an address to listen on, nil for nothing.
func CheckListen(address string) error {
	const want = "it must be HOST:PORT, such as :8080 or 127.0.0.1:8080"
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("is %q: %s", address, want)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n > 65535 {
		return fmt.Errorf("is %q: its port must be a number from 0 to 65535", address)
	}
	if !isHost(host) {
		return fmt.Errorf("is %q: %s", address, want)
	}
	return nil
}

// isHost reports whether text may be an IP address or the name of a host, or is empty.
func isHost(text string) bool {
	if text == "" {
		return true
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	labels := strings.Split(strings.TrimSuffix(text, "."), ".")
	for _, label := range labels {
		if label == "" || len(label) > 63 || strings.IndexFunc(label, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		}) >= 0 {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != "" // else it is an IP address that is not right
}

// Address returns a variable that must be set to HOST:PORT, where something else listens.
func (e *Env) Address(name, what string) string {
	v := e.Required(name, what)
	if v == "" {
		return ""
	}
	if host, port, err := net.SplitHostPort(v); err != nil || host == "" || port == "0" || CheckListen(v) != nil {
		e.fail(name, fmt.Sprintf("is %q: it must hold %s", v, what))
	}
	return v
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
