// Package inventory is the subgraph of what can be bought: stock by product and warehouse, and reservations that expire.
// It holds nothing of any person: a reservation names an order.
package inventory

//go:generate go tool gqlgen generate --config gqlgen.yml

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/client"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/subgraphs/inventory/graph"
	"github.com/lethe/lethe/workflows"
)

// Options are what the service works with.
type Options struct {
	DB       *mongo.Database
	Redis    *redis.Client
	Temporal client.Client
	Gate     *identity.Gate
	Log      *slog.Logger
	BuildID  string
}

// New makes the indexes and gives the service: /graphql for the router, the activities of fulfilment, the relay of stock
// facts and the sweeper of reservations that nobody ended.
func New(ctx context.Context, o Options) (*chassis.Service, error) {
	st, err := newStore(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	relay := &relay{store: st, redis: o.Redis, log: o.Log}
	st.changed = relay.wake()
	mux := http.NewServeMux()
	mux.Handle("/graphql", graphqlserver.New(graph.NewExecutableSchema(graph.Config{Resolvers: &resolver{st}}), o.Gate, o.Log))
	return &chassis.Service{
		Name: "inventory", Handler: mux,
		Run: []func(context.Context) error{
			durable.Worker(o.Temporal, workflows.QueueInventory, o.BuildID, (&activities{st}).register),
			relay.run,
			func(ctx context.Context) error { return sweep(ctx, st, o.Log) },
		},
	}, nil
}
