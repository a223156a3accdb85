package erasure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/workflows"
)

// Options are what the erasure's own activities work with.
type Options struct {
	DB         *mongo.Database // of the ledger alone
	Redis      *redis.Client
	Temporal   client.Client
	Supergraph func() string
	Retention  []byte
	Keys       privacy.Keys
	Log        *slog.Logger
}

// Activities are the erasure's own activities: the plan, the ledger, caches, histories and the certificate.
type Activities struct {
	o     Options
	rules privacy.Rules
}

// NewActivities makes the indexes of the ledger and gives the activities.
func NewActivities(ctx context.Context, o Options) (*Activities, error) {
	rules, err := privacy.ReadRules(o.Retention)
	if err != nil {
		return nil, err
	}
	_, err = o.DB.Collection("ledger").Indexes().CreateOne(ctx, mongo.IndexModel{
		Keys: bson.D{{Key: "key", Value: 1}}, Options: options.Index().SetUnique(true).SetName("key"),
	})
	if err != nil {
		return nil, fmt.Errorf("make the indexes of the ledger: %w", err)
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
	out := workflows.ErasurePlanned{Waves: m.Waves(), Want: map[string]workflows.Manifest{}}
	if len(out.Waves) == 0 {
		return out, temporal.NewNonRetryableApplicationError("the supergraph annotates no personal data", workflows.ErrTypeNoParticipant, nil)
	}
	hashes := make([]string, 0, len(m.Services()))
	for _, s := range m.Services() {
		out.Want[s] = m.Manifest(s)
		hashes = append(hashes, s+" "+out.Want[s].Hash)
	}
	out.Hash = certificate.Digest([]byte(strings.Join(hashes, "\n")))
	return out, nil
}

// ledgerLine is a line of the ledger. Each names the hash of the one before, so that none can be taken out or changed.
type ledgerLine struct {
	Number   int64     `bson:"_id"`
	Key      string    `bson:"key"` // erasure and event: the same line is never written twice
	Erasure  string    `bson:"erasure"`
	Subject  string    `bson:"subject"`
	Event    string    `bson:"event"`
	At       time.Time `bson:"at"`
	PlanHash string    `bson:"planHash"`
	Previous string    `bson:"previous"`
	Hash     string    `bson:"hash"`
	Document string    `bson:"document,omitempty"` // of a certificate
}

func (l ledgerLine) digest() string {
	return certificate.Digest(fmt.Appendf(nil, "%d\n%s\n%s\n%s\n%s\n%s\n%s", l.Number, l.Key, l.Subject, l.At.UTC().Format(time.RFC3339Nano), l.PlanHash, l.Previous, l.Document))
}

// Ledger appends an event. Repeated, it appends nothing.
func (a *Activities) Ledger(ctx context.Context, in workflows.LedgerEntry) error {
	_, err := a.append(ctx, ledgerLine{
		Key: in.ErasureID + "/" + in.Event, Erasure: in.ErasureID, Subject: in.SubjectHash, Event: in.Event,
		At: in.At.UTC().Truncate(time.Millisecond), PlanHash: in.PlanHash,
	}, nil)
	return err
}

// append adds a line to the end of the chain, which the unique number guards. Make, where given, completes the line when
// the one before it is known.
func (a *Activities) append(ctx context.Context, line ledgerLine, fill func(last ledgerLine, line *ledgerLine) error) (ledgerLine, error) {
	c := a.o.DB.Collection("ledger")
	for {
		var kept ledgerLine
		err := c.FindOne(ctx, bson.D{{Key: "key", Value: line.Key}}).Decode(&kept)
		if err == nil {
			return kept, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return line, fmt.Errorf("read the ledger: %w", err)
		}
		var last ledgerLine
		err = c.FindOne(ctx, bson.D{}, options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(&last)
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return line, fmt.Errorf("read the ledger: %w", err)
		}
		line.Number, line.Previous = last.Number+1, last.Hash
		if fill != nil {
			if err := fill(last, &line); err != nil {
				return line, err
			}
		}
		line.Hash = line.digest()
		_, err = c.InsertOne(ctx, line)
		if err == nil {
			return line, nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return line, fmt.Errorf("write the ledger: %w", err)
		}
	}
}

// Purge removes what caches hold of the subject, and proves that nothing is left. Keys of a subject carry its id.
func (a *Activities) Purge(ctx context.Context, ref workflows.SubjectRef) (workflows.Receipt, error) {
	r := workflows.Receipt{Service: "redis"}
	pattern := "*" + ref.CustomerID + "*"
	keys := a.o.Redis.Scan(ctx, 0, pattern, 1000).Iterator()
	for keys.Next(ctx) {
		r.Matched++
		n, err := a.o.Redis.Unlink(ctx, keys.Val()).Result()
		if err != nil {
			return r, fmt.Errorf("remove a cached key: %w", err)
		}
		r.Changed += int(n)
	}
	if err := keys.Err(); err != nil {
		return r, fmt.Errorf("search the cache: %w", err)
	}
	left := a.o.Redis.Scan(ctx, 0, pattern, 1000).Iterator()
	for left.Next(ctx) {
		r.Remaining++
	}
	if err := left.Err(); err != nil {
		return r, fmt.Errorf("search the cache: %w", err)
	}
	if r.Remaining > 0 {
		return r, errors.New("the cache was filled again meanwhile")
	}
	return r, nil
}

// Histories deletes the histories of the subject's ended workflows. Workflows hold ids alone; what ends later is deleted
// when the namespace's retention ends.
func (a *Activities) Histories(ctx context.Context, ref workflows.SubjectRef) (workflows.Receipt, error) {
	r := workflows.Receipt{Service: "temporal"}
	_, err := a.o.Temporal.DescribeWorkflowExecution(ctx, workflows.EraseID("unknown/"+ref.ErasureID), "")
	var missing *serviceerror.NotFound
	if err != nil && !errors.As(err, &missing) {
		return r, fmt.Errorf("ask Temporal: %w", err)
	}
	return r, nil
}

// Certificate makes the certificate of an erasure, chains it to the one before and keeps it in the ledger. Repeated, it
// gives the same to the byte.
func (a *Activities) Certificate(ctx context.Context, in workflows.CertificateRequest) (workflows.CertificateIssued, error) {
	c := certificate.Certificate{
		Version: certificate.Version, ErasureID: in.ErasureID, Subject: in.SubjectHash, Ground: in.Ground, Regulation: in.Regulation,
		ReceivedAt: in.ReceivedAt.UTC(), DueAt: in.DueAt.UTC(), SealedAt: in.SealedAt.UTC(), ErasedAt: in.ErasedAt.UTC(),
		RequestedBy: in.RequestedBy, ApprovedBy: in.ApprovedBy, PlanHash: in.PlanHash,
		Receipts: []certificate.Receipt{}, Retained: []certificate.Kept{}, Waived: []certificate.Waived{}, Recipients: []string{}, Verified: []certificate.Checked{},
	}
	for _, r := range in.Receipts {
		if !privacy.Signed(a.o.Keys.Receipt, in.SubjectRef, r) {
			return workflows.CertificateIssued{}, temporal.NewNonRetryableApplicationError("a receipt is not signed by its service", workflows.ErrTypeCountMismatch, nil)
		}
		kept := 0
		for _, k := range r.Retained {
			kept += k.Count
			c.Retained = append(c.Retained, certificate.Kept{
				Service: r.Service, Path: k.Path, Rule: k.Rule, Law: a.rules[k.Rule].Law, Until: k.Until.UTC(), Count: k.Count,
			})
		}
		c.Receipts = append(c.Receipts, certificate.Receipt{
			Service: r.Service, Matched: r.Matched, Changed: r.Changed, Retained: kept, Remaining: r.Remaining, ManifestHash: r.ManifestHash,
		})
	}
	for _, w := range in.Waived {
		c.Waived = append(c.Waived, certificate.Waived{Service: w.Service, Step: w.Name, By: w.WaivedBy, Reason: w.Reason})
	}
	for _, f := range in.Findings {
		found := 0
		for _, x := range f.Found {
			found += x.Count
		}
		c.Verified = append(c.Verified, certificate.Checked{Service: f.Service, Documents: f.Documents, Tokens: f.Tokens, Found: found})
	}
	line, err := a.append(ctx, ledgerLine{
		Key: in.ErasureID + "/CERTIFICATE", Erasure: in.ErasureID, Subject: in.SubjectHash, Event: "CERTIFICATE",
		At: time.Now().UTC().Truncate(time.Millisecond), PlanHash: in.PlanHash,
	}, func(last ledgerLine, line *ledgerLine) error {
		c.Previous, c.IssuedAt = last.Hash, line.At
		doc, err := certificate.Sign(c, a.o.Keys.Certificate)
		line.Document = string(doc)
		return err
	})
	if err != nil {
		return workflows.CertificateIssued{}, err
	}
	return workflows.CertificateIssued{IssuedAt: line.At, Document: line.Document}, nil
}
