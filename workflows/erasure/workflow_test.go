package erasure_test

import (
	"errors"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
)

// TestStates goes every way through an erasure and looks at the states that were recorded, at what the services did, and
// at what every step of the ledger says.
func TestStates(t *testing.T) {
	t.Parallel()
	var (
		prepared = []string{workflows.StateAssessing, workflows.StateGrace, workflows.StateDraining}
		executed = []string{workflows.StateSealed, workflows.StateErasing, workflows.StateShredding, workflows.StateNotifying, workflows.StateVerifying}
	)
	for name, c := range map[string]struct {
		in     func(*workflows.EraseRequest)
		setup  func(*world)
		states []string
		ledger string
	}{
		"at once": {
			states: slices.Concat(prepared, executed, []string{workflows.StateClosed}), ledger: "REQUESTED SEALED COMPLETED",
		},
		"something is retained": {
			setup:  func(w *world) { w.retained = 2 },
			states: slices.Concat(prepared, executed, []string{workflows.StateRetaining}), ledger: "REQUESTED SEALED COMPLETED",
		},
		"approved by another": {
			in: func(in *workflows.EraseRequest) { in.Approval = true },
			setup: func(w *world) {
				w.at(time.Minute, workflows.UpdateApproveErasure, workflows.StaffAction{By: "sup_2"}, "")
			},
			states: slices.Concat([]string{workflows.StateAssessing, workflows.StateAwaitingApproval, workflows.StateGrace, workflows.StateDraining}, executed, []string{workflows.StateClosed}),
			ledger: "REQUESTED SEALED COMPLETED",
		},
		"who asked may not approve": {
			in: func(in *workflows.EraseRequest) { in.Approval = true },
			setup: func(w *world) {
				w.at(time.Minute, workflows.UpdateApproveErasure, workflows.StaffAction{By: "staff_1"}, workflows.ErrTypeSecondPerson)
				w.at(2*time.Minute, workflows.UpdateCancelErasure, workflows.StaffAction{By: "staff_1"}, "")
			},
			states: []string{workflows.StateAssessing, workflows.StateAwaitingApproval, workflows.StateCancelled}, ledger: "REQUESTED CANCELLED",
		},
		"rejected by another": {
			in: func(in *workflows.EraseRequest) { in.Approval = true },
			setup: func(w *world) {
				w.at(time.Minute, workflows.UpdateCancelErasure, workflows.StaffAction{By: "sup_2"}, "")
			},
			states: []string{workflows.StateAssessing, workflows.StateAwaitingApproval, workflows.StateRejected}, ledger: "REQUESTED REJECTED",
		},
		"cancelled in the grace": {
			in: func(in *workflows.EraseRequest) { in.GraceDays = 7 },
			setup: func(w *world) {
				w.at(48*time.Hour, workflows.UpdateCancelErasure, workflows.StaffAction{By: "staff_2"}, "")
			},
			states: []string{workflows.StateAssessing, workflows.StateGrace, workflows.StateCancelled}, ledger: "REQUESTED CANCELLED",
		},
		"not cancelled in the grace": {
			in: func(in *workflows.EraseRequest) { in.GraceDays = 7 },
			setup: func(w *world) {
				w.at(48*time.Hour, workflows.UpdateApproveErasure, workflows.StaffAction{By: "staff_2"}, workflows.ErrTypeWrongState)
			},
			states: slices.Concat(prepared, executed, []string{workflows.StateClosed}), ledger: "REQUESTED SEALED COMPLETED",
		},
		"waits for orders": {
			setup:  func(w *world) { w.blockers = 5 },
			states: slices.Concat(prepared, executed, []string{workflows.StateClosed}), ledger: "REQUESTED SEALED COMPLETED",
		},
		"cancelled while it waits for orders": {
			setup: func(w *world) {
				w.blockers = 1 << 30
				w.at(48*time.Hour, workflows.UpdateCancelErasure, workflows.StaffAction{By: "staff_2"}, "")
			},
			states: slices.Concat(prepared, []string{workflows.StateCancelled}), ledger: "REQUESTED CANCELLED",
		},
		"a service is down for an hour": {
			setup:  func(w *world) { w.down[workflows.PrivacyErase] = 12 },
			states: slices.Concat(prepared, executed, []string{workflows.StateClosed}), ledger: "REQUESTED SEALED COMPLETED",
		},
		"a step is parked and tried again": {
			setup: func(w *world) {
				w.down[workflows.PrivacyErase] = 20
				w.at(24*time.Hour, workflows.UpdateRetryStep, workflows.StepAction{By: "staff_2", StepID: "orders-erase"}, "")
			},
			states: slices.Concat(prepared, []string{workflows.StateSealed, workflows.StateErasing, workflows.StateNeedsOperator, workflows.StateErasing},
				executed[2:], []string{workflows.StateClosed}),
			ledger: "REQUESTED SEALED COMPLETED",
		},
		"a step is waived": {
			setup: func(w *world) {
				w.down[workflows.PrivacyNotify] = 1 << 30
				step := workflows.StepAction{By: "staff_1", StepID: "orders-notify", Reason: "the processor is no more"}
				w.at(24*time.Hour, workflows.UpdateWaiveStep, step, workflows.ErrTypeSecondPerson)
				step.By = "sup_2"
				w.at(25*time.Hour, workflows.UpdateWaiveStep, step, "")
				w.at(26*time.Hour, workflows.UpdateWaiveStep, step, "")
			},
			states: slices.Concat(prepared, executed[:4], []string{workflows.StateNeedsOperator, workflows.StateVerifying, workflows.StateClosed}),
			ledger: "REQUESTED SEALED COMPLETED",
		},
		"before the seal nothing is waived": {
			setup: func(w *world) {
				w.hash = "another"
				step := workflows.StepAction{By: "sup_2", StepID: "orders-describe", Reason: "never mind"}
				w.at(24*time.Hour, workflows.UpdateWaiveStep, step, workflows.ErrTypeWrongState)
				w.at(25*time.Hour, workflows.UpdateCancelErasure, workflows.StaffAction{By: "staff_1"}, "")
			},
			states: []string{workflows.StateAssessing, workflows.StateNeedsOperator, workflows.StateAssessing, workflows.StateCancelled}, ledger: "REQUESTED CANCELLED",
		},
		"another manifest": {
			setup: func(w *world) {
				w.hash = "another"
				w.later(time.Hour, func() { w.hash = "hash of orders" })
				w.at(2*time.Hour, workflows.UpdateRetryStep, workflows.StepAction{By: "staff_1", StepID: "orders-describe"}, "")
			},
			states: slices.Concat([]string{workflows.StateAssessing, workflows.StateNeedsOperator}, prepared, executed, []string{workflows.StateClosed}),
			ledger: "REQUESTED SEALED COMPLETED",
		},
		"the first verification finds something": {
			setup:  func(w *world) { w.residue = 1 },
			states: slices.Concat(prepared, executed, []string{workflows.StateErasing, workflows.StateShredding, workflows.StateVerifying, workflows.StateClosed}),
			ledger: "REQUESTED SEALED COMPLETED",
		},
		"no receipt where something was located": {
			setup: func(w *world) {
				w.blind = true
				w.later(time.Hour, func() { w.blind = false })
				w.at(2*time.Hour, workflows.UpdateRetryStep, workflows.StepAction{By: "staff_1", StepID: "orders-erase"}, "")
			},
			states: slices.Concat(prepared, []string{workflows.StateSealed, workflows.StateErasing, workflows.StateNeedsOperator, workflows.StateErasing},
				executed[2:], []string{workflows.StateClosed}),
			ledger: "REQUESTED SEALED COMPLETED",
		},
		"too late to cancel": {
			setup: func(w *world) {
				w.down[workflows.PrivacySeal] = 3
				w.on[workflows.PrivacySeal] = func() {
					w.on[workflows.PrivacySeal] = nil
					w.at(0, workflows.UpdateCancelErasure, workflows.StaffAction{By: "staff_2"}, workflows.ErrTypeTooLate)
				}
			},
			states: slices.Concat(prepared, executed, []string{workflows.StateClosed}), ledger: "REQUESTED SEALED COMPLETED",
		},
		"cancelled a moment before the seal": {
			setup: func(w *world) {
				w.down[workflows.PrivacyRemember] = 1
				w.on[workflows.PrivacyRemember] = func() {
					w.on[workflows.PrivacyRemember] = nil
					w.at(0, workflows.UpdateCancelErasure, workflows.StaffAction{By: "staff_2"}, "")
				}
			},
			states: slices.Concat(prepared, []string{workflows.StateCancelled}), ledger: "REQUESTED CANCELLED",
		},
		"the records cannot be written for a day": {
			setup:  func(w *world) { w.recordsDown = 24 * 60 },
			states: slices.Concat(prepared, executed, []string{workflows.StateClosed}), ledger: "REQUESTED SEALED COMPLETED",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			in := workflows.EraseRequest{
				SubjectRef: workflows.SubjectRef{ErasureID: "era_1", CustomerID: "cus_1"}, SubjectHash: "hash", Ground: "CONSENT_WITHDRAWN", Regulation: "GDPR", RequestedBy: "staff_1",
			}
			if c.in != nil {
				c.in(&in)
			}
			if c.setup != nil {
				c.setup(w)
			}
			w.env.ExecuteWorkflow(workflows.WorkflowErase, in)
			if err := w.env.GetWorkflowError(); err != nil || !w.env.IsWorkflowCompleted() {
				t.Fatalf("the workflow ends with %v", err)
			}
			if !within(w.states, c.states) {
				t.Errorf("the states are\n%v, want\n%v", w.states, c.states)
			}
			for _, lasting := range []string{workflows.StateNeedsOperator, workflows.StateAwaitingApproval} {
				if slices.Contains(c.states, lasting) != slices.Contains(w.states, lasting) {
					t.Errorf("the states are %v, and whether %s is one of them is wrong", w.states, lasting)
				}
			}
			if got := strings.Join(w.ledger, " "); got != c.ledger {
				t.Errorf("the ledger says %s, want %s", got, c.ledger)
			}
			w.consistent(t)
		})
	}
}

// within reports whether recorded states are those of a way in their order: one that lasted for a moment may have been
// recorded together with the next, but not the last.
func within(recorded, way []string) bool {
	if len(recorded) == 0 || recorded[len(recorded)-1] != way[len(way)-1] {
		return false
	}
	for _, s := range recorded {
		i := slices.Index(way, s)
		if i < 0 {
			return false
		}
		way = way[i+1:]
	}
	return true
}

// TestServicesEraseInWaves looks that no service erases before those that lead to the subject through it.
func TestServicesEraseInWaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.WorkflowErase, workflows.EraseRequest{SubjectRef: workflows.SubjectRef{ErasureID: "era_1", CustomerID: "cus_1"}, RequestedBy: "staff_1"})
	if want := []string{"orders", "customers"}; !slices.Equal(w.erased, want) {
		t.Errorf("erased in the order %v, want %v", w.erased, want)
	}
}

// TestAStepWaitsAlone looks that a service that is down keeps its own step alone waiting.
func TestAStepWaitsAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.waves = [][]string{{"orders", "reviews"}, {"customers"}}
	w.down[workflows.PrivacyErase] = 1 << 30
	w.later(24*time.Hour, func() {
		if !slices.Equal(w.erased, []string{"reviews"}) {
			t.Errorf("erased are %v, want reviews while orders is down", w.erased)
		}
		w.down[workflows.PrivacyErase] = 0
	})
	w.at(25*time.Hour, workflows.UpdateRetryStep, workflows.StepAction{By: "staff_1", StepID: "orders-erase"}, "")
	w.env.ExecuteWorkflow(workflows.WorkflowErase, workflows.EraseRequest{SubjectRef: workflows.SubjectRef{ErasureID: "era_1", CustomerID: "cus_1"}, RequestedBy: "staff_1"})
	if err := w.env.GetWorkflowError(); err != nil || len(w.erased) != 3 {
		t.Errorf("erased are %v, %v", w.erased, err)
	}
}

// TestSurveyNamesWhoDoesNotAnswer looks at a survey with a service that is down.
func TestSurveyNamesWhoDoesNotAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.down[workflows.PrivacyLocate] = 1 << 30
	w.env.ExecuteWorkflow(workflows.WorkflowSurvey, workflows.SurveyRequest{Services: []string{"customers", "orders"}})
	app, ok := errors.AsType[*temporal.ApplicationError](w.env.GetWorkflowError())
	var service string
	if !ok || app.Type() != workflows.ErrTypeNoParticipant || app.Details(&service) != nil || service != "orders" {
		t.Errorf("the survey ends with %v about %q", w.env.GetWorkflowError(), service)
	}
}

// TestWorkflowCodeReachesNoWorld keeps workflow code from what a replay cannot repeat.
func TestWorkflowCodeReachesNoWorld(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"workflow.go", "steps.go", "commands.go", "record.go", "survey.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(".", file), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			if strings.HasPrefix(path, "net") || strings.Contains(path, "mongo") || strings.Contains(path, "redis") || path == "os" || strings.Contains(path, "rand") {
				t.Errorf("%s imports %s", file, path)
			}
		}
	}
}
