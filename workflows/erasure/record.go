package erasure

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// touch says that something is to be recorded.
func (e *erasure) touch() { e.dirty = true }

// recorder writes the progress to where people read it, the newest at a time, until the end is written. Nothing waits for
// it but the end: while the records cannot be written, the erasure goes on.
func (e *erasure) recorder(ctx workflow.Context) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: workflows.QueueErasure, StartToCloseTimeout: 10 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, MaximumInterval: time.Minute},
	})
	for {
		if err := workflow.Await(ctx, func() bool { return e.dirty }); err != nil {
			return
		}
		e.dirty = false
		last, p := e.ended, e.progress()
		err := workflow.ExecuteActivity(ctx, workflows.ErasureRecord, p).Get(ctx, nil)
		if err != nil && !final(err) {
			e.touch() // nobody could write for as long as an activity may be tried
			continue
		}
		e.written = p.Sequence
		if err != nil {
			workflow.GetLogger(ctx).Error("the record of an erasure is gone", "erasure", e.ref.ErasureID, "error", kindOf(err))
		}
		if last && !e.dirty {
			e.recorded = true
			return
		}
	}
}

// shownWithin is how long the answer to a command waits for what it did to be in the record. It is done without.
const shownWithin = 3 * time.Second

// shown waits until what a command changes can be read.
func (e *erasure) shown(ctx workflow.Context) error {
	e.touch()
	next := e.sequence + 1
	_, err := workflow.AwaitWithTimeout(ctx, shownWithin, func() bool { return e.written >= next })
	return err
}

// progress is where the erasure stands now.
func (e *erasure) progress() workflows.ErasureProgress {
	e.sequence++
	p := workflows.ErasureProgress{
		SubjectRef: e.ref, Sequence: e.sequence, Status: e.state, ApprovedBy: e.approvedBy, WaitingFor: e.waiting,
		GraceUntil: e.times.grace, SealedAt: e.times.sealed, CompletedAt: e.times.completed,
		Retained: e.retained(), Certificate: e.issued.Document, IssuedAt: e.issued.IssuedAt,
	}
	failing := ""
	for _, s := range e.steps {
		p.Steps = append(p.Steps, *s)
		switch {
		case s.Status == workflows.StepParked && p.Status != workflows.StateNeedsOperator:
			p.Status, p.WaitingFor = workflows.StateNeedsOperator, fmt.Sprintf("staff to decide about %s of %s", s.Name, s.Service)
		case s.Status == workflows.StepRunning && s.LastError != "" && failing == "":
			failing = fmt.Sprintf("%s of %s, which failed %d times", s.Name, s.Service, s.Attempts)
		}
	}
	if failing != "" && p.Status != workflows.StateNeedsOperator {
		p.WaitingFor = failing
	}
	return p
}

// retained is what all services kept.
func (e *erasure) retained() []workflows.PathHeld {
	var out []workflows.PathHeld
	for _, s := range e.services() {
		out = append(out, e.receipts[s].Retained...)
	}
	return out
}
