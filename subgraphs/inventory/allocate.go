package inventory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/workflows"
)

// allocation is which stocks an order's reservation touches. It is written before them, so that whoever ends the order
// finds all of them whatever happened in between.
type allocation struct {
	Order string    `bson:"_id"`
	Parts []part    `bson:"parts"`
	At    time.Time `bson:"at"`
	// Ended is set before the stocks are let go of, so that none is taken after that.
	Ended bool `bson:"ended,omitempty"`
}

type part struct {
	Stock    string `bson:"stock"`
	Quantity int    `bson:"q"`
}

func (s *store) allocations() *mongo.Collection { return s.stock.Database().Collection("allocations") }

// touched gives the ids of the stocks that an order's reservation touches.
func (s *store) touched(ctx context.Context, order string) ([]string, error) {
	var a allocation
	err := s.allocations().FindOne(ctx, bson.D{{Key: "_id", Value: order}}).Decode(&a)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return nil, fmt.Errorf("read an allocation: %w", err)
	}
	ids := make([]string, len(a.Parts))
	for i, p := range a.Parts {
		ids[i] = p.Stock
	}
	return ids, nil
}

// shortage says of which product there is too little.
type shortage struct{ workflows.Shortage }

func (e *shortage) Error() string { return errShort.Error() }

// allocate reserves all lines of an order, or none. The nearest warehouse that can serve a line whole does, else the line
// is split. Repeated, it answers as it did.
func (s *store) allocate(ctx context.Context, in workflows.ReserveRequest) (workflows.Reservation, error) {
	for range 50 {
		a, err := s.choose(ctx, in)
		if err != nil {
			return workflows.Reservation{}, err
		}
		var failed error
		for _, p := range a.Parts {
			if failed = s.reserve(ctx, p.Stock, in.OrderID, p.Quantity, in.Expires); failed != nil {
				break
			}
		}
		switch {
		case failed == nil:
			return a.answer(), nil
		case errors.Is(failed, errShort):
			// Another was faster: let go of what was taken and choose again.
			if err := s.abandon(ctx, in.OrderID); err != nil {
				return workflows.Reservation{}, err
			}
		default:
			return workflows.Reservation{}, failed
		}
	}
	return workflows.Reservation{}, errors.New("stock changes too fast to reserve it: try again")
}

func (a *allocation) answer() workflows.Reservation {
	var out workflows.Reservation
	for _, p := range a.Parts {
		product, code, _ := strings.Cut(p.Stock, "|")
		out.Allocations = append(out.Allocations, workflows.Allocation{ProductID: product, Warehouse: code, Quantity: p.Quantity})
	}
	return out
}

// choose gives the order's allocation, made from the stock as it is where there is none yet.
func (s *store) choose(ctx context.Context, in workflows.ReserveRequest) (*allocation, error) {
	var a allocation
	err := s.allocations().FindOne(ctx, bson.D{{Key: "_id", Value: in.OrderID}}).Decode(&a)
	switch {
	case err == nil && (a.Ended || len(a.Parts) == 0):
		return nil, errEnded
	case err == nil:
		return &a, nil
	case !errors.Is(err, mongo.ErrNoDocuments):
		return nil, fmt.Errorf("read an allocation: %w", err)
	}
	lines := map[string]int{}
	var products []string
	for _, l := range in.Lines {
		if lines[l.ProductID] == 0 {
			products = append(products, l.ProductID)
		}
		lines[l.ProductID] += l.Quantity
	}
	slices.Sort(products)
	have, err := s.of(ctx, products)
	if err != nil {
		return nil, err
	}
	a = allocation{Order: in.OrderID, At: s.now()}
	for _, product := range products {
		parts, left := split(product, lines[product], have[product], in.CountryCode)
		if left > 0 {
			return nil, &shortage{workflows.Shortage{ProductID: product, Available: lines[product] - left}}
		}
		a.Parts = append(a.Parts, parts...)
	}
	if _, err := s.allocations().InsertOne(ctx, a); err != nil {
		if mongo.IsDuplicateKeyError(err) {
			return s.choose(ctx, in)
		}
		return nil, fmt.Errorf("write an allocation: %w", err)
	}
	return &a, nil
}

// split tells from which warehouses a line comes, and how many are missing.
func split(product string, quantity int, have []*stock, country string) ([]part, int) {
	at := map[string]int{}
	for _, st := range have {
		at[st.Warehouse] = st.Avail
	}
	order := nearest(country)
	for _, w := range order {
		if at[w.code] >= quantity {
			return []part{{stockID(product, w.code), quantity}}, 0
		}
	}
	var parts []part
	left := quantity
	for _, w := range order {
		if n := min(left, at[w.code]); n > 0 {
			parts = append(parts, part{stockID(product, w.code), n})
			left -= n
		}
	}
	return parts, left
}

// abandon undoes a half-made allocation without ending the order: its reservations are given back and leave no mark. That
// of an order which has ended meanwhile stays, so that it is not made again.
func (s *store) abandon(ctx context.Context, order string) error {
	touched, err := s.reservations(ctx, order)
	if err != nil {
		return err
	}
	for _, st := range touched {
		h, ok := st.Res[order]
		if !ok {
			continue
		}
		res := "res." + order
		_, err := s.stock.UpdateOne(ctx, bson.D{{Key: "_id", Value: st.ID}, {Key: res + ".q", Value: h.Quantity}}, bson.D{
			{Key: "$inc", Value: bson.D{{Key: "avail", Value: h.Quantity}, {Key: "reserved", Value: -h.Quantity}, {Key: "version", Value: 1}}},
			{Key: "$unset", Value: bson.D{{Key: res, Value: ""}}},
			{Key: "$push", Value: bson.D{{Key: "outbox", Value: s.available(order)}}},
		})
		if err != nil {
			return fmt.Errorf("give stock back: %w", err)
		}
	}
	if _, err := s.allocations().DeleteOne(ctx, bson.D{{Key: "_id", Value: order}, {Key: "ended", Value: bson.D{{Key: "$ne", Value: true}}}}); err != nil {
		return fmt.Errorf("undo an allocation: %w", err)
	}
	return nil
}

// finish ends all of an order's reservations. An order that never reserved anything is noted as ended, so that a reserve
// that comes late finds it.
func (s *store) finish(ctx context.Context, order, how string) error {
	if err := s.note(ctx, order); err != nil {
		return err
	}
	touched, err := s.reservations(ctx, order)
	if err != nil {
		return err
	}
	for _, st := range touched {
		if err := s.end(ctx, st, order, how); err != nil {
			return err
		}
	}
	return nil
}

// note writes down that an order has ended.
func (s *store) note(ctx context.Context, order string) error {
	for {
		_, err := s.allocations().UpdateOne(ctx, bson.D{{Key: "_id", Value: order}}, bson.D{
			{Key: "$set", Value: bson.D{{Key: "ended", Value: true}}},
			{Key: "$setOnInsert", Value: bson.D{{Key: "parts", Value: bson.A{}}, {Key: "at", Value: s.now()}}},
		}, options.UpdateOne().SetUpsert(true))
		switch {
		case err == nil:
			return nil
		case !mongo.IsDuplicateKeyError(err): // else a reserve came between, and is now there to be updated
			return fmt.Errorf("note an order as ended: %w", err)
		}
	}
}
