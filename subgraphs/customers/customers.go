// Package customers is the subgraph that owns customers: profile, addresses and consent. It is the front of the erasure
// workflow: staff ask for erasures here, and the records of all erasures stand in its database.
package customers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/client"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/subgraphs/customers/graph"
	"github.com/lethe/lethe/workflows"
)

//go:generate go tool gqlgen generate --config gqlgen.yml

// name is the service's name in the supergraph.
const name = "customers"

// Policy is how the shop erases.
type Policy struct {
	// Approval says whether a second person must approve an erasure.
	Approval bool
	// GraceDays is for how many days an erasure can be cancelled where a request does not say it: 0 to 30.
	GraceDays int
}

// Options are what the service works with.
type Options struct {
	DB       *mongo.Database
	Redis    *redis.Client
	Temporal client.Client
	Gate     *identity.Gate
	Log      *slog.Logger
	// Supergraph gives the composed schema, which the data map and the participants of an erasure are read from.
	Supergraph func() string
	// Retention is schema/retention.yaml.
	Retention []byte
	Keys      privacy.Keys
	Policy    Policy
	// BuildID makes the workers versioned ones; empty for none.
	BuildID string
}

func (o Options) check() error {
	switch {
	case o.DB == nil || o.Redis == nil || o.Temporal == nil || o.Gate == nil || o.Log == nil || o.Supergraph == nil:
		return errors.New("customers needs a database, Redis, Temporal, a gate, a log and the supergraph")
	case o.Policy.GraceDays < 0 || o.Policy.GraceDays > maxGraceDays:
		return fmt.Errorf("the grace of erasures is %d days: it must be from 0 to %d", o.Policy.GraceDays, maxGraceDays)
	}
	return nil
}

// New gives the service. It makes the indexes that are missing, and refuses a supergraph whose personal data of customers
// it does not know how to erase.
func New(ctx context.Context, o Options) (*chassis.Service, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	rules, err := privacy.ReadRules(o.Retention)
	if err != nil {
		return nil, err
	}
	if err := mongodb.EnsureIndexes(ctx, o.DB, indexes()); err != nil {
		return nil, err
	}
	data, err := datamap.Read(o.Supergraph())
	if err != nil {
		return nil, err
	}
	s := newStore(o.DB)
	participant, err := newParticipant(s, data, rules, o)
	if err != nil {
		return nil, err
	}
	feed := changes.New(changes.Options{Redis: o.Redis, Topic: "erasures:changed:", Log: o.Log})
	office := &office{
		store: s, temporal: o.Temporal, redis: o.Redis, changes: feed, participant: participant, data: data, rules: rules, keys: o.Keys, policy: o.Policy, log: o.Log,
	}
	mux := http.NewServeMux()
	mux.Handle("/graphql", graphqlserver.New(graph.NewExecutableSchema(graph.Config{Resolvers: &resolver{store: s, office: office}}), o.Gate, o.Log))
	records := &records{store: s, changes: feed}
	return &chassis.Service{
		Name:    name,
		Handler: mux,
		Run: []func(context.Context) error{
			durable.Worker(o.Temporal, workflows.QueueErasure, o.BuildID, records.register),
			durable.Worker(o.Temporal, workflows.PrivacyQueue(name), o.BuildID, participant.Register),
			(&sweeper{store: s, office: office, log: o.Log}).run,
			feed.Run,
		},
	}, nil
}
