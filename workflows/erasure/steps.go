package erasure

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
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

// worthRecording is how long a step takes for its end to be recorded for itself.
const worthRecording = time.Second

// How long one try may take: to be taken up by a worker, to be done, and to be silent.
const (
	startWithin = 2 * time.Minute
	doneWithin  = 15 * time.Minute
	beatWithin  = time.Minute
)

// services are those that take part, in the order of their waves; with a condition, those that fit it.
func (e *erasure) services(fits ...func(string) bool) []string {
	var out []string
	for _, s := range slices.Concat(e.plan.Waves...) {
		if len(fits) == 0 || fits[0](s) {
			out = append(out, s)
		}
	}
	return out
}

// each does something for several services at once and waits for all. It gives an error when one of them was cancelled.
func (e *erasure) each(ctx workflow.Context, services []string, do func(workflow.Context, string) error) error {
	wg := workflow.NewWaitGroup(ctx)
	errs := make([]error, len(services))
	for i, service := range services {
		wg.Add(1)
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			errs[i] = do(ctx, service)
		})
	}
	wg.Wait(ctx)
	return errors.Join(errs...)
}

// both does two things at once and waits for both.
func (e *erasure) both(ctx workflow.Context, one, other func(workflow.Context) error) error {
	second := workflow.NewWaitGroup(ctx)
	second.Add(1)
	var otherErr error
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer second.Done()
		otherErr = other(ctx)
	})
	err := one(ctx)
	second.Wait(ctx)
	return errors.Join(err, otherErr)
}

// all has all services do an activity of the contract that answers nothing.
func (e *erasure) all(ctx workflow.Context, name, activity string) error {
	return e.each(ctx, e.services(), func(ctx workflow.Context, service string) error {
		return e.step(ctx, service+"-"+strings.ToLower(name), service, name, workflows.PrivacyQueue(service), activity, e.ref, nil)
	})
}

// step runs one activity as a step.
func (e *erasure) step(ctx workflow.Context, id, service, name, queue, activity string, in, out any) error {
	return e.run(ctx, e.newStep(id, service, name), func(ctx workflow.Context) error { return e.call(ctx, queue, activity, in, out) })
}

// newStep gives the step with this id; a step that runs again keeps its line.
func (e *erasure) newStep(id, service, name string) *workflows.StepState {
	for _, s := range e.steps {
		if s.ID == id {
			return s
		}
	}
	s := &workflows.StepState{ID: id, Service: service, Name: name}
	e.steps = append(e.steps, s)
	return s
}

// call runs one activity once.
func (e *erasure) call(ctx workflow.Context, queue, activity string, in, out any) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: queue, ScheduleToStartTimeout: startWithin, StartToCloseTimeout: doneWithin, HeartbeatTimeout: beatWithin,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	return workflow.ExecuteActivity(ctx, activity, in).Get(ctx, out)
}

// run tries a step until it is done or waived. The error is that of a context that was cancelled, and no other.
func (e *erasure) run(ctx workflow.Context, step *workflows.StepState, do func(workflow.Context) error) error {
	step.StartedAt, step.EndedAt, step.Status = workflow.Now(ctx), time.Time{}, workflows.StepRunning
	pause, tries, began := firstPause, 0, workflow.Now(ctx)
	for {
		step.Attempts++
		tries++
		err := do(ctx)
		if err == nil {
			step.Status, step.LastError, step.EndedAt = workflows.StepDone, "", workflow.Now(ctx)
			if step.EndedAt.Sub(step.StartedAt) > worthRecording {
				e.touch() // what is quick is recorded with what comes next
			}
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		step.LastError = kindOf(err)
		e.touch()
		if final(err) || tries >= maxTries || workflow.Now(ctx).Sub(began) >= maxTime {
			waived, err := e.park(ctx, step)
			if err != nil || waived {
				return err
			}
			pause, tries, began = firstPause, 0, workflow.Now(ctx)
			continue
		}
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, maxPause)
	}
}

// park waits for staff to say what becomes of a step, and reports whether it is left out.
func (e *erasure) park(ctx workflow.Context, step *workflows.StepState) (waived bool, err error) {
	d := &decision{}
	e.parked[step.ID] = d
	step.Status = workflows.StepParked
	e.touch()
	workflow.GetLogger(ctx).Error("a step of an erasure needs an operator", "erasure", e.ref.ErasureID, "step", step.ID, "error", step.LastError)
	err = workflow.Await(ctx, func() bool { return d.retry || d.waive != nil })
	delete(e.parked, step.ID)
	e.touch()
	if err != nil || d.waive == nil {
		step.Status = workflows.StepRunning
		return false, err
	}
	step.Status, step.WaivedBy, step.Reason, step.EndedAt = workflows.StepWaived, d.waive.By, d.waive.Reason, workflow.Now(ctx)
	e.waived = append(e.waived, *step)
	return true, nil
}

// must is for steps on a context that nobody cancels: they end done or waived. What is left is a fault of the program.
func (e *erasure) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("a step that cannot be cancelled was: %v", err))
	}
}

// final tells the failures that no repetition mends.
func final(err error) bool {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	return ok && app.NonRetryable()
}

// kindOf gives the type of a failure: its text may hold anything.
func kindOf(err error) string {
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok && isKind(app.Type()) {
		return app.Type()
	}
	if timeout, ok := errors.AsType[*temporal.TimeoutError](err); ok {
		if timeout.TimeoutType() == enums.TIMEOUT_TYPE_SCHEDULE_TO_START {
			return workflows.ErrTypeNoParticipant
		}
		return "TIMEOUT"
	}
	return "FAILED"
}

// isKind tells the fixed words for failures from the names of Go types, which Temporal uses for errors that have none.
func isKind(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && r != '_' })
}

// purge empties the caches of the subject.
func (e *erasure) purge(ctx workflow.Context, id string) error {
	step := e.newStep(id, "caches", "PURGE")
	return e.run(ctx, step, func(ctx workflow.Context) error {
		var r workflows.Receipt
		if err := e.call(ctx, workflows.QueueWorkflows, workflows.ErasurePurge, e.ref, &r); err != nil {
			return err
		}
		step.Matched, step.Changed = &r.Matched, &r.Changed
		return nil
	})
}

// histories deletes the histories of the subject's ended workflows, once.
func (e *erasure) histories(ctx workflow.Context, round int) error {
	if round > 0 {
		return nil
	}
	return e.each(ctx, e.services(), func(ctx workflow.Context, service string) error {
		step := e.newStep(service+"-histories", service, "HISTORIES")
		return e.run(ctx, step, func(ctx workflow.Context) error {
			var h workflows.Histories
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyHistories, e.ref, &h); err != nil {
				return err
			}
			r := workflows.Receipt{}
			if len(h.WorkflowIDs) > 0 {
				if err := e.call(ctx, workflows.QueueWorkflows, workflows.ErasureHistories, h, &r); err != nil {
					return err
				}
			}
			step.Matched, step.Changed = &r.Matched, &r.Changed
			return nil
		})
	})
}

// notify has the services tell those outside.
func (e *erasure) notify(ctx workflow.Context) error {
	return e.each(ctx, e.services(), func(ctx workflow.Context, service string) error {
		return e.run(ctx, e.newStep(service+"-notify", service, "NOTIFY"), func(ctx workflow.Context) error {
			var n workflows.Notified
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyNotify, e.ref, &n); err != nil {
				return err
			}
			e.recipients = append(e.recipients, n.Recipients...)
			return nil
		})
	})
}

// ledger appends to the ledger.
func (e *erasure) ledger(ctx workflow.Context, event string) error {
	return e.step(ctx, "ledger-"+strings.ToLower(event), "ledger", "LEDGER", workflows.QueueWorkflows, workflows.ErasureLedger, workflows.LedgerEntry{
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
