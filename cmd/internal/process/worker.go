package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/erasure"
	"github.com/lethe/lethe/workflows/fulfilment"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

// Worker is the configuration of the process that runs the workflows.
type Worker struct {
	stores  Stores
	keys    privacy.Keys
	buildID string
}

// ReadWorker reads the configuration of the worker.
func ReadWorker(env *chassis.Env, buildID string) *Worker {
	return &Worker{stores: readStores(env, "ledger"), keys: privacy.LoadKeys(env), buildID: buildID}
}

// Open connects the worker to its servers and builds its service.
func (w *Worker) Open(ctx context.Context, log *slog.Logger) (*Opened, error) {
	c, err := w.stores.open(ctx, "worker", log)
	if err != nil {
		return nil, err
	}
	activities, err := erasure.NewActivities(ctx, erasure.Options{
		DB: c.db, Redis: c.redis, Temporal: c.temporal, Supergraph: schema.Supergraph, Retention: schema.Retention(),
		Keys: w.keys, Log: log.With("service", "worker"),
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the worker: %w", err), c.close(ctx))
	}
	return &Opened{close: c.close, Service: &chassis.Service{
		Name:   "worker",
		Checks: c.checks(),
		Run: []func(context.Context) error{
			durable.Worker(c.temporal, workflows.QueueWorkflows, w.buildID, func(r worker.Registry) {
				fulfilment.Register(r)
				erasure.Register(r, activities)
			}),
		},
	}}, nil
}

// Sandbox is the configuration of the process that plays the outside parties.
type Sandbox struct {
	uri      string
	database string
	stripe   string
	courier  []byte
}

// ReadSandbox reads the configuration of the sandbox.
func ReadSandbox(env *chassis.Env) *Sandbox {
	return &Sandbox{
		uri:      readMongo(env),
		database: readDatabase(env, "MONGODB_DATABASE_SANDBOX", "lethe_sandbox"),
		stripe:   env.Required("STRIPE_API_KEY", "the key that the payment sandbox admits"),
		courier:  env.Key("COURIER_KEY", 32, "the key that signs what goes to the courier and comes from it"),
	}
}

// Open connects the sandboxes to their database.
func (s *Sandbox) Open(ctx context.Context, log *slog.Logger) (*Opened, error) {
	client, err := mongodb.Connect(ctx, s.uri, "lethe-sandbox")
	if err != nil {
		return nil, err
	}
	db := client.Database(s.database)
	stripe, err := payment.NewSandbox(ctx, payment.SandboxOptions{DB: db, APIKey: s.stripe, Log: log.With("service", "payment sandbox")})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the payment sandbox: %w", err), client.Disconnect(ctx))
	}
	courier, err := shipping.NewSandbox(ctx, shipping.SandboxOptions{DB: db, Key: s.courier, Log: log.With("service", "courier sandbox")})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the courier sandbox: %w", err), client.Disconnect(ctx))
	}
	mux := http.NewServeMux()
	// Stripe's SDK takes an address without a path only.
	mux.Handle("/v1/", stripe)
	mux.Handle("/courier/", http.StripPrefix("/courier", courier))
	return &Opened{close: client.Disconnect, Service: &chassis.Service{
		Name: "sandbox", Handler: mux,
		Checks: []chassis.Check{{Name: "mongodb", Probe: func(ctx context.Context) error { return client.Ping(ctx, nil) }}},
	}}, nil
}
