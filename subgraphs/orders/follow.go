package orders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/shipping"
)

// Bounds of following the courier.
const (
	followAtOnce = 16
	followTries  = 3
	followPause  = time.Second
	tellWithin   = 10 * time.Second
)

// follower reads the courier's events and tells the workflows of their orders. What cannot be told is left: a workflow asks
// the courier itself from time to time.
type follower struct {
	store    *store
	courier  *shipping.Client
	temporal client.Client
	log      *slog.Logger
}

func (f *follower) run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := f.round(ctx); err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "the courier's events wait", "error", err)
			timer := time.NewTimer(followPause)
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
			timer.Stop()
		}
	}
	return nil
}

// round tells the events after the last one that was told, and waits for some where there are none.
func (f *follower) round(ctx context.Context) error {
	after, err := f.told(ctx)
	if err != nil {
		return err
	}
	events, err := f.courier.Events(ctx, after, shipping.MaxWait)
	if err != nil || len(events) == 0 {
		return err
	}
	// An order's events are told one after the other, different orders' at the same time.
	var orders []string
	by := map[string][]shipping.Event{}
	for _, e := range events {
		if by[e.OrderID] == nil {
			orders = append(orders, e.OrderID)
		}
		by[e.OrderID] = append(by[e.OrderID], e)
	}
	var wg sync.WaitGroup
	slot := make(chan struct{}, followAtOnce)
	for _, id := range orders {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			for _, e := range by[id] {
				f.tell(ctx, e)
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return f.remember(ctx, events[len(events)-1].Sequence)
}

func (f *follower) tell(ctx context.Context, e shipping.Event) {
	for try := 1; ctx.Err() == nil; try++ {
		err := f.update(ctx, e)
		if err == nil {
			return
		}
		if try == followTries {
			f.log.WarnContext(ctx, "an event of the courier could not be told", "order", e.OrderID, "parcel", e.ParcelID, "status", e.Status, "error", err)
			return
		}
	}
}

func (f *follower) update(ctx context.Context, e shipping.Event) error {
	ctx, cancel := context.WithTimeout(ctx, tellWithin)
	defer cancel()
	handle, err := f.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.FulfilID(e.OrderID), UpdateID: fmt.Sprintf("courier/%s/%s", e.ParcelID, e.Status), UpdateName: workflows.UpdateShipment,
		Args:         []any{workflows.ShipmentEvent{OrderID: e.OrderID, ShipmentID: e.ParcelID, Status: e.Status, Actor: workflows.ActorCourier}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	var (
		refused *temporal.ApplicationError
		gone    *serviceerror.NotFound
	)
	if errors.As(err, &refused) || errors.As(err, &gone) {
		return nil // the workflow knows better, or has ended
	}
	return err
}

type bookmark struct {
	After int64 `bson:"after"`
}

func (f *follower) told(ctx context.Context) (int64, error) {
	var b bookmark
	err := f.store.courier.FindOne(ctx, byID("events")).Decode(&b)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return 0, fmt.Errorf("read which event of the courier was told last: %w", err)
	}
	return b.After, nil
}

func (f *follower) remember(ctx context.Context, sequence int64) error {
	_, err := f.store.courier.UpdateOne(ctx, byID("events"), bson.D{{Key: "$max", Value: bookmark{sequence}}}, options.UpdateOne().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("remember which event of the courier was told last: %w", err)
	}
	return nil
}
