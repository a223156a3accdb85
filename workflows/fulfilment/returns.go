package fulfilment

import (
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/saga"
)

// Return refunds goods that come back, puts them on the shelf, and settles the return. The return stands in the
// order already, so that it can only go forward.
func Return(ctx workflow.Context, in workflows.ReturnRequest) error {
	saga.Insist(ctx, "refund the return", func(ctx workflow.Context) error {
		return do(ctx, workflows.QueueOrders, insistent, workflows.ActivityRefund, workflows.RefundRequest{OrderID: in.OrderID, Step: in.ReturnID, ReturnID: in.ReturnID}, nil)
	})
	if len(in.Allocations) > 0 {
		saga.Insist(ctx, "restock the return", func(ctx workflow.Context) error {
			return do(ctx, workflows.QueueInventory, insistent, workflows.ActivityRestock, workflows.RestockRequest(in), nil)
		})
	}
	saga.Insist(ctx, "settle the return", func(ctx workflow.Context) error {
		return do(ctx, workflows.QueueOrders, insistent, workflows.ActivitySettle, in, nil)
	})
	return nil
}
