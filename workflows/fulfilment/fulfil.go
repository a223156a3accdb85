// Package fulfilment is the workflow code of an order: from placed to delivered, or undone. It decides and waits; all it
// does to the world it does through activities, which the services that own the data carry out.
package fulfilment

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/saga"
)

// Register adds the workflows to a worker of [workflows.QueueWorkflows], or to a replayer.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Fulfil, workflow.RegisterOptions{Name: workflows.WorkflowFulfil, VersioningBehavior: workflow.VersioningBehaviorPinned})
	r.RegisterWorkflowWithOptions(Return, workflow.RegisterOptions{Name: workflows.WorkflowReturn, VersioningBehavior: workflow.VersioningBehaviorPinned})
}

// sweepMargin is how much longer the inventory keeps a reservation than the workflow needs it: the workflow's own timer
// ends it, the inventory's sweeper is for workflows that are gone.
const sweepMargin = 30 * time.Minute

// Fulfil carries out an order. Until a parcel is handed over every step has its undo and the order can be cancelled; the
// payment is captured then, and from there it only goes forward.
//
//	quote -> reserve -> authorise -> confirm -> dispatch -> | handed over: commit -> capture -> invoice -> deliver
//	         release <- void      <-            recall   <- |
func Fulfil(ctx workflow.Context, in workflows.FulfilRequest) (workflows.FulfilResult, error) {
	o := &order{in: in}
	o.forward, o.stop = workflow.WithCancel(ctx)
	if err := o.handleUpdates(ctx); err != nil {
		return workflows.FulfilResult{}, err
	}
	err := o.place(o.forward)
	if err == nil {
		err = o.ship(o.forward)
	}
	if err != nil && o.dispatched && !o.recall(ctx) {
		err = nil // the courier was quicker: the order goes on
	}
	var result workflows.FulfilResult
	if err != nil {
		result = o.undone(ctx, err)
	} else {
		result = o.deliver(ctx)
	}
	o.result = &result
	after, _ := workflow.NewDisconnectedContext(ctx)
	return result, workflow.Await(after, func() bool { return workflow.AllHandlersFinished(after) })
}

// order is the state of one fulfilment.
type order struct {
	in      workflows.FulfilRequest
	forward workflow.Context // ends when the order is cancelled
	stop    workflow.CancelFunc
	undo    saga.Saga

	answer      *workflows.PlaceAnswer
	cancelled   *workflows.CancelRequest
	expedited   bool
	dispatched  bool // the courier may know of the parcels
	handedOver  bool // a parcel is on its way: too late to cancel
	allocations []workflows.Allocation
	parcels     []*parcel
	heard       time.Time // when something was last heard of a parcel
	result      *workflows.FulfilResult
}

// ending is why an order ends before its goods leave.
type ending struct {
	status, reason, productID string
	available                 int
}

func (e *ending) Error() string { return "the order ends: " + e.status + " " + e.reason }

// place takes an order from placed to confirmed.
func (o *order) place(ctx workflow.Context) error {
	if o.in.Terms.StartAfter > 0 {
		o.answer = &workflows.PlaceAnswer{Status: workflows.StatusPending}
		if _, err := workflow.AwaitWithTimeout(ctx, o.in.Terms.StartAfter, func() bool { return o.expedited }); err != nil {
			return err
		}
	}
	var quote workflows.Quote
	err := do(ctx, workflows.QueueCatalogue, patient, workflows.ActivityQuote, workflows.QuoteRequest{Lines: o.in.Lines, Currency: o.in.Currency}, &quote)
	if refused, ok := refusal(err, workflows.ErrTypeUnknownProduct); ok {
		var productID string
		if err := refused.Details(&productID); err != nil {
			productID = ""
		}
		return &ending{status: workflows.StatusRejected, reason: workflows.ReasonUnknownProduct, productID: productID}
	}
	if err != nil {
		return err
	}
	if err := o.orders(ctx, patient, workflows.ActivityPrice, workflows.PriceRequest{OrderID: o.in.OrderID, Quote: quote}, nil); err != nil {
		return err
	}
	if err := o.reserve(ctx); err != nil {
		return err
	}
	if err := o.authorise(ctx); err != nil {
		return err
	}
	// From now on the stock waits for the courier, not for the customer.
	expires := workflow.Now(ctx).Add(o.in.Terms.HandOverWithin + sweepMargin)
	if err := o.inventory(ctx, patient, workflows.ActivityExtend, workflows.StockRequest{OrderID: o.in.OrderID, Expires: expires}, nil); err != nil {
		return err
	}
	if err := o.advance(ctx, workflows.Transition{To: workflows.StatusConfirmed}); err != nil {
		return err
	}
	o.answer = &workflows.PlaceAnswer{Status: workflows.StatusConfirmed}
	return nil
}

func (o *order) reserve(ctx workflow.Context) error {
	o.undo.Add("release the stock", func(ctx workflow.Context) error {
		return o.inventory(ctx, insistent, workflows.ActivityRelease, workflows.StockRequest{OrderID: o.in.OrderID}, nil)
	})
	var reservation workflows.Reservation
	err := o.inventory(ctx, patient, workflows.ActivityReserve, workflows.ReserveRequest{
		OrderID: o.in.OrderID, Lines: o.in.Lines, CountryCode: o.in.CountryCode,
		Expires: workflow.Now(ctx).Add(o.in.Terms.ReserveFor + sweepMargin),
	}, &reservation)
	if refused, ok := refusal(err, workflows.ErrTypeInsufficientStock); ok {
		var short workflows.Shortage
		if err := refused.Details(&short); err != nil {
			short = workflows.Shortage{}
		}
		return &ending{workflows.StatusFailed, workflows.ReasonOutOfStock, short.ProductID, short.Available}
	}
	if refused, ok := refusal(err, workflows.ErrTypeUnknownProduct); ok {
		var productID string
		if err := refused.Details(&productID); err != nil {
			productID = ""
		}
		return &ending{status: workflows.StatusRejected, reason: workflows.ReasonUnknownProduct, productID: productID}
	}
	if err != nil {
		return err
	}
	o.allocations = reservation.Allocations
	return o.advance(ctx, workflows.Transition{To: workflows.StatusReserved})
}

// authorise has the money set aside, and waits while the customer confirms that with its bank.
func (o *order) authorise(ctx workflow.Context) error {
	o.undo.Add("void the payment", func(ctx workflow.Context) error {
		return o.orders(ctx, insistent, workflows.ActivityVoid, o.ref(), nil)
	})
	deadline := workflow.Now(ctx).Add(o.in.Terms.ReserveFor)
	var payment workflows.Authorisation
	budget := provider(o.in.Terms.AuthoriseWithin)
	if err := o.authorisation(o.orders(ctx, budget, workflows.ActivityAuthorise, o.ref(), &payment)); err != nil {
		return err
	}
	for pause := 5 * time.Second; payment.Pending; pause = min(2*pause, time.Minute) {
		if o.answer == nil {
			o.answer = &workflows.PlaceAnswer{Status: workflows.StatusReserved}
		}
		left := deadline.Sub(workflow.Now(ctx))
		lapse := func() bool { return o.expedited }
		if _, err := workflow.AwaitWithTimeout(ctx, min(max(left, 0), pause), lapse); err != nil {
			return err
		}
		payment = workflows.Authorisation{} // what is left out of an answer would stay as it was
		if err := o.authorisation(o.orders(ctx, budget, workflows.ActivityAuthorised, o.ref(), &payment)); err != nil {
			return err
		}
		if payment.Pending && (o.expedited || !workflow.Now(ctx).Before(deadline)) {
			return &ending{status: workflows.StatusFailed, reason: workflows.ReasonReservationExpired}
		}
	}
	return nil
}

// authorisation gives what a failed authorisation means for the order.
func (o *order) authorisation(err error) error {
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	if _, ok := refusal(err, workflows.ErrTypePaymentDeclined); ok {
		return &ending{status: workflows.StatusFailed, reason: workflows.ReasonPaymentDeclined}
	}
	return &ending{status: workflows.StatusFailed, reason: workflows.ReasonPaymentUnavailable}
}

// undone takes back what was done, and writes down how the order ended.
func (o *order) undone(ctx workflow.Context, why error) workflows.FulfilResult {
	end := workflows.Transition{To: workflows.StatusFailed}
	var known *ending
	switch {
	case o.cancelled != nil:
		end = workflows.Transition{To: workflows.StatusCancelled, Reason: o.cancelled.Reason, Actor: o.cancelled.Actor}
	case errors.As(why, &known):
		end = workflows.Transition{To: known.status, Reason: known.reason, ProductID: known.productID, Available: known.available}
	case temporal.IsCanceledError(why): // an operator cancelled the workflow itself
		end = workflows.Transition{To: workflows.StatusCancelled, Reason: workflows.ReasonStaff, Actor: workflows.ActorStaff}
	default:
		workflow.GetLogger(ctx).Error("a step failed for good", "order", o.in.OrderID, "error", why)
	}
	o.undo.Undo(ctx)
	saga.Insist(ctx, "write down how the order ended", func(ctx workflow.Context) error { return o.advance(ctx, end) })
	if o.answer == nil || o.answer.Status != workflows.StatusConfirmed {
		o.answer = &workflows.PlaceAnswer{Status: end.To, Reason: end.Reason}
	}
	return workflows.FulfilResult{Status: end.To, Reason: end.Reason}
}

func (o *order) advance(ctx workflow.Context, t workflows.Transition) error {
	t.OrderID = o.in.OrderID
	if t.Actor == "" {
		t.Actor = workflows.ActorSystem
	}
	return o.orders(ctx, patient, workflows.ActivityAdvance, t, nil)
}

func (o *order) ref() workflows.OrderRef { return workflows.OrderRef{OrderID: o.in.OrderID} }

func (o *order) orders(ctx workflow.Context, p policy, activity string, in, out any) error {
	return do(ctx, workflows.QueueOrders, p, activity, in, out)
}

func (o *order) inventory(ctx workflow.Context, p policy, activity string, in, out any) error {
	return do(ctx, workflows.QueueInventory, p, activity, in, out)
}
