package orders

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

// activities are what the orders service does for the workflows. Every one can be repeated: it finds what it has done.
type activities struct {
	store    *store
	payments *payment.Client
	courier  *shipping.Client
}

func (a *activities) register(r worker.Registry) {
	for name, f := range map[string]any{
		workflows.ActivityPrice: a.price, workflows.ActivityAdvance: a.advance, workflows.ActivityAuthorise: a.authorise,
		workflows.ActivityAuthorised: a.authorised, workflows.ActivityVoid: a.void, workflows.ActivityDispatch: a.dispatch,
		workflows.ActivityRecall: a.recall, workflows.ActivityShipment: a.shipment, workflows.ActivityTrack: a.track,
		workflows.ActivityExpedite: a.expedite, workflows.ActivityCapture: a.capture, workflows.ActivityInvoice: a.invoice,
		workflows.ActivityRefund: a.refund, workflows.ActivitySettle: a.settle,
	} {
		r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name})
	}
}

// wrongState is the refusal of a step that an order's state does not allow: trying again would not help.
func wrongState(orderID, step string) error {
	return temporal.NewNonRetryableApplicationError("order "+orderID+" is in no state to "+step, workflows.ErrTypeWrongState, nil)
}

// order reads the order of a step. One that is gone is no matter of trying again.
func (a *activities) order(ctx context.Context, id, step string) (*Order, error) {
	o, err := a.store.get(ctx, id)
	if errors.Is(err, errNotFound) {
		return nil, wrongState(id, step)
	}
	return o, err
}

func (a *activities) price(ctx context.Context, r workflows.PriceRequest) error {
	o, err := a.order(ctx, r.OrderID, "be priced")
	if err != nil {
		return err
	}
	if len(o.Lines) != len(r.Quote.Lines) {
		return wrongState(o.ID, "be priced by this quote")
	}
	for i, q := range r.Quote.Lines {
		l := &o.Lines[i]
		if l.ProductID != q.ProductID || l.Quantity != q.Quantity {
			return wrongState(o.ID, "be priced by this quote")
		}
		l.SKU, l.Name, l.UnitMinor = q.SKU, q.Name, q.UnitMinor
	}
	country := ""
	if o.Address != nil {
		country = o.Address.CountryCode
	}
	// An order that has gone on keeps its prices.
	_, err = a.store.update(ctx, o.ID, bson.D{{Key: "status", Value: workflows.StatusPending}},
		set(bson.E{Key: "lines", Value: o.Lines}, bson.E{Key: "shippingMinor", Value: shippingCost(country, o.subtotal())}))
	return err
}

func (a *activities) advance(ctx context.Context, t workflows.Transition) error {
	arrived, err := a.store.advance(ctx, t)
	if err == nil && !arrived {
		return wrongState(t.OrderID, "become "+t.To)
	}
	return err
}

func (a *activities) invoice(ctx context.Context, r workflows.OrderRef) error {
	o, err := a.order(ctx, r.OrderID, "be invoiced")
	if err != nil || o.Invoice != nil {
		return err
	}
	number, at, err := a.store.issue(ctx, o.ID, now())
	if err != nil {
		return err
	}
	country := ""
	if o.Address != nil {
		country = o.Address.CountryCode
	}
	_, err = a.store.update(ctx, o.ID, bson.D{{Key: "invoice", Value: bson.D{{Key: "$exists", Value: false}}}},
		set(bson.E{Key: "invoice", Value: Invoice{number, at, country, o.total()}}))
	return err
}

// dispatch has a label made for the parcel of each warehouse. The parcels stand in the order before the courier hears of
// them, so that a recall knows what to call back.
func (a *activities) dispatch(ctx context.Context, r workflows.DispatchRequest) (workflows.Tracking, error) {
	o, err := a.order(ctx, r.OrderID, "be dispatched")
	if err != nil {
		return workflows.Tracking{}, err
	}
	if len(o.Shipments) == 0 {
		written, err := a.store.update(ctx, o.ID,
			bson.D{{Key: "recalled", Value: bson.D{{Key: "$ne", Value: true}}}, {Key: "shipments", Value: bson.D{{Key: "$size", Value: 0}}}},
			set(bson.E{Key: "shipments", Value: pack(o.ID, r.Allocations)}))
		if err != nil {
			return workflows.Tracking{}, err
		}
		if o, err = a.order(ctx, o.ID, "be dispatched"); err != nil {
			return workflows.Tracking{}, err
		}
		if !written && len(o.Shipments) == 0 {
			return workflows.Tracking{}, wrongState(o.ID, "be dispatched")
		}
	}
	if o.Recalled || o.Address == nil {
		return workflows.Tracking{}, wrongState(o.ID, "be dispatched")
	}
	for _, s := range o.Shipments {
		if s.TrackingNumber != "" {
			continue
		}
		label, err := a.courier.Create(ctx, shipping.Parcel{
			ID: s.ID, OrderID: o.ID, Warehouse: s.Warehouse, Address: shipping.Address(*o.Address), HoldAt: r.HoldAt,
		})
		if errors.Is(err, shipping.ErrTooLate) || errors.Is(err, shipping.ErrRefused) {
			return workflows.Tracking{}, wrongState(o.ID, "be taken by the courier")
		}
		if err != nil {
			return workflows.Tracking{}, err
		}
		_, err = a.store.update(ctx, o.ID, bson.D{{Key: "shipments.id", Value: s.ID}},
			set(bson.E{Key: "shipments.$.carrier", Value: label.Carrier}, bson.E{Key: "shipments.$.trackingNumber", Value: label.TrackingNumber}))
		if err != nil {
			return workflows.Tracking{}, err
		}
	}
	return tracking(o), nil
}

func tracking(o *Order) workflows.Tracking {
	t := workflows.Tracking{Parcels: make([]workflows.Parcel, len(o.Shipments))}
	for i, s := range o.Shipments {
		t.Parcels[i] = workflows.Parcel{ID: s.ID, Warehouse: s.Warehouse, Status: s.Status}
	}
	return t
}

// pack makes one parcel of what comes from each warehouse.
func pack(orderID string, allocations []workflows.Allocation) []Shipment {
	by := map[string][]Item{}
	for _, l := range allocations {
		by[l.Warehouse] = append(by[l.Warehouse], Item{l.ProductID, l.Quantity})
	}
	parcels := make([]Shipment, 0, len(by))
	for warehouse, items := range by {
		id := "shp_" + strings.TrimPrefix(orderID, "ord_") + "_" + strings.ToLower(warehouse)
		parcels = append(parcels, Shipment{ID: id, Status: workflows.ShipmentPreparing, Warehouse: warehouse, Items: items})
	}
	slices.SortFunc(parcels, func(a, b Shipment) int { return cmp.Compare(a.Warehouse, b.Warehouse) })
	return parcels
}

// recall calls an order's parcels back, unless one is already on its way: then it changes nothing at the courier. Either
// way it answers where the parcels are; one that was called back is undeliverable.
func (a *activities) recall(ctx context.Context, r workflows.OrderRef) (workflows.Tracking, error) {
	o, err := a.store.mark(ctx, r.OrderID, set(bson.E{Key: "recalled", Value: true}))
	if errors.Is(err, errNotFound) {
		return workflows.Tracking{}, wrongState(r.OrderID, "be recalled")
	}
	if err != nil {
		return workflows.Tracking{}, err
	}
	found, err := a.look(ctx, o)
	if err != nil {
		return workflows.Tracking{}, err
	}
	if taken(found) {
		return found, nil
	}
	for i, s := range o.Shipments {
		err := a.courier.Cancel(ctx, s.ID)
		switch {
		case err == nil:
			found.Parcels[i].Status = workflows.ShipmentUndeliverable
		case errors.Is(err, shipping.ErrTooLate):
			found.Parcels[i].Status = workflows.ShipmentInTransit
		default:
			return workflows.Tracking{}, err
		}
	}
	if taken(found) {
		return found, nil
	}
	_, err = a.store.update(ctx, o.ID, nil, set(bson.E{Key: "shipments", Value: []Shipment{}}))
	return found, err
}

func taken(t workflows.Tracking) bool {
	return slices.ContainsFunc(t.Parcels, func(p workflows.Parcel) bool {
		return workflows.ShipmentRank(p.Status) > 1 && p.Status != workflows.ShipmentUndeliverable
	})
}

// look asks the courier where an order's parcels are. One that it does not know is still being prepared.
func (a *activities) look(ctx context.Context, o *Order) (workflows.Tracking, error) {
	found := tracking(o)
	for i := range found.Parcels {
		label, err := a.courier.Status(ctx, found.Parcels[i].ID)
		switch {
		case errors.Is(err, shipping.ErrUnknown):
			continue
		case err != nil:
			return workflows.Tracking{}, err
		case label.Status == shipping.StatusCancelled:
			label.Status = workflows.ShipmentUndeliverable
		case workflows.ShipmentRank(label.Status) == 0:
			return workflows.Tracking{}, fmt.Errorf("the courier knows a status of parcels that is none: order %s", o.ID)
		}
		found.Parcels[i].Status = label.Status
	}
	return found, nil
}

func (a *activities) track(ctx context.Context, r workflows.OrderRef) (workflows.Tracking, error) {
	o, err := a.order(ctx, r.OrderID, "be tracked")
	if err != nil {
		return workflows.Tracking{}, err
	}
	return a.look(ctx, o)
}

func (a *activities) expedite(ctx context.Context, r workflows.OrderRef) error {
	o, err := a.order(ctx, r.OrderID, "be expedited")
	if err != nil {
		return err
	}
	for _, s := range o.Shipments {
		if err := a.courier.Expedite(ctx, s.ID); err != nil && !errors.Is(err, shipping.ErrUnknown) {
			return err
		}
	}
	return nil
}

// shipment writes down where a parcel is. One that has gone further already stays there.
func (a *activities) shipment(ctx context.Context, e workflows.ShipmentEvent) error {
	var lower []string
	for _, s := range []string{workflows.ShipmentPreparing, workflows.ShipmentInTransit, workflows.ShipmentOutForDelivery} {
		if workflows.ShipmentRank(s) < workflows.ShipmentRank(e.Status) {
			lower = append(lower, s)
		}
	}
	at := now()
	fields := []bson.E{{Key: "shipments.$.status", Value: e.Status}}
	if e.Status == workflows.ShipmentDelivered {
		fields = append(fields, bson.E{Key: "shipments.$.deliveredAt", Value: at})
	}
	parcel := func(more ...bson.E) bson.D {
		return bson.D{{Key: "shipments", Value: bson.D{{Key: "$elemMatch", Value: append(bson.D{{Key: "id", Value: e.ShipmentID}}, more...)}}}}
	}
	// A parcel that skips a status was handed over all the same.
	if _, err := a.store.update(ctx, e.OrderID, parcel(bson.E{Key: "status", Value: workflows.ShipmentPreparing}), set(bson.E{Key: "shipments.$.shippedAt", Value: at})); err != nil {
		return err
	}
	_, err := a.store.update(ctx, e.OrderID, parcel(bson.E{Key: "status", Value: bson.D{{Key: "$in", Value: lower}}}), set(fields...))
	return err
}

// settle closes a return whose money is given back and whose goods are on the shelf. An order of which everything came
// back is RETURNED.
func (a *activities) settle(ctx context.Context, r workflows.ReturnRequest) error {
	_, err := a.store.update(ctx, r.OrderID, bson.D{{Key: "returns.id", Value: r.ReturnID}}, set(bson.E{Key: "returns.$.settled", Value: true}))
	if err != nil {
		return err
	}
	o, err := a.order(ctx, r.OrderID, "settle a return")
	if err != nil || o.Status != workflows.StatusDelivered {
		return err
	}
	for _, left := range o.delivered() {
		if left > 0 {
			return nil
		}
	}
	for _, other := range o.Returns {
		if !other.Settled {
			return nil
		}
	}
	_, err = a.store.advance(ctx, workflows.Transition{OrderID: o.ID, To: workflows.StatusReturned, Actor: workflows.ActorSystem})
	return err
}

// shippingCost gives what shipping to a country costs, in minor units of either currency: a flat rate, and nothing from
// 50.00 on.
func shippingCost(country string, subtotal int64) int64 {
	if subtotal >= 50_00 {
		return 0
	}
	switch country {
	case "DE":
		return 4_90
	case "AT", "BE", "BG", "CY", "CZ", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK":
		return 9_90
	case "GB", "CH", "NO", "LI", "IS":
		return 12_90
	}
	return 19_90
}
