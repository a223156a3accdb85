package fulfilment

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/saga"
)

// parcel is one shipment of the order.
type parcel struct {
	id, warehouse string
	status        string // what is known
	written       string // what stands in the order
	lost          bool   // the courier never said what became of it
}

func (p *parcel) ended() bool { return workflows.ShipmentRank(p.written) == 4 }

// ship has the parcels made ready and waits until the first is handed over.
func (o *order) ship(ctx workflow.Context) error {
	o.dispatched = true
	request := workflows.DispatchRequest{OrderID: o.in.OrderID, Allocations: o.allocations}
	if !o.expedited {
		request.HoldAt = o.in.Terms.HoldAt
	}
	var made workflows.Tracking
	err := o.orders(ctx, patient, workflows.ActivityDispatch, request, &made)
	if err != nil {
		if temporal.IsCanceledError(err) {
			return err
		}
		return &ending{status: workflows.StatusFailed, reason: workflows.ReasonUndeliverable}
	}
	for _, p := range made.Parcels {
		o.parcels = append(o.parcels, &parcel{id: p.ID, warehouse: p.Warehouse, status: p.Status, written: p.Status})
	}
	deadline := workflow.Now(ctx).Add(o.in.Terms.HandOverWithin)
	for !o.handedOver {
		left := deadline.Sub(workflow.Now(ctx))
		if left <= 0 {
			return &ending{status: workflows.StatusFailed, reason: workflows.ReasonUndeliverable}
		}
		heard, err := workflow.AwaitWithTimeout(ctx, min(left, o.in.Terms.TrackEvery), func() bool { return o.handedOver })
		if err != nil {
			return err
		}
		if !heard {
			o.track(ctx)
		}
	}
	return nil
}

// recall asks the courier to leave the parcels where they are. It answers false when one is already on its way: then the
// order goes on, and a parcel that was called back nevertheless counts as one that could not be delivered.
func (o *order) recall(ctx workflow.Context) bool {
	if o.handedOver {
		return false
	}
	var found workflows.Tracking
	saga.Insist(ctx, "call the parcels back", func(ctx workflow.Context) error {
		return o.orders(ctx, insistent, workflows.ActivityRecall, o.ref(), &found)
	})
	taken := false
	for _, p := range found.Parcels {
		taken = taken || workflows.ShipmentRank(p.Status) > 1 && p.Status != workflows.ShipmentUndeliverable
	}
	if !taken {
		return !o.handedOver
	}
	o.handedOver = true
	if len(o.parcels) == 0 {
		for _, p := range found.Parcels {
			o.parcels = append(o.parcels, &parcel{id: p.ID, warehouse: p.Warehouse, status: workflows.ShipmentPreparing, written: workflows.ShipmentPreparing})
		}
	}
	o.learn(ctx, found)
	return false
}

// deliver carries the order through from the moment that a parcel is on its way. Nothing can stop it any more.
func (o *order) deliver(ctx workflow.Context) workflows.FulfilResult {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	o.heard = workflow.Now(ctx)
	if o.answer == nil {
		o.answer = &workflows.PlaceAnswer{Status: workflows.StatusConfirmed}
	}
	saga.Insist(ctx, "take the goods from the stock", func(ctx workflow.Context) error {
		return o.inventory(ctx, insistent, workflows.ActivityCommit, workflows.StockRequest{OrderID: o.in.OrderID}, nil)
	})
	saga.Insist(ctx, "write down that the order has shipped", func(ctx workflow.Context) error {
		return o.advance(ctx, workflows.Transition{To: workflows.StatusShipped, Actor: workflows.ActorCourier})
	})
	saga.Insist(ctx, "capture the payment", func(ctx workflow.Context) error {
		return o.orders(ctx, insistent, workflows.ActivityCapture, o.ref(), nil)
	})
	saga.Insist(ctx, "write the invoice", func(ctx workflow.Context) error {
		return o.orders(ctx, insistent, workflows.ActivityInvoice, o.ref(), nil)
	})
	o.awaitParcels(ctx)
	failed := o.makeGood(ctx)
	end := workflows.Transition{To: workflows.StatusDelivered, Actor: workflows.ActorCourier}
	if failed == len(o.parcels) {
		end.To, end.Reason = workflows.StatusFailed, workflows.ReasonUndeliverable
	}
	saga.Insist(ctx, "write down how the order ended", func(ctx workflow.Context) error { return o.advance(ctx, end) })
	return workflows.FulfilResult{Status: end.To, Reason: end.Reason}
}

// awaitParcels waits until it is known of every parcel what became of it. One of which nothing is heard for too long
// counts as lost.
func (o *order) awaitParcels(ctx workflow.Context) {
	open := func() bool {
		for _, p := range o.parcels {
			if !p.ended() {
				return true
			}
		}
		return false
	}
	for open() {
		left := o.heard.Add(o.in.Terms.DeliverWithin).Sub(workflow.Now(ctx))
		if left <= 0 {
			o.giveUp(ctx)
			continue
		}
		heard := o.heard
		// The context is disconnected: waiting cannot fail.
		told, _ := workflow.AwaitWithTimeout(ctx, min(left, o.in.Terms.TrackEvery), func() bool { return !open() || o.heard != heard })
		if !told {
			o.track(ctx)
		}
	}
}

// giveUp takes the parcels of which nothing is heard for lost.
func (o *order) giveUp(ctx workflow.Context) {
	for _, p := range o.parcels {
		if workflows.ShipmentRank(p.status) < 4 {
			p.status, p.lost = workflows.ShipmentUndeliverable, true
			o.write(ctx, p, p.status, workflows.ActorSystem)
		}
	}
	// What a handler is still writing down comes to its end by itself.
	_ = workflow.Await(ctx, func() bool {
		for _, p := range o.parcels {
			if !p.ended() {
				return false
			}
		}
		return true
	})
}

// makeGood refunds what could not be delivered and puts it back on the shelf, and tells how many parcels that were.
func (o *order) makeGood(ctx workflow.Context) int {
	var (
		failed []string
		back   []workflows.Allocation
	)
	for _, p := range o.parcels {
		if p.status != workflows.ShipmentUndeliverable {
			continue
		}
		failed = append(failed, p.id)
		for _, a := range o.allocations {
			if a.Warehouse == p.warehouse && !p.lost {
				back = append(back, a)
			}
		}
	}
	if len(failed) == 0 {
		return 0
	}
	saga.Insist(ctx, "refund what was not delivered", func(ctx workflow.Context) error {
		return o.orders(ctx, insistent, workflows.ActivityRefund, workflows.RefundRequest{OrderID: o.in.OrderID, Step: "undeliverable", Parcels: failed}, nil)
	})
	if len(back) > 0 {
		saga.Insist(ctx, "restock what was not delivered", func(ctx workflow.Context) error {
			return o.inventory(ctx, insistent, workflows.ActivityRestock, workflows.RestockRequest{
				OrderID: o.in.OrderID, ReturnID: o.in.OrderID + "/undeliverable", Allocations: back,
			}, nil)
		})
	}
	return len(failed)
}

// track asks the courier for what did not reach us. A courier that cannot be asked now is asked later.
func (o *order) track(ctx workflow.Context) {
	var found workflows.Tracking
	if err := o.orders(ctx, policy{attempt: 15 * time.Second, budget: time.Minute}, workflows.ActivityTrack, o.ref(), &found); err != nil {
		workflow.GetLogger(ctx).Warn("the courier could not be asked", "order", o.in.OrderID, "error", err)
		return
	}
	o.learn(ctx, found)
}

// learn takes over where the courier says that the parcels stand.
func (o *order) learn(ctx workflow.Context, found workflows.Tracking) {
	for _, f := range found.Parcels {
		for _, p := range o.parcels {
			if p.id == f.ID && workflows.ShipmentRank(f.Status) > workflows.ShipmentRank(p.status) {
				o.move(ctx, p, f.Status, workflows.ActorCourier)
			}
		}
	}
}

// move takes over that a parcel has gone on, and writes it down.
func (o *order) move(ctx workflow.Context, p *parcel, status, actor string) {
	p.status, o.heard = status, workflow.Now(ctx)
	o.handedOver = true
	o.write(ctx, p, status, actor)
}

// write writes a parcel's status down. Several may be written at a time: the order keeps the furthest.
func (o *order) write(ctx workflow.Context, p *parcel, status, actor string) {
	saga.Insist(ctx, "write down where a parcel is", func(ctx workflow.Context) error {
		return o.orders(ctx, insistent, workflows.ActivityShipment, workflows.ShipmentEvent{OrderID: o.in.OrderID, ShipmentID: p.id, Status: status, Actor: actor}, nil)
	})
	if workflows.ShipmentRank(status) > workflows.ShipmentRank(p.written) {
		p.written = status
	}
}
