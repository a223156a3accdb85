package fulfilment_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
)

func TestFulfil(t *testing.T) {
	t.Parallel()
	type want struct {
		status, reason string
		path           []string // the order's statuses
		answer         string   // what placing it was answered with
	}
	pending, reserved, confirmed, shipped, delivered := workflows.StatusPending, workflows.StatusReserved, workflows.StatusConfirmed, workflows.StatusShipped, workflows.StatusDelivered
	failed, cancelled := workflows.StatusFailed, workflows.StatusCancelled
	cancelBy := func(e *env) func() {
		return func() {
			e.update(workflows.UpdateCancel, workflows.CancelRequest{Actor: workflows.ActorCustomer, Reason: workflows.ReasonCustomer})
		}
	}
	for name, c := range map[string]struct {
		in    workflows.FulfilRequest
		setup func(*env)
		want  want
	}{
		"delivered": {
			request(), (*env).delivers,
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
		"out of stock": {
			request(), func(e *env) { e.w.onHand = 3 },
			want{failed, workflows.ReasonOutOfStock, []string{pending, failed}, failed},
		},
		"unknown product": {
			request("prd_1", "prd_unknown"), func(*env) {},
			want{workflows.StatusRejected, workflows.ReasonUnknownProduct, []string{pending, workflows.StatusRejected}, workflows.StatusRejected},
		},
		"declined": {
			request(), func(e *env) { e.w.method = "decline" },
			want{failed, workflows.ReasonPaymentDeclined, []string{pending, reserved, failed}, failed},
		},
		"the customer confirms with its bank": {
			request(), func(e *env) {
				e.w.method = "authenticate"
				e.at(2*time.Minute, func() { e.w.mu.Lock(); e.w.money = "authorised"; e.w.mu.Unlock() })
				e.delivers()
			},
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, reserved},
		},
		"the customer never confirms": {
			request(), func(e *env) { e.w.method = "authenticate" },
			want{failed, workflows.ReasonReservationExpired, []string{pending, reserved, failed}, reserved},
		},
		"the payment provider never answers": {
			request(), func(e *env) { e.w.faults[workflows.ActivityAuthorise] = fault{times: -1} },
			want{failed, workflows.ReasonPaymentUnavailable, []string{pending, reserved, failed}, failed},
		},
		"the payment provider takes the money and never answers": {
			request(), func(e *env) { e.w.faults[workflows.ActivityAuthorise] = fault{times: -1, after: true} },
			want{failed, workflows.ReasonPaymentUnavailable, []string{pending, reserved, failed}, failed},
		},
		"cancelled while the customer should confirm": {
			request(), func(e *env) {
				e.w.method = "authenticate"
				e.at(time.Minute, cancelBy(e))
			},
			want{cancelled, workflows.ReasonCustomer, []string{pending, reserved, cancelled}, reserved},
		},
		"cancelled while the parcels wait": {
			request(), func(e *env) { e.at(5*time.Minute, cancelBy(e)) },
			want{cancelled, workflows.ReasonCustomer, []string{pending, reserved, confirmed, cancelled}, confirmed},
		},
		"cancelled when it has shipped": {
			request(), func(e *env) { e.delivers(); e.at(15*time.Minute, cancelBy(e)) },
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
		"cancelled when the courier has it and did not say": {
			request(), func(e *env) {
				e.at(5*time.Minute, func() { e.w.mu.Lock(); e.w.parcels["shp_BER"] = workflows.ShipmentInTransit; e.w.mu.Unlock() })
				e.at(6*time.Minute, cancelBy(e))
				e.delivers()
			},
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
		"the courier never comes": {
			request(), func(*env) {},
			want{failed, workflows.ReasonUndeliverable, []string{pending, reserved, confirmed, failed}, confirmed},
		},
		"an event of the courier is lost": {
			request(), func(e *env) {
				e.courierAt(10*time.Minute, workflows.ShipmentInTransit)
				e.at(24*time.Hour, func() {
					e.w.mu.Lock()
					e.w.parcels["shp_BER"], e.w.parcels["shp_LON"] = workflows.ShipmentDelivered, workflows.ShipmentDelivered
					e.w.mu.Unlock()
				})
			},
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
		"the courier brings it back": {
			request(), func(e *env) {
				e.courierAt(10*time.Minute, workflows.ShipmentInTransit)
				e.courierAt(20*time.Minute, workflows.ShipmentUndeliverable)
			},
			want{failed, workflows.ReasonUndeliverable, []string{pending, reserved, confirmed, shipped, failed}, confirmed},
		},
		"the courier brings half of it back": {
			request(), func(e *env) {
				e.courierAt(10*time.Minute, workflows.ShipmentInTransit)
				e.at(20*time.Minute, func() {
					e.update(workflows.UpdateShipment, workflows.ShipmentEvent{OrderID: "ord_1", ShipmentID: "shp_LON", Status: workflows.ShipmentUndeliverable, Actor: workflows.ActorCourier})
				})
				e.courierAt(30*time.Minute, workflows.ShipmentDelivered)
			},
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
		"placed for later": {
			func() workflows.FulfilRequest {
				in := request()
				in.Terms.StartAfter = time.Minute
				return in
			}(), (*env).delivers,
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, pending},
		},
		"placed for much later and cancelled": {
			func() workflows.FulfilRequest {
				in := request()
				in.Terms.StartAfter = 90 * 24 * time.Hour
				return in
			}(), func(e *env) { e.at(time.Hour, cancelBy(e)) },
			want{cancelled, workflows.ReasonCustomer, []string{pending, cancelled}, pending},
		},
		"placed for much later and expedited": {
			func() workflows.FulfilRequest {
				in := request()
				in.Terms.StartAfter = 90 * 24 * time.Hour
				return in
			}(), func(e *env) { e.at(time.Minute, func() { e.update(workflows.UpdateExpedite) }); e.delivers() },
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, pending},
		},
		"expedited while the customer should confirm": {
			request(), func(e *env) {
				e.w.method = "authenticate"
				e.at(time.Minute, func() { e.update(workflows.UpdateExpedite) })
			},
			want{failed, workflows.ReasonReservationExpired, []string{pending, reserved, failed}, reserved},
		},
		"an operator cancels the workflow": {
			request(), func(e *env) { e.at(time.Minute, e.CancelWorkflow) },
			want{cancelled, workflows.ReasonStaff, []string{pending, reserved, confirmed, cancelled}, confirmed},
		},
		"an operator cancels the workflow too late": {
			request(), func(e *env) { e.delivers(); e.at(15*time.Minute, e.CancelWorkflow) },
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
		"services that are down for a while": {
			request(), func(e *env) {
				for _, a := range []string{workflows.ActivityQuote, workflows.ActivityReserve, workflows.ActivityDispatch} {
					e.w.faults[a] = fault{times: 9} // the test environment tries ten times
				}
				for _, h := range []time.Duration{20, 30, 40} {
					e.courierAt(h*time.Hour, []string{workflows.ShipmentInTransit, workflows.ShipmentOutForDelivery, workflows.ShipmentDelivered}[h/10-2])
				}
			},
			want{delivered, "", []string{pending, reserved, confirmed, shipped, delivered}, confirmed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, newWorld())
			c.setup(e)
			stock := e.w.onHand
			e.at(0, func() { e.update(workflows.UpdatePlace) })
			got := e.fulfil(t, c.in)
			e.w.onHand += 10 - stock
			if got.Status != c.want.status || got.Reason != c.want.reason || e.w.reason != c.want.reason {
				t.Errorf("ended as %+v, the order because of %q; want %s %s", got, e.w.reason, c.want.status, c.want.reason)
			}
			if !slices.Equal(e.w.status, c.want.path) {
				t.Errorf("went %v, want %v", e.w.status, c.want.path)
			}
			if a, ok := e.answers[workflows.UpdatePlace].value.(workflows.PlaceAnswer); !ok || a.Status != c.want.answer {
				t.Errorf("placing was answered %+v, want %s", e.answers[workflows.UpdatePlace], c.want.answer)
			}
			e.w.balanced(t, got)
			if a := e.answers[workflows.UpdateCancel]; a != nil {
				err := errors.Join(a.rejected, a.failed)
				var refused *temporal.ApplicationError
				switch {
				case c.want.status == cancelled && err != nil:
					t.Errorf("cancelling was refused: %v", err)
				case c.want.status != cancelled && (!errors.As(err, &refused) || refused.Type() != workflows.ErrTypeTooLate):
					t.Errorf("cancelling was answered %v, want %s", err, workflows.ErrTypeTooLate)
				}
			}
		})
	}
}

// TestLostParcel checks that what the courier lost is refunded but not put on the shelf.
func TestLostParcel(t *testing.T) {
	t.Parallel()
	e := newEnv(t, newWorld())
	e.courierAt(10*time.Minute, workflows.ShipmentInTransit)
	got := e.fulfil(t, request())
	if got.Status != workflows.StatusFailed || got.Reason != workflows.ReasonUndeliverable {
		t.Errorf("ended as %+v", got)
	}
	if e.w.onHand != 6 || e.w.refunded != e.w.total() {
		t.Errorf("%d are on hand and %d of %d refunded", e.w.onHand, e.w.refunded, e.w.total())
	}
}

// TestFaults fails every step in every way, with and without effect, and cancels at every step: stock, money and status
// must agree at the end.
func TestFaults(t *testing.T) {
	t.Parallel()
	all := []string{
		workflows.ActivityQuote, workflows.ActivityPrice, workflows.ActivityReserve, workflows.ActivityAdvance, workflows.ActivityAuthorise, workflows.ActivityExtend,
		workflows.ActivityDispatch, workflows.ActivityShipment, workflows.ActivityCommit, workflows.ActivityCapture, workflows.ActivityInvoice,
	}
	undo := []string{workflows.ActivityRecall, workflows.ActivityVoid, workflows.ActivityRelease}
	cancel := workflows.CancelRequest{Actor: workflows.ActorCustomer, Reason: workflows.ReasonCustomer}
	for _, name := range append(slices.Clone(all), undo...) {
		// The test environment tries an activity ten times. Steps that must happen are taken up again after that.
		down := fault{times: 9}
		if slices.Contains(append(undo[1:], workflows.ActivityShipment, workflows.ActivityCommit, workflows.ActivityCapture, workflows.ActivityInvoice), name) {
			down.times = 300
		}
		for kind, f := range map[string]fault{"error": {times: 3}, "timeout after effect": {times: 3, after: true}, "down": down} {
			if name == workflows.ActivityAuthorise && kind == "down" {
				continue // the provider is given up: TestFulfil
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				e := newEnv(t, newWorld())
				e.w.faults[name] = f
				if slices.Contains(undo, name) {
					e.at(5*time.Minute, func() { e.update(workflows.UpdateCancel, cancel) })
				}
				for day := range 40 {
					at := time.Duration(day)*6*time.Hour + 10*time.Minute
					e.courierAt(at, workflows.ShipmentInTransit)
					e.courierAt(at+time.Minute, workflows.ShipmentDelivered)
				}
				got := e.fulfil(t, request())
				want := workflows.StatusDelivered
				if slices.Contains(undo, name) {
					want = workflows.StatusCancelled
				}
				if got.Status != want {
					t.Errorf("ended as %+v, want %s", got, want)
				}
				e.w.balanced(t, got)
			})
		}
		for _, after := range []bool{false, true} {
			kind := map[bool]string{false: "cancelled", true: "cancelled while its effect is unknown"}[after]
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				e := newEnv(t, newWorld())
				if after {
					e.w.faults[name] = fault{times: 4, after: true}
				}
				asked := false
				e.w.onCall = func(called string) {
					if called == name && !asked {
						asked = true
						e.at(0, func() { e.update(workflows.UpdateCancel, cancel) })
					}
				}
				e.delivers()
				got := e.fulfil(t, request())
				a := e.answers[workflows.UpdateCancel]
				if a == nil { // an undo, which nothing called for
					if !slices.Contains(undo, name) {
						t.Fatal("the step was never taken")
					}
				} else if refused := a.rejected != nil || a.failed != nil; refused != (got.Status == workflows.StatusDelivered) {
					t.Errorf("ended as %+v, cancelling was answered %v %v", got, a.rejected, a.failed)
				}
				e.w.balanced(t, got)
			})
		}
	}
}

func TestReturn(t *testing.T) {
	t.Parallel()
	e := newEnv(t, newWorld())
	for _, a := range []string{workflows.ActivityRefund, workflows.ActivityRestock, workflows.ActivitySettle} {
		e.w.faults[a] = fault{times: 2, after: true}
	}
	e.w.onHand = 8
	e.ExecuteWorkflow(workflows.WorkflowReturn, workflows.ReturnRequest{
		OrderID: "ord_1", ReturnID: "ret_1", Allocations: []workflows.Allocation{{ProductID: "prd_1", Warehouse: "BER", Quantity: 2}},
	})
	if err := e.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if e.w.onHand != 10 || e.w.refunded == 0 {
		t.Errorf("%d are on hand, %d are refunded", e.w.onHand, e.w.refunded)
	}
}
