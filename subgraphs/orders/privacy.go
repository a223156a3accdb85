package orders

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/subgraphs/orders/graph"
	"github.com/lethe/lethe/workflows"
)

// participant gives the service's part in erasures: what is personal in an order, what keeps a customer from being
// erased, and how that is brought to its end. An order outlives its customer: bookkeeping needs it, and it leads to
// nobody once it is unlinked.
func participant(db *mongo.Database, r *redis.Client, d *desk, keys privacy.Keys, rules privacy.Rules, barrier *privacy.Barrier) *privacy.Participant {
	e := &ender{desk: d}
	return &privacy.Participant{
		Service: "orders", DB: db, Redis: r, Keys: keys, Rules: rules, Barrier: barrier, Blockers: e.blockers, Drain: e.drain,
		Stores: []privacy.Store{{
			Collection: d.store.orders,
			Subject:    func(customerID string) bson.D { return bson.D{{Key: "customerId", Value: customerID}} },
			Fields: []privacy.Field{
				{Path: "Customer.id", BSON: "customerId", Category: "IDENTIFIER", Action: privacy.Delete, Link: true},
				{Path: "ShippingAddress.name", BSON: "address.name", Category: "IDENTITY", Action: privacy.Unset},
				{Path: "ShippingAddress.line1", BSON: "address.line1", Category: "LOCATION", Action: privacy.Unset},
				{Path: "ShippingAddress.line2", BSON: "address.line2", Category: "LOCATION", Action: privacy.Unset},
				{Path: "ShippingAddress.city", BSON: "address.city", Category: "LOCATION", Action: privacy.Unset},
				{Path: "ShippingAddress.postalCode", BSON: "address.postalCode", Category: "LOCATION", Action: privacy.Generalise, With: postcodeDistrict},
				{Path: "ShippingAddress.phone", BSON: "address.phone", Category: "CONTACT", Action: privacy.Unset},
				{Path: "Order.note", BSON: "note", Category: "FREE_TEXT", Action: privacy.Unset},
				{Path: "Return.reason", BSON: "returns.reason", Category: "FREE_TEXT", Action: privacy.Unset},
				{Path: "Shipment.trackingNumber", BSON: "shipments.trackingNumber", Category: "LOCATION", Action: privacy.Unset},
				{Path: "Payment.reference", BSON: "payment.reference", Category: "PAYMENT", Action: privacy.Retain, Rule: "payment-disputes", Anchor: "payment.at"},
				{Path: "Invoice.number", BSON: "invoice.number", Category: "TRANSACTION", Action: privacy.Retain, Rule: "invoices", Anchor: "invoice.issuedAt"},
				// What the graph never shows goes with what it was made of: the keyed hashes of inputs, and the means of payment
				// of an order that never came to its payment.
				{Path: "Order.note", BSON: "inputHash", Category: "FREE_TEXT", Action: privacy.Unset},
				{Path: "Order.note", BSON: "paymentMethod", Category: "FREE_TEXT", Action: privacy.Unset},
				{Path: "Return.reason", BSON: "returns.inputHash", Category: "FREE_TEXT", Action: privacy.Unset},
			},
		}},
	}
}

var (
	// A British postcode is its district and three more characters (Royal Mail, Programmers' Guide to the Postcode Address File).
	britishPostcode = regexp.MustCompile(`(?i)^([a-z]{1,2}[0-9][a-z0-9]?) ?[0-9][a-z]{2}$`)
	britishDistrict = regexp.MustCompile(`(?i)^[a-z]{1,2}[0-9][a-z0-9]?$`)
)

// postcodeDistrict is POSTCODE_DISTRICT: it gives the district of a postal code, which thousands share. What it gave it
// leaves as it is.
func postcodeDistrict(code string) string {
	if m := britishPostcode.FindStringSubmatch(code); m != nil {
		return m[1]
	}
	if britishDistrict.MatchString(code) {
		return code
	}
	runes := []rune(code)
	return string(runes[:min(2, len(runes))])
}

// subjects tells whether customers may order.
type subjects struct {
	barrier *privacy.Barrier
}

// barred gives why a customer may not order; nil when it may.
func (s subjects) barred(ctx context.Context, customerID string) (*graph.UserError, error) {
	var r refusals
	switch err := s.barrier.Check(ctx, customerID); {
	case errors.Is(err, privacy.ErrErased):
		r.add(graph.UserErrorCodeSubjectErased, "The data of this customer was erased: nothing can be ordered for it any more.", "customerId")
	case errors.Is(err, privacy.ErrRestricted):
		r.add(graph.UserErrorCodeCustomerRestricted, "The erasure of this customer's data is under way: cancel it first to order again.", "customerId")
	default:
		return nil, err
	}
	return r[0], nil
}

// Bounds of ending what is open.
const (
	endAtOnce = 200
	endWithin = 10 * time.Second
)

// ender brings a customer's open orders and returns to their end, so that it can be erased.
type ender struct {
	desk *desk
}

// blockers counts what of a customer is open.
func (e *ender) blockers(ctx context.Context, customerID string) ([]workflows.Blocker, error) {
	var out []workflows.Blocker
	for _, b := range []struct {
		kind   string
		filter bson.D
	}{{"OPEN_ORDER", unended(customerID)}, {"OPEN_REFUND", unsettled(customerID)}} {
		n, err := e.desk.store.orders.CountDocuments(ctx, b.filter)
		if err != nil {
			return nil, fmt.Errorf("count what is open: %w", err)
		}
		if n > 0 {
			out = append(out, workflows.Blocker{Kind: b.kind, Count: int(n)})
		}
	}
	return out, nil
}

func unended(customerID string) bson.D {
	return bson.D{{Key: "customerId", Value: customerID}, {Key: "status", Value: bson.D{{Key: "$in", Value: open()}}}}
}

func unsettled(customerID string) bson.D {
	return bson.D{{Key: "customerId", Value: customerID}, {Key: "returns.settled", Value: false}}
}

// drain starts what ends a customer's open orders and returns. Orders are cancelled where that is wanted and not too late;
// else they go on, and what waits for nobody but the customer or the shop stops waiting.
func (e *ender) drain(ctx context.Context, customerID string, cancel bool) error {
	orders, err := e.find(ctx, unended(customerID))
	if err != nil {
		return err
	}
	for _, o := range orders {
		if err := e.end(ctx, o, cancel); err != nil {
			return err
		}
	}
	if orders, err = e.find(ctx, unsettled(customerID)); err != nil {
		return err
	}
	for _, o := range orders {
		for _, r := range o.Returns {
			if r.Settled {
				continue
			}
			if _, err := e.desk.startReturn(ctx, o, r); err != nil && !errors.Is(err, errEnded) {
				return err
			}
		}
	}
	return nil
}

func (e *ender) find(ctx context.Context, filter bson.D) ([]*Order, error) {
	cursor, err := e.desk.store.orders.Find(ctx, filter, options.Find().SetLimit(endAtOnce))
	if err != nil {
		return nil, fmt.Errorf("find what is open: %w", err)
	}
	var found []*Order
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("find what is open: %w", err)
	}
	return found, nil
}

func (e *ender) end(ctx context.Context, o *Order, cancel bool) error {
	ctx, stop := context.WithTimeout(ctx, endWithin)
	defer stop()
	if cancel && o.cancellable() {
		now, _, err := e.desk.cancelFor(ctx, o, workflows.CancelRequest{Actor: workflows.ActorSystem, Reason: workflows.ReasonErasure})
		if err != nil || now.Status == workflows.StatusCancelled {
			return err
		}
	}
	err := e.desk.fulfil(ctx, o, workflows.DefaultTerms(), workflows.UpdateExpedite, o.ID+"/expedite", nil)
	var refused *temporal.ApplicationError
	if errors.Is(err, errEnded) || errors.As(err, &refused) {
		return nil
	}
	return err
}
