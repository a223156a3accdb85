// Package privacy is the contract between a service and an erasure, and the participant that a service fills in with its
// collections: what is personal in them, whose it is, and what stands in the way. What all services have in common
// (counting, erasing, verifying, tombstones, restriction) is written here once.
package privacy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe/lethe/workflows"
)

// Actions of an erasure, as the schema's ErasureAction names them.
const (
	Delete     = "DELETE"
	Unset      = "UNSET"
	Generalise = "GENERALISE"
	Retain     = "RETAIN"
)

// Field is a personal field of a store's documents.
type Field struct {
	// Path is the field's name in the schema: "ShippingAddress.phone".
	Path string
	// BSON is where it stands in a document, names joined with dots; lists are gone through: "returns.reason".
	BSON     string
	Category string
	Action   string
	// With is what a GENERALISE applies: pure, and the same for what it gave.
	With func(string) string
	// Rule is the retention rule of a RETAIN, and Anchor where the date stands that its term runs from.
	Rule, Anchor string
	// Link marks the field that leads to the subject. It is cut in the same write as all else is erased.
	Link bool
}

// Store is a collection with personal data.
type Store struct {
	Collection *mongo.Collection
	// Subject gives the filter for a customer's documents. It must be indexed.
	Subject func(customerID string) bson.D
	// Whole says that an erasure deletes the documents and not fields of them.
	Whole  bool
	Fields []Field
}

// Participant is a service's part in erasures. Its methods are the activities of the contract.
type Participant struct {
	Service string
	DB      *mongo.Database
	Stores  []Store
	// Blockers tells what of the subject is still under way; nil for nothing ever.
	Blockers func(ctx context.Context, customerID string) ([]workflows.Blocker, error)
	// Drain starts what ends the blockers; nil where they end by themselves.
	Drain func(ctx context.Context, customerID string, cancel bool) error
	// OnRestrict is called when a subject is restricted and when that is undone, for what shows it; nil where nothing does.
	OnRestrict func(ctx context.Context, customerID string, restricted bool) error
	// OnErased is called after a subject was erased, for what is no collection: a search index, a cache.
	OnErased func(ctx context.Context, customerID string) error
	// Notify tells those outside to whom the service disclosed something of the subject: a courier, a payment provider. It
	// gets the ids of the subject's documents by collection, for the link is cut by then; nil where there is nobody. It is
	// repeated until it succeeds.
	Notify func(ctx context.Context, documents map[string][]string) ([]workflows.Recipient, error)
	// Workflows gives the ids of the workflows that ran for a subject, so that the histories of those that have ended are
	// deleted; nil where there are none.
	Workflows func(ctx context.Context, customerID string) ([]string, error)
	Rules     Rules
	Keys      Keys
	Barrier   *Barrier
	// Redis takes exports, encrypted, for as long as it takes to fetch them.
	Redis *redis.Client
}

// Manifest gives what the service declares, with its hash.
func (p *Participant) Manifest() workflows.Manifest {
	var entries []workflows.ManifestEntry
	for _, s := range p.Stores {
		for _, f := range s.Fields {
			e := workflows.ManifestEntry{Path: f.Path, Category: f.Category, Action: f.Action, Rule: f.Rule}
			if !slices.Contains(entries, e) {
				entries = append(entries, e)
			}
		}
	}
	return NewManifest(p.Service, entries)
}

// NewManifest sorts entries and computes their hash.
func NewManifest(service string, entries []workflows.ManifestEntry) workflows.Manifest {
	slices.SortFunc(entries, func(a, b workflows.ManifestEntry) int { return strings.Compare(a.Path, b.Path) })
	h := sha256.New()
	e := json.NewEncoder(h)
	for _, entry := range entries {
		_ = e.Encode(entry) // a hash takes every write, and the entries are plain
	}
	return workflows.Manifest{Service: service, Entries: entries, Hash: hex.EncodeToString(h.Sum(nil))}
}

// locate counts what the service holds of a customer.
func (p *Participant) locate(ctx context.Context, customerID string) (workflows.Located, error) {
	out := workflows.Located{Service: p.Service}
	for _, s := range p.Stores {
		held, ended := make([]workflows.PathHeld, len(s.Fields)), make([]workflows.PathHeld, len(s.Fields)) // a term that has ended keeps nothing
		for i, f := range s.Fields {
			held[i] = workflows.PathHeld{Path: f.Path, Action: f.Action, Rule: f.Rule}
			ended[i] = workflows.PathHeld{Path: f.Path, Action: Unset}
		}
		err := each(ctx, s.Collection, s.Subject(customerID), func(doc bson.Raw) error {
			for i, f := range s.Fields {
				n := len(values(doc, f.BSON))
				if retains, until := p.retains(f, doc); f.Action == Retain && !retains {
					ended[i].Count += n
				} else {
					held[i].Count += n
					if n > 0 {
						held[i].Until = later(held[i].Until, until)
					}
				}
			}
			return nil
		})
		if err != nil {
			return out, err
		}
		for i, h := range held {
			out.Paths = addHeld(out.Paths, h)
			if ended[i].Count > 0 {
				out.Paths = addHeld(out.Paths, ended[i])
			}
		}
	}
	if p.Blockers != nil {
		blockers, err := p.Blockers(ctx, customerID)
		if err != nil {
			return out, err
		}
		out.Blockers = blockers
	}
	return out, nil
}

// addHeld adds a count to those of the same path and action.
func addHeld(all []workflows.PathHeld, h workflows.PathHeld) []workflows.PathHeld {
	for i := range all {
		if all[i].Path == h.Path && all[i].Action == h.Action {
			all[i].Count += h.Count
			all[i].Until = later(all[i].Until, h.Until)
			return all
		}
	}
	return append(all, h)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func anchor(doc bson.Raw, path string) time.Time {
	for _, v := range values(doc, path) {
		if t, ok := v.TimeOK(); ok {
			return t
		}
	}
	return time.Now()
}
