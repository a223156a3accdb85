package customers

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/workflows"
)

// open adds the record of an erasure. Where one is under way for the subject it gives that one, and joined is true.
func (s *store) open(ctx context.Context, e *Erasure) (_ *Erasure, joined bool, err error) {
	for {
		_, err := s.erasures.InsertOne(ctx, e)
		if err == nil {
			return e, false, nil
		}
		if !mongo.IsDuplicateKeyError(err) {
			return nil, false, fmt.Errorf("write erasure %s: %w", e.ID, err)
		}
		var running Erasure
		err = s.erasures.FindOne(ctx, bson.D{{Key: "active", Value: e.Active}}).Decode(&running)
		if err == nil {
			return &running, true, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) { // else it has ended in between
			return nil, false, fmt.Errorf("read the erasure that is under way: %w", err)
		}
	}
}

// erasure gives a record, or errNotFound.
func (s *store) erasure(ctx context.Context, id string) (*Erasure, error) {
	var e Erasure
	if err := s.erasures.FindOne(ctx, byID(id)).Decode(&e); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, errNotFound
		}
		return nil, fmt.Errorf("read erasure %s: %w", id, err)
	}
	return &e, nil
}

// erasuresByID gives those of the records that exist, by id.
func (s *store) erasuresByID(ctx context.Context, ids []string) (map[string]*Erasure, error) {
	found, err := all[Erasure](ctx, s.erasures, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, fmt.Errorf("read erasures: %w", err)
	}
	by := make(map[string]*Erasure, len(found))
	for _, e := range found {
		by[e.ID] = e
	}
	return by, nil
}

// underWay gives the erasures of customers that are under way, by the customer's id.
func (s *store) underWay(ctx context.Context, customerIDs []string) (map[string]*Erasure, error) {
	found, err := all[Erasure](ctx, s.erasures, bson.D{{Key: "customerId", Value: bson.D{{Key: "$in", Value: customerIDs}}}, {Key: "active", Value: bson.D{{Key: "$exists", Value: true}}}})
	if err != nil {
		return nil, fmt.Errorf("read erasures under way: %w", err)
	}
	by := make(map[string]*Erasure, len(found))
	for _, e := range found {
		by[e.CustomerID] = e
	}
	return by, nil
}

var newestErasures = []page.Order{{Field: "requestedAt", Descending: true}, {Field: "_id", Descending: true}}

func withStatus(statuses []string) bson.D {
	if len(statuses) == 0 {
		return bson.D{}
	}
	return bson.D{{Key: "status", Value: bson.D{{Key: "$in", Value: statuses}}}}
}

// listErasures gives a window of the erasures, and one more where there is one.
func (s *store) listErasures(ctx context.Context, statuses []string, w page.Window) ([]*Erasure, error) {
	filter := withStatus(statuses)
	if conditions := w.Filter(newestErasures); len(conditions) > 0 {
		filter = append(filter, bson.E{Key: "$and", Value: conditions})
	}
	found, err := all[Erasure](ctx, s.erasures, filter, options.Find().SetSort(w.Sort(newestErasures)).SetLimit(int64(w.Limit+1)))
	if err != nil {
		return nil, fmt.Errorf("list erasures: %w", err)
	}
	return found, nil
}

func (s *store) countErasures(ctx context.Context, statuses []string) (int, error) {
	n, err := s.erasures.CountDocuments(ctx, withStatus(statuses), options.Count().SetLimit(page.MaxCount))
	if err != nil {
		return 0, fmt.Errorf("count erasures: %w", err)
	}
	return int(n), nil
}

// cancelledBecause keeps what staff wrote about a cancellation, while the record still names its customer.
func (s *store) cancelledBecause(ctx context.Context, id, reason string) error {
	_, err := s.erasures.UpdateOne(ctx, append(byID(id), bson.E{Key: "customerId", Value: bson.D{{Key: "$exists", Value: true}}}),
		bson.D{{Key: "$set", Value: bson.D{{Key: "cancelReason", Value: reason}}}})
	if err != nil {
		return fmt.Errorf("write the reason of a cancellation: %w", err)
	}
	return nil
}

// records is the activity that keeps the records.
type records struct {
	store   *store
	changes *changes.Feed
}

func (r *records) register(w worker.Registry) {
	w.RegisterActivityWithOptions(r.record, activity.RegisterOptions{Name: workflows.ErasureRecord})
}

// record writes an erasure's progress down. An older one never replaces a newer, and repeating it changes nothing.
func (r *records) record(ctx context.Context, p workflows.ErasureProgress) error {
	set := bson.D{
		{Key: "sequence", Value: p.Sequence}, {Key: "status", Value: p.Status}, {Key: "approvedBy", Value: p.ApprovedBy}, {Key: "waitingFor", Value: p.WaitingFor},
		{Key: "steps", Value: stepsOf(p.Steps)}, {Key: "retained", Value: keptOf(p.Retained)}, {Key: "updatedAt", Value: now()},
	}
	if p.Certificate != "" {
		set = append(set, bson.E{Key: "certificate", Value: p.Certificate}, bson.E{Key: "issuedAt", Value: p.IssuedAt})
	}
	for _, at := range []struct {
		field string
		time  any
		zero  bool
	}{
		{"graceUntil", p.GraceUntil, p.GraceUntil.IsZero()}, {"sealedAt", p.SealedAt, p.SealedAt.IsZero()}, {"completedAt", p.CompletedAt, p.CompletedAt.IsZero()},
	} {
		if !at.zero {
			set = append(set, bson.E{Key: at.field, Value: at.time})
		}
	}
	update := bson.D{{Key: "$set", Value: set}}
	if ended(p.Status) {
		update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "active", Value: ""}}})
	}
	result, err := r.store.erasures.UpdateOne(ctx, append(byID(p.ErasureID), bson.E{Key: "sequence", Value: bson.D{{Key: "$lt", Value: p.Sequence}}}), update)
	if err != nil {
		return fmt.Errorf("write the record of erasure %s: %w", p.ErasureID, err)
	}
	if result.MatchedCount > 0 {
		r.changes.Announce(ctx, p.ErasureID)
		return nil
	}
	if _, err := r.store.erasure(ctx, p.ErasureID); errors.Is(err, errNotFound) {
		return temporal.NewNonRetryableApplicationError("there is no erasure "+p.ErasureID, workflows.ErrTypeWrongState, nil)
	} else if err != nil {
		return err
	}
	return nil
}

func stepsOf(in []workflows.StepState) []Step {
	out := make([]Step, len(in))
	for i, s := range in {
		out[i] = Step{s.ID, s.Service, s.Name, s.Status, s.Attempts, s.LastError, s.Matched, s.Changed, s.StartedAt, s.EndedAt}
	}
	return out
}

func keptOf(in []workflows.PathHeld) []Kept {
	out := make([]Kept, len(in))
	for i, k := range in {
		out[i] = Kept{k.Path, k.Rule, k.Until, k.Count}
	}
	return out
}
