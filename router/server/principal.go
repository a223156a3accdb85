package server

import (
	"context"
	"hash/maphash"
	"net/http"
	"net/netip"
	"strings"

	"github.com/lethe/lethe/router/authorise"
)

// Kind is a kind of identity, by which limits differ.
type Kind uint8

// The kinds.
const (
	Anonymous Kind = iota
	SignedIn
	// Service is staff, or a service of the operator's own.
	Service
)

// kinds names the kinds in the metrics and the configuration.
var kinds = [...]string{Anonymous: "anonymous", SignedIn: "signedIn", Service: "service"} //nolint:gochecknoglobals // a constant

// Principal is whom a request is charged to.
type Principal struct {
	Kind Kind
	// Subject tells principals of a kind apart; where it is empty their addresses do.
	Subject string
}

// principal returns whom a request with an authenticated context is charged to.
func (s *Server) principal(ctx context.Context) Principal {
	switch {
	case s.options.Authenticator == nil:
		return Principal{}
	case s.options.Principal != nil:
		return s.options.Principal(ctx)
	case authorise.FromContext(ctx).Authenticated:
		return Principal{Kind: SignedIn}
	}
	return Principal{}
}

// account is what a principal's shares are counted under. It is a hash under a seed of this process: whom it is of cannot
// be read from it, and nobody can aim at another's. The zero account has no bound.
type account uint64

// account returns the account of a request's principal: its subject, else the address that it came from.
func (s *Server) account(r *http.Request, p Principal) account {
	if p.Subject != "" {
		return account(maphash.Comparable(s.shares.seed, p))
	}
	host := s.config().Clients.host(r)
	if host == "" {
		return 0
	}
	return account(maphash.String(s.shares.seed, host))
}

// host returns who asks, as far as the network shows it: an IPv4 address, or the first 64 bits of an IPv6 address, since a
// single customer has all that follow (RFC 6177). It returns "" where the connection has no address.
func (c *Clients) host(r *http.Request) string {
	if len(c.trusted) == 0 && !strings.HasPrefix(r.RemoteAddr, "[") {
		host, _, _ := strings.Cut(r.RemoteAddr, ":")
		return host
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	at := peer.Addr().Unmap()
	if c.trusts(at) {
		at = c.behind(r.Header.Values(c.Header), at)
	}
	if at.Is6() {
		if prefix, err := at.WithZone("").Prefix(64); err == nil {
			return prefix.Addr().String() + "/64"
		}
	}
	return at.String()
}

func (c *Clients) trusts(at netip.Addr) bool {
	for _, p := range c.trusted {
		if p.Contains(at) {
			return true
		}
	}
	return false
}

// behind returns the client's address from a header to which each proxy appends the address that asked it: the last one
// that is no trusted proxy's. What stands before that, anybody may have written.
func (c *Clients) behind(values []string, peer netip.Addr) netip.Addr {
	list := strings.Split(strings.Join(values, ","), ",")
	for i := len(list) - 1; i >= 0; i-- {
		at, ok := parseAddress(list[i])
		if !ok {
			return peer
		}
		if peer = at; !c.trusts(at) {
			return at
		}
	}
	return peer
}

// parseAddress reads an address, maybe with a port, as proxies write it.
func parseAddress(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap(), true
	}
	at, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return at.Unmap(), err == nil
}
