package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/workflows"
)

// Options are what the erasure's own activities work with.
type Options struct {
	DB       *mongo.Database // of the ledger alone
	Redis    *redis.Client
	Temporal client.Client
	// Namespace is that of the workflows whose histories are deleted; "default" when empty.
	Namespace string
	// Supergraph gives the composed schema, which the participants and their waves are read from.
	Supergraph func() string
	// Retention is schema/retention.yaml.
	Retention []byte
	Keys      privacy.Keys
	// Routers are the addresses of routers that cache answers; none where no router does. Signer signs what is sent there.
	Routers []string
	Signer  *identity.Signer
	// HTTP calls the routers; a client with a timeout of five seconds when nil.
	HTTP *http.Client
	Log  *slog.Logger
}

// Activities are the erasure's own activities: the plan, the ledger, caches, histories and the certificate.
type Activities struct {
	o     Options
	rules privacy.Rules
}

// NewActivities makes the indexes of the ledger and gives the activities.
func NewActivities(ctx context.Context, o Options) (*Activities, error) {
	if o.DB == nil || o.Redis == nil || o.Temporal == nil || o.Supergraph == nil || o.Log == nil || len(o.Keys.Certificate) == 0 {
		return nil, errors.New("erasures need a database for the ledger, Redis, Temporal, the supergraph, the keys and a log")
	}
	if len(o.Routers) > 0 && o.Signer == nil {
		return nil, errors.New("routers can be told to forget only by what is signed: a signer is missing")
	}
	if o.Namespace == "" {
		o.Namespace = client.DefaultNamespace
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 5 * time.Second}
	}
	rules, err := privacy.ReadRules(o.Retention)
	if err != nil {
		return nil, err
	}
	err = mongodb.EnsureIndexes(ctx, o.DB, []mongodb.Index{
		{Collection: collectionLedger, Keys: bson.D{{Key: "key", Value: 1}}, Options: options.Index().SetUnique(true)},
	})
	if err != nil {
		return nil, err
	}
	return &Activities{o, rules}, nil
}

func (a *Activities) register(r worker.Registry) {
	for name, f := range map[string]any{
		workflows.ErasurePlan: a.Plan, workflows.ErasureLedger: a.Ledger, workflows.ErasurePurge: a.Purge,
		workflows.ErasureHistories: a.Histories, workflows.ErasureCertificate: a.Certificate,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// Plan derives from the supergraph which services take part, in which order, and what each must declare.
func (a *Activities) Plan(_ context.Context, _ workflows.EraseRequest) (workflows.ErasurePlanned, error) {
	m, err := datamap.Read(a.o.Supergraph())
	if err != nil {
		return workflows.ErasurePlanned{}, err
	}
	waves, err := m.Waves()
	if err != nil {
		return workflows.ErasurePlanned{}, err
	}
	out := workflows.ErasurePlanned{Waves: waves, Want: map[string]workflows.Manifest{}}
	if len(waves) == 0 {
		return out, temporal.NewNonRetryableApplicationError("the supergraph annotates no personal data", workflows.ErrTypeNoParticipant, nil)
	}
	hashes := make([]string, 0, len(m.Services()))
	for _, s := range m.Services() {
		out.Want[s] = m.Manifest(s)
		hashes = append(hashes, s+" "+out.Want[s].Hash)
	}
	out.Hash = certificate.Digest(fmt.Appendf(nil, "%v\n%s", waves, strings.Join(hashes, "\n")))
	return out, nil
}
