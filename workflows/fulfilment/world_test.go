package fulfilment_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/fulfilment"
)

// world is what the activities of a fulfilment change: stock, money, parcels and the order. Its activities are idempotent
// as the real ones are.
type world struct {
	mu sync.Mutex

	onHand, reserved int
	released, taken  bool
	restocked        map[string]bool

	money    string // none, pending, authorised, captured, void, declined
	voided   bool
	refunded int

	parcels  map[string]string
	written  map[string]string
	recalled bool
	status   []string
	reason   string
	invoices int

	method string // what the bank says: "", "decline", "authenticate"
	faults map[string]fault
	calls  map[string]int
	onCall func(activity string)
}

// fault is how an activity fails.
type fault struct {
	times int  // how often; for ever when negative
	after bool // whether it takes effect all the same
}

var errFault = errors.New("injected")

const (
	quantity = 2
	price    = 1000
	shipping = 490
)

func newWorld() *world {
	return &world{
		onHand: 10, money: "none", parcels: map[string]string{}, written: map[string]string{}, restocked: map[string]bool{},
		status: []string{workflows.StatusPending}, faults: map[string]fault{}, calls: map[string]int{},
	}
}

// step carries an activity out, with its fault.
func step[In, Out any](w *world, name string, do func(In) (Out, error)) any {
	return func(_ context.Context, in In) (Out, error) {
		if w.onCall != nil {
			w.onCall(name)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.calls[name]++
		f := w.faults[name]
		failing := f.times < 0 || w.calls[name] <= f.times
		var zero Out
		if failing && !f.after {
			return zero, errFault
		}
		out, err := do(in)
		if failing && err == nil {
			return zero, errFault
		}
		return out, err
	}
}

type nothing struct{}

func refuse(kind string, details ...any) error {
	return temporal.NewNonRetryableApplicationError("refused", kind, nil, details...)
}

func (w *world) quote(r workflows.QuoteRequest) (workflows.Quote, error) {
	var q workflows.Quote
	for _, l := range r.Lines {
		if l.ProductID == "prd_unknown" {
			return q, refuse(workflows.ErrTypeUnknownProduct, l.ProductID)
		}
		q.Lines = append(q.Lines, workflows.QuotedLine{ProductID: l.ProductID, Quantity: l.Quantity, UnitMinor: price})
	}
	return q, nil
}

func (w *world) reserve(r workflows.ReserveRequest) (workflows.Reservation, error) {
	if w.released {
		return workflows.Reservation{}, refuse(workflows.ErrTypeWrongState)
	}
	n := 0
	for _, l := range r.Lines {
		n += l.Quantity
	}
	if w.reserved == 0 {
		if w.onHand < n {
			return workflows.Reservation{}, refuse(workflows.ErrTypeInsufficientStock, workflows.Shortage{ProductID: r.Lines[0].ProductID, Available: w.onHand})
		}
		w.reserved = n
	}
	var out workflows.Reservation
	for i, l := range r.Lines {
		out.Allocations = append(out.Allocations, workflows.Allocation{ProductID: l.ProductID, Warehouse: []string{"BER", "LON"}[i%2], Quantity: l.Quantity})
	}
	return out, nil
}

func (w *world) release(workflows.StockRequest) (nothing, error) {
	if !w.taken {
		w.reserved, w.released = 0, true
	}
	return nothing{}, nil
}

func (w *world) commit(workflows.StockRequest) (nothing, error) {
	if !w.taken {
		w.onHand, w.reserved, w.taken = w.onHand-w.reserved, 0, true
	}
	return nothing{}, nil
}

func (w *world) restock(r workflows.RestockRequest) (nothing, error) {
	if !w.restocked[r.ReturnID] {
		w.restocked[r.ReturnID] = true
		for _, a := range r.Allocations {
			w.onHand += a.Quantity
		}
	}
	return nothing{}, nil
}

func (w *world) advance(t workflows.Transition) (nothing, error) {
	if now := w.status[len(w.status)-1]; now != t.To {
		w.status = append(w.status, t.To)
		w.reason = t.Reason
	}
	return nothing{}, nil
}

func (w *world) authorise(workflows.OrderRef) (workflows.Authorisation, error) {
	switch {
	case w.voided:
		return workflows.Authorisation{}, refuse(workflows.ErrTypeWrongState)
	case w.method == "decline":
		w.money = "declined"
		return workflows.Authorisation{}, refuse(workflows.ErrTypePaymentDeclined, workflows.Decline{Code: "generic_decline"})
	case w.method == "authenticate" && w.money != "authorised":
		w.money = "pending"
		return workflows.Authorisation{Pending: true}, nil
	}
	w.money = "authorised"
	return workflows.Authorisation{}, nil
}

func (w *world) authorised(workflows.OrderRef) (workflows.Authorisation, error) {
	return workflows.Authorisation{Pending: w.money == "pending"}, nil
}

func (w *world) void(workflows.OrderRef) (nothing, error) {
	w.voided = true
	if w.money == "captured" {
		return nothing{}, errors.New("voiding a payment that was captured")
	}
	if w.money != "declined" && w.money != "none" {
		w.money = "void"
	}
	return nothing{}, nil
}

func (w *world) capture(workflows.OrderRef) (nothing, error) {
	if w.money != "authorised" && w.money != "captured" {
		return nothing{}, fmt.Errorf("capturing a payment that is %s", w.money)
	}
	w.money = "captured"
	return nothing{}, nil
}

func (w *world) refund(r workflows.RefundRequest) (nothing, error) {
	if w.restocked["refund "+r.Step] {
		return nothing{}, nil
	}
	w.restocked["refund "+r.Step] = true
	if len(r.Parcels) == len(w.parcels) {
		w.refunded += w.total()
	} else {
		w.refunded += quantity * price * len(r.Parcels)
	}
	return nothing{}, nil
}

func (w *world) total() int { return quantity*price*len(w.parcels) + shipping }

func (w *world) dispatch(r workflows.DispatchRequest) (workflows.Tracking, error) {
	if w.recalled {
		return workflows.Tracking{}, refuse(workflows.ErrTypeWrongState)
	}
	for _, a := range r.Allocations {
		if id := "shp_" + a.Warehouse; w.parcels[id] == "" {
			w.parcels[id], w.written[id] = workflows.ShipmentPreparing, workflows.ShipmentPreparing
		}
	}
	return w.tracking(), nil
}

func (w *world) tracking() workflows.Tracking {
	var t workflows.Tracking
	for _, warehouse := range []string{"BER", "LON"} {
		if s := w.parcels["shp_"+warehouse]; s != "" {
			t.Parcels = append(t.Parcels, workflows.Parcel{ID: "shp_" + warehouse, Warehouse: warehouse, Status: s})
		}
	}
	return t
}

func (w *world) recall(workflows.OrderRef) (workflows.Tracking, error) {
	w.recalled = true
	for _, s := range w.parcels {
		if workflows.ShipmentRank(s) > 1 && s != workflows.ShipmentUndeliverable {
			return w.tracking(), nil
		}
	}
	for id := range w.parcels {
		w.parcels[id] = workflows.ShipmentUndeliverable
	}
	return w.tracking(), nil
}

func (w *world) shipment(e workflows.ShipmentEvent) (nothing, error) {
	if workflows.ShipmentRank(e.Status) > workflows.ShipmentRank(w.written[e.ShipmentID]) {
		w.written[e.ShipmentID] = e.Status
	}
	return nothing{}, nil
}

func (w *world) invoice(workflows.OrderRef) (nothing, error) {
	w.invoices = 1
	return nothing{}, nil
}

func done[In any](In) (nothing, error) { return nothing{}, nil }

// env is a run of one order's workflow in a world, with time that skips.
type env struct {
	*testsuite.TestWorkflowEnvironment
	w       *world
	answers map[string]*answer
}

// answer is what an update was answered with.
type answer struct {
	rejected, failed error
	value            any
	complete         bool
}

func newEnv(t *testing.T, w *world) *env {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	e := &env{TestWorkflowEnvironment: suite.NewTestWorkflowEnvironment(), w: w, answers: map[string]*answer{}}
	e.SetTestTimeout(30 * time.Second)
	fulfilment.Register(e)
	for name, f := range map[string]any{
		workflows.ActivityQuote:      step(w, workflows.ActivityQuote, w.quote),
		workflows.ActivityReserve:    step(w, workflows.ActivityReserve, w.reserve),
		workflows.ActivityExtend:     step(w, workflows.ActivityExtend, done[workflows.StockRequest]),
		workflows.ActivityRelease:    step(w, workflows.ActivityRelease, w.release),
		workflows.ActivityCommit:     step(w, workflows.ActivityCommit, w.commit),
		workflows.ActivityRestock:    step(w, workflows.ActivityRestock, w.restock),
		workflows.ActivityPrice:      step(w, workflows.ActivityPrice, done[workflows.PriceRequest]),
		workflows.ActivityAdvance:    step(w, workflows.ActivityAdvance, w.advance),
		workflows.ActivityAuthorise:  step(w, workflows.ActivityAuthorise, w.authorise),
		workflows.ActivityAuthorised: step(w, workflows.ActivityAuthorised, w.authorised),
		workflows.ActivityVoid:       step(w, workflows.ActivityVoid, w.void),
		workflows.ActivityDispatch:   step(w, workflows.ActivityDispatch, w.dispatch),
		workflows.ActivityRecall:     step(w, workflows.ActivityRecall, w.recall),
		workflows.ActivityShipment:   step(w, workflows.ActivityShipment, w.shipment),
		workflows.ActivityTrack: step(w, workflows.ActivityTrack, func(workflows.OrderRef) (workflows.Tracking, error) {
			return w.tracking(), nil
		}),
		workflows.ActivityExpedite: step(w, workflows.ActivityExpedite, done[workflows.OrderRef]),
		workflows.ActivityCapture:  step(w, workflows.ActivityCapture, w.capture),
		workflows.ActivityInvoice:  step(w, workflows.ActivityInvoice, w.invoice),
		workflows.ActivityRefund:   step(w, workflows.ActivityRefund, w.refund),
		workflows.ActivitySettle:   step(w, workflows.ActivitySettle, done[workflows.ReturnRequest]),
	} {
		e.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
	return e
}

// update sends an update, now.
func (e *env) update(name string, args ...any) {
	a := &answer{}
	e.answers[name] = a
	e.UpdateWorkflow(name, fmt.Sprintf("%s/%d", name, len(e.answers)), &testsuite.TestUpdateCallback{
		OnReject:   func(err error) { a.rejected = err },
		OnAccept:   func() {},
		OnComplete: func(v any, err error) { a.value, a.failed, a.complete = v, err, true },
	}, args...)
}

// at does something a while after the start.
func (e *env) at(after time.Duration, do func()) { e.RegisterDelayedCallback(do, after) }

// courierAt has the courier move every parcel to a status a while after the start.
func (e *env) courierAt(after time.Duration, status string) {
	e.at(after, func() {
		e.w.mu.Lock()
		for id, s := range e.w.parcels {
			if workflows.ShipmentRank(s) < workflows.ShipmentRank(status) {
				e.w.parcels[id] = status
			}
		}
		e.w.mu.Unlock()
		e.update(workflows.UpdateShipment, workflows.ShipmentEvent{OrderID: "ord_1", Status: status, Actor: workflows.ActorCourier})
	})
}

// delivers has the courier bring everything.
func (e *env) delivers() {
	e.courierAt(10*time.Minute, workflows.ShipmentInTransit)
	e.courierAt(20*time.Minute, workflows.ShipmentOutForDelivery)
	e.courierAt(30*time.Minute, workflows.ShipmentDelivered)
}

func request(products ...string) workflows.FulfilRequest {
	if len(products) == 0 {
		products = []string{"prd_1", "prd_2"}
	}
	in := workflows.FulfilRequest{OrderID: "ord_1", Currency: "EUR", CountryCode: "DE", Terms: workflows.DefaultTerms()}
	for _, p := range products {
		in.Lines = append(in.Lines, workflows.Line{ProductID: p, Quantity: quantity})
	}
	return in
}

// fulfil runs the workflow to its end.
func (e *env) fulfil(t *testing.T, in workflows.FulfilRequest) workflows.FulfilResult {
	t.Helper()
	e.ExecuteWorkflow(workflows.WorkflowFulfil, in)
	if !e.IsWorkflowCompleted() {
		t.Fatal("the workflow did not end")
	}
	if err := e.GetWorkflowError(); err != nil {
		t.Fatalf("the workflow failed: %v", err)
	}
	var result workflows.FulfilResult
	if err := e.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	return result
}

// balanced checks that stock, money and status agree with how the order ended.
func (w *world) balanced(t *testing.T, result workflows.FulfilResult) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if got := w.status[len(w.status)-1]; got != result.Status {
		t.Errorf("the order is %s, the workflow says %s", got, result.Status)
	}
	if w.reserved != 0 {
		t.Errorf("%d are still reserved", w.reserved)
	}
	gone := 0
	for _, s := range w.written {
		if s == workflows.ShipmentDelivered {
			gone += quantity
		}
	}
	ended := []string{workflows.StatusDelivered, workflows.StatusFailed, workflows.StatusCancelled, workflows.StatusRejected}
	if !slices.Contains(ended, result.Status) {
		t.Errorf("the order ended as %s", result.Status)
	}
	kept := 0
	if w.money == "captured" {
		kept = w.total() - w.refunded
	}
	switch result.Status {
	case workflows.StatusDelivered:
		if w.onHand != 10-gone || gone == 0 {
			t.Errorf("%d are on hand after %d were delivered of 10", w.onHand, gone)
		}
		if kept <= 0 || w.invoices != 1 {
			t.Errorf("delivered, %d are paid and %d invoices written", kept, w.invoices)
		}
	default:
		if w.onHand != 10 {
			t.Errorf("%d are on hand of 10 though nothing was delivered", w.onHand)
		}
		if kept != 0 || w.money == "authorised" || w.money == "pending" {
			t.Errorf("%s, but the payment is %s and %d are kept", result.Status, w.money, kept)
		}
	}
}
