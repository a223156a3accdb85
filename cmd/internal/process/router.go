package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/redisdb"
	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/playground"
	"github.com/lethe/lethe/router/reload"
	"github.com/lethe/lethe/router/server"
	"github.com/lethe/lethe/router/supergraph"
)

// Handler is what a process serves.
type Handler = http.Handler

// RouterOptions say what the router serves.
type RouterOptions struct {
	// Supergraph is the SDL.
	Supergraph string
	Config     server.Config
	// Reload says which files the router is kept on while it runs, if any.
	Reload reload.Options
	// Shop says that it is Lethe's own supergraph: the playground then opens with operations of the shop.
	Shop bool
	// TokenPath is where lethe-dev gives tokens for exploring; empty elsewhere.
	TokenPath string
}

// Router is the configuration of the router's process.
type Router struct {
	options server.Options
	reload  reload.Options
	redis   string // the address of Redis; empty for none
	// Wrap, where set, puts other paths before the router's own.
	Wrap func(Handler) Handler
}

// ReadRouter reads the configuration of the router. Without keys and an issuer it is a router for any supergraph, for
// which all requests are anonymous.
func ReadRouter(env *chassis.Env, o RouterOptions) (*Router, error) {
	sg, err := supergraph.Parse(o.Supergraph)
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	urls, keys := map[string]string{}, map[string][]byte{}
	for _, g := range sg.Subgraphs() {
		if u := env.String(SubgraphURLVariable(g.Name), ""); u != "" {
			urls[g.Name] = env.URL(SubgraphURLVariable(g.Name), "the address of subgraph "+g.Name, "http", "https")
		}
		if env.String(SubgraphKeyVariable(g.Name), "") != "" {
			keys[g.Name] = env.Key(SubgraphKeyVariable(g.Name), 32, "the key that the router shares with subgraph "+g.Name)
		}
	}
	r := &Router{reload: o.Reload, options: server.Options{
		Supergraph: o.Supergraph, URLs: urls, Config: o.Config,
		FindURL: func(subgraph string) string { return env.String(SubgraphURLVariable(subgraph), "") },
	}}
	if env.String("REDIS_URL", "") != "" {
		r.redis = env.URL("REDIS_URL", "the address of Redis, such as redis://host:6379/0", "redis", "rediss")
	}
	var tabs []playground.Tab
	if o.Shop {
		if tabs, err = playground.ShopTabs(); err != nil {
			return nil, err
		}
	}
	r.options.Playground = playground.Handler(playground.Options{Title: "Lethe", Tabs: tabs, TokenPath: o.TokenPath})
	if env.Err() != nil {
		return r, nil
	}
	if len(keys) > 0 {
		signer, err := identity.NewSigner(keys)
		if err != nil {
			return nil, err
		}
		r.options.Outgoing = signer.Outgoing
	}
	if issuer := env.String("JWT_ISSUER", ""); issuer != "" {
		var found identity.Keys
		if inline := env.String("JWT_JWKS", ""); inline != "" {
			static, err := identity.ParseKeys([]byte(inline))
			if err != nil {
				return nil, fmt.Errorf("JWT_JWKS: %w", err)
			}
			found = static
		} else {
			found = &identity.RemoteKeys{
				URL:    env.URL("JWT_JWKS_URL", "where the token issuer publishes its keys, or set JWT_JWKS", "http", "https"),
				Client: &http.Client{Timeout: 5 * time.Second},
			}
		}
		r.options.Identity = asker
		r.options.Authenticator = tokens{identity.NewVerifier(issuer, found)}
	}
	return r, nil
}

// Open builds the router.
func (r *Router) Open(_ context.Context, log *slog.Logger) (*Opened, error) {
	r.options.Log = log.With("service", "router")
	watcher, err := r.watch()
	if err != nil {
		return nil, err
	}
	closeRedis := func() error { return nil }
	if r.redis != "" {
		client, err := redisdb.Open(r.redis, "lethe-router")
		if err != nil {
			return nil, err
		}
		r.options.Redis, closeRedis = client, client.Close
	}
	s, err := server.New(r.options)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the router: %w", err), closeRedis())
	}
	var h http.Handler = s
	if r.Wrap != nil {
		h = r.Wrap(h)
	}
	return &Opened{
		Service: &chassis.Service{Name: "router", Handler: h, Run: []func(context.Context) error{
			func(ctx context.Context) error { return watcher.Run(ctx, s) },
			s.StopWith,
		}}, Whole: true, front: s.Front,
		close: func(context.Context) error { s.Close(); return closeRedis() },
	}, nil
}

// watch begins to watch the files and reads them once more, so that no change is missed.
func (r *Router) watch() (*reload.Watcher, error) {
	r.reload.Log = r.options.Log
	watcher := reload.New(r.reload)
	var err error
	if len(r.reload.Schema.Files()) > 0 {
		if r.options.Supergraph, err = r.reload.Schema.Read(); err != nil {
			return nil, err
		}
	}
	if r.reload.Config != "" {
		if r.options.Config, err = reload.ReadConfig(r.reload.Config); err != nil {
			return nil, err
		}
	}
	return watcher, nil
}

// tokens are the identities of requests, by their bearer tokens.
type tokens struct{ verifier *identity.Verifier }

// Authenticate implements server.Authenticator. A request without a token is anonymous; one with a token that does not
// hold is refused.
func (t tokens) Authenticate(ctx context.Context, header http.Header, requestID string) (context.Context, error) {
	p := identity.Principal{Role: identity.Anonymous, RequestID: requestID}
	if token := identity.Bearer(header); token != "" {
		verified, err := t.verifier.Verify(ctx, token)
		if err != nil {
			return ctx, err
		}
		p.Subject, p.Role, p.Expires = verified.Subject, verified.Role, verified.Expires
	} else if header.Get("Authorization") != "" {
		return ctx, identity.ErrUnauthenticated
	}
	known := p.Role != identity.Anonymous
	grants := authorise.Grants{Authenticated: known}
	if known {
		// What a role may is what its name says: @requiresScopes and @policy of a subgraph name roles.
		grants.Scopes, grants.Policies = []string{string(p.Role)}, []string{string(p.Role)}
	}
	return authorise.NewContext(identity.NewContext(ctx, p), grants), nil
}

// Expiry implements server.Expirer: what is followed with a token ends with it.
func (tokens) Expiry(ctx context.Context) (time.Time, bool) {
	p := identity.FromContext(ctx)
	return p.Expires, !p.Expires.IsZero()
}

// asker gives what the subgraphs know of who asks, which is all that their answers depend on.
func asker(ctx context.Context) (string, bool) {
	p := identity.FromContext(ctx)
	return string(p.Role) + " " + p.Subject, true
}
