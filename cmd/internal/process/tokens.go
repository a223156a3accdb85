package process

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/identity"
)

// devTokenLife is how long a token for exploring is valid.
const devTokenLife = 12 * time.Hour

// NewTokenHandler gives lethe-dev's endpoint for tokens: it answers with the token alone. Without a subject the token is
// for customer, or for a member of the demonstration's staff. It answers programs of this machine only: DevHeader keeps
// web pages out, the host check those that rebind a name.
func NewTokenHandler(env *chassis.Env, customer string) (http.Handler, error) {
	issuer := ReadIssuer(env)
	if err := env.Err(); err != nil {
		return nil, err
	}
	subjects := map[identity.Role]string{
		identity.Customer: customer, identity.Support: "stf_ada", identity.Supervisor: "stf_jun", identity.Admin: "stf_root",
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil || host != "127.0.0.1" && host != "localhost" || r.Header.Get(DevHeader) == "" {
			http.Error(w, "ask from this machine, with the header "+DevHeader+": 1", http.StatusForbidden)
			return
		}
		role := identity.Role(r.URL.Query().Get("role"))
		subject := r.URL.Query().Get("subject")
		if subject == "" {
			subject = subjects[role]
		}
		token, err := issuer.Token(role, subject, devTokenLife)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		_, _ = fmt.Fprint(w, token)
	}), nil
}
