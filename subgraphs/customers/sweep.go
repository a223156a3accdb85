package customers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/workflows"
)

// How often the sweeper looks, how old what it takes up is at least, and how much it takes up at a time.
const (
	sweepEvery = 10 * time.Second
	sweepAge   = 5 * time.Second
	sweepLimit = 200
)

// sweeper starts the erasures that a process did not come to start after it had written them down.
type sweeper struct {
	store  *store
	office *office
	log    *slog.Logger
}

func (s *sweeper) run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := s.sweep(ctx, now().Add(-sweepAge)); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "erasures could not be swept", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// sweep takes up what was asked for before a moment and never got further.
func (s *sweeper) sweep(ctx context.Context, before time.Time) error {
	found, err := all[Erasure](ctx, s.store.erasures, bson.D{
		{Key: "status", Value: workflows.StateRequested}, {Key: "requestedAt", Value: bson.D{{Key: "$lt", Value: before}}},
	}, options.Find().SetLimit(sweepLimit))
	if err != nil {
		return fmt.Errorf("find erasures that were not started: %w", err)
	}
	for _, e := range found {
		if err := s.office.start(ctx, e, true); err != nil {
			return err
		}
	}
	return nil
}
