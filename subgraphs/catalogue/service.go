// Package catalogue is the subgraph of what the shop sells: products, prices, categories, pictures and search. It holds
// nothing of any person.
package catalogue

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
	"github.com/lethe/lethe/subgraphs/catalogue/graph"
	"github.com/lethe/lethe/workflows"
)

// Options are what the service works with.
type Options struct {
	DB        *mongo.Database
	Redis     *redis.Client
	Temporal  client.Client
	Gate      *identity.Gate
	Log       *slog.Logger
	PublicURL string // where browsers find the service's images
	BuildID   string
}

// New makes the indexes and gives the service: /graphql for the router, /images for browsers, the activities of fulfilment
// and the reader of stock facts.
func New(ctx context.Context, o Options) (*chassis.Service, error) {
	st, err := newStore(ctx, o.DB)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	r := &resolver{store: st, publicURL: o.PublicURL}
	mux.Handle("/graphql", graphqlserver.New(graph.NewExecutableSchema(graph.Config{Resolvers: r, Complexity: complexity()}), o.Gate, o.Log))
	mux.HandleFunc("GET /images/{name}", image)
	facts := &stockFacts{redis: o.Redis, store: st, log: o.Log}
	return &chassis.Service{
		Name: "catalogue", Handler: mux,
		Run: []func(context.Context) error{
			durable.Worker(o.Temporal, workflows.QueueCatalogue, o.BuildID, (&activities{st}).register),
			facts.follow,
		},
	}, nil
}

// complexity bills lists by how much of them is asked for.
func complexity() graph.ComplexityRoot {
	var c graph.ComplexityRoot
	c.Query.Products = func(child int, first *int, _ *string, last *int, _ *string, _ *graph.ProductFilter, _ *graph.ProductSort) int {
		n := 20
		for _, v := range []*int{first, last} {
			if v != nil {
				n = min(max(*v, 1), 100)
			}
		}
		return 1 + n*child/4
	}
	return c
}
