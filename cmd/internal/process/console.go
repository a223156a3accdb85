package process

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/console"

	"time"
)

// Console is the configuration of the support staff's pages.
type Console struct {
	router  string
	session []byte
	issuer  *identity.Issuer
	secure  bool
}

// ReadConsole reads the configuration of the console.
func ReadConsole(env *chassis.Env) *Console {
	return &Console{
		router:  env.URL("ROUTER_URL", "the address of the router", "http", "https"),
		session: env.Key("CONSOLE_SESSION_KEY", 32, "the key that seals the sessions of staff"),
		issuer:  ReadIssuer(env),
		secure:  env.Bool("SECURE_COOKIES", false),
	}
}

// Open builds the console's service.
func (c *Console) Open(_ context.Context, log *slog.Logger) (*Opened, error) {
	h, err := console.New(console.Options{
		RouterURL: c.router, SessionKey: c.session, SignIn: demoStaff{c.issuer}, Log: log.With("service", "console"), SecureCookies: c.secure,
	})
	if err != nil {
		return nil, fmt.Errorf("build the console: %w", err)
	}
	return &Opened{
		Service: &chassis.Service{Name: "console", Handler: h},
		close:   func(context.Context) error { return nil },
	}, nil
}

// demoStaff signs the staff of the demonstration in with tokens of the development issuer.
type demoStaff struct{ issuer *identity.Issuer }

// session is how long a member of staff stays signed in.
const session = 8 * time.Hour

// Staff gives the people of the demonstration.
func (demoStaff) Staff() []console.Staff {
	return []console.Staff{
		{ID: "stf_ada", Name: "Ada Brandt", Role: string(identity.Support)},
		{ID: "stf_noor", Name: "Noor Haddad", Role: string(identity.Support)},
		{ID: "stf_jun", Name: "Jun Okafor", Role: string(identity.Supervisor)},
		{ID: "stf_root", Name: "Rosa Admin", Role: string(identity.Admin)},
	}
}

// Token gives the token of a member of staff.
func (d demoStaff) Token(_ context.Context, id string) (string, error) {
	for _, s := range d.Staff() {
		if s.ID == id {
			return d.issuer.Token(identity.Role(s.Role), s.ID, session)
		}
	}
	return "", fmt.Errorf("there is no member of staff %q", id)
}
