// Package identity says who a request is for. At the door the router verifies a token of an issuer (a JWT signed with
// EdDSA); inwards it passes the identity on, signed with a key that it shares with one subgraph, and the subgraph
// refuses whatever is not so signed.
package identity

import (
	"context"
	"errors"
	"time"
)

// Role is what a principal may do. Each staff role may do all that the one before it may.
type Role string

// The roles. Service is a trusted worker of Lethe itself.
const (
	Anonymous  Role = "anonymous"
	Customer   Role = "customer"
	Support    Role = "support"
	Supervisor Role = "supervisor"
	Admin      Role = "admin"
	Service    Role = "service"
)

// Valid reports whether r is a role that a token may carry.
func (r Role) Valid() bool {
	switch r {
	case Customer, Support, Supervisor, Admin:
		return true
	}
	return false
}

// Principal is who a request is for.
type Principal struct {
	// Subject is the customer's id for a customer, the staff id for staff, and empty for the anonymous.
	Subject string
	Role    Role
	// RequestID is the router's id of the request, for logs and error answers.
	RequestID string
	// Expires is when the token of a client's request is no longer taken; zero where there is none. It does not go on to subgraphs.
	Expires time.Time
}

// Staff reports whether p is support, a supervisor or an admin.
func (p Principal) Staff() bool {
	return p.Role == Support || p.Role == Supervisor || p.Role == Admin
}

// Supervisor reports whether p may do what needs a supervisor.
func (p Principal) Supervisor() bool { return p.Role == Supervisor || p.Role == Admin }

// May reports whether p may see and change what belongs to the customer with this id: itself, and staff.
func (p Principal) May(customerID string) bool {
	return p.Staff() || p.Role == Service || p.Role == Customer && p.Subject != "" && p.Subject == customerID
}

// ErrUnauthenticated is answered to a token or a signature that does not hold.
var ErrUnauthenticated = errors.New("the credentials are not valid")

type contextKey struct{}

// NewContext gives a context that carries p.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// FromContext gives the principal of a request; the anonymous one where there is none.
func FromContext(ctx context.Context) Principal {
	if p, ok := ctx.Value(contextKey{}).(Principal); ok {
		return p
	}
	return Principal{Role: Anonymous}
}
