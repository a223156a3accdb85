package customers

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/datamap"
	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/schema"
)

func testDatabase(t *testing.T) *driver.Database {
	t.Helper()
	s, err := mongo.Start(t.Context(), mongo.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c, err := mongodb.Connect(t.Context(), s.URI(), "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.WithoutCancel(t.Context())) })
	return c.Database("customers")
}

func TestDue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ regulation, received, want string }{
		{"GDPR", "2026-01-31T10:00:00Z", "2026-02-28T10:00:00Z"},
		{"GDPR", "2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z"},
		{"GDPR", "2026-01-15T10:00:00Z", "2026-02-15T10:00:00Z"},
		{"UK_GDPR", "2026-08-31T10:00:00Z", "2026-09-30T10:00:00Z"},
		{"GDPR", "2026-12-31T23:59:59Z", "2027-01-31T23:59:59Z"},
		{"CCPA", "2026-01-31T10:00:00Z", "2026-03-17T10:00:00Z"},
	} {
		received, err := time.Parse(time.RFC3339, c.received)
		if err != nil {
			t.Fatal(err)
		}
		if got := due(c.regulation, received).Format(time.RFC3339); got != c.want {
			t.Errorf("received %s under %s it is due %s, want %s", c.received, c.regulation, got, c.want)
		}
	}
}

func TestSeed(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	people, err := Seed(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	if len(people) != seedCount {
		t.Fatalf("there are %d customers", len(people))
	}
	emails := map[string]bool{}
	for _, p := range people {
		var r refusals
		r.email(p.Email, "email")
		if len(r) > 0 || emails[p.Email] || !isCountry(p.CountryCode) || p.Line1 == "" || p.City == "" || p.Phone == "" || strings.Contains(p.Line1+p.PostalCode+p.Phone, "%!") {
			t.Errorf("not believable: %+v", p)
		}
		emails[p.Email] = true
	}
	// One that was erased, or cut off in its middle: with an erasure there, nobody comes back.
	s := newStore(db)
	if _, err := s.customers.DeleteOne(t.Context(), byID(people[3].ID)); err != nil {
		t.Fatal(err)
	}
	if again, err := Seed(t.Context(), db); err != nil || len(again) != seedCount {
		t.Errorf("cut off, it is completed to %d, %v", len(again), err)
	}
	if _, err := s.customers.DeleteOne(t.Context(), byID(people[3].ID)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.erasures.InsertOne(t.Context(), &Erasure{ID: "era_1"}); err != nil {
		t.Fatal(err)
	}
	if again, err := Seed(t.Context(), db); err != nil || len(again) != seedCount-1 {
		t.Errorf("after an erasure there are %d, %v", len(again), err)
	}
}

// TestQueriesUseIndexes has the server explain every query, and fails on one that reads the whole collection.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	db := testDatabase(t)
	if _, err := Seed(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	w := page.Window{Limit: 20, From: &page.Key{time.Now().UTC(), "cus_1"}}
	after := bson.E{Key: "$and", Value: w.Filter(newestCustomers)}
	for name, q := range map[string]struct {
		collection string
		filter     bson.D
		sort       bson.D
	}{
		"by id":                  {collectionCustomers, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{"a", "b"}}}}, whole}, nil},
		"all":                    {collectionCustomers, searched(""), w.Sort(newestCustomers)},
		"all after":              {collectionCustomers, append(searched(""), after), w.Sort(newestCustomers)},
		"by e-mail":              {collectionCustomers, searched("anna@example.com"), w.Sort(newestCustomers)},
		"by name":                {collectionCustomers, searched("ann"), nil},
		"erasure under way":      {collectionErasures, bson.D{{Key: "active", Value: "x"}}, nil},
		"erasures of a customer": {collectionErasures, bson.D{{Key: "customerId", Value: "x"}}, nil},
		"erasures":               {collectionErasures, bson.D{}, w.Sort(newestErasures)},
		"erasures by status":     {collectionErasures, withStatus([]string{"GRACE"}), w.Sort(newestErasures)},
		"erasures to start":      {collectionErasures, bson.D{{Key: "status", Value: "REQUESTED"}, {Key: "requestedAt", Value: bson.D{{Key: "$lt", Value: time.Now()}}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			find := bson.D{{Key: "find", Value: q.collection}, {Key: "filter", Value: q.filter}}
			if q.sort != nil {
				find = append(find, bson.E{Key: "sort", Value: q.sort})
			}
			plan, err := db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: find}}).Raw()
			if err != nil {
				t.Fatal(err)
			}
			if text := plan.String(); strings.Contains(text, "COLLSCAN") || !strings.Contains(text, "IXSCAN") && !strings.Contains(text, "IDHACK") {
				t.Errorf("the plan is %s", text)
			}
		})
	}
}

func FuzzEmail(f *testing.F) {
	for _, s := range []string{"a@b.c", "Anna <anna@example.com>", "a b@c.d", "@", "a@b", "a@.b", "\x00@x.y", strings.Repeat("a", 250) + "@b.c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r refusals
		if r.email(s, "email"); len(r) == 0 && (strings.Count(s, "@") < 1 || len(s) > 4*maxEmail || strings.ContainsFunc(s, control)) {
			t.Errorf("%q is taken for an e-mail address", s)
		}
	})
}

func FuzzCursor(f *testing.F) {
	list := page.List{Name: "customers"}
	f.Add(list.Cursor(page.Key{int64(5), "cus_1"}))
	f.Add("e30")
	f.Fuzz(func(t *testing.T, cursor string) {
		w, err := window(list, page.Args{After: &cursor})
		if err == nil && len(w.Filter(newestCustomers)) == 0 {
			t.Error("a cursor gives no condition")
		}
	})
}

// TestEverythingStoredIsDeclared looks that no document can hold what the service's part in erasures does not know of.
func TestEverythingStoredIsDeclared(t *testing.T) {
	t.Parallel()
	var subgraphs []compose.Subgraph
	for _, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: s.URL, SDL: s.SDL})
	}
	composed, errs := compose.Compose(subgraphs)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	data, err := datamap.Read(composed.SDL)
	if err != nil {
		t.Fatal(err)
	}
	db := testDatabase(t)
	p, err := newParticipant(newStore(db), data, privacy.Rules{}, Options{DB: db})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Manifest().Hash, data.Manifest(name).Hash; got != want {
		t.Errorf("the service declares other data than the schema: %+v", p.Manifest())
	}
	if left := privacy.Undeclared(Customer{}, p.Stores[0].Fields, "schemaVersion", "version"); len(left) > 0 {
		t.Errorf("of a customer, %v are not declared", left)
	}
	process := []string{
		"_id", "schemaVersion", "subject", "active", "ground", "regulation", "receivedAt", "dueAt", "graceDays", "approval", "openOrders", "requestedBy", "requestedAt",
		"sequence", "status", "approvedBy", "graceUntil", "sealedAt", "completedAt", "waitingFor", "certificate", "issuedAt", "updatedAt",
		"steps.id", "steps.service", "steps.name", "steps.status", "steps.attempts", "steps.lastError", "steps.matched", "steps.changed", "steps.startedAt", "steps.endedAt",
		"retained.path", "retained.rule", "retained.until", "retained.count",
	}
	if left := privacy.Undeclared(Erasure{}, p.Stores[1].Fields, process...); len(left) > 0 {
		t.Errorf("of an erasure, %v are not declared", left)
	}
	if left := privacy.Undeclared(Customer{}, p.Stores[0].Fields[1:], "schemaVersion", "version"); len(left) != 1 || left[0] != "_id" {
		t.Errorf("with a field less, %v are not declared", left)
	}
}
