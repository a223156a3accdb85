package erasure

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// undoneWithin is how long a cancellation waits to be answered that all is undone. It is decided before that.
const undoneWithin = 5 * time.Second

// listen takes the commands of staff: updates, so that who gives one learns whether it came too late.
func (e *erasure) listen(ctx workflow.Context) error {
	approve := func(ctx workflow.Context, a workflows.StaffAction) error {
		e.approvedBy = a.By
		return e.shown(ctx)
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateApproveErasure, approve, workflow.UpdateHandlerOptions{Validator: e.mayApprove}); err != nil {
		return err
	}
	cancel := func(ctx workflow.Context, a workflows.StaffAction) error {
		e.cancelledBy = a.By
		e.stop()
		_, err := workflow.AwaitWithTimeout(ctx, undoneWithin, func() bool { return e.recorded })
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateCancelErasure, cancel, workflow.UpdateHandlerOptions{Validator: e.mayCancel}); err != nil {
		return err
	}
	retry := func(ctx workflow.Context, a workflows.StepAction) error {
		e.parked[a.StepID].retry = true
		return e.decided(ctx, a.StepID)
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateRetryStep, retry, workflow.UpdateHandlerOptions{Validator: e.mayRetry}); err != nil {
		return err
	}
	waive := func(ctx workflow.Context, a workflows.StepAction) error {
		e.parked[a.StepID].waive = &a
		return e.decided(ctx, a.StepID)
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateWaiveStep, waive, workflow.UpdateHandlerOptions{Validator: e.mayWaive})
}

// decided waits until a step has left its parking place and that can be read.
func (e *erasure) decided(ctx workflow.Context, stepID string) error {
	d := e.parked[stepID]
	if err := workflow.Await(ctx, func() bool { return e.parked[stepID] != d }); err != nil {
		return err
	}
	return e.shown(ctx)
}

func (e *erasure) mayApprove(_ workflow.Context, a workflows.StaffAction) error {
	switch {
	case a.By == "" || a.By == e.in.RequestedBy:
		return refuse(workflows.ErrTypeSecondPerson, "who asked for an erasure cannot approve it")
	case e.state != workflows.StateAwaitingApproval || e.approvedBy != "" || e.cancelledBy != "":
		return refuse(workflows.ErrTypeWrongState, "the erasure does not wait for an approval")
	}
	return nil
}

func (e *erasure) mayCancel(workflow.Context, workflows.StaffAction) error {
	if e.sealed || e.cancelledBy != "" {
		return refuse(workflows.ErrTypeTooLate, "the erasure is past the point of no return, or cancelled already")
	}
	return nil
}

func (e *erasure) mayRetry(_ workflow.Context, a workflows.StepAction) error {
	if d := e.parked[a.StepID]; d == nil || d.retry || d.waive != nil {
		return refuse(workflows.ErrTypeWrongState, "the step is not parked")
	}
	return nil
}

// mayWaive allows it after the seal alone: before it, an erasure that cannot go on is cancelled.
func (e *erasure) mayWaive(ctx workflow.Context, a workflows.StepAction) error {
	switch {
	case a.By == "" || a.By == e.in.RequestedBy:
		return refuse(workflows.ErrTypeSecondPerson, "who asked for an erasure cannot waive its steps")
	case !e.sealed:
		return refuse(workflows.ErrTypeWrongState, "before the seal no step can be left out: cancel the erasure")
	}
	return e.mayRetry(ctx, a)
}

func refuse(kind, message string) error {
	return temporal.NewNonRetryableApplicationError(message, kind, nil)
}
