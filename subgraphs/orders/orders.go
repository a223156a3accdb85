// Package orders is the subgraph that owns orders: what was bought, where it goes, what became of the payment and the
// parcels, and what came back. It takes orders, has workflows fulfil them, and does its part of each: the order's
// document is what customers read, and only activities move it on.
package orders

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/client"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/subgraphs/orders/graph"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

//go:generate go tool gqlgen generate --config gqlgen.yml

// Options are what the service works with.
type Options struct {
	DB       *mongo.Database
	Redis    *redis.Client
	Temporal client.Client
	Gate     *identity.Gate
	Log      *slog.Logger
	Payments payment.Options
	Shipping shipping.Options
	Keys     privacy.Keys
	// BuildID makes the workers versioned ones; empty for none.
	BuildID string
}

// New gives the service. It makes the indexes that are missing and sends nothing to the payment provider or the courier.
func New(ctx context.Context, o Options) (*chassis.Service, error) {
	if o.DB == nil || o.Redis == nil || o.Temporal == nil || o.Gate == nil || o.Log == nil {
		return nil, errors.New("orders needs a database, Redis, Temporal, a gate and a log")
	}
	payments, err := payment.New(o.Payments)
	if err != nil {
		return nil, err
	}
	courier, err := shipping.New(o.Shipping)
	if err != nil {
		return nil, err
	}
	if err := mongodb.EnsureIndexes(ctx, o.DB, indexes()); err != nil {
		return nil, err
	}
	s := newStore(o.DB, o.Redis, o.Log)
	if len(o.Keys.Idempotency) < 32 || len(o.Keys.Tombstone) < 32 {
		return nil, errors.New("orders needs keys of at least 32 bytes")
	}
	rules, err := privacy.ReadRules(schema.Retention())
	if err != nil {
		return nil, err
	}
	barrier := privacy.NewBarrier(o.DB, o.Keys)
	desk := &desk{store: s, temporal: o.Temporal, hasher: hasher{o.Keys.Idempotency}, subjects: subjects{barrier}, log: o.Log}
	mux := http.NewServeMux()
	mux.Handle("/graphql", graphqlserver.New(graph.NewExecutableSchema(graph.Config{Resolvers: &resolver{store: s, desk: desk}}), o.Gate, o.Log))
	activities := &activities{store: s, payments: payments, courier: courier}
	return &chassis.Service{
		Name:    "orders",
		Handler: mux,
		Run: []func(context.Context) error{
			durable.Worker(o.Temporal, workflows.QueueOrders, o.BuildID, activities.register),
			durable.Worker(o.Temporal, workflows.PrivacyQueue("orders"), o.BuildID, participant(o.DB, o.Redis, desk, o.Keys, rules, barrier).Register),
			(&follower{store: s, courier: courier, temporal: o.Temporal, log: o.Log}).run,
			(&sweeper{store: s, desk: desk, log: o.Log}).run,
			s.changes.Run,
		},
	}, nil
}
