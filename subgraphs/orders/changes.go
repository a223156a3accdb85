package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/subgraphs/orders/graph"
	"github.com/lethe/lethe/workflows"
)

// visible gives an order that a principal may see; nil for one that does not exist, was never taken, or belongs to
// another: who asks cannot tell these apart.
func (d *desk) visible(ctx context.Context, p identity.Principal, id string) (*Order, error) {
	if !opaque("ord_", id) {
		return nil, nil
	}
	o, err := d.store.get(ctx, id)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	if err != nil || !maySee(p, o) {
		return nil, err
	}
	return o, nil
}

func maySee(p identity.Principal, o *Order) bool {
	return o.Status != workflows.StatusRejected && p.May(o.CustomerID)
}

func noSuchOrder() refusals {
	var r refusals
	r.add(graph.UserErrorCodeNotFound, "There is no such order: check its id.", "orderId")
	return r
}

func actor(p identity.Principal) string {
	switch {
	case p.Staff():
		return workflows.ActorStaff
	case p.Role == identity.Customer:
		return workflows.ActorCustomer
	}
	return workflows.ActorSystem
}

// cancel cancels an order that has not shipped.
func (d *desk) cancel(ctx context.Context, p identity.Principal, id string) (*Order, refusals, error) {
	o, err := d.visible(ctx, p, id)
	if o == nil || err != nil {
		return nil, noSuchOrder(), err
	}
	request := workflows.CancelRequest{Actor: actor(p), Reason: workflows.ReasonCustomer}
	if p.Role != identity.Customer {
		request.Reason = workflows.ReasonStaff
	}
	return d.cancelFor(ctx, o, request)
}

func (d *desk) cancelFor(ctx context.Context, o *Order, r workflows.CancelRequest) (*Order, refusals, error) {
	if slices.Contains(before(workflows.StatusCancelled), o.Status) {
		err := d.fulfil(ctx, o, workflows.DefaultTerms(), workflows.UpdateCancel, o.ID+"/cancel", r)
		var refused *temporal.ApplicationError
		if err != nil && !errors.Is(err, errEnded) && !errors.As(err, &refused) {
			return nil, nil, err
		}
		if o, err = d.store.get(ctx, o.ID); err != nil {
			return nil, nil, err
		}
	}
	var refused refusals
	switch o.Status {
	case workflows.StatusCancelled:
	case workflows.StatusFailed, workflows.StatusReturned:
		refused.add(graph.UserErrorCodeWrongState, "The order has ended already: there is nothing to cancel.", "orderId")
	default:
		refused.add(graph.UserErrorCodeTooLate, "The order is on its way: send it back when it has arrived.", "orderId")
	}
	return o, refused, nil
}

// advance moves parcels of an order on, as the courier would.
func (d *desk) advance(ctx context.Context, p identity.Principal, in graph.AdvanceShipmentInput) (*Order, refusals, error) {
	o, err := d.visible(ctx, p, in.OrderID)
	if o == nil || err != nil {
		return nil, noSuchOrder(), err
	}
	event := workflows.ShipmentEvent{OrderID: o.ID, ShipmentID: text(in.ShipmentID.Value()), Actor: actor(p)}
	if to := in.To.Value(); to != nil {
		event.Status = string(*to)
	}
	var refused refusals
	if event.ShipmentID != "" && !opaque("shp_", event.ShipmentID) || event.ShipmentID != "" && len(o.Shipments) > 0 && !slices.ContainsFunc(o.Shipments, func(s Shipment) bool { return s.ID == event.ShipmentID }) {
		refused.add(graph.UserErrorCodeNotFound, "The order has no such shipment: take its id from `shipments`.", "shipmentId")
		return o, refused, nil
	}
	// Of an order that was only just confirmed the workflow waits for the parcels.
	switch o.Status {
	case workflows.StatusPending, workflows.StatusReserved:
		refused.add(graph.UserErrorCodeWrongState, "The order has no parcels yet: try again once it is confirmed.", "orderId")
		return o, refused, nil
	}
	handle, err := d.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflows.FulfilID(o.ID), UpdateName: workflows.UpdateShipment, Args: []any{event}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	var rejected *temporal.ApplicationError
	switch err = d.reached(ctx, o.ID, err); {
	case errors.As(err, &rejected) && rejected.Type() == workflows.ErrTypeUnknownShipment:
		refused.add(graph.UserErrorCodeWrongState, "The order has no parcels yet: try again once it is confirmed.", "orderId")
	case errors.As(err, &rejected), errors.Is(err, errEnded):
		refused.add(graph.UserErrorCodeTooLate, "The shipment has gone further already.", "orderId")
	case err != nil:
		return nil, nil, err
	}
	o, err = d.store.get(ctx, o.ID)
	return o, refused, err
}

// requestReturn takes goods of a delivered order back: the return is written into the order, and a workflow refunds it
// and puts the goods on the shelf.
func (d *desk) requestReturn(ctx context.Context, p identity.Principal, in graph.RequestReturnInput) (*Order, refusals, error) {
	if refused := checkReturn(in); len(refused) > 0 {
		return nil, refused, nil
	}
	o, err := d.visible(ctx, p, in.OrderID)
	if o == nil || err != nil {
		return nil, noSuchOrder(), err
	}
	raw, err := json.Marshal(struct {
		Lines  []*graph.ReturnLineInput
		Reason string
	}{in.Lines.Value(), text(in.Reason.Value())})
	if err != nil {
		return nil, nil, fmt.Errorf("compare a return: %w", err)
	}
	if o.CustomerID == "" && text(in.Reason.Value()) != "" {
		var refused refusals
		refused.add(graph.UserErrorCodeSubjectErased, "The data of this order's customer was erased: leave the reason out.", "reason")
		return o, refused, nil
	}
	id, hash := d.hasher.id("ret", o.ID, in.IdempotencyKey), d.hasher.fingerprint(string(raw))
	for {
		if i := slices.IndexFunc(o.Returns, func(r Return) bool { return r.ID == id }); i >= 0 {
			if o.Returns[i].InputHash != hash {
				var refused refusals
				refused.add(graph.UserErrorCodeIdempotencyKeyReused, "This idempotency key was used for another return: use a new one.", "idempotencyKey")
				return o, refused, nil
			}
			if err := d.carryOut(ctx, o, o.Returns[i]); err != nil {
				return nil, nil, err
			}
			o, err = d.store.get(ctx, o.ID)
			return o, nil, err
		}
		made, refused := newReturn(o, id, in)
		if len(refused) > 0 {
			return o, refused, nil
		}
		made.InputHash = hash
		update := append(set(), bson.E{Key: "$push", Value: bson.D{{Key: "returns", Value: made}}})
		// The return was reckoned on the others there were: if there is another by now, it is reckoned again.
		written, err := d.store.update(ctx, o.ID, bson.D{{Key: "status", Value: workflows.StatusDelivered}, {Key: "returns", Value: bson.D{{Key: "$size", Value: len(o.Returns)}}}}, update)
		if err != nil {
			return nil, nil, err
		}
		if written && o.CustomerID != "" {
			// An erasure that came between leaves the return, but nothing that the customer wrote with it.
			err := d.subjects.barrier.After(ctx, o.CustomerID, func(ctx context.Context) error {
				_, err := d.store.update(ctx, o.ID, bson.D{{Key: "returns.id", Value: id}},
					bson.D{{Key: "$unset", Value: bson.D{{Key: "returns.$.reason", Value: ""}, {Key: "returns.$.inputHash", Value: ""}}}})
				return err
			})
			if err != nil && !errors.Is(err, privacy.ErrErased) {
				return nil, nil, err
			}
		}
		if o, err = d.store.get(ctx, o.ID); err != nil {
			return nil, nil, err
		}
		if i := slices.IndexFunc(o.Returns, func(r Return) bool { return r.ID == id }); i >= 0 && o.Returns[i].InputHash == "" {
			o.Returns[i].InputHash = hash
		}
	}
}

// newReturn reckons what of an order comes back, what is refunded, and where the goods go.
func newReturn(o *Order, id string, in graph.RequestReturnInput) (Return, refusals) {
	var refused refusals
	switch o.Status {
	case workflows.StatusDelivered:
	case workflows.StatusReturned:
		refused.add(graph.UserErrorCodeWrongState, "Everything of this order has come back already.", "orderId")
		return Return{}, refused
	default:
		refused.add(graph.UserErrorCodeWrongState, "Only a delivered order can be sent back.", "orderId")
		return Return{}, refused
	}
	left := o.delivered()
	r := Return{ID: id, Reason: text(in.Reason.Value()), RequestedAt: now()}
	if asked := in.Lines.Value(); asked != nil {
		for i, l := range asked {
			line := o.line(l.LineID)
			if line == nil {
				refused.add(graph.UserErrorCodeNotFound, "The order has no such line: take its id from `lines`.", "lines", strconv.Itoa(i), "lineId")
				continue
			}
			if l.Quantity > left[line.ProductID] {
				refused.add(graph.UserErrorCodeInvalid, fmt.Sprintf("Of this line %d can come back.", left[line.ProductID]), "lines", strconv.Itoa(i), "quantity")
				continue
			}
			r.Lines = append(r.Lines, ReturnLine{l.LineID, l.Quantity})
		}
	} else {
		for _, l := range o.Lines {
			if n := left[l.ProductID]; n > 0 {
				r.Lines = append(r.Lines, ReturnLine{l.ID, n})
			}
		}
		if len(r.Lines) == 0 {
			refused.add(graph.UserErrorCodeWrongState, "Everything of this order has come back already.", "orderId")
		}
	}
	if len(refused) > 0 {
		return Return{}, refused
	}
	shelves := o.shelves()
	for _, l := range r.Lines {
		line := o.line(l.LineID)
		r.RefundMinor += line.UnitMinor * int64(l.Quantity)
		left[line.ProductID] -= l.Quantity
		for need, i := l.Quantity, 0; need > 0 && i < len(shelves); i++ {
			if n := min(need, shelves[i].Quantity); shelves[i].ProductID == line.ProductID && n > 0 {
				r.Shelves = append(r.Shelves, Shelf{line.ProductID, shelves[i].Warehouse, n})
				shelves[i].Quantity -= n
				need -= n
			}
		}
	}
	due := o.Payment.CapturedMinor - o.Payment.RefundedMinor
	for _, other := range o.Returns {
		if !slices.ContainsFunc(o.Payment.Refunds, func(done Refund) bool { return done.Step == other.ID }) {
			due -= other.RefundMinor
		}
	}
	all := true
	for _, n := range left {
		all = all && n <= 0
	}
	if all { // with the last of it the shipping cost comes back too
		r.RefundMinor = due
	}
	r.RefundMinor = min(r.RefundMinor, due)
	return r, nil
}

// shelves gives from which warehouses the goods came that have arrived and not come back.
func (o *Order) shelves() []Shelf {
	var from []Shelf
	for _, s := range o.Shipments {
		if s.Status != workflows.ShipmentDelivered {
			continue
		}
		for _, i := range s.Items {
			from = append(from, Shelf{i.ProductID, s.Warehouse, i.Quantity})
		}
	}
	for _, r := range o.Returns {
		for _, back := range r.Shelves {
			for i := range from {
				if from[i].ProductID == back.ProductID && from[i].Warehouse == back.Warehouse {
					from[i].Quantity -= back.Quantity
				}
			}
		}
	}
	return from
}

// carryOut has a return's workflow do its work, and waits for it.
func (d *desk) carryOut(ctx context.Context, o *Order, r Return) error {
	run, err := d.startReturn(ctx, o, r)
	if errors.Is(err, errEnded) {
		return nil
	}
	if err == nil {
		err = run.Get(ctx, nil)
	}
	return d.reached(ctx, o.ID, err)
}

func (d *desk) startReturn(ctx context.Context, o *Order, r Return) (client.WorkflowRun, error) {
	in := workflows.ReturnRequest{OrderID: o.ID, ReturnID: r.ID}
	for _, s := range r.Shelves {
		in.Allocations = append(in.Allocations, workflows.Allocation(s))
	}
	run, err := d.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.ReturnID(r.ID), TaskQueue: workflows.QueueWorkflows,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, workflows.WorkflowReturn, in)
	return run, d.reached(ctx, o.ID, err)
}
