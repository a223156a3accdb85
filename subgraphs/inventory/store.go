package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/chassis/mongodb"
)

// store keeps stock and its ledger in MongoDB.
type store struct {
	stock   *mongo.Collection
	ledger  *mongo.Collection
	changed func() // wakes the relay
	now     func() time.Time
}

func indexes() []mongodb.Index {
	partial := func(field string) *options.IndexOptionsBuilder {
		return options.Index().SetPartialFilterExpression(bson.D{{Key: field, Value: bson.D{{Key: "$exists", Value: true}}}})
	}
	return []mongodb.Index{
		{Collection: "stock", Keys: bson.D{{Key: "product", Value: 1}, {Key: "warehouse", Value: 1}}, Options: options.Index().SetName("product").SetUnique(true)},
		{Collection: "stock", Keys: bson.D{{Key: "nextExp", Value: 1}}, Options: partial("nextExp").SetName("nextExp")},
		{Collection: "stock", Keys: bson.D{{Key: "outbox.at", Value: 1}}, Options: partial("outbox.0").SetName("outbox")},
		{Collection: "ledger", Keys: bson.D{{Key: "stock", Value: 1}, {Key: "ref", Value: 1}, {Key: "kind", Value: 1}}, Options: options.Index().SetName("once").SetUnique(true)},
		{Collection: "allocations", Keys: bson.D{{Key: "at", Value: 1}}, Options: options.Index().SetName("at")},
	}
}

func newStore(ctx context.Context, db *mongo.Database) (*store, error) {
	if err := mongodb.EnsureIndexes(ctx, db, indexes()); err != nil {
		return nil, err
	}
	return &store{stock: db.Collection("stock"), ledger: db.Collection("ledger"), changed: func() {}, now: func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }}, nil
}

// of gives the stock of products, by product, in the order of the warehouses' codes.
func (s *store) of(ctx context.Context, products []string) (map[string][]*stock, error) {
	cursor, err := s.stock.Find(ctx, bson.D{{Key: "product", Value: bson.D{{Key: "$in", Value: products}}}},
		options.Find().SetSort(bson.D{{Key: "product", Value: 1}, {Key: "warehouse", Value: 1}}).
			SetProjection(bson.D{{Key: "product", Value: 1}, {Key: "warehouse", Value: 1}, {Key: "onHand", Value: 1}, {Key: "reserved", Value: 1}, {Key: "avail", Value: 1}, {Key: "version", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	var all []*stock
	if err := cursor.All(ctx, &all); err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	out := map[string][]*stock{}
	for _, st := range all {
		out[st.Product] = append(out[st.Product], st)
	}
	return out, nil
}

// reservations gives the stock documents in which an order has a reservation or ended, of the products named.
func (s *store) reservations(ctx context.Context, order string) ([]*stock, error) {
	touched, err := s.touched(ctx, order)
	if err != nil {
		return nil, err
	}
	cursor, err := s.stock.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: touched}}}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	var out []*stock
	if err := cursor.All(ctx, &out); err != nil {
		return nil, fmt.Errorf("read reservations: %w", err)
	}
	return out, nil
}

// available counts a change of what can be bought.
func (s *store) available(ref string) movement {
	return movement{Ref: ref, Kind: kindAvailable, At: s.now()}
}

// reserve sets aside q of a stock for an order, in one update: it fits only while there is enough, and the order has
// neither a reservation there nor ended there. A repeated call finds the reservation and succeeds.
func (s *store) reserve(ctx context.Context, id, order string, q int, expires time.Time) error {
	res, done := "res."+order, "done."+order
	r, err := s.stock.UpdateOne(ctx,
		bson.D{
			{Key: "_id", Value: id}, {Key: "avail", Value: bson.D{{Key: "$gte", Value: q}}},
			{Key: res, Value: bson.D{{Key: "$exists", Value: false}}}, {Key: done, Value: bson.D{{Key: "$exists", Value: false}}},
		},
		bson.D{
			{Key: "$inc", Value: bson.D{{Key: "avail", Value: -q}, {Key: "reserved", Value: q}, {Key: "version", Value: 1}}},
			{Key: "$set", Value: bson.D{{Key: res, Value: held{q, expires}}}},
			{Key: "$min", Value: bson.D{{Key: "nextExp", Value: expires}}},
			{Key: "$push", Value: bson.D{{Key: "outbox", Value: s.available(order)}}},
		})
	if err != nil {
		return fmt.Errorf("reserve stock: %w", err)
	}
	if r.MatchedCount == 1 {
		s.changed()
		return nil
	}
	var st stock
	err = s.stock.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&st)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return errShort
	case err != nil:
		return fmt.Errorf("read stock: %w", err)
	}
	if _, ok := st.Res[order]; ok {
		return nil
	}
	if _, ok := st.Done[order]; ok {
		return errEnded
	}
	return errShort
}

// end releases or commits an order's reservation in a stock, or leaves a mark where there is none, so that a late reserve
// does not succeed. A reserve that comes between is ended as well.
func (s *store) end(ctx context.Context, st *stock, order, how string) error {
	for {
		fits, update := s.ending(st, order, how)
		r, err := s.stock.UpdateOne(ctx, append(bson.D{{Key: "_id", Value: st.ID}}, fits...), update)
		if err != nil {
			return fmt.Errorf("end a reservation: %w", err)
		}
		if r.MatchedCount > 0 {
			s.changed()
			return nil
		}
		var now stock
		if err := s.stock.FindOne(ctx, bson.D{{Key: "_id", Value: st.ID}}).Decode(&now); err != nil {
			return fmt.Errorf("read stock: %w", err)
		}
		if _, ok := now.Done[order]; ok {
			return nil
		}
		st = &now
	}
}

// ending gives the update that ends an order's reservation in a stock as it was read, and the condition that it still is so.
func (s *store) ending(st *stock, order, how string) (fits, update bson.D) {
	res, done := "res."+order, "done."+order
	mark := bson.E{Key: "$set", Value: bson.D{{Key: done, Value: ended{how, s.now()}}}}
	h, ok := st.Res[order]
	if !ok {
		absent := bson.D{{Key: "$exists", Value: false}}
		return bson.D{{Key: done, Value: absent}, {Key: res, Value: absent}}, bson.D{mark}
	}
	inc := bson.D{{Key: "reserved", Value: -h.Quantity}, {Key: "version", Value: 1}}
	entry := s.available(order)
	if how == "committed" {
		inc = append(inc, bson.E{Key: "onHand", Value: -h.Quantity})
		entry = movement{Ref: order, Kind: kindCommit, Q: -h.Quantity, At: s.now()}
	} else {
		inc = append(inc, bson.E{Key: "avail", Value: h.Quantity})
	}
	return bson.D{{Key: res + ".q", Value: h.Quantity}}, bson.D{
		{Key: "$inc", Value: inc}, {Key: "$unset", Value: bson.D{{Key: res, Value: ""}}}, mark,
		{Key: "$push", Value: bson.D{{Key: "outbox", Value: entry}}},
	}
}

// extend moves the end of a reservation.
func (s *store) extend(ctx context.Context, st *stock, order string, expires time.Time) error {
	res := "res." + order
	_, err := s.stock.UpdateOne(ctx, bson.D{{Key: "_id", Value: st.ID}, {Key: res, Value: bson.D{{Key: "$exists", Value: true}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: res + ".exp", Value: expires}}}, {Key: "$min", Value: bson.D{{Key: "nextExp", Value: expires}}}})
	if err != nil {
		return fmt.Errorf("extend a reservation: %w", err)
	}
	return nil
}

// add changes what is on hand by delta, once for each ref and kind. It never takes what is reserved.
func (s *store) add(ctx context.Context, product, code, ref, kind, input string, delta int) (*stock, error) {
	if _, ok := warehouseOf(code); !ok {
		return nil, errUnknown
	}
	id, request := stockID(product, code), "requests."+ref
	empty := stock{ID: id, Product: product, Warehouse: code, Res: map[string]held{}, Done: map[string]ended{}, Outbox: []movement{}, Requests: map[string]string{}, Schema: 1}
	if _, err := s.stock.InsertOne(ctx, empty); err != nil && !mongo.IsDuplicateKeyError(err) {
		return nil, fmt.Errorf("add stock: %w", err)
	}
	filter := bson.D{{Key: "_id", Value: id}, {Key: request, Value: bson.D{{Key: "$exists", Value: false}}}}
	if delta < 0 {
		filter = append(filter, bson.E{Key: "avail", Value: bson.D{{Key: "$gte", Value: -delta}}})
	}
	var out stock
	err := s.stock.FindOneAndUpdate(ctx, filter, bson.D{
		{Key: "$inc", Value: bson.D{{Key: "onHand", Value: delta}, {Key: "avail", Value: delta}, {Key: "version", Value: 1}}},
		{Key: "$set", Value: bson.D{{Key: request, Value: input}}},
		{Key: "$push", Value: bson.D{{Key: "outbox", Value: movement{ref, kind, delta, s.now()}}}},
	}, options.FindOneAndUpdate().SetReturnDocument(options.After)).Decode(&out)
	if err == nil {
		s.changed()
		return &out, nil
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return nil, fmt.Errorf("add stock: %w", err)
	}
	if err := s.stock.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&out); err != nil {
		return nil, fmt.Errorf("read stock: %w", err)
	}
	switch before, ok := out.Requests[ref]; {
	case !ok:
		return &out, errShort
	case before != input:
		return &out, errReused
	}
	return &out, nil
}
