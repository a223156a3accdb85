package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// A reservation's end is the workflow's business: its timer releases. The sweeper is behind it, for what no workflow ended,
// and lets a moment pass first. A TTL index would be wrong: it deletes and cannot give stock back.
const (
	sweepEvery = 15 * time.Second
	sweepAfter = time.Minute
	marksKept  = 30 * 24 * time.Hour
)

func sweep(ctx context.Context, s *store, log *slog.Logger) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		if err := s.sweepOnce(ctx, s.now().Add(-sweepAfter)); err != nil && ctx.Err() == nil {
			log.Warn("expired reservations cannot be swept", "error", err)
		}
	}
}

// sweepOnce releases the reservations that expired before t, and forgets marks that nobody can need any more.
func (s *store) sweepOnce(ctx context.Context, t time.Time) error {
	cursor, err := s.stock.Find(ctx, bson.D{{Key: "nextExp", Value: bson.D{{Key: "$lt", Value: t}}}}, options.Find().SetLimit(500))
	if err != nil {
		return fmt.Errorf("find expired reservations: %w", err)
	}
	var due []*stock
	if err := cursor.All(ctx, &due); err != nil {
		return fmt.Errorf("find expired reservations: %w", err)
	}
	for _, st := range due {
		var next *time.Time
		for order, h := range st.Res {
			if h.Expires.Before(t) {
				if err := s.end(ctx, st, order, "released"); err != nil {
					return err
				}
				continue
			}
			if next == nil || h.Expires.Before(*next) {
				next = &h.Expires
			}
		}
		unset := bson.D{}
		for order, e := range st.Done {
			if e.At.Before(t.Add(-marksKept)) {
				unset = append(unset, bson.E{Key: "done." + order, Value: ""})
			}
		}
		update := bson.D{}
		if next != nil {
			update = append(update, bson.E{Key: "$set", Value: bson.D{{Key: "nextExp", Value: *next}}})
		} else {
			unset = append(unset, bson.E{Key: "nextExp", Value: ""})
		}
		if len(unset) > 0 {
			update = append(update, bson.E{Key: "$unset", Value: unset})
		}
		// Only while nobody reserved meanwhile: their end is in nextExp.
		if _, err := s.stock.UpdateOne(ctx, bson.D{{Key: "_id", Value: st.ID}, {Key: "nextExp", Value: st.NextExp}}, update); err != nil {
			return fmt.Errorf("note the next end of a reservation: %w", err)
		}
	}
	return nil
}
