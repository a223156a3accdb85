package fulfilment

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// policy is how long an activity may take and for how long it is tried again.
type policy struct {
	attempt time.Duration // one try
	budget  time.Duration // all of them
}

var (
	// patient waits for a service that is down for as long as it may be down.
	patient = policy{attempt: 15 * time.Second, budget: 30 * 24 * time.Hour}
	// insistent is for what is inside [saga.Insist], which asks for an operator when the budget is used up.
	insistent = policy{attempt: 45 * time.Second, budget: time.Hour}
)

// provider is for the payment provider, which is given up after a while.
func provider(within time.Duration) policy {
	return policy{attempt: min(45*time.Second, within), budget: within}
}

// do runs an activity on the queue of the service that has it. Out is nil where there is nothing to learn.
func do(ctx workflow.Context, queue string, p policy, activity string, in, out any) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              queue,
		StartToCloseTimeout:    p.attempt,
		ScheduleToCloseTimeout: p.budget,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
	return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, out)
}

// refusal tells whether an activity answered with a refusal of a type.
func refusal(err error, kind string) (*temporal.ApplicationError, bool) {
	var refused *temporal.ApplicationError
	if errors.As(err, &refused) && refused.Type() == kind {
		return refused, true
	}
	return nil, false
}
