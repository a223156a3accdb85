package erasure

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// listen takes the commands of staff: updates, so that who gives one learns whether it came too late.
func (e *erasure) listen(ctx workflow.Context) error {
	if err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateApproveErasure, func(ctx workflow.Context, a workflows.StaffAction) error {
		e.approvedBy = a.By
		return nil
	}, workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, a workflows.StaffAction) error {
		switch {
		case e.progress.Status != AwaitingApproval || e.approvedBy != "":
			return refuse(workflows.ErrTypeWrongState, "the erasure does not wait for an approval")
		case a.By == e.in.RequestedBy:
			return refuse(workflows.ErrTypeSecondPerson, "who asked for an erasure cannot approve it")
		}
		return nil
	}}); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateCancelErasure, func(ctx workflow.Context, _ workflows.StaffAction) error {
		e.cancelled = true
		return workflow.Await(ctx, func() bool { return e.finished })
	}, workflow.UpdateHandlerOptions{Validator: func(workflow.Context, workflows.StaffAction) error {
		if e.sealed || e.finished || e.cancelled {
			return refuse(workflows.ErrTypeTooLate, "the erasure is past the point of no return")
		}
		return nil
	}}); err != nil {
		return err
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateRetryStep, func(_ workflow.Context, a workflows.StepAction) error {
		e.parked[a.StepID].retry = true
		return nil
	}, workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, a workflows.StepAction) error { return e.mustBeParked(a) }}); err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateWaiveStep, func(_ workflow.Context, a workflows.StepAction) error {
		e.parked[a.StepID].waive = &a
		return nil
	}, workflow.UpdateHandlerOptions{Validator: func(_ workflow.Context, a workflows.StepAction) error {
		if a.By == e.in.RequestedBy {
			return refuse(workflows.ErrTypeSecondPerson, "who asked for an erasure cannot waive its steps")
		}
		return e.mustBeParked(a)
	}})
}

func (e *erasure) mustBeParked(a workflows.StepAction) error {
	if d := e.parked[a.StepID]; d == nil || d.retry || d.waive != nil {
		return refuse(workflows.ErrTypeWrongState, "the step is not parked")
	}
	return nil
}

func refuse(kind, message string) error {
	return temporal.NewNonRetryableApplicationError(message, kind, nil)
}
