package orders

import (
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/lethe/lethe/chassis/money"
	"github.com/lethe/lethe/subgraphs/orders/graph"
)

// selects tells whether a request asks for a field below the present one.
func selects(ctx context.Context, field string) bool {
	for _, f := range graphql.CollectFieldsCtx(ctx, nil) {
		if f.Name == field {
			return true
		}
	}
	return false
}

func (r refusals) list() []*graph.UserError {
	if r == nil {
		return []*graph.UserError{}
	}
	return r
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// present gives an order as the graph shows it; nil for nil.
func present(o *Order) *graph.Order {
	if o == nil {
		return nil
	}
	amount := func(minor int64) *money.Money {
		m := money.New(minor, o.Currency)
		return &m
	}
	out := &graph.Order{
		ID: o.ID, Number: o.Number, Status: graph.OrderStatus(o.Status), Subtotal: amount(o.subtotal()), Shipping: amount(o.ShippingMinor), Total: amount(o.total()),
		Note: optional(o.Note), Cancellable: o.cancellable(), PlacedAt: o.PlacedAt.UTC(), UpdatedAt: o.UpdatedAt.UTC(),
		Payment: &graph.Payment{
			Status: o.paymentStatus(), Authorised: amount(o.Payment.AuthorisedMinor), Captured: amount(o.Payment.CapturedMinor), Refunded: amount(o.Payment.RefundedMinor),
			Reference: optional(o.Payment.Reference), DeclineCode: optional(o.Payment.DeclineCode),
		},
	}
	if o.Reason != "" {
		reason := graph.OrderStatusReason(o.Reason)
		out.StatusReason = &reason
	}
	if o.CustomerID != "" {
		out.Customer = &graph.Customer{ID: o.CustomerID}
	}
	if a := o.Address; a != nil {
		out.ShippingAddress = &graph.ShippingAddress{
			Name: optional(a.Name), Line1: optional(a.Line1), Line2: optional(a.Line2), City: optional(a.City), PostalCode: optional(a.PostalCode),
			CountryCode: a.CountryCode, Phone: optional(a.Phone),
		}
	}
	if i := o.Invoice; i != nil && i.Number != "" {
		out.Invoice = &graph.Invoice{Number: i.Number, IssuedAt: i.IssuedAt.UTC(), CountryCode: i.CountryCode, Total: amount(i.TotalMinor)}
	}
	out.Lines = make([]*graph.OrderLine, len(o.Lines))
	for i, l := range o.Lines {
		out.Lines[i] = &graph.OrderLine{
			ID: l.ID, Product: &graph.Product{ID: l.ProductID}, Name: l.Name, Sku: l.SKU, Quantity: l.Quantity,
			UnitPrice: amount(l.UnitMinor), Total: amount(l.UnitMinor * int64(l.Quantity)),
		}
	}
	out.Shipments = make([]*graph.Shipment, len(o.Shipments))
	for i, s := range o.Shipments {
		out.Shipments[i] = &graph.Shipment{
			ID: s.ID, Status: graph.ShipmentStatus(s.Status), Warehouse: s.Warehouse, Carrier: optional(s.Carrier), TrackingNumber: optional(s.TrackingNumber),
			ShippedAt: optionalTime(s.ShippedAt), DeliveredAt: optionalTime(s.DeliveredAt),
		}
	}
	out.Returns = make([]*graph.Return, len(o.Returns))
	for i, r := range o.Returns {
		back := &graph.Return{ID: r.ID, Lines: make([]*graph.ReturnLine, len(r.Lines)), Reason: optional(r.Reason), Refund: amount(r.RefundMinor), RequestedAt: r.RequestedAt.UTC()}
		for j, l := range r.Lines {
			back.Lines[j] = &graph.ReturnLine{LineID: l.LineID, Quantity: l.Quantity}
		}
		out.Returns[i] = back
	}
	out.Timeline = make([]*graph.OrderEvent, len(o.Timeline))
	for i, e := range o.Timeline {
		out.Timeline[i] = &graph.OrderEvent{At: e.At.UTC(), Status: graph.OrderStatus(e.Status), Actor: graph.OrderActor(e.Actor)}
	}
	return out
}

// paymentStatus gives where the payment stands, with what was given back.
func (o *Order) paymentStatus() graph.PaymentStatus {
	switch p := o.Payment; {
	case p.Status != paymentCaptured || p.RefundedMinor == 0:
		return graph.PaymentStatus(p.Status)
	case p.RefundedMinor < p.CapturedMinor:
		return graph.PaymentStatusPartiallyRefunded
	}
	return graph.PaymentStatusRefunded
}
