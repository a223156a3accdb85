package inventory

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/workflows"
)

// activities are what workflows may ask of the inventory.
type activities struct{ store *store }

func (a *activities) register(r worker.Registry) {
	for name, f := range map[string]any{
		workflows.ActivityReserve: a.reserve, workflows.ActivityExtend: a.extend, workflows.ActivityRelease: a.release,
		workflows.ActivityCommit: a.commit, workflows.ActivityRestock: a.restock,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

func (a *activities) reserve(ctx context.Context, in workflows.ReserveRequest) (workflows.Reservation, error) {
	out, err := a.store.allocate(ctx, in)
	var short *shortage
	switch {
	case errors.As(err, &short):
		return out, refusal(errShort, workflows.ErrTypeInsufficientStock, short.Shortage)
	case errors.Is(err, errEnded):
		return out, refusal(errEnded, workflows.ErrTypeWrongState)
	}
	return out, err
}

// refusal is an answer that trying again would not change. It is business as usual, so metrics do not count it as a failure.
func refusal(why error, kind string, details ...any) error {
	return temporal.NewApplicationErrorWithOptions(why.Error(), kind, temporal.ApplicationErrorOptions{
		NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign, Details: details,
	})
}

func (a *activities) extend(ctx context.Context, in workflows.StockRequest) error {
	touched, err := a.store.reservations(ctx, in.OrderID)
	if err != nil {
		return err
	}
	for _, st := range touched {
		if err := a.store.extend(ctx, st, in.OrderID, in.Expires); err != nil {
			return err
		}
	}
	return nil
}

func (a *activities) release(ctx context.Context, in workflows.StockRequest) error {
	return a.store.finish(ctx, in.OrderID, "released")
}

func (a *activities) commit(ctx context.Context, in workflows.StockRequest) error {
	return a.store.finish(ctx, in.OrderID, "committed")
}

func (a *activities) restock(ctx context.Context, in workflows.RestockRequest) error {
	for _, al := range in.Allocations {
		if _, err := a.store.add(ctx, al.ProductID, al.Warehouse, in.ReturnID, kindRestock, "", al.Quantity); err != nil {
			return err
		}
	}
	return nil
}
