package orders

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/embedded/redis"
	"github.com/lethe/lethe/workflows"
)

func newTestStore(t testing.TB) (*store, *driver.Database) {
	t.Helper()
	server, err := mongo.Start(t.Context(), mongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	client, err := mongodb.Connect(t.Context(), server.URI(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	cache, err := redis.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	o, err := goredis.ParseURL(cache.URL())
	if err != nil {
		t.Fatal(err)
	}
	r := goredis.NewClient(o)
	t.Cleanup(func() { _ = r.Close() })
	db := client.Database("orders")
	if err := mongodb.EnsureIndexes(t.Context(), db, indexes()); err != nil {
		t.Fatal(err)
	}
	return newStore(db, r, slog.New(slog.DiscardHandler)), db
}

func insertTestOrder(t testing.TB, s *store, id, status string) *Order {
	t.Helper()
	at := now()
	o := &Order{
		ID: id, SchemaVersion: schemaVersion, Number: "LT-" + id, CustomerID: "cus_1", Status: status, Currency: "EUR",
		Lines:   []Line{{ID: "1", ProductID: "prd_1", Quantity: 2, UnitMinor: 10_00}},
		Address: &Address{Name: "Jane Roe", CountryCode: "DE", PostalCode: "80331"}, Note: "note", PaymentMethod: "pm_card_visa",
		Payment: Payment{Status: paymentNone, Refunds: []Refund{}}, Shipments: []Shipment{}, Returns: []Return{}, Timeline: []Event{}, PlacedAt: at, UpdatedAt: at,
	}
	if err := s.insert(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestStateMachine tries every transition from every status: those that are not in the machine change nothing.
func TestStateMachine(t *testing.T) {
	t.Parallel()
	s, _ := newTestStore(t)
	all := []string{
		workflows.StatusPending, workflows.StatusReserved, workflows.StatusConfirmed, workflows.StatusShipped, workflows.StatusDelivered,
		workflows.StatusCancelled, workflows.StatusFailed, workflows.StatusReturned, workflows.StatusRejected,
	}
	allowed := map[string]string{
		workflows.StatusPending: "RESERVED CANCELLED FAILED REJECTED", workflows.StatusReserved: "CONFIRMED CANCELLED FAILED",
		workflows.StatusConfirmed: "SHIPPED CANCELLED FAILED", workflows.StatusShipped: "DELIVERED FAILED", workflows.StatusDelivered: "RETURNED",
	}
	for _, from := range all {
		for _, to := range all {
			o := insertTestOrder(t, s, "ord_"+from+"_"+to, from)
			arrived, err := s.advance(t.Context(), workflows.Transition{OrderID: o.ID, To: to, Actor: workflows.ActorSystem})
			if err != nil {
				t.Fatal(err)
			}
			may := strings.Contains(" "+allowed[from]+" ", " "+to+" ")
			if want := may || from == to; arrived != want {
				t.Errorf("from %s to %s: %t, want %t", from, to, arrived, want)
			}
			got, err := s.get(t.Context(), o.ID)
			if err != nil {
				t.Fatal(err)
			}
			if moved := len(got.Timeline) == 1; moved != may || may && got.Status != to || !may && got.Status != from {
				t.Errorf("from %s to %s it is %s with %d events", from, to, got.Status, len(got.Timeline))
			}
			if kept := got.Address != nil; kept == (may && to == workflows.StatusRejected) {
				t.Errorf("from %s to %s the address is kept: %t", from, to, kept)
			}
		}
	}
	if arrived, err := s.advance(t.Context(), workflows.Transition{OrderID: "ord_none", To: workflows.StatusReserved}); err != nil || arrived {
		t.Errorf("an order that is not there advanced: %t, %v", arrived, err)
	}
}

// TestAdvanceAtOnce has many move an order at once: it happens once.
func TestAdvanceAtOnce(t *testing.T) {
	t.Parallel()
	s, _ := newTestStore(t)
	o := insertTestOrder(t, s, "ord_1", workflows.StatusPending)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			to := []string{workflows.StatusReserved, workflows.StatusCancelled}[i%2]
			if _, err := s.advance(t.Context(), workflows.Transition{OrderID: o.ID, To: to, Actor: workflows.ActorSystem}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := s.get(t.Context(), o.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Status != workflows.StatusCancelled || len(got.Timeline) > 2 {
		t.Errorf("it is %s after %v", got.Status, got.Timeline)
	}
}

// TestIssue gives many orders their invoices at once: the numbers have no gaps, and an order has one.
func TestIssue(t *testing.T) {
	t.Parallel()
	s, _ := newTestStore(t)
	at := time.Date(2026, time.November, 21, 9, 0, 0, 0, time.UTC)
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		seen = map[string]string{}
	)
	for i := range 64 {
		wg.Go(func() {
			order := fmt.Sprintf("ord_%d", i%32)
			number, _, err := s.issue(t.Context(), order, at)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			if other := seen[number]; other != "" && other != order {
				t.Errorf("%s is the invoice of %s and of %s", number, order, other)
			}
			seen[number] = order
		})
	}
	wg.Wait()
	for n := range 32 {
		if seen[fmt.Sprintf("LT-2026-%08d", n+1)] == "" {
			t.Errorf("invoice %d is missing: %v", n+1, seen)
		}
	}
	if number, _, err := s.issue(t.Context(), "ord_next", at.AddDate(1, 0, 0)); err != nil || number != "LT-2027-00000001" {
		t.Errorf("the next year begins with %s, %v", number, err)
	}
}

func TestTakeBack(t *testing.T) {
	t.Parallel()
	s, _ := newTestStore(t)
	draft := insertTestOrder(t, s, "ord_draft", workflows.StatusPending)
	begun := insertTestOrder(t, s, "ord_begun", workflows.StatusReserved)
	for _, o := range []*Order{draft, begun} {
		if err := s.takeBack(t.Context(), o.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.get(t.Context(), draft.ID); !errors.Is(err, errNotFound) {
		t.Errorf("a draft that was taken back: %v", err)
	}
	if _, err := s.get(t.Context(), begun.ID); err != nil {
		t.Errorf("an order that has begun: %v", err)
	}
	if err := s.insert(t.Context(), begun); !errors.Is(err, errExists) {
		t.Errorf("writing an order twice: %v", err)
	}
}

// TestQueriesUseIndexes explains every query of the store: none may read a whole collection.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	s, db := newTestStore(t)
	for i := range 50 {
		insertTestOrder(t, s, fmt.Sprintf("ord_%d", i), workflows.StatusDelivered)
	}
	since := bson.E{Key: "updatedAt", Value: bson.D{{Key: "$lt", Value: now()}}}
	for name, q := range map[string]struct {
		collection   string
		filter, sort bson.D
	}{
		"an order":                   {collectionOrders, byID("ord_1"), nil},
		"a customer's orders":        {collectionOrders, ofCustomer("cus_1", nil), bson.D{{Key: "placedAt", Value: -1}, {Key: "_id", Value: -1}}},
		"backwards":                  {collectionOrders, ofCustomer("cus_1", []string{workflows.StatusDelivered}), bson.D{{Key: "placedAt", Value: 1}, {Key: "_id", Value: 1}}},
		"what is open":               {collectionOrders, unended("cus_1"), nil},
		"what is not settled":        {collectionOrders, unsettled("cus_1"), nil},
		"drafts left lying":          {collectionOrders, bson.D{{Key: "status", Value: workflows.StatusPending}, since}, nil},
		"returns left lying":         {collectionOrders, bson.D{{Key: "returns.settled", Value: false}, since}, nil},
		"the invoice of an order":    {collectionInvoices, bson.D{{Key: "orderId", Value: "ord_1"}}, nil},
		"the last invoice":           {collectionInvoices, bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: "LT-2026-"}, {Key: "$lt", Value: "LT-2026-~"}}}}, bson.D{{Key: "_id", Value: -1}}},
		"a customer's personal data": {collectionOrders, bson.D{{Key: "customerId", Value: "cus_1"}}, nil},
	} {
		find := bson.D{{Key: "find", Value: q.collection}, {Key: "filter", Value: q.filter}}
		if q.sort != nil {
			find = append(find, bson.E{Key: "sort", Value: q.sort})
		}
		raw, err := db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: find}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plan := raw.Lookup("queryPlanner", "winningPlan").String()
		if strings.Contains(plan, "COLLSCAN") || plan == "" {
			t.Errorf("%s reads the whole collection: %s", name, plan)
		}
		if q.sort != nil && strings.Contains(plan, `"SORT"`) {
			t.Errorf("%s is sorted in memory: %s", name, plan)
		}
	}
}
