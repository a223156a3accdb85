package erasure_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/erasure"
)

// world is what the activities of an erasure change. The service orders is the one that things go wrong in; its activities
// are idempotent as the real ones are.
type world struct {
	env   *testsuite.TestWorkflowEnvironment
	t     *testing.T
	waves [][]string

	mu          sync.Mutex
	down        map[string]int    // how often an activity of orders fails
	on          map[string]func() // called when one is tried
	hash        string            // of orders' manifest
	blockers    int
	retained    int
	residue     int  // how many verifications of orders find something
	blind       bool // whether orders' eraser finds nothing
	recordsDown int

	states     []string
	ledger     []string
	erased     []string
	restricted map[string]bool
	remembered map[string]bool
	sealed     map[string]bool
	certified  *workflows.CertificateRequest
	last       workflows.ErasureProgress
}

const held = 3

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(io.Discard, nil))))
	w := &world{
		env: suite.NewTestWorkflowEnvironment(), t: t, waves: [][]string{{"orders"}, {"customers"}}, hash: "hash of orders",
		down: map[string]int{}, on: map[string]func(){}, restricted: map[string]bool{}, remembered: map[string]bool{}, sealed: map[string]bool{},
	}
	w.env.SetTestTimeout(20 * time.Second)
	erasure.RegisterWorkflows(w.env)
	register := func(name string, f any) {
		w.env.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	register(workflows.ErasurePlan, func(context.Context, workflows.EraseRequest) (workflows.ErasurePlanned, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		out := workflows.ErasurePlanned{Waves: w.waves, Want: map[string]workflows.Manifest{}, Hash: "plan"}
		for _, wave := range w.waves {
			for _, s := range wave {
				out.Want[s] = workflows.Manifest{Service: s, Hash: "hash of " + s}
			}
		}
		return out, nil
	})
	register(workflows.ErasureRecord, func(_ context.Context, p workflows.ErasureProgress) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.recordsDown > 0 {
			w.recordsDown--
			return errors.New("down")
		}
		if len(w.states) == 0 || w.states[len(w.states)-1] != p.Status {
			w.states = append(w.states, p.Status)
		}
		w.last = p
		return nil
	})
	register(workflows.ErasureLedger, func(_ context.Context, e workflows.LedgerEntry) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ledger = append(w.ledger, e.Event)
		return nil
	})
	register(workflows.ErasurePurge, func(context.Context, workflows.SubjectRef) (workflows.Receipt, error) {
		return workflows.Receipt{}, nil
	})
	register(workflows.ErasureHistories, func(_ context.Context, h workflows.Histories) (workflows.Receipt, error) {
		return workflows.Receipt{Matched: len(h.WorkflowIDs), Changed: len(h.WorkflowIDs)}, nil
	})
	register(workflows.ErasureCertificate, func(_ context.Context, r workflows.CertificateRequest) (workflows.CertificateIssued, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.certified = &r
		w.ledger = append(w.ledger, workflows.StateCompleted)
		return workflows.CertificateIssued{IssuedAt: r.ErasedAt, Document: "{}"}, nil
	})
	w.services(register)
	return w
}

// service registers an activity of the contract for all services.
func service[In, Out any](w *world, register func(string, any), name string, do func(service string, in In) (Out, error)) {
	register(name, func(ctx context.Context, in In) (Out, error) {
		queue := activity.GetInfo(ctx).TaskQueue
		s := queue[len(workflows.PrivacyQueue("")):]
		var none Out
		w.mu.Lock()
		defer w.mu.Unlock()
		if s == "orders" {
			if f := w.on[name]; f != nil {
				f()
			}
			if w.down[name] > 0 {
				w.down[name]--
				return none, errors.New("down")
			}
		}
		return do(s, in)
	})
}

type nothing struct{}

func (w *world) services(register func(string, any)) {
	service(w, register, workflows.PrivacyDescribe, func(s string, _ workflows.SubjectRef) (workflows.Manifest, error) {
		if s == "orders" {
			return workflows.Manifest{Service: s, Hash: w.hash}, nil
		}
		return workflows.Manifest{Service: s, Hash: "hash of " + s}, nil
	})
	service(w, register, workflows.PrivacyLocate, func(s string, _ workflows.SubjectRef) (workflows.Located, error) {
		return workflows.Located{Service: s, Paths: []workflows.PathHeld{{Path: "Order.note", Action: "UNSET", Count: held}}}, nil
	})
	service(w, register, workflows.PrivacyRestrict, func(s string, _ workflows.SubjectRef) (nothing, error) {
		w.restricted[s] = true
		return nothing{}, nil
	})
	service(w, register, workflows.PrivacyUnrestrict, func(s string, _ workflows.SubjectRef) (nothing, error) {
		delete(w.restricted, s)
		delete(w.remembered, s)
		return nothing{}, nil
	})
	service(w, register, workflows.PrivacyDrain, func(s string, _ workflows.DrainRequest) (workflows.Located, error) {
		if s != "orders" || w.blockers == 0 {
			return workflows.Located{}, nil
		}
		w.blockers--
		return workflows.Located{Blockers: []workflows.Blocker{{Kind: "OPEN_ORDER", Count: w.blockers + 1}}}, nil
	})
	service(w, register, workflows.PrivacyRemember, func(s string, _ workflows.SubjectRef) (nothing, error) {
		w.remembered[s] = true
		return nothing{}, nil
	})
	service(w, register, workflows.PrivacySeal, func(s string, _ workflows.SubjectRef) (nothing, error) {
		w.sealed[s] = true
		return nothing{}, nil
	})
	service(w, register, workflows.PrivacyErase, func(s string, in workflows.EraseStep) (workflows.Receipt, error) {
		for _, wave := range w.waves {
			for _, other := range wave {
				if !w.sealed[other] {
					w.t.Errorf("%s erases before %s is sealed", s, other)
				}
			}
		}
		r := workflows.Receipt{Service: s, Matched: held, Changed: held}
		if s == "orders" && w.blind {
			r.Matched, r.Changed = 0, 0
			return r, nil
		}
		if s == "orders" && w.retained > 0 {
			r.Changed -= w.retained
			r.Retained = []workflows.PathHeld{{Path: "Invoice.number", Action: "RETAIN", Rule: "invoices", Count: w.retained}}
		}
		w.erased = append(w.erased, s)
		return r, nil
	})
	service(w, register, workflows.PrivacyVerify, func(s string, _ workflows.SubjectRef) (workflows.Findings, error) {
		f := workflows.Findings{Service: s, Documents: 10, Tokens: 5}
		if s == "orders" && w.residue > 0 {
			w.residue--
			f.Found = []workflows.Finding{{Store: "orders", Count: 1}}
		}
		return f, nil
	})
	service(w, register, workflows.PrivacyHistories, func(string, workflows.SubjectRef) (workflows.Histories, error) {
		return workflows.Histories{WorkflowIDs: []string{"fulfil/1"}}, nil
	})
	service(w, register, workflows.PrivacyNotify, func(s string, _ workflows.SubjectRef) (workflows.Notified, error) {
		return workflows.Notified{Recipients: []workflows.Recipient{{Name: "courier of " + s, Answer: "ERASED", Count: 1}}}, nil
	})
	service(w, register, workflows.PrivacyForget, func(s string, _ workflows.SubjectRef) (nothing, error) {
		delete(w.remembered, s)
		return nothing{}, nil
	})
}

// later does something after a while of the workflow's time.
func (w *world) later(after time.Duration, do func()) {
	w.env.RegisterDelayedCallback(func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		do()
	}, after)
}

// at sends an update after a while, which is to be refused with a type of error, or to be taken when that is empty.
func (w *world) at(after time.Duration, name string, arg any, refused string) {
	w.env.RegisterDelayedCallback(func() {
		check := func(err error) {
			kind := ""
			if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
				kind = app.Type()
			}
			if kind != refused || err != nil && kind == "" {
				w.t.Errorf("%s of %+v is answered %v, want %q", name, arg, err, refused)
			}
		}
		w.env.UpdateWorkflow(name, "", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: check, OnComplete: func(_ any, err error) { check(err) },
		}, arg)
	}, after)
}

// consistent checks what must hold however an erasure ends.
func (w *world) consistent(t *testing.T) {
	t.Helper()
	if len(w.remembered) > 0 {
		t.Errorf("%v still remember the subject", w.remembered)
	}
	switch w.last.Status {
	case workflows.StateCancelled, workflows.StateRejected:
		if len(w.sealed)+len(w.erased) > 0 || w.certified != nil {
			t.Errorf("%s, and yet %v are sealed and %v erased", w.last.Status, w.sealed, w.erased)
		}
		if len(w.restricted) > 0 {
			t.Errorf("%s, and yet %v restrict the subject", w.last.Status, w.restricted)
		}
	default:
		if w.certified == nil || len(w.certified.Receipts)+len(w.waivedOf("ERASE")) < 2 || len(w.certified.Findings)+len(w.waivedOf("VERIFY")) < 2 {
			t.Errorf("the certificate says %+v", w.certified)
		}
		for _, f := range w.certified.Findings {
			if f.Total() > 0 {
				t.Errorf("certified with %+v", f)
			}
		}
	}
	for _, s := range w.last.Steps {
		if s.Status != workflows.StepDone && s.Status != workflows.StepWaived {
			t.Errorf("the erasure ended and step %s is %s", s.ID, s.Status)
		}
	}
}

func (w *world) waivedOf(name string) []workflows.StepState {
	var out []workflows.StepState
	for _, s := range w.certified.Waived {
		if s.Name == name {
			out = append(out, s)
		}
	}
	return out
}
