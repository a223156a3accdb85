package erasure

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// A step never gives up by itself: it is tried again after 1 s, then after twice as long each time, up to 10 min. After
// maxTries tries, or maxTime, it is parked for staff to see; the others go on.
const (
	firstPause = time.Second
	maxPause   = 10 * time.Minute
	maxTries   = 20
	maxTime    = 6 * time.Hour
)

// Statuses of a step, as the graph names them.
const (
	stepRunning = "RUNNING"
	stepDone    = "DONE"
	stepParked  = "PARKED"
	stepWaived  = "WAIVED"
)

// services are all that take part, in the order of their waves.
func (e *erasure) services() []string {
	var out []string
	for _, wave := range e.plan.Waves {
		out = append(out, wave...)
	}
	return out
}

// each runs do for several services at once and waits for all.
func (e *erasure) each(ctx workflow.Context, services []string, do func(workflow.Context, string)) {
	wg := workflow.NewWaitGroup(ctx)
	for _, service := range services {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			do(ctx, service)
		})
	}
	wg.Wait(ctx)
}

// all runs one activity of the contract in all services. Done gets what each located, where it is asked for.
func (e *erasure) all(ctx workflow.Context, name, activity string, done func(string, *workflows.StepState, workflows.Located)) {
	e.each(ctx, e.services(), func(ctx workflow.Context, service string) {
		step := e.newStep(service+"-"+lower(name), service, name)
		e.try(ctx, step, func(ctx workflow.Context) error {
			var located workflows.Located
			var into any
			if done != nil {
				into = &located
			}
			if err := e.call(ctx, workflows.PrivacyQueue(service), activity, e.ref, into); err != nil {
				return err
			}
			if done != nil {
				done(service, step, located)
			}
			return nil
		})
	})
}

func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// step runs one activity as a step.
func (e *erasure) step(ctx workflow.Context, id, service, name, queue, activity string, in, out any) {
	e.try(ctx, e.newStep(id, service, name), func(ctx workflow.Context) error { return e.call(ctx, queue, activity, in, out) })
}

// newStep gives the step with this id; a step that runs again keeps its line.
func (e *erasure) newStep(id, service, name string) *workflows.StepState {
	for i := range e.progress.Steps {
		if e.progress.Steps[i].ID == id {
			return &e.progress.Steps[i]
		}
	}
	// Room for all, so that pointers to steps stay where they are while others are added.
	if e.progress.Steps == nil {
		e.progress.Steps = make([]workflows.StepState, 0, 512)
	}
	e.progress.Steps = append(e.progress.Steps, workflows.StepState{ID: id, Service: service, Name: name})
	return &e.progress.Steps[len(e.progress.Steps)-1]
}

// call runs one activity once.
func (e *erasure) call(ctx workflow.Context, queue, activity string, in, out any) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, StartToCloseTimeout: 5 * time.Minute, HeartbeatTimeout: time.Minute,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, out)
}

// try runs a step until it is done or waived. Before the seal a cancellation ends it as well.
func (e *erasure) try(ctx workflow.Context, step *workflows.StepState, do func(workflow.Context) error) {
	step.StartedAt, step.EndedAt, step.Status = workflow.Now(ctx), time.Time{}, stepRunning
	pause, tries := firstPause, 0
	began := workflow.Now(ctx)
	for {
		step.Attempts++
		tries++
		err := do(ctx)
		if err == nil {
			step.Status, step.LastError, step.EndedAt = stepDone, "", workflow.Now(ctx)
			return
		}
		step.LastError = kindOf(err)
		if e.cancelled && !e.sealed && !e.undoing(step) {
			return
		}
		if final(err) || tries >= maxTries || workflow.Now(ctx).Sub(began) >= maxTime {
			if e.park(ctx, step) {
				return
			}
			pause, tries, began = firstPause, 0, workflow.Now(ctx)
			continue
		}
		e.record(ctx)
		if _, err := workflow.AwaitWithTimeout(ctx, pause, func() bool { return e.cancelled && !e.sealed && !e.undoing(step) }); err != nil {
			return
		}
		pause = min(2*pause, maxPause)
	}
}

// undoing tells the steps that a cancellation itself runs.
func (e *erasure) undoing(step *workflows.StepState) bool { return step.Name == "UNRESTRICT" }

// final tells the failures that no repetition mends.
func final(err error) bool {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		return false
	}
	switch app.Type() {
	case workflows.ErrTypeManifestMismatch, workflows.ErrTypeCountMismatch, workflows.ErrTypeNoParticipant, "RESIDUE":
		return true
	}
	return app.NonRetryable()
}

// kindOf gives the type of a failure: its text may hold anything.
func kindOf(err error) string {
	var app *temporal.ApplicationError
	var timeout *temporal.TimeoutError
	switch {
	case errors.As(err, &app) && app.Type() != "":
		return app.Type()
	case errors.As(err, &timeout):
		return "TIMEOUT"
	}
	return "FAILED"
}

// park waits for staff to say what becomes of a step, and reports whether it is left out.
func (e *erasure) park(ctx workflow.Context, step *workflows.StepState) (waived bool) {
	before := e.progress.Status
	step.Status = stepParked
	d := &decision{}
	if e.parked == nil {
		e.parked = map[string]*decision{}
	}
	e.parked[step.ID] = d
	e.status(ctx, NeedsOperator, fmt.Sprintf("staff to retry or waive %s of %s", step.Name, step.Service))
	err := workflow.Await(ctx, func() bool { return d.retry || d.waive != nil || e.cancelled && !e.sealed })
	delete(e.parked, step.ID)
	if before == NeedsOperator {
		before = Erasing
	}
	if len(e.parked) == 0 {
		e.status(ctx, before, "")
	}
	if err != nil || d.waive == nil {
		step.Status = stepRunning
		return err != nil || e.cancelled && !e.sealed
	}
	step.Status, step.WaivedBy, step.Reason, step.EndedAt = stepWaived, d.waive.By, d.waive.Reason, workflow.Now(ctx)
	e.waived = append(e.waived, *step)
	e.record(ctx)
	return true
}

// status notes where the erasure stands.
func (e *erasure) status(ctx workflow.Context, status, waitingFor string) {
	e.progress.Status, e.progress.WaitingFor = status, waitingFor
	e.record(ctx)
}

// record writes the progress to where it is read. It is tried for ever: nothing depends on it but what people see.
func (e *erasure) record(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: workflows.QueueErasure, StartToCloseTimeout: 10 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: time.Minute},
	})
	e.progress.Sequence++
	e.progress.ApprovedBy = e.approvedBy
	snapshot := e.progress
	snapshot.Steps = append([]workflows.StepState(nil), e.progress.Steps...)
	_ = workflow.ExecuteActivity(ctx, workflows.ErasureRecord, snapshot).Get(ctx, nil)
}

// ledger appends to the ledger.
func (e *erasure) ledger(ctx workflow.Context, event string) {
	e.step(ctx, "ledger-"+lower(event), "ledger", "LEDGER", workflows.QueueWorkflows, workflows.ErasureLedger, workflows.LedgerEntry{
		SubjectRef: e.ref, SubjectHash: e.in.SubjectHash, Event: event, At: workflow.Now(ctx), PlanHash: e.plan.Hash,
	}, nil)
}

func roundID(id string, round int) string {
	if round == 0 {
		return id
	}
	return id + "-" + strconv.Itoa(round+1)
}

func waitingForBlockers(n int) string {
	if n == 1 {
		return "1 open order or refund to end"
	}
	return strconv.Itoa(n) + " open orders or refunds to end"
}
