package orders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/workflows"
)

// Errors of the store.
var (
	errNotFound = errors.New("there is no such order")
	errExists   = errors.New("the order exists already")
)

// Collections of the orders database.
const (
	collectionOrders   = "orders"
	collectionInvoices = "invoices"
	collectionCounters = "counters"
	collectionCourier  = "courier"
)

// indexes serve the queries below.
func indexes() []mongodb.Index {
	return []mongodb.Index{
		// A customer's orders, newest first, and the customer's part in erasures.
		{Collection: collectionOrders, Keys: bson.D{{Key: "customerId", Value: 1}, {Key: "placedAt", Value: -1}, {Key: "_id", Value: -1}}},
		{Collection: collectionOrders, Keys: bson.D{{Key: "number", Value: 1}}, Options: options.Index().SetUnique(true)},
		// Drafts whose workflow may not have started.
		{Collection: collectionOrders, Keys: bson.D{{Key: "status", Value: 1}, {Key: "updatedAt", Value: 1}}},
		// Returns whose workflow may not have started.
		{Collection: collectionOrders, Keys: bson.D{{Key: "returns.settled", Value: 1}, {Key: "updatedAt", Value: 1}}},
		{Collection: collectionInvoices, Keys: bson.D{{Key: "orderId", Value: 1}}, Options: options.Index().SetUnique(true)},
	}
}

// store keeps the orders.
type store struct {
	orders   *mongo.Collection
	invoices *mongo.Collection
	counters *mongo.Collection
	courier  *mongo.Collection
	changes  *changes.Feed
}

func newStore(db *mongo.Database, r *redis.Client, log *slog.Logger) *store {
	return &store{
		orders: db.Collection(collectionOrders), invoices: db.Collection(collectionInvoices), counters: db.Collection(collectionCounters),
		courier: db.Collection(collectionCourier), changes: changes.New(changes.Options{Redis: r, Topic: "orders:changed:", Log: log}),
	}
}

func byID(id string) bson.D { return bson.D{{Key: "_id", Value: id}} }

func set(fields ...bson.E) bson.D {
	return bson.D{{Key: "$set", Value: append(bson.D(fields), bson.E{Key: "updatedAt", Value: now()})}}
}

// get gives an order, or errNotFound.
func (s *store) get(ctx context.Context, id string) (*Order, error) {
	var o Order
	if err := s.orders.FindOne(ctx, byID(id)).Decode(&o); err != nil {
		if errors.Is(err, mongo.ErrNoDocuments) {
			return nil, errNotFound
		}
		return nil, fmt.Errorf("read order %s: %w", id, err)
	}
	return &o, nil
}

// many gives those of the orders that exist, by id.
func (s *store) many(ctx context.Context, ids []string) (map[string]*Order, error) {
	cursor, err := s.orders.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	found := make([]*Order, 0, len(ids))
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("read orders: %w", err)
	}
	by := make(map[string]*Order, len(found))
	for _, o := range found {
		by[o.ID] = o
	}
	return by, nil
}

// insert adds an order, or answers errExists.
func (s *store) insert(ctx context.Context, o *Order) error {
	if _, err := s.orders.InsertOne(ctx, o); err != nil {
		if mongo.IsDuplicateKeyError(err) {
			return errExists
		}
		return fmt.Errorf("write order %s: %w", o.ID, err)
	}
	s.changes.Announce(ctx, o.ID)
	return nil
}

// takeBack removes a draft again whose customer may not order.
func (s *store) takeBack(ctx context.Context, id string) error {
	_, err := s.orders.DeleteOne(ctx, append(byID(id), bson.E{Key: "status", Value: workflows.StatusPending}))
	if err != nil {
		return fmt.Errorf("take order %s back: %w", id, err)
	}
	s.changes.Announce(ctx, id)
	return nil
}

// update changes an order that fits the conditions, and reports whether it did.
func (s *store) update(ctx context.Context, id string, conditions bson.D, update any) (bool, error) {
	r, err := s.orders.UpdateOne(ctx, append(byID(id), conditions...), update)
	if err != nil {
		return false, fmt.Errorf("update order %s: %w", id, err)
	}
	if r.MatchedCount > 0 {
		s.changes.Announce(ctx, id)
	}
	return r.MatchedCount > 0, nil
}

// mark changes an order whatever its state, and gives it as it then is.
func (s *store) mark(ctx context.Context, id string, update any) (*Order, error) {
	var o Order
	err := s.orders.FindOneAndUpdate(ctx, byID(id), update, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&o)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, errNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("update order %s: %w", id, err)
	}
	s.changes.Announce(ctx, id)
	return &o, nil
}

// nextNumber gives a number that no other order has.
func (s *store) nextNumber(ctx context.Context, count int) (int64, error) {
	var c struct {
		Value int64 `bson:"value"`
	}
	err := s.counters.FindOneAndUpdate(ctx, byID("orders"), bson.D{{Key: "$inc", Value: bson.D{{Key: "value", Value: int64(count)}}}},
		options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&c)
	if err != nil {
		return 0, fmt.Errorf("take an order number: %w", err)
	}
	return c.Value - int64(count) + 1, nil
}

func formatNumber(n int64) string { return fmt.Sprintf("LT-%d", 100_000+n) }

var newestFirst = []page.Order{{Field: "placedAt", Descending: true}, {Field: "_id", Descending: true}}

func place(o *Order) page.Key { return page.Key{o.PlacedAt.UnixMilli(), o.ID} }

// moment turns the first part of a cursor's key into the time that the documents hold.
func moment(k *page.Key) (*page.Key, error) {
	if k == nil {
		return nil, nil
	}
	if len(*k) != 2 {
		return nil, errors.New("a cursor has another form")
	}
	ms, isTime := (*k)[0].(int64)
	id, isID := (*k)[1].(string)
	if !isTime || !isID {
		return nil, errors.New("a cursor has another form")
	}
	return &page.Key{time.UnixMilli(ms).UTC(), id}, nil
}

// ofCustomer is the filter of a customer's orders that the graph shows.
func ofCustomer(customerID string, statuses []string) bson.D {
	if len(statuses) > 0 {
		return bson.D{{Key: "customerId", Value: customerID}, {Key: "status", Value: bson.D{{Key: "$in", Value: statuses}}}}
	}
	return bson.D{{Key: "customerId", Value: customerID}, {Key: "status", Value: bson.D{{Key: "$ne", Value: workflows.StatusRejected}}}}
}

// list gives a window of a customer's orders, and one more where there is one.
func (s *store) list(ctx context.Context, customerID string, statuses []string, w page.Window) ([]*Order, error) {
	filter := ofCustomer(customerID, statuses)
	if conditions := w.Filter(newestFirst); len(conditions) > 0 {
		filter = append(filter, bson.E{Key: "$and", Value: conditions})
	}
	cursor, err := s.orders.Find(ctx, filter, options.Find().SetSort(w.Sort(newestFirst)).SetLimit(int64(w.Limit+1)))
	if err != nil {
		return nil, fmt.Errorf("list a customer's orders: %w", err)
	}
	found := make([]*Order, 0, w.Limit+1)
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("list a customer's orders: %w", err)
	}
	return found, nil
}

func (s *store) count(ctx context.Context, customerID string, statuses []string) (int, error) {
	n, err := s.orders.CountDocuments(ctx, ofCustomer(customerID, statuses), options.Count().SetLimit(page.MaxCount))
	if err != nil {
		return 0, fmt.Errorf("count a customer's orders: %w", err)
	}
	return int(n), nil
}

// advance moves an order on as the state machine has it. It reports whether the order has the status now, moved or not.
func (s *store) advance(ctx context.Context, t workflows.Transition) (bool, error) {
	at := now()
	fields := bson.D{{Key: "status", Value: t.To}, {Key: "updatedAt", Value: at}}
	if t.Reason != "" {
		fields = append(fields, bson.E{Key: "reason", Value: t.Reason})
	}
	if t.ProductID != "" {
		fields = append(fields, bson.E{Key: "fault", Value: Fault{t.ProductID, t.Available}})
	}
	update := bson.D{{Key: "$set", Value: fields}, {Key: "$push", Value: bson.D{{Key: "timeline", Value: Event{at, t.To, t.Actor}}}}}
	switch t.To {
	case workflows.StatusCancelled, workflows.StatusFailed:
		update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "paymentMethod", Value: ""}}})
	case workflows.StatusRejected: // nothing came of it, so nothing about the customer is kept but whose call it was
		update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "paymentMethod", Value: ""}, {Key: "address", Value: ""}, {Key: "note", Value: ""}}})
	}
	moved, err := s.update(ctx, t.OrderID, bson.D{{Key: "status", Value: bson.D{{Key: "$in", Value: before(t.To)}}}}, update)
	if moved || err != nil {
		return moved, err
	}
	o, err := s.get(ctx, t.OrderID)
	if errors.Is(err, errNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return o.Status == t.To, nil
}

// issue gives an order the next invoice number. Numbers have no gaps, because a number is taken by writing the invoice
// that bears it; and an order has one, because the order is unique among the invoices.
func (s *store) issue(ctx context.Context, orderID string, at time.Time) (string, time.Time, error) {
	type invoice struct {
		Number   string    `bson:"_id"`
		OrderID  string    `bson:"orderId"`
		IssuedAt time.Time `bson:"issuedAt"`
	}
	for {
		var mine invoice
		err := s.invoices.FindOne(ctx, bson.D{{Key: "orderId", Value: orderID}}).Decode(&mine)
		if err == nil {
			return mine.Number, mine.IssuedAt, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return "", time.Time{}, fmt.Errorf("look for the invoice of order %s: %w", orderID, err)
		}
		var last invoice
		prefix := fmt.Sprintf("LT-%d-", at.Year())
		err = s.invoices.FindOne(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: prefix}, {Key: "$lt", Value: prefix + "~"}}}},
			options.FindOne().SetSort(bson.D{{Key: "_id", Value: -1}})).Decode(&last)
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return "", time.Time{}, fmt.Errorf("find the last invoice: %w", err)
		}
		n := 0
		if last.Number != "" {
			if _, err := fmt.Sscanf(last.Number[len(prefix):], "%d", &n); err != nil {
				return "", time.Time{}, fmt.Errorf("read the last invoice number: %w", err)
			}
		}
		next := invoice{fmt.Sprintf("%s%08d", prefix, n+1), orderID, at}
		if _, err := s.invoices.InsertOne(ctx, next); err == nil {
			return next.Number, next.IssuedAt, nil
		} else if !mongo.IsDuplicateKeyError(err) {
			return "", time.Time{}, fmt.Errorf("write the invoice of order %s: %w", orderID, err)
		}
	}
}
