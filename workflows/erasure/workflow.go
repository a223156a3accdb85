// Package erasure erases a customer from every service, cache and history, with proof. The workflow reads as the states of
// an erasure in their order; what it holds are ids, counts, dates and staff ids, never anything of the person.
package erasure

import (
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// Register adds the workflows, and the activities of the erasure itself, to a worker of workflows.QueueWorkflows.
func Register(r worker.Registry, a *Activities) {
	RegisterWorkflows(r)
	a.register(r)
}

// RegisterWorkflows adds the workflows alone.
func RegisterWorkflows(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Erase, workflow.RegisterOptions{
		Name: workflows.WorkflowErase, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	for name, w := range map[string]any{workflows.WorkflowSurvey: Survey, workflows.WorkflowExport: Export} {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorPinned})
	}
}

// maxRounds is how often erasing and verifying are done again by themselves while a verification finds something.
const maxRounds = 3

// How often a drain looks whether what was open has ended: soon at first, for an order can end in a moment, and seldom
// later, for it can take days.
const (
	firstDrainPause = 200 * time.Millisecond
	maxDrainPause   = 10 * time.Minute
)

// Erase erases one customer.
//
//	REQUESTED > ASSESSING > AWAITING_APPROVAL > GRACE > DRAINING | SEALED > ERASING > SHREDDING > NOTIFYING > VERIFYING > COMPLETED
//	REJECTED, CANCELLED < all of it can be undone                | only forward
func Erase(ctx workflow.Context, in workflows.EraseRequest) error {
	e := &erasure{
		in: in, ref: in.SubjectRef, state: workflows.StateRequested, located: map[string]workflows.Located{}, receipts: map[string]workflows.Receipt{},
		findings: map[string]workflows.Findings{}, parked: map[string]*decision{},
	}
	// What must be done is done also when an operator cancels the workflow itself.
	always, _ := workflow.NewDisconnectedContext(ctx)
	reversible, stop := workflow.WithCancel(ctx)
	e.stop = stop
	if err := e.listen(ctx); err != nil {
		return err
	}
	workflow.Go(always, e.recorder)
	if err := e.prepare(reversible); err != nil {
		e.undo(always)
	} else {
		e.execute(always)
	}
	e.ended = true
	e.touch()
	return workflow.Await(always, func() bool { return e.recorded && workflow.AllHandlersFinished(always) })
}

// erasure is the state of one run.
type erasure struct {
	in   workflows.EraseRequest
	ref  workflows.SubjectRef
	plan workflows.ErasurePlanned
	stop workflow.CancelFunc // ends what can be undone

	state   string
	waiting string // what the state waits for
	steps   []*workflows.StepState
	parked  map[string]*decision
	times   struct{ grace, sealed, completed time.Time }

	located    map[string]workflows.Located // by service, as the findings and receipts
	receipts   map[string]workflows.Receipt
	findings   map[string]workflows.Findings
	recipients []workflows.Recipient
	forgotten  []string // services whose dossier is destroyed
	waived     []workflows.StepState
	issued     workflows.CertificateIssued

	approvedBy  string
	cancelledBy string
	sealed      bool // past the point of no return
	ended       bool

	sequence int  // of the last record
	written  int  // the last that is written
	dirty    bool // something is to be recorded
	recorded bool // the end is recorded
}

// decision is what staff say of a parked step.
type decision struct {
	retry bool
	waive *workflows.StepAction
}

// enter goes into a state.
func (e *erasure) enter(state, waiting string) {
	e.state, e.waiting = state, waiting
	e.touch()
}

// prepare is all that can be undone. It ends sealed, or with the error of having been cancelled.
func (e *erasure) prepare(ctx workflow.Context) error {
	e.enter(workflows.StateAssessing, "the services to say what they hold")
	err := e.both(ctx,
		func(ctx workflow.Context) error { return e.ledger(ctx, workflows.StateRequested) },
		func(ctx workflow.Context) error {
			return e.step(ctx, "plan", "supergraph", "PLAN", workflows.QueueWorkflows, workflows.ErasurePlan, e.in, &e.plan)
		})
	if err != nil {
		return err
	}
	if err := e.both(ctx, e.describe, e.locate); err != nil {
		return err
	}
	if e.in.Approval {
		e.enter(workflows.StateAwaitingApproval, "a second person to approve it")
		if err := workflow.Await(ctx, func() bool { return e.approvedBy != "" }); err != nil {
			return err
		}
	}
	if err := e.grace(ctx); err != nil {
		return err
	}
	if err := e.drain(ctx); err != nil {
		return err
	}
	// Counted again, because the drain changed what there is.
	remember := func(ctx workflow.Context) error { return e.all(ctx, "REMEMBER", workflows.PrivacyRemember) }
	if err := e.both(ctx, remember, e.locate); err != nil {
		return err
	}
	// The point of no return. A cancellation that came before these lines wins; one that comes after is refused. Nothing
	// can come between them: a workflow does one thing at a time.
	if err := ctx.Err(); err != nil {
		return err
	}
	e.sealed = true
	return nil
}

// describe compares what each service says of itself with what the schema says of it.
func (e *erasure) describe(ctx workflow.Context) error {
	return e.each(ctx, e.services(), func(ctx workflow.Context, service string) error {
		return e.run(ctx, e.newStep(service+"-describe", service, "DESCRIBE"), func(ctx workflow.Context) error {
			var m workflows.Manifest
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyDescribe, e.ref, &m); err != nil {
				return err
			}
			if m.Service != service || m.Hash != e.plan.Want[service].Hash {
				return temporal.NewNonRetryableApplicationError("the service declares other data than the schema", workflows.ErrTypeManifestMismatch, nil)
			}
			return nil
		})
	})
}

// locate counts what each service holds.
func (e *erasure) locate(ctx workflow.Context) error {
	return e.each(ctx, e.services(), func(ctx workflow.Context, service string) error {
		step := e.newStep(service+"-locate", service, "LOCATE")
		return e.run(ctx, step, func(ctx workflow.Context) error {
			var l workflows.Located
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyLocate, e.ref, &l); err != nil {
				return err
			}
			e.located[service] = l
			n := l.Total()
			step.Matched = &n
			return nil
		})
	})
}

// grace restricts the subject and waits as long as the erasure can be cancelled for certain.
func (e *erasure) grace(ctx workflow.Context) error {
	e.times.grace = workflow.Now(ctx).AddDate(0, 0, e.in.GraceDays)
	e.enter(workflows.StateGrace, "the grace to end")
	if err := e.all(ctx, "RESTRICT", workflows.PrivacyRestrict); err != nil {
		return err
	}
	return workflow.Sleep(ctx, e.times.grace.Sub(workflow.Now(ctx)))
}

// drain waits until nothing of the subject is under way any more.
func (e *erasure) drain(ctx workflow.Context) error {
	e.enter(workflows.StateDraining, "")
	open := e.services()
	for pause := firstDrainPause; ; pause = min(pause*3/2, maxDrainPause) {
		blockers, left := 0, map[string]bool{}
		err := e.each(ctx, open, func(ctx workflow.Context, service string) error {
			return e.run(ctx, e.newStep(service+"-drain", service, "DRAIN"), func(ctx workflow.Context) error {
				var l workflows.Located
				in := workflows.DrainRequest{SubjectRef: e.ref, Cancel: e.in.CancelOpen}
				if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyDrain, in, &l); err != nil {
					return err
				}
				for _, b := range l.Blockers {
					blockers += b.Count
					left[service] = left[service] || b.Count > 0
				}
				return nil
			})
		})
		if err != nil || blockers == 0 {
			return err
		}
		e.enter(workflows.StateDraining, waitingForBlockers(blockers))
		if err := workflow.Sleep(ctx, pause); err != nil {
			return err
		}
		open = e.services(func(s string) bool { return left[s] })
	}
}

// execute goes forward only: a step that fails is tried again, parked, or waived.
func (e *erasure) execute(ctx workflow.Context) {
	e.times.sealed = workflow.Now(ctx)
	e.enter(workflows.StateSealed, "the services to seal")
	e.must(e.ledger(ctx, workflows.StateSealed))
	// Sessions and caches go first: nobody acts for the subject any more.
	e.must(e.both(ctx,
		func(ctx workflow.Context) error { return e.all(ctx, "SEAL", workflows.PrivacySeal) },
		func(ctx workflow.Context) error { return e.purge(ctx, "caches-before") }))
	var erasedAt time.Time
	pending := map[string]bool{}
	for _, s := range e.services() {
		pending[s] = true
	}
	for round := 0; len(pending) > 0; round++ {
		e.enter(workflows.StateErasing, "the services to erase")
		for _, wave := range e.plan.Waves {
			e.erase(ctx, wave, pending, round)
		}
		erasedAt = workflow.Now(ctx)
		e.enter(workflows.StateShredding, "histories and caches to be deleted")
		e.must(e.both(ctx,
			func(ctx workflow.Context) error { return e.purge(ctx, roundID("caches-after", round)) },
			func(ctx workflow.Context) error { return e.histories(ctx, round) }))
		if round == 0 {
			e.enter(workflows.StateNotifying, "those outside to be told")
			e.must(e.notify(ctx))
		}
		e.enter(workflows.StateVerifying, "every store to be read again")
		pending = e.verify(ctx, pending, round)
	}
	e.forget(ctx)
	e.certify(ctx, erasedAt)
}

// erase erases in the services of one wave at once.
func (e *erasure) erase(ctx workflow.Context, wave []string, pending map[string]bool, round int) {
	services := make([]string, 0, len(wave))
	for _, s := range wave {
		if pending[s] {
			services = append(services, s)
		}
	}
	e.must(e.each(ctx, services, func(ctx workflow.Context, service string) error {
		id := roundID(service+"-erase", round)
		step := e.newStep(id, service, "ERASE")
		return e.run(ctx, step, func(ctx workflow.Context) error {
			in := workflows.EraseStep{SubjectRef: e.ref, StepID: id, Located: e.located[service]}
			var r workflows.Receipt
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyErase, in, &r); err != nil {
				return err
			}
			if err := agree(r, in.Located); err != nil {
				return err
			}
			step.Matched, step.Changed = &r.Matched, &r.Changed
			e.receipts[service] = r
			return nil
		})
	}))
}

// agree refuses a receipt whose counts do not add up. Each service checks its own; this is who takes nobody's word.
func agree(r workflows.Receipt, located workflows.Located) error {
	retained := 0
	for _, k := range r.Retained {
		retained += k.Count
	}
	if r.Matched != r.Changed+retained || r.Remaining != 0 || r.Matched == 0 && located.Total() > 0 {
		return temporal.NewNonRetryableApplicationError("the counts of a receipt do not agree", workflows.ErrTypeCountMismatch, nil)
	}
	return nil
}

// verify has every store read again and gives the services that still hold something. In the last round those steps stand
// parked until staff have decided.
func (e *erasure) verify(ctx workflow.Context, pending map[string]bool, round int) map[string]bool {
	left := map[string]bool{}
	e.must(e.each(ctx, e.services(func(s string) bool { return pending[s] }), func(ctx workflow.Context, service string) error {
		step := e.newStep(roundID(service+"-verify", round), service, "VERIFY")
		return e.run(ctx, step, func(ctx workflow.Context) error {
			var f workflows.Findings
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyVerify, e.ref, &f); err != nil {
				return err
			}
			found := f.Total()
			step.Matched = &found
			if found > 0 && round >= maxRounds-1 {
				return temporal.NewNonRetryableApplicationError("something of the subject is still there", workflows.ErrTypeResidue, nil)
			}
			if found > 0 {
				left[service] = true
				return nil
			}
			e.findings[service] = f
			return nil
		})
	}))
	return left
}

// forget destroys what was remembered of the subject, with the keys.
func (e *erasure) forget(ctx workflow.Context) {
	e.must(e.each(ctx, e.services(), func(ctx workflow.Context, service string) error {
		return e.run(ctx, e.newStep(service+"-forget", service, "FORGET"), func(ctx workflow.Context) error {
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyForget, e.ref, nil); err != nil {
				return err
			}
			e.forgotten = append(e.forgotten, service)
			return nil
		})
	}))
}

// certify makes the proof and ends the erasure.
func (e *erasure) certify(ctx workflow.Context, erasedAt time.Time) {
	request := workflows.CertificateRequest{
		EraseRequest: e.in, ApprovedBy: e.approvedBy, SealedAt: e.times.sealed, ErasedAt: erasedAt, PlanHash: e.plan.Hash,
		Waived: e.waived, Recipients: e.recipients, KeysDestroyed: e.services(func(s string) bool { return slices.Contains(e.forgotten, s) }),
	}
	for _, s := range e.services() {
		if r, ok := e.receipts[s]; ok {
			request.Receipts = append(request.Receipts, r)
		}
		if f, ok := e.findings[s]; ok {
			request.Findings = append(request.Findings, f)
		}
	}
	e.must(e.step(ctx, "certificate", "ledger", "CERTIFY", workflows.QueueWorkflows, workflows.ErasureCertificate, request, &e.issued))
	e.times.completed = workflow.Now(ctx)
	e.enter(workflows.StateCompleted, "")
	if len(e.retained()) > 0 {
		e.enter(workflows.StateRetaining, "")
		return
	}
	e.enter(workflows.StateClosed, "")
}

// undo takes back all that was done before the seal.
func (e *erasure) undo(ctx workflow.Context) {
	end := workflows.StateCancelled
	if e.state == workflows.StateAwaitingApproval && e.cancelledBy != e.in.RequestedBy && e.cancelledBy != "" {
		end = workflows.StateRejected
	}
	e.waiting = "the services to undo it"
	e.touch()
	e.must(e.all(ctx, "UNRESTRICT", workflows.PrivacyUnrestrict))
	e.must(e.ledger(ctx, end))
	// What was cut off in its middle is neither done nor under way.
	e.steps = slices.DeleteFunc(e.steps, func(s *workflows.StepState) bool { return s.Status != workflows.StepDone })
	e.enter(end, "")
}
