package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/subgraphs/catalogue"
	"github.com/lethe/lethe/subgraphs/customers"
	"github.com/lethe/lethe/subgraphs/inventory"
	"github.com/lethe/lethe/subgraphs/orders"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

// Subgraph is the configuration of one subgraph's process.
type Subgraph struct {
	name    string
	stores  Stores
	gate    *identity.Gate
	buildID string

	publicURL string           // catalogue
	payments  payment.Options  // orders
	shipping  shipping.Options // orders
	keys      privacy.Keys     // orders, customers
	policy    customers.Policy // customers
}

// SubgraphNames are the subgraphs that there are.
func SubgraphNames() []string {
	var names []string
	for _, s := range schema.Subgraphs() {
		names = append(names, s.Name)
	}
	return names
}

// ReadSubgraph reads the configuration of a subgraph's process. What is wrong with it stands in env.Err.
func ReadSubgraph(env *chassis.Env, name, buildID string) (*Subgraph, error) {
	if !slices.Contains(SubgraphNames(), name) {
		return nil, fmt.Errorf("there is no subgraph %q: it must be one of %s", name, strings.Join(SubgraphNames(), ", "))
	}
	s := &Subgraph{name: name, stores: readStores(env, name), gate: gate(env, name), buildID: buildID}
	switch name {
	case "catalogue":
		s.publicURL = env.URL("PUBLIC_URL", "the address at which browsers find the catalogue's images", "http", "https")
	case "orders":
		s.payments = readPayments(env)
		s.shipping = shipping.Options{
			BaseURL: env.URL("COURIER_URL", "the address of the courier or of the sandbox", "http", "https"),
			Key:     env.Key("COURIER_KEY", 32, "the key that signs what goes to the courier and comes from it"),
		}
		s.keys = privacy.LoadKeys(env)
	case "customers":
		s.keys = privacy.LoadKeys(env)
		s.policy = customers.Policy{
			Approval:  env.Bool("ERASURE_APPROVAL", true),
			GraceDays: env.Int("ERASURE_GRACE_DAYS", 7, 0, 30),
		}
	}
	return s, nil
}

// Open connects the subgraph to its servers and builds its service.
func (s *Subgraph) Open(ctx context.Context, log *slog.Logger) (*Opened, error) {
	c, err := s.stores.open(ctx, s.name, log)
	if err != nil {
		return nil, err
	}
	service, err := s.build(ctx, c, log.With("service", s.name))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build subgraph %s: %w", s.name, err), c.close(ctx))
	}
	service.Checks = append(service.Checks, c.checks()...)
	service.Stop = func() chassis.Stop {
		return chassis.Stop{Notice: chassis.NoNotice, Timeout: graphqlserver.Timeout + time.Second} // and a second to send the answer
	}
	return &Opened{Service: service, close: c.close}, nil
}

func (s *Subgraph) build(ctx context.Context, c *connections, log *slog.Logger) (*chassis.Service, error) {
	switch s.name {
	case "catalogue":
		return catalogue.New(ctx, catalogue.Options{
			DB: c.db, Redis: c.redis, Temporal: c.temporal, Gate: s.gate, Log: log, PublicURL: s.publicURL, BuildID: s.buildID,
		})
	case "inventory":
		return inventory.New(ctx, inventory.Options{
			DB: c.db, Redis: c.redis, Temporal: c.temporal, Gate: s.gate, Log: log, BuildID: s.buildID,
		})
	case "orders":
		return orders.New(ctx, orders.Options{
			DB: c.db, Redis: c.redis, Temporal: c.temporal, Gate: s.gate, Log: log,
			Payments: s.payments, Shipping: s.shipping, Keys: s.keys, BuildID: s.buildID,
		})
	default:
		return customers.New(ctx, customers.Options{
			DB: c.db, Redis: c.redis, Temporal: c.temporal, Gate: s.gate, Log: log,
			Supergraph: schema.Supergraph, Retention: schema.Retention(), Keys: s.keys, Policy: s.policy, BuildID: s.buildID,
		})
	}
}

func readPayments(env *chassis.Env) payment.Options {
	address := env.URL("STRIPE_API_URL", "the address of Stripe or of the sandbox", "http", "https")
	if u, err := url.Parse(address); err == nil && strings.Trim(u.Path, "/") != "" {
		env.Refuse(fmt.Errorf("STRIPE_API_URL has the path %q: it must be an address without one", u.Path))
	}
	return payment.Options{
		BaseURL: address,
		APIKey:  env.Required("STRIPE_API_KEY", "the key for Stripe"),
	}
}
