package orders

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.temporal.io/sdk/client"

	"github.com/lethe/lethe/chassis/money"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
)

// SeedCustomer is someone who has ordered.
type SeedCustomer struct {
	ID, Name, Line1, City, PostalCode, CountryCode, Phone string
}

// SeedProduct is something that was ordered.
type SeedProduct struct {
	ID, SKU, Name string
	PriceMinor    map[string]int64 // by currency, in minor units
}

// SeedOptions say with whom and with what to fill an empty database.
type SeedOptions struct {
	DB        *mongo.Database
	Temporal  client.Client
	Customers []SeedCustomer
	Products  []SeedProduct
	// Payments is where the payments of orders that were paid are made, so that they can be refunded. It must serve.
	Payments payment.Options
}

// Waits of orders that a demonstration leaves where they are until somebody moves or cancels them.
const seedWait = 90 * 24 * time.Hour

// seedStatuses are the statuses that customers' orders have, in turn. The first customer's orders are all at their end.
var seedStatuses = [][]string{
	{workflows.StatusDelivered, workflows.StatusReturned, workflows.StatusCancelled},
	{workflows.StatusDelivered, workflows.StatusPending},
	{workflows.StatusDelivered, workflows.StatusFailed, workflows.StatusReserved},
	{workflows.StatusReturned, workflows.StatusConfirmed},
	{workflows.StatusDelivered, workflows.StatusDelivered, workflows.StatusShipped},
	{workflows.StatusFailed, workflows.StatusDelivered},
	{workflows.StatusCancelled, workflows.StatusDelivered, workflows.StatusDelivered},
}

// Seed fills a database with orders in every status for a demonstration. Orders at their end are written as they are, with
// payments that the provider knows; open ones are placed, each with a workflow of its own that stays where it is until
// somebody goes on. Seeding again changes nothing.
func Seed(ctx context.Context, o SeedOptions) error {
	if len(o.Customers) == 0 || len(o.Products) == 0 {
		return errors.New("seed orders: there are no customers or no products")
	}
	counters := o.DB.Collection(collectionCounters)
	done, err := counters.CountDocuments(ctx, byID("seed"))
	if err != nil {
		return fmt.Errorf("look whether orders were seeded: %w", err)
	}
	if done > 0 {
		return nil
	}
	payments, err := payment.New(o.Payments)
	if err != nil {
		return err
	}
	if err := mongodb.EnsureIndexes(ctx, o.DB, indexes()); err != nil {
		return err
	}
	s := &seeder{
		orders: o.DB.Collection(collectionOrders), payments: payments,
		desk:  &desk{temporal: o.Temporal, log: slog.New(slog.DiscardHandler)},
		store: newStore(o.DB, nil, slog.New(slog.DiscardHandler)),
	}
	orders := seedOrders(o.Customers, o.Products, now())
	if err := s.number(ctx, orders); err != nil {
		return err
	}
	if err := s.invoices(ctx, orders); err != nil {
		return err
	}
	if err := each(ctx, orders, s.add); err != nil {
		return err
	}
	if _, err := counters.InsertOne(ctx, byID("seed")); err != nil && !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("mark orders as seeded: %w", err)
	}
	return nil
}

// each does something for many orders, some at a time, and gives the first error.
func each(ctx context.Context, orders []*Order, do func(context.Context, *Order) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slot := make(chan struct{}, 16)
	for _, o := range orders {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			if ctx.Err() != nil {
				return
			}
			if err := do(ctx, o); err != nil {
				cancel(fmt.Errorf("seed an order: %w", err))
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

type seeder struct {
	orders   *mongo.Collection
	payments *payment.Client
	desk     *desk
	store    *store
}

// number gives the orders their numbers, the same ones when a seeding that was broken off begins anew.
func (s *seeder) number(ctx context.Context, orders []*Order) error {
	first, err := s.store.nextNumber(ctx, len(orders))
	if err != nil {
		return err
	}
	var taken struct {
		First int64 `bson:"first"`
	}
	err = s.store.counters.FindOneAndUpdate(ctx, byID("seedNumbers"), bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "first", Value: first}}}},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&taken)
	if err != nil {
		return fmt.Errorf("take the numbers of the seed: %w", err)
	}
	for n, o := range orders {
		o.Number = formatNumber(taken.First + int64(n))
	}
	return nil
}

// invoices gives the orders that were paid their invoice numbers, in the order of their dates.
func (s *seeder) invoices(ctx context.Context, orders []*Order) error {
	var paid []*Order
	for _, o := range orders {
		if o.Invoice != nil {
			paid = append(paid, o)
		}
	}
	slices.SortFunc(paid, func(a, b *Order) int { return a.Invoice.IssuedAt.Compare(b.Invoice.IssuedAt) })
	for _, o := range paid {
		number, at, err := s.store.issue(ctx, o.ID, o.Invoice.IssuedAt)
		if err != nil {
			return err
		}
		o.Invoice.Number, o.Invoice.IssuedAt = number, at
	}
	return nil
}

// add writes an order down and has its payment made or its workflow started.
func (s *seeder) add(ctx context.Context, o *Order) error {
	terms, live := seedTerms(o.Status)
	if live {
		o.Status, o.Timeline = workflows.StatusPending, o.Timeline[:1]
	}
	if o.Payment.CapturedMinor > 0 {
		made, err := s.pay(ctx, o)
		if err != nil {
			return err
		}
		o.Payment.Reference = made
	}
	if _, err := s.orders.InsertOne(ctx, o); err != nil && !mongo.IsDuplicateKeyError(err) {
		return fmt.Errorf("write order %s: %w", o.ID, err)
	}
	if !live {
		return nil
	}
	if err := s.desk.fulfil(ctx, o, terms, "", "", nil); err != nil && !errors.Is(err, errEnded) {
		return err
	}
	return nil
}

func (s *seeder) pay(ctx context.Context, o *Order) (string, error) {
	made, err := s.payments.Create(ctx, o.ID, o.total(), string(o.Currency))
	if err != nil {
		return "", err
	}
	if _, err := s.payments.Confirm(ctx, made.ID, payment.MethodVisa, o.ID+"/authorise"); err != nil {
		return "", err
	}
	if _, err := s.payments.Capture(ctx, made.ID, o.ID+"/capture"); err != nil {
		return "", err
	}
	for _, r := range o.Payment.Refunds {
		if err := s.payments.Refund(ctx, made.ID, r.Minor, o.ID+"/refund/"+r.Step); err != nil {
			return "", err
		}
	}
	return made.ID, nil
}

// seedTerms are the terms under which an open order comes to a status and stays there.
func seedTerms(status string) (workflows.Terms, bool) {
	t := workflows.DefaultTerms()
	switch status {
	case workflows.StatusPending:
		t.StartAfter = seedWait
	case workflows.StatusReserved: // its means of payment needs the customer, who does not come
		t.ReserveFor = seedWait
	case workflows.StatusConfirmed:
		t.HandOverWithin, t.HoldAt = seedWait, workflows.ShipmentPreparing
	case workflows.StatusShipped:
		t.DeliverWithin, t.HoldAt = seedWait, workflows.ShipmentInTransit
	default:
		return t, false
	}
	t.TrackEvery = 24 * time.Hour
	return t, true
}

// seedID gives an id that is the same at every seeding.
func seedID(prefix string, parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint("lethe seed ", prefix, parts)))
	return prefix + "_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16]))
}

// seedOrders makes the orders. They depend on the arguments alone.
func seedOrders(customers []SeedCustomer, products []SeedProduct, at time.Time) []*Order {
	var orders []*Order
	for i, c := range customers {
		for j, status := range seedStatuses[i%len(seedStatuses)] {
			orders = append(orders, seedOrder(c, products, i, j, status, at))
		}
	}
	slices.SortFunc(orders, func(a, b *Order) int {
		return cmp.Or(a.PlacedAt.Compare(b.PlacedAt), cmp.Compare(a.ID, b.ID))
	})
	return orders
}

func seedOrder(c SeedCustomer, products []SeedProduct, i, j int, status string, at time.Time) *Order {
	placed := at.Add(-time.Duration(10+(i*13+j*29)%80) * 24 * time.Hour).Add(-time.Duration(i*37+j*11) * time.Minute)
	currency := money.EUR
	if c.CountryCode == "GB" {
		currency = money.GBP
	}
	o := &Order{
		ID: seedID("ord", c.ID, j), SchemaVersion: schemaVersion, CustomerID: c.ID, Status: status, Currency: currency,
		Address:       &Address{Name: c.Name, Line1: c.Line1, City: c.City, PostalCode: c.PostalCode, CountryCode: c.CountryCode, Phone: c.Phone},
		PaymentMethod: payment.MethodVisa, Payment: Payment{Status: paymentNone, Refunds: []Refund{}}, Shipments: []Shipment{}, Returns: []Return{},
		Timeline: []Event{{placed, workflows.StatusPending, workflows.ActorCustomer}}, PlacedAt: placed, UpdatedAt: at,
	}
	if status == workflows.StatusReserved {
		o.PaymentMethod = payment.MethodAuthentication
	}
	for n := range 1 + (i+j)%3 {
		p := products[(i*31+j*17+n*7)%len(products)]
		if slices.ContainsFunc(o.Lines, func(l Line) bool { return l.ProductID == p.ID }) {
			continue
		}
		o.Lines = append(o.Lines, Line{ID: fmt.Sprint(len(o.Lines) + 1), ProductID: p.ID, SKU: p.SKU, Name: p.Name, Quantity: 1 + (i+n)%2, UnitMinor: p.PriceMinor[string(currency)]})
	}
	o.ShippingMinor = shippingCost(c.CountryCode, o.subtotal())
	if _, live := seedTerms(status); live {
		return o
	}
	o.seedEnd(status, i+j)
	o.PaymentMethod = ""
	o.UpdatedAt = o.Timeline[len(o.Timeline)-1].At
	return o
}

// seedEnd makes an order's past, up to the status at its end.
func (o *Order) seedEnd(status string, n int) {
	at := o.PlacedAt
	step := func(after time.Duration, to, actor string) {
		at = at.Add(after)
		o.Timeline = append(o.Timeline, Event{at, to, actor})
	}
	step(200*time.Millisecond, workflows.StatusReserved, workflows.ActorSystem)
	switch {
	case status == workflows.StatusFailed && n%2 == 0:
		o.Timeline = o.Timeline[:1]
		o.Reason, o.Fault = workflows.ReasonOutOfStock, &Fault{o.Lines[0].ProductID, 0}
		step(0, status, workflows.ActorSystem)
		return
	case status == workflows.StatusFailed:
		o.Reason, o.Payment.Status, o.Payment.DeclineCode = workflows.ReasonPaymentDeclined, paymentDeclined, "insufficient_funds"
		step(time.Second, status, workflows.ActorSystem)
		o.Payment.At = at
		return
	}
	step(time.Second, workflows.StatusConfirmed, workflows.ActorSystem)
	o.Payment.Status, o.Payment.AuthorisedMinor = paymentAuthorised, o.total()
	if status == workflows.StatusCancelled {
		o.Reason, o.Payment.Status = workflows.ReasonCustomer, paymentVoided
		step(90*time.Minute, status, workflows.ActorCustomer)
		o.Payment.At = at
		return
	}
	step(26*time.Hour, workflows.StatusShipped, workflows.ActorCourier)
	shipped := at
	o.Payment.Status, o.Payment.CapturedMinor, o.Payment.At = paymentCaptured, o.total(), at
	o.Invoice = &Invoice{IssuedAt: at, CountryCode: o.Address.CountryCode, TotalMinor: o.total()}
	step(50*time.Hour, workflows.StatusDelivered, workflows.ActorCourier)
	warehouse := seedWarehouses[n%len(seedWarehouses)]
	parcel := Shipment{
		ID: seedID("shp", o.ID), Status: workflows.ShipmentDelivered, Warehouse: warehouse, Carrier: "Lethe Courier",
		TrackingNumber: strings.ToUpper(seedID("lc", o.ID)[3:19]), ShippedAt: shipped, DeliveredAt: at,
	}
	for _, l := range o.Lines {
		parcel.Items = append(parcel.Items, Item{l.ProductID, l.Quantity})
	}
	o.Shipments = []Shipment{parcel}
	if status != workflows.StatusReturned {
		return
	}
	step(72*time.Hour, workflows.StatusReturned, workflows.ActorSystem)
	back := Return{ID: seedID("ret", o.ID), Reason: "It did not fit.", RefundMinor: o.total(), RequestedAt: at.Add(-time.Minute), Settled: true}
	for _, l := range o.Lines {
		back.Lines = append(back.Lines, ReturnLine{l.ID, l.Quantity})
		back.Shelves = append(back.Shelves, Shelf{l.ProductID, warehouse, l.Quantity})
	}
	o.Returns = []Return{back}
	o.Payment.RefundedMinor = o.total()
	o.Payment.Refunds = []Refund{{back.ID, o.total(), at}}
	o.Payment.At = at
}

// seedWarehouses are the warehouses from which past orders came.
var seedWarehouses = []string{"BER", "LIV", "LYO"}
