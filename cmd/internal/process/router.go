package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/redisdb"
	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/playground"
	"github.com/lethe/lethe/router/reload"
	"github.com/lethe/lethe/router/server"
	"github.com/lethe/lethe/router/settings"
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
// which all requests are anonymous. The error says what is wrong with the supergraph, and what of the configuration does not
// fit it; what is wrong with the environment stands in env.Err. An empty supergraph is one that could not be read, which whoever
// read it reports.
func ReadRouter(env *chassis.Env, o RouterOptions) (*Router, error) {
	r := &Router{reload: o.Reload, options: server.Options{
		Supergraph: o.Supergraph, URLs: map[string]string{}, Config: o.Config,
		FindURL: func(subgraph string) string { return env.String(SubgraphURLVariable(subgraph), "") },
	}}
	var mistakes []error
	if o.Supergraph != "" {
		sg, err := supergraph.Parse(o.Supergraph)
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("read the supergraph: %w", err))
		} else {
			mistakes = append(mistakes, o.located(o.Config.Fits(sg)))
			r.readSubgraphs(env, sg)
		}
	}
	if env.String("REDIS_URL", "") != "" {
		r.redis = readRedis(env)
	}
	var tabs []playground.Tab
	if o.Shop {
		var err error
		if tabs, err = playground.ShopTabs(); err != nil {
			return nil, err
		}
	}
	r.options.Playground = playground.Handler(playground.Options{Title: "Lethe", Tabs: tabs, TokenPath: o.TokenPath})
	r.readIssuer(env)
	return r, errors.Join(mistakes...)
}

// located adds the name of the configuration's file to what is wrong with it.
func (o RouterOptions) located(err error) error {
	var found settings.Problems
	if !errors.As(err, &found) || o.Reload.Config == "" {
		return err
	}
	return reload.InFile(o.Reload.Config, found)
}

// readSubgraphs reads where the subgraphs are, and the keys that are shared with them.
func (r *Router) readSubgraphs(env *chassis.Env, sg *supergraph.Supergraph) {
	keys := map[string][]byte{}
	for _, g := range sg.Subgraphs() {
		if u := env.String(SubgraphURLVariable(g.Name), ""); u != "" {
			r.options.URLs[g.Name] = env.URL(SubgraphURLVariable(g.Name), "the address of subgraph "+g.Name, "http", "https")
		}
		if env.String(SubgraphKeyVariable(g.Name), "") != "" {
			keys[g.Name] = env.Key(SubgraphKeyVariable(g.Name), 32, "the key that the router shares with subgraph "+g.Name)
		}
	}
	if len(keys) == 0 || env.Err() != nil {
		return
	}
	signer, err := identity.NewSigner(keys)
	if err != nil {
		env.Refuse(err)
		return
	}
	r.options.Outgoing = signer.Outgoing
}

// readIssuer reads whose tokens are taken.
func (r *Router) readIssuer(env *chassis.Env) {
	issuer, inline, address := env.String("JWT_ISSUER", ""), env.String("JWT_JWKS", ""), env.String("JWT_JWKS_URL", "")
	if issuer == "" {
		for name, value := range map[string]string{"JWT_JWKS": inline, "JWT_JWKS_URL": address} {
			if value != "" {
				env.Refuse(fmt.Errorf("JWT_ISSUER is not set, but %s is: it must hold the name of the issuer in tokens, or every request would be anonymous", name))
			}
		}
	}
	var found identity.Keys
	switch {
	case inline != "" && address != "":
		env.Refuse(errors.New("JWT_JWKS and JWT_JWKS_URL are both set: leave one out"))
		return
	case inline != "":
		static, err := readKeySet(inline)
		if err != nil {
			env.Refuse(fmt.Errorf("JWT_JWKS %w", err))
			return
		}
		found = static
	case issuer != "" || address != "":
		found = &identity.RemoteKeys{
			URL:    env.URL("JWT_JWKS_URL", "where the token issuer publishes its keys, or set JWT_JWKS", "http", "https"),
			Client: &http.Client{Timeout: 5 * time.Second},
		}
	}
	if issuer != "" && found != nil {
		r.options.Identity, r.options.Principal = asker, principal
		r.options.Authenticator = tokens{identity.NewVerifier(issuer, found)}
	}
}

// readKeySet reads a JWK set. The error says what to write in its place.
func readKeySet(text string) (identity.Keys, error) {
	switch {
	case strings.HasPrefix(text, "http://"), strings.HasPrefix(text, "https://"):
		return nil, errors.New("is an address: it must hold the JWK set itself, as JSON; an address belongs into JWT_JWKS_URL")
	case !strings.HasPrefix(text, "{"):
		return nil, errors.New(`is no JWK set: it must hold one as JSON, {"keys":[...]}; not the name of a file, and no single key`)
	}
	keys, err := identity.ParseKeys([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("is not right: %w", err)
	}
	return keys, nil
}

// Check builds the router and leaves it: what only that shows is wrong, such as a manifest that cannot be read, is in the error.
func (r *Router) Check() error {
	o := r.options
	o.Log = slog.New(slog.DiscardHandler)
	s, err := server.New(o)
	if err != nil {
		return err
	}
	s.Close()
	return nil
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
	service := s.Service()
	if r.Wrap != nil {
		service.Handler = r.Wrap(service.Handler)
	}
	service.Run = append(service.Run, func(ctx context.Context) error { return watcher.Run(ctx, s) })
	return &Opened{
		Service: service, Whole: true, front: s.Front,
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

// principal returns whom a request is charged to: staff and services have limits of their own.
func principal(ctx context.Context) server.Principal {
	p := identity.FromContext(ctx)
	switch {
	case p.Role == identity.Anonymous:
		return server.Principal{}
	case p.Staff() || p.Role == identity.Service:
		return server.Principal{Kind: server.Service, Subject: p.Subject}
	}
	return server.Principal{Kind: server.SignedIn, Subject: p.Subject}
}

// asker gives what the subgraphs know of who asks, which is all that their answers depend on.
func asker(ctx context.Context) (string, bool) {
	p := identity.FromContext(ctx)
	return string(p.Role) + " " + p.Subject, true
}
