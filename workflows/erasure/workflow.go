// Package erasure erases a customer from every service, cache and history, with proof. The workflow reads as the states of
// an erasure in their order; what it holds are ids, counts, dates and staff ids, never anything of the person.
package erasure

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// Statuses of an erasure, as the graph names them.
const (
	Requested        = "REQUESTED"
	Assessing        = "ASSESSING"
	AwaitingApproval = "AWAITING_APPROVAL"
	Grace            = "GRACE"
	Draining         = "DRAINING"
	Sealed           = "SEALED"
	Erasing          = "ERASING"
	Shredding        = "SHREDDING"
	Notifying        = "NOTIFYING"
	Verifying        = "VERIFYING"
	Completed        = "COMPLETED"
	Cancelled        = "CANCELLED"
	NeedsOperator    = "NEEDS_OPERATOR"
)

// Register adds the workflows, and the activities of the erasure itself, to a worker of workflows.QueueWorkflows.
func Register(r worker.Registry, a *Activities) {
	r.RegisterWorkflowWithOptions(Erase, workflow.RegisterOptions{
		Name: workflows.WorkflowErase, VersioningBehavior: workflow.VersioningBehaviorAutoUpgrade,
	})
	for name, w := range map[string]any{workflows.WorkflowSurvey: Survey, workflows.WorkflowExport: Export} {
		r.RegisterWorkflowWithOptions(w, workflow.RegisterOptions{Name: name, VersioningBehavior: workflow.VersioningBehaviorPinned})
	}
	a.register(r)
}

// maxRounds is how often erasing and verifying are repeated while a verification finds something.
const maxRounds = 3

// Erase is the workflow.
func Erase(ctx workflow.Context, in workflows.EraseRequest) error {
	e := &erasure{in: in, ref: in.SubjectRef}
	e.progress = workflows.ErasureProgress{SubjectRef: in.SubjectRef, Status: Requested}
	if err := e.listen(ctx); err != nil {
		return err
	}
	if err := e.beforeSeal(ctx); err != nil {
		return err
	}
	if e.cancelled {
		return e.undo(ctx)
	}
	e.afterSeal(ctx)
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// erasure is the state of one run.
type erasure struct {
	in       workflows.EraseRequest
	ref      workflows.SubjectRef
	progress workflows.ErasureProgress
	plan     workflows.ErasurePlanned
	located  map[string]workflows.Located
	receipts []workflows.Receipt
	findings []workflows.Findings
	waived   []workflows.StepState

	approvedBy string
	cancelled  bool
	sealed     bool
	finished   bool
	parked     map[string]*decision
}

// decision is what staff say of a parked step.
type decision struct {
	retry bool
	waive *workflows.StepAction
}

// beforeSeal is all that can be undone: it ends sealed, or with the erasure cancelled.
func (e *erasure) beforeSeal(ctx workflow.Context) error {
	e.status(ctx, Assessing, "the services to say what they hold")
	e.step(ctx, "plan", "router", "PLAN", workflows.QueueWorkflows, workflows.ErasurePlan, e.in, &e.plan)
	if e.cancelled {
		return nil
	}
	e.describe(ctx)
	e.locate(ctx)
	if e.in.Approval && !e.cancelled {
		e.status(ctx, AwaitingApproval, "a second person to approve")
		if err := workflow.Await(ctx, func() bool { return e.approvedBy != "" || e.cancelled }); err != nil {
			return err
		}
	}
	if e.cancelled {
		return nil
	}
	e.progress.GraceUntil = workflow.Now(ctx).AddDate(0, 0, e.in.GraceDays)
	e.all(ctx, "RESTRICT", workflows.PrivacyRestrict, nil)
	e.status(ctx, Grace, "the grace to end")
	if wait := e.progress.GraceUntil.Sub(workflow.Now(ctx)); wait > 0 {
		if _, err := workflow.AwaitWithTimeout(ctx, wait, func() bool { return e.cancelled }); err != nil {
			return err
		}
	}
	if e.cancelled {
		return nil
	}
	if err := e.drain(ctx); err != nil || e.cancelled {
		return err
	}
	e.all(ctx, "REMEMBER", workflows.PrivacyRemember, nil)
	e.locate(ctx)
	if e.cancelled {
		return nil
	}
	// The point of no return. A cancellation that comes before this line wins, one that comes after is refused: the
	// workflow runs one of them at a time.
	e.sealed = true
	return nil
}

// afterSeal only goes forward: a step that fails is tried again, parked, or waived.
func (e *erasure) afterSeal(ctx workflow.Context) {
	e.progress.SealedAt = workflow.Now(ctx)
	e.ledger(ctx, Sealed)
	e.all(ctx, "SEAL", workflows.PrivacySeal, nil)
	e.status(ctx, Sealed, "")
	var erasedAt time.Time
	for round := range maxRounds {
		e.status(ctx, Erasing, "the services to erase")
		e.purge(ctx, "before", round)
		for _, wave := range e.plan.Waves {
			e.wave(ctx, wave, round)
		}
		e.status(ctx, Shredding, "")
		e.histories(ctx, round)
		e.purge(ctx, "after", round)
		erasedAt = workflow.Now(ctx)
		e.status(ctx, Notifying, "")
		e.status(ctx, Verifying, "every store to be read again")
		if e.verify(ctx, round) {
			break
		}
	}
	e.certify(ctx, erasedAt)
}

// describe compares what each service says of itself with what the schema says of it.
func (e *erasure) describe(ctx workflow.Context) {
	e.each(ctx, e.services(), func(ctx workflow.Context, service string) {
		e.try(ctx, e.newStep(service+"-describe", service, "DESCRIBE"), func(ctx workflow.Context) error {
			var m workflows.Manifest
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyDescribe, e.ref, &m); err != nil {
				return err
			}
			if m.Hash != e.plan.Want[service].Hash {
				return temporal.NewApplicationError("the service declares other data than the schema", workflows.ErrTypeManifestMismatch)
			}
			return nil
		})
	})
}

// locate counts what each service holds.
func (e *erasure) locate(ctx workflow.Context) {
	e.located = map[string]workflows.Located{}
	e.all(ctx, "LOCATE", workflows.PrivacyLocate, func(service string, step *workflows.StepState, l workflows.Located) {
		e.located[service] = l
		n := l.Total()
		step.Matched = &n
	})
}

// drain waits until nothing of the subject is under way any more, and counts again after each change.
func (e *erasure) drain(ctx workflow.Context) error {
	e.status(ctx, Draining, "")
	pause := 200 * time.Millisecond
	for !e.cancelled {
		blockers := 0
		e.drainOnce(ctx, &blockers)
		if blockers == 0 || e.cancelled {
			return nil
		}
		e.status(ctx, Draining, waitingForBlockers(blockers))
		if _, err := workflow.AwaitWithTimeout(ctx, pause, func() bool { return e.cancelled }); err != nil {
			return err
		}
		pause = min(pause*3/2, time.Minute)
	}
	return nil
}

func (e *erasure) drainOnce(ctx workflow.Context, blockers *int) {
	e.each(ctx, e.services(), func(ctx workflow.Context, service string) {
		step := e.newStep(service+"-drain", service, "DRAIN")
		e.try(ctx, step, func(ctx workflow.Context) error {
			var l workflows.Located
			in := workflows.DrainRequest{SubjectRef: e.ref, Cancel: e.in.CancelOpen}
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyDrain, in, &l); err != nil {
				return err
			}
			for _, b := range l.Blockers {
				*blockers += b.Count
			}
			return nil
		})
	})
}

// wave erases in the services of one wave at once.
func (e *erasure) wave(ctx workflow.Context, services []string, round int) {
	e.each(ctx, services, func(ctx workflow.Context, service string) {
		id := roundID(service+"-erase", round)
		step := e.newStep(id, service, "ERASE")
		e.try(ctx, step, func(ctx workflow.Context) error {
			in := workflows.EraseStep{SubjectRef: e.ref, StepID: id}
			if round == 0 {
				in.Located = e.located[service]
			}
			var r workflows.Receipt
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyErase, in, &r); err != nil {
				return err
			}
			step.Matched, step.Changed = &r.Matched, &r.Changed
			e.receipts = append(e.receipts, r)
			for _, kept := range r.Retained {
				e.progress.Retained = append(e.progress.Retained, kept)
			}
			return nil
		})
	})
}

// verify reads every store again and reports whether all of them are clean.
func (e *erasure) verify(ctx workflow.Context, round int) bool {
	e.findings = nil
	clean := true
	e.each(ctx, e.services(), func(ctx workflow.Context, service string) {
		e.try(ctx, e.newStep(roundID(service+"-verify", round), service, "VERIFY"), func(ctx workflow.Context) error {
			var f workflows.Findings
			if err := e.call(ctx, workflows.PrivacyQueue(service), workflows.PrivacyVerify, e.ref, &f); err != nil {
				return err
			}
			if len(f.Found) > 0 {
				clean = false
				if round == maxRounds-1 {
					return temporal.NewApplicationError("something of the subject is still there", "RESIDUE")
				}
			}
			e.findings = append(e.findings, f)
			return nil
		})
	})
	return clean
}

func (e *erasure) purge(ctx workflow.Context, when string, round int) {
	step := e.newStep(roundID("caches-"+when, round), "redis", "PURGE")
	e.try(ctx, step, func(ctx workflow.Context) error {
		var r workflows.Receipt
		if err := e.call(ctx, workflows.QueueWorkflows, workflows.ErasurePurge, e.ref, &r); err != nil {
			return err
		}
		step.Matched, step.Changed = &r.Matched, &r.Changed
		return nil
	})
}

func (e *erasure) histories(ctx workflow.Context, round int) {
	step := e.newStep(roundID("histories", round), "temporal", "SHRED")
	e.try(ctx, step, func(ctx workflow.Context) error {
		var r workflows.Receipt
		if err := e.call(ctx, workflows.QueueWorkflows, workflows.ErasureHistories, e.ref, &r); err != nil {
			return err
		}
		step.Matched, step.Changed = &r.Matched, &r.Changed
		return nil
	})
}

// certify makes the proof and ends the erasure.
func (e *erasure) certify(ctx workflow.Context, erasedAt time.Time) {
	var issued workflows.CertificateIssued
	e.step(ctx, "certificate", "ledger", "CERTIFY", workflows.QueueWorkflows, workflows.ErasureCertificate, workflows.CertificateRequest{
		EraseRequest: e.in, ApprovedBy: e.approvedBy, SealedAt: e.progress.SealedAt, ErasedAt: erasedAt, PlanHash: e.plan.Hash,
		Receipts: e.receipts, Findings: e.findings, Waived: e.waived,
	}, &issued)
	e.all(ctx, "FORGET", workflows.PrivacyForget, nil)
	e.progress.CompletedAt = workflow.Now(ctx)
	e.progress.Certificate, e.progress.IssuedAt = issued.Document, issued.IssuedAt
	e.ledger(ctx, Completed)
	e.finished = true
	e.status(ctx, Completed, "")
}

// undo takes back all that was done before the seal.
func (e *erasure) undo(ctx workflow.Context) error {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if len(e.plan.Waves) > 0 {
		e.all(ctx, "UNRESTRICT", workflows.PrivacyUnrestrict, nil)
	}
	e.ledger(ctx, Cancelled)
	e.finished = true
	e.status(ctx, Cancelled, "")
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}
