package erasure

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// surveyWithin bounds how long a survey waits for its slowest service: a person waits for it.
const surveyWithin = 8 * time.Second

// Survey is the workflow that asks what services hold of a subject.
func Survey(ctx workflow.Context, in workflows.SurveyRequest) (workflows.Survey, error) {
	located, err := ask[workflows.Located](ctx, in, workflows.PrivacyLocate)
	return workflows.Survey{Located: located}, err
}

// Export is the workflow that has services leave exports.
func Export(ctx workflow.Context, in workflows.SurveyRequest) (workflows.Exports, error) {
	refs, err := ask[workflows.ExportRef](ctx, in, workflows.PrivacyExport)
	return workflows.Exports{Refs: refs}, err
}

// ask runs one activity of the contract in several services at once, and gives the answers in their order.
func ask[T any](ctx workflow.Context, in workflows.SurveyRequest, activity string) ([]T, error) {
	futures := make([]workflow.Future, len(in.Services))
	for i, service := range in.Services {
		futures[i] = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			TaskQueue: workflows.PrivacyQueue(service), StartToCloseTimeout: surveyWithin, ScheduleToCloseTimeout: surveyWithin,
			RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, MaximumInterval: time.Second},
		}), activity, in.SubjectRef)
	}
	out := make([]T, len(futures))
	for i, f := range futures {
		if err := f.Get(ctx, &out[i]); err != nil {
			return nil, temporal.NewNonRetryableApplicationError("a service did not answer", workflows.ErrTypeNoParticipant, nil, in.Services[i])
		}
	}
	return out, nil
}
