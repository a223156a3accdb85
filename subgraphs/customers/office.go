package customers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/subgraphs/customers/graph"
	"github.com/lethe/lethe/workflows"
)

// office takes what staff want of erasures and has the workflow do it. What staff write about a person stays in the
// record: it never enters a workflow.
type office struct {
	store       *store
	temporal    client.Client
	redis       *redis.Client
	changes     *changes.Feed // of erasures
	participant *privacy.Participant
	data        *datamap.Map
	rules       privacy.Rules
	keys        privacy.Keys
	policy      Policy
	log         *slog.Logger
}

// patience bounds how long a client waits for the workflow's answer.
const patience = 10 * time.Second

// errLater is the answer when the workflow cannot be reached.
var errLater = &graphqlserver.Error{Code: "UNAVAILABLE", Message: "Erasures cannot be reached at the moment: try again in a minute."}

// barred gives why nothing may be written for a customer; nothing when it may.
func (o *office) barred(ctx context.Context, customerID string) (refusals, error) {
	var refused refusals
	switch err := o.participant.Barrier.Check(ctx, customerID); {
	case err == nil:
	case errors.Is(err, privacy.ErrErased):
		return erased(), nil
	case errors.Is(err, privacy.ErrRestricted):
		refused.add(graph.UserErrorCodeCustomerRestricted, "An erasure of the customer is under way: cancel it first.")
	default:
		return nil, err
	}
	return refused, nil
}

// request asks for an erasure, or joins the one that is under way. The record is written first and the workflow started
// after; should the process die in between, the sweeper starts it.
func (o *office) request(ctx context.Context, p identity.Principal, in graph.RequestErasureInput) (*Erasure, refusals, error) {
	at := now()
	var refused refusals
	refused.text(in.CustomerID, 1, maxID, "customerId")
	refused.text(text(in.Reason), 0, maxReason, "reason")
	grace := o.policy.GraceDays
	if days := in.GraceDays.Value(); days != nil {
		if grace = *days; grace < 0 || grace > maxGraceDays {
			refused.add(graph.UserErrorCodeInvalid, fmt.Sprintf("The grace is %d days: it must be from 0 to %d.", grace, maxGraceDays), "graceDays")
		}
	}
	received := at
	if t := in.ReceivedAt.Value(); t != nil {
		if received = t.UTC().Truncate(time.Millisecond); received.After(at.Add(time.Minute)) || received.Before(at.AddDate(-10, 0, 0)) {
			refused.add(graph.UserErrorCodeInvalid, "The request cannot have been received then: give a time in the past, of the last ten years.", "receivedAt")
		}
	}
	if len(refused) > 0 {
		return nil, refused, nil
	}
	if _, err := o.store.customer(ctx, in.CustomerID); errors.Is(err, errNotFound) {
		switch err := o.participant.Barrier.Erased(ctx, in.CustomerID); {
		case errors.Is(err, privacy.ErrErased):
			return nil, erased(), nil
		case err != nil:
			return nil, nil, err
		}
		refused.add(graph.UserErrorCodeNotFound, "There is no such customer: check the id.", "customerId")
		return nil, refused, nil
	} else if err != nil {
		return nil, nil, err
	}
	subject := o.keys.SubjectHash(in.CustomerID)
	e, joined, err := o.store.open(ctx, &Erasure{
		ID: newID("era"), SchemaVersion: schemaVersion, CustomerID: in.CustomerID, Subject: subject, Active: subject, Reason: text(in.Reason),
		Ground: string(in.Ground), Regulation: string(in.Regulation), ReceivedAt: received, DueAt: due(string(in.Regulation), received), GraceDays: grace,
		Approval: o.policy.Approval, OpenOrders: string(in.OpenOrders), RequestedBy: p.Subject, RequestedAt: at, Status: workflows.StateRequested,
		Steps: []Step{}, Retained: []Kept{}, UpdatedAt: at,
	})
	if err != nil {
		return nil, nil, err
	}
	if err := o.start(ctx, e, joined); err != nil {
		// It is written down and will be started: for the client nothing is lost.
		o.log.WarnContext(ctx, "an erasure could not be started yet", "erasure", e.ID, "error", err)
	}
	return e, nil, nil
}

// errRunning is answered where another erasure's workflow still runs for the subject.
var errRunning = errors.New("the workflow of an earlier erasure of the subject has not ended yet")

// endWithin bounds how long a new erasure waits for the workflow of one that has ended to be gone.
const endWithin = 3 * time.Second

// start starts an erasure's workflow if none runs for the subject. One that joined is content with the one that runs; for
// a new one that can only be the end of the erasure before it, which is waited for.
func (o *office) start(ctx context.Context, e *Erasure, joined bool) error {
	ctx, cancel := context.WithTimeout(ctx, endWithin)
	defer cancel()
	for {
		err := o.tryStart(ctx, e)
		if joined && errors.Is(err, errRunning) {
			return nil
		}
		if !errors.Is(err, errRunning) {
			return err
		}
		if err := o.temporal.GetWorkflow(ctx, workflows.EraseID(e.Subject), "").Get(ctx, nil); err != nil && ctx.Err() != nil {
			return fmt.Errorf("await the end of the erasure before %s: %w", e.ID, err)
		}
	}
}

func (o *office) tryStart(ctx context.Context, e *Erasure) error {
	_, err := o.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.EraseID(e.Subject), TaskQueue: workflows.QueueWorkflows,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflows.WorkflowErase, e.request())
	var running *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &running):
		return errRunning
	case err != nil:
		return fmt.Errorf("start erasure %s: %w", e.ID, err)
	}
	return nil
}

// command sends an update to an erasure's workflow and gives the record as it then is.
func (o *office) command(ctx context.Context, id, update string, arg any) (*Erasure, refusals, error) {
	var refused refusals
	e, err := o.store.erasure(ctx, id)
	if errors.Is(err, errNotFound) {
		refused.add(graph.UserErrorCodeNotFound, "There is no such erasure: check the id.", "id")
		return nil, refused, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if ended(e.Status) {
		refused.add(graph.UserErrorCodeTooLate, "The erasure has ended: there is nothing left to do.", "id")
		return e, refused, nil
	}
	err = o.update(ctx, e, update, arg)
	var refusal *temporal.ApplicationError
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
	case errors.As(err, &refusal) && refusal.Type() == workflows.ErrTypeSecondPerson:
		refused.add(graph.UserErrorCodeSecondPersonNeeded, "You asked for this erasure yourself: a second person must do this.", "id")
	case errors.As(err, &refusal) && refusal.Type() == workflows.ErrTypeTooLate:
		refused.add(graph.UserErrorCodeTooLate, "The erasure is past the point of no return: it can only go forward now.", "id")
	case errors.As(err, &refusal) && refusal.Type() == workflows.ErrTypeWrongState:
		refused.add(graph.UserErrorCodeWrongState, "The erasure is in no state for this: read it again to see what it waits for.", "id")
	case errors.As(err, &gone):
		refused.add(graph.UserErrorCodeWrongState, "The erasure does not run at the moment: try again in a minute.", "id")
	default:
		o.log.WarnContext(ctx, "an erasure could not be reached", "erasure", id, "error", err)
		return nil, nil, errLater
	}
	after, err := o.store.erasure(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	return after, refused, nil
}

func (o *office) update(ctx context.Context, e *Erasure, name string, arg any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	handle, err := o.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.EraseID(e.Subject), UpdateName: name, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}

func (o *office) approve(ctx context.Context, p identity.Principal, id string) (*Erasure, refusals, error) {
	return o.command(ctx, id, workflows.UpdateApproveErasure, workflows.StaffAction{By: p.Subject})
}

func (o *office) cancel(ctx context.Context, p identity.Principal, in graph.CancelErasureInput) (*Erasure, refusals, error) {
	var refused refusals
	reason := text(in.Reason)
	if refused.text(reason, 0, maxReason, "reason"); len(refused) > 0 {
		return nil, refused, nil
	}
	e, refused, err := o.command(ctx, in.ID, workflows.UpdateCancelErasure, workflows.StaffAction{By: p.Subject})
	if err != nil || len(refused) > 0 || reason == "" {
		return e, refused, err
	}
	return e, nil, o.store.cancelledBecause(ctx, in.ID, reason)
}

func (o *office) retry(ctx context.Context, p identity.Principal, in graph.RetryErasureStepInput) (*Erasure, refusals, error) {
	return o.command(ctx, in.ID, workflows.UpdateRetryStep, workflows.StepAction{By: p.Subject, StepID: in.StepID})
}

// waive lets an erasure go on without a step. The reason stands in the certificate, so it must say nothing of the person.
func (o *office) waive(ctx context.Context, p identity.Principal, in graph.WaiveErasureStepInput) (*Erasure, refusals, error) {
	var refused refusals
	if refused.text(in.Reason, minWaive, maxReason, "reason"); len(refused) > 0 {
		return nil, refused, nil
	}
	e, err := o.store.erasure(ctx, in.ID)
	if err != nil && !errors.Is(err, errNotFound) {
		return nil, nil, err
	}
	if e != nil {
		personal, err := o.participant.Mentions(ctx, workflows.SubjectRef{ErasureID: e.ID, CustomerID: e.CustomerID}, in.Reason)
		if err != nil {
			return nil, nil, err
		}
		if personal || strings.Contains(in.Reason, "@") {
			refused.add(graph.UserErrorCodeInvalid, "The reason holds something of the customer, and it will stand in the certificate: say it without personal data.", "reason")
			return e, refused, nil
		}
	}
	return o.command(ctx, in.ID, workflows.UpdateWaiveStep, workflows.StepAction{By: p.Subject, StepID: in.StepID, Reason: in.Reason})
}
