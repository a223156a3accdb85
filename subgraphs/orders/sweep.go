package orders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/subgraphs/orders/graph"
	"github.com/lethe/lethe/workflows"
)

// How often the sweeper looks, how old what it takes up is at least, and how much it takes up at a time.
const (
	sweepEvery = 15 * time.Second
	sweepAge   = 15 * time.Second
	sweepLimit = 200
)

// sweeper starts the workflows that a process did not come to start after it had written an order or a return down.
type sweeper struct {
	store *store
	desk  *desk
	log   *slog.Logger
}

func (s *sweeper) run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx, now().Add(-sweepAge)); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "orders could not be swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sweep takes up what has not changed since a moment.
func (s *sweeper) sweep(ctx context.Context, since time.Time) error {
	drafts, err := s.find(ctx, bson.D{{Key: "status", Value: workflows.StatusPending}, {Key: "updatedAt", Value: bson.D{{Key: "$lt", Value: since}}}})
	if err != nil {
		return err
	}
	for _, o := range drafts {
		barred, err := s.desk.subjects.barred(ctx, o.CustomerID)
		if err != nil {
			return err
		}
		switch {
		case barred != nil && barred.Code == graph.UserErrorCodeSubjectErased:
			// It was written while the customer's data was being erased, by a process that did not come to look: nothing of
			// an erased customer is open, so nothing of it has begun.
			if err := s.store.takeBack(ctx, o.ID); err != nil {
				return err
			}
			continue
		case barred != nil:
			continue // an erasure that can still be cancelled: the order waits for what becomes of it
		}
		if err := s.desk.fulfil(ctx, o, workflows.DefaultTerms(), "", "", nil); errors.Is(err, errEnded) {
			s.log.ErrorContext(ctx, "an order is pending whose workflow has ended", "order", o.ID)
		} else if err != nil {
			return err
		}
	}
	returns, err := s.find(ctx, bson.D{{Key: "returns.settled", Value: false}, {Key: "updatedAt", Value: bson.D{{Key: "$lt", Value: since}}}})
	if err != nil {
		return err
	}
	for _, o := range returns {
		for _, r := range o.Returns {
			if r.Settled {
				continue
			}
			if _, err := s.desk.startReturn(ctx, o, r); err != nil && !errors.Is(err, errEnded) {
				return err
			}
		}
	}
	return nil
}

func (s *sweeper) find(ctx context.Context, filter bson.D) ([]*Order, error) {
	cursor, err := s.store.orders.Find(ctx, filter, options.Find().SetLimit(sweepLimit))
	if err != nil {
		return nil, fmt.Errorf("find what was left lying: %w", err)
	}
	var found []*Order
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("find what was left lying: %w", err)
	}
	return found, nil
}
