package fulfilment

import (
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lethe/lethe/workflows"
)

// handleUpdates registers what may be asked of an order. It is called before anything blocks.
func (o *order) handleUpdates(ctx workflow.Context) error {
	if err := workflow.SetUpdateHandler(ctx, workflows.UpdatePlace, o.awaitAnswer); err != nil {
		return fmt.Errorf("handle %s: %w", workflows.UpdatePlace, err)
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateCancel, o.cancel, workflow.UpdateHandlerOptions{Validator: o.mayCancel})
	if err != nil {
		return fmt.Errorf("handle %s: %w", workflows.UpdateCancel, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, workflows.UpdateShipment, o.shipment, workflow.UpdateHandlerOptions{Validator: o.mayShip})
	if err != nil {
		return fmt.Errorf("handle %s: %w", workflows.UpdateShipment, err)
	}
	if err := workflow.SetUpdateHandler(ctx, workflows.UpdateExpedite, o.expedite); err != nil {
		return fmt.Errorf("handle %s: %w", workflows.UpdateExpedite, err)
	}
	return nil
}

func (o *order) awaitAnswer(ctx workflow.Context) (workflows.PlaceAnswer, error) {
	if err := workflow.Await(ctx, func() bool { return o.answer != nil }); err != nil {
		return workflows.PlaceAnswer{}, err
	}
	return *o.answer, nil
}

func tooLate() error {
	return temporal.NewApplicationError("the order is on its way", workflows.ErrTypeTooLate)
}

func (o *order) mayCancel(workflows.CancelRequest) error {
	if o.handedOver || o.result != nil && o.cancelled == nil {
		return tooLate()
	}
	return nil
}

// cancel stops the order where it is and answers when all is undone; too late when the courier was quicker.
func (o *order) cancel(ctx workflow.Context, r workflows.CancelRequest) (workflows.FulfilResult, error) {
	if o.cancelled == nil {
		o.cancelled = &r
		o.stop()
	}
	if err := workflow.Await(ctx, func() bool { return o.handedOver || o.result != nil }); err != nil {
		return workflows.FulfilResult{}, err
	}
	if o.handedOver || o.result.Status != workflows.StatusCancelled {
		return workflows.FulfilResult{}, tooLate()
	}
	return *o.result, nil
}

func (o *order) mayShip(e workflows.ShipmentEvent) error {
	if o.awaitsParcels() {
		return nil
	}
	targets := o.targets(e)
	switch {
	case o.cancelled != nil && !o.handedOver && e.Actor != workflows.ActorCourier, o.result != nil:
		return temporal.NewApplicationError("the order has ended", workflows.ErrTypeTooLate)
	case len(targets) == 0:
		return temporal.NewApplicationError("the order has no such parcel", workflows.ErrTypeUnknownShipment)
	}
	for _, p := range targets {
		if to := next(p, e.Status); workflows.ShipmentRank(to) > workflows.ShipmentRank(p.status) {
			return nil
		}
	}
	return temporal.NewApplicationError("the parcel has gone further already", workflows.ErrTypeTooLate)
}

// shipment takes over what happened to parcels and answers when it is written down.
func (o *order) shipment(ctx workflow.Context, e workflows.ShipmentEvent) error {
	// The courier may be quicker than the answer to what it was asked.
	if err := workflow.Await(ctx, func() bool { return !o.awaitsParcels() }); err != nil {
		return err
	}
	var moved []*parcel
	for _, p := range o.targets(e) {
		if to := next(p, e.Status); workflows.ShipmentRank(to) > workflows.ShipmentRank(p.status) {
			p.status = to
			moved = append(moved, p)
		}
	}
	if len(moved) == 0 {
		return temporal.NewApplicationError("the parcel has gone further already", workflows.ErrTypeTooLate)
	}
	o.handedOver, o.heard = true, workflow.Now(ctx)
	for _, p := range moved {
		o.write(ctx, p, p.status, e.Actor)
	}
	return nil
}

// awaitsParcels tells whether the courier was asked to take parcels and has not answered.
func (o *order) awaitsParcels() bool {
	return o.dispatched && len(o.parcels) == 0 && o.result == nil
}

func (o *order) targets(e workflows.ShipmentEvent) []*parcel {
	if e.ShipmentID == "" {
		return o.parcels
	}
	for _, p := range o.parcels {
		if p.id == e.ShipmentID {
			return []*parcel{p}
		}
	}
	return nil
}

// next gives where a parcel goes: where it is told, or one step on.
func next(p *parcel, to string) string {
	if to != "" {
		return to
	}
	switch p.status {
	case workflows.ShipmentPreparing:
		return workflows.ShipmentInTransit
	case workflows.ShipmentInTransit:
		return workflows.ShipmentOutForDelivery
	case workflows.ShipmentOutForDelivery:
		return workflows.ShipmentDelivered
	}
	return ""
}

func (o *order) expedite(ctx workflow.Context) error {
	o.expedited = true
	if len(o.parcels) == 0 {
		return nil
	}
	return o.orders(ctx, insistent, workflows.ActivityExpedite, o.ref(), nil)
}
