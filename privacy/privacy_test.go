package privacy_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/embedded/redis/redistest"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/workflows"
)

var databases atomic.Int64

// database gives an empty database on a server of the test's own.
func database(t *testing.T) *driver.Database {
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
	return c.Database(fmt.Sprintf("service%d", databases.Add(1)))
}

func keys() privacy.Keys {
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	return privacy.Keys{Tombstone: key(1), Receipt: key(2), Dossier: key(3), Certificate: ed25519.NewKeyFromSeed(key(4)), Idempotency: key(5)}
}

var (
	subject   = workflows.SubjectRef{ErasureID: "era_1", CustomerID: "cus_subject1"}
	neighbour = "cus_neighbour"
	issued    = time.Now().UTC().Truncate(time.Millisecond)
)

// service is a service with people, who go whole, and their orders, which stay without them.
type service struct {
	db             *driver.Database
	people, orders *driver.Collection
	*privacy.Participant
}

func newService(t *testing.T) *service {
	t.Helper()
	db := database(t)
	rules, err := privacy.ReadRules(schema.Retention())
	if err != nil {
		t.Fatal(err)
	}
	s := &service{db: db, people: db.Collection("people"), orders: db.Collection("orders")}
	s.Participant = &privacy.Participant{
		Service: "shop", DB: db, Rules: rules, Keys: keys(), Barrier: privacy.NewBarrier(db, keys()), Redis: redistest.Client(t),
		Stores: []privacy.Store{
			{
				Collection: s.people, Whole: true, Subject: func(id string) bson.D {
					return bson.D{{Key: "_id", Value: id}, {Key: "email", Value: bson.D{{Key: "$exists", Value: true}}}}
				},
				Fields: []privacy.Field{
					{Path: "Customer.id", BSON: "_id", Category: "IDENTIFIER", Action: privacy.Delete},
					{Path: "Customer.email", BSON: "email", Category: "CONTACT", Action: privacy.Delete},
					{Path: "Address.city", BSON: "addresses.city", Category: "LOCATION", Action: privacy.Delete},
					{Path: "Address.line1", BSON: "addresses.line1", Category: "LOCATION", Action: privacy.Delete},
				},
			},
			{
				Collection: s.orders, Subject: func(id string) bson.D { return bson.D{{Key: "customerId", Value: id}} },
				Fields: []privacy.Field{
					{Path: "Customer.id", BSON: "customerId", Category: "IDENTIFIER", Action: privacy.Delete, Link: true},
					{Path: "Order.note", BSON: "note", Category: "FREE_TEXT", Action: privacy.Unset},
					{Path: "Return.reason", BSON: "returns.reason", Category: "FREE_TEXT", Action: privacy.Unset},
					{Path: "Order.tags", BSON: "tags", Category: "FREE_TEXT", Action: privacy.Unset},
					{Path: "ShippingAddress.phone", BSON: "phone", Category: "CONTACT", Action: privacy.Unset},
					{Path: "ShippingAddress.postalCode", BSON: "postal", Category: "LOCATION", Action: privacy.Generalise, With: func(s string) string { return s[:min(2, len(s))] }},
					{Path: "Invoice.number", BSON: "invoice.number", Category: "TRANSACTION", Action: privacy.Retain, Rule: "invoices", Anchor: "invoice.at"},
				},
			},
		},
	}
	return s
}

func person(id, name string) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "email", Value: name + "@example.com"}, {Key: "addresses", Value: bson.A{
		bson.D{{Key: "city", Value: "Lyon"}, {Key: "line1", Value: "12 Rue des Capucins"}},
	}}}
}

func order(id, customer, name string, at time.Time) bson.D {
	return bson.D{
		{Key: "_id", Value: id}, {Key: "customerId", Value: customer}, {Key: "note", Value: "ring twice, " + name}, {Key: "product", Value: "Lyon poster"},
		{Key: "returns", Value: bson.A{bson.D{{Key: "id", Value: "1"}, {Key: "reason", Value: "too small for " + name}}, bson.D{{Key: "id", Value: "2"}}}},
		{Key: "tags", Value: bson.A{"gift for " + name, "urgent for " + name}}, {Key: "phone", Value: "+33 4 7200 1234"}, {Key: "postal", Value: "69001"},
		{Key: "invoice", Value: bson.D{{Key: "number", Value: "LT-" + id}, {Key: "at", Value: at}}},
	}
}

func insert(t *testing.T, c *driver.Collection, docs ...any) {
	t.Helper()
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

// fill gives the service a subject and a neighbour at the same address.
func (s *service) fill(t *testing.T) {
	t.Helper()
	insert(t, s.people, person(subject.CustomerID, "ada.subject"), person(neighbour, "bob.neighbour"))
	insert(t, s.orders,
		order("ord_1", subject.CustomerID, "Ada Subject 1", issued), order("ord_2", subject.CustomerID, "Ada Subject 1", issued.AddDate(-9, 0, 0)),
		order("ord_3", neighbour, "Bob Neighbour 2", issued))
	if err := s.Participant.Redis.Set(t.Context(), "session:"+neighbour, "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
}

// erase goes all of a service's way through an erasure.
func (s *service) erase(t *testing.T) (workflows.Receipt, error) {
	t.Helper()
	located, err := s.Locate(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(context.Context, workflows.SubjectRef) error{"restrict": s.Restrict, "remember": s.Remember} {
		if err := f(t.Context(), subject); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := s.Seal(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	return s.Erase(t.Context(), workflows.EraseStep{SubjectRef: subject, StepID: "shop-erase", Located: located})
}

func find(t *testing.T, c *driver.Collection, id string) bson.Raw {
	t.Helper()
	raw, err := c.FindOne(t.Context(), bson.D{{Key: "_id", Value: id}}).Raw()
	if err != nil && !errors.Is(err, driver.ErrNoDocuments) {
		t.Fatal(err)
	}
	return raw
}

func TestErase(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	before := [][]byte{find(t, s.people, neighbour), find(t, s.orders, "ord_3")}
	r, err := s.erase(t)
	if err != nil {
		t.Fatal(err)
	}
	// 4 of the person; of each order the link, the note, a reason, 2 tags, a phone, a postal code and an invoice, one of
	// which is kept: the term of the other has ended.
	if r.Matched != 4+2*8 || r.Changed != r.Matched-1 || len(r.Retained) != 1 || r.Retained[0].Count != 1 || r.Remaining != 0 {
		t.Errorf("the receipt is %+v", r)
	}
	if want := time.Date(issued.Year()+9, time.January, 1, 0, 0, 0, 0, time.UTC); len(r.Retained) == 1 && !r.Retained[0].Until.Equal(want) {
		t.Errorf("kept until %s, want %s", r.Retained[0].Until, want)
	}
	if !privacy.Signed(keys().Receipt, subject, r) {
		t.Error("the receipt is not signed")
	}
	again, err := s.Erase(t.Context(), workflows.EraseStep{SubjectRef: subject, StepID: "shop-erase"})
	if err != nil || fmt.Sprint(again) != fmt.Sprint(r) {
		t.Errorf("repeated, the receipt is %+v, %v, want %+v", again, err, r)
	}
	if find(t, s.people, subject.CustomerID) != nil {
		t.Error("the person is still there")
	}
	kept := find(t, s.orders, "ord_1")
	for _, gone := range []string{"customerId", "note", "tags", "phone"} {
		if v, err := kept.LookupErr(gone); err == nil {
			t.Errorf("%s is still %v", gone, v)
		}
	}
	if got := kept.Lookup("postal").StringValue(); got != "69" {
		t.Errorf("the postal code is %s", got)
	}
	if _, err := find(t, s.orders, "ord_2").LookupErr("invoice", "number"); err == nil {
		t.Error("an invoice whose term has ended is still numbered")
	}
	if after := [][]byte{find(t, s.people, neighbour), find(t, s.orders, "ord_3")}; !slices.EqualFunc(before, after, bytes.Equal) {
		t.Error("the neighbour changed")
	}
	f, err := s.Verify(t.Context(), subject)
	if err != nil || len(f.Found) > 0 || f.Tokens < 8 || f.Documents < 5 {
		t.Errorf("the verification says %+v, %v", f, err)
	}
}

// TestVerifyFindsWhatIsLeft breaks one thing at a time, and each must be found.
func TestVerifyFindsWhatIsLeft(t *testing.T) {
	t.Parallel()
	put := func(c func(*service) *driver.Collection, id string, set bson.D) func(*testing.T, *service) {
		return func(t *testing.T, s *service) {
			if _, err := c(s).UpdateOne(t.Context(), bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: set}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	orders := func(s *service) *driver.Collection { return s.orders }
	add := func(collection string, doc bson.D) func(*testing.T, *service) {
		return func(t *testing.T, s *service) { insert(t, s.db.Collection(collection), doc) }
	}
	for name, left := range map[string]func(*testing.T, *service){
		"a field":                        put(orders, "ord_1", bson.D{{Key: "note", Value: "ring twice, Ada Subject 1"}}),
		"another value in the field":     put(orders, "ord_1", bson.D{{Key: "note", Value: "x"}}),
		"the postal code":                put(orders, "ord_1", bson.D{{Key: "postal", Value: "69001"}}),
		"the link":                       put(orders, "ord_1", bson.D{{Key: "customerId", Value: subject.CustomerID}}),
		"a field that nobody declared":   put(orders, "ord_1", bson.D{{Key: "shadow", Value: "ada.subject@example.com"}}),
		"in upper case":                  put(orders, "ord_1", bson.D{{Key: "shadow", Value: "ADA.SUBJECT@EXAMPLE.COM"}}),
		"in base64":                      put(orders, "ord_1", bson.D{{Key: "shadow", Value: "YWRhLnN1YmplY3RAZXhhbXBsZS5jb20="}}),
		"as bytes":                       put(orders, "ord_1", bson.D{{Key: "shadow", Value: bson.Binary{Data: []byte("<ada.subject@example.com>")}}}),
		"as the name of a field":         add("index", bson.D{{Key: "_id", Value: 1}, {Key: "by", Value: bson.D{{Key: "ada.subject@example.com", Value: 1}}}}),
		"in a list":                      add("mailing", bson.D{{Key: "_id", Value: 1}, {Key: "to", Value: bson.A{"x@y.z", "ada.subject@example.com"}}}),
		"a collection that nobody knows": add("imports", bson.D{{Key: "_id", Value: 1}, {Key: "row", Value: "7;ada.subject@example.com;Lyon"}}),
		"the id alone":                   add("carts", bson.D{{Key: "_id", Value: subject.CustomerID}}),
		"a cached key": func(t *testing.T, s *service) {
			s.Participant.Redis.Set(t.Context(), "cart:"+subject.CustomerID, "x", 0)
		},
		"a cached value": func(t *testing.T, s *service) {
			s.Participant.Redis.HSet(t.Context(), "page:7", "h1", "for ada.subject@example.com")
		},
		"an eraser that does nothing": func(t *testing.T, s *service) {
			s.Stores[1].Fields = slices.DeleteFunc(s.Stores[1].Fields, func(f privacy.Field) bool { return f.Path == "Return.reason" })
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			s.fill(t)
			if name == "an eraser that does nothing" { // the dossier knows the field, the eraser does not
				if err := s.Remember(t.Context(), subject); err != nil {
					t.Fatal(err)
				}
				left(t, s)
			}
			if _, err := s.erase(t); err != nil {
				t.Fatal(err)
			}
			if name != "an eraser that does nothing" {
				left(t, s)
			}
			f, err := s.Verify(t.Context(), subject)
			if err != nil || f.Total() == 0 {
				t.Errorf("the verification says %+v, %v", f, err)
			}
			if text := fmt.Sprint(f); strings.Contains(text, "ada") {
				t.Errorf("the findings hold a value: %s", text)
			}
		})
	}
}

// TestResidueIsReached looks that a second step erases what came into a document after its link was cut.
func TestResidueIsReached(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	if _, err := s.erase(t); err != nil {
		t.Fatal(err)
	}
	if _, err := s.orders.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: "ord_1"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "note", Value: "late"}}}}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Erase(t.Context(), workflows.EraseStep{SubjectRef: subject, StepID: "shop-erase-2"})
	if err != nil || r.Remaining != 0 {
		t.Fatalf("the receipt is %+v, %v", r, err)
	}
	if f, err := s.Verify(t.Context(), subject); err != nil || f.Total() != 0 {
		t.Errorf("the verification says %+v, %v", f, err)
	}
}

// TestCountsMustAgree looks at an eraser that reaches less than was located.
func TestCountsMustAgree(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	located, err := s.Locate(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.orders.DeleteMany(t.Context(), bson.D{}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Erase(t.Context(), workflows.EraseStep{SubjectRef: subject, StepID: "shop-erase", Located: located})
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || app.Type() != workflows.ErrTypeCountMismatch {
		t.Errorf("the eraser answers %v", err)
	}
}

// TestUndo looks that all is as before when an erasure is cancelled.
func TestUndo(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	for _, f := range []func(context.Context, workflows.SubjectRef) error{s.Restrict, s.Remember} {
		if err := f(t.Context(), subject); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Barrier.Check(t.Context(), subject.CustomerID); !errors.Is(err, privacy.ErrRestricted) {
		t.Errorf("restricted, the barrier says %v", err)
	}
	if err := s.Unrestrict(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	if err := s.Barrier.Check(t.Context(), subject.CustomerID); err != nil {
		t.Errorf("the barrier says %v", err)
	}
	if n, err := s.db.Collection("dossiers").CountDocuments(t.Context(), bson.D{}); err != nil || n != 0 {
		t.Errorf("%d dossiers are left, %v", n, err)
	}
}

// TestDossierIsSealed looks that nothing of the subject can be read where it is remembered.
func TestDossierIsSealed(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	if err := s.Remember(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	raw := find(t, s.db.Collection("dossiers"), subject.ErasureID)
	for _, value := range []string{"ada.subject", "Capucins", "ord_1", subject.CustomerID} {
		if bytes.Contains(raw, []byte(value)) {
			t.Errorf("the dossier shows %s", value)
		}
	}
	if personal, err := s.Mentions(t.Context(), subject, "It is ADA.subject@example.com."); err != nil || !personal {
		t.Errorf("a text with an e-mail address is free of it: %v", err)
	}
}

// TestContactsAreKnown looks that imports can tell who was erased, however the address is written.
func TestContactsAreKnown(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	if _, err := s.erase(t); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][2]string{{"email", " ADA.Subject@example.com"}, {"phone", "+33 (4) 7200-1234"}} {
		if known, err := s.Barrier.KnownContact(t.Context(), c[0], c[1]); err != nil || !known {
			t.Errorf("%s is not known: %v", c[1], err)
		}
	}
	if known, err := s.Barrier.KnownContact(t.Context(), "email", "bob.neighbour@example.com"); err != nil || known {
		t.Errorf("the neighbour is known: %v", err)
	}
}

// TestWriteBarrier has 64 writers write for a subject while it is sealed and erased: nothing of theirs survives.
func TestWriteBarrier(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.fill(t)
	var (
		wg             sync.WaitGroup
		begun          sync.WaitGroup
		kept, refused  atomic.Int64
		writers, first = 64, sync.Once{}
	)
	begun.Add(1)
	for w := range writers {
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("ord_%d_%d", w, n)
				if _, err := s.orders.InsertOne(t.Context(), order(id, subject.CustomerID, "Ada Subject 1", issued)); err != nil {
					t.Error(err)
					return
				}
				err := s.Barrier.After(t.Context(), subject.CustomerID, func(ctx context.Context) error {
					_, err := s.orders.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}})
					return err
				})
				first.Do(begun.Done)
				switch {
				case err == nil:
					kept.Add(1)
				case errors.Is(err, privacy.ErrErased):
					refused.Add(1)
					return
				default:
					t.Error(err)
					return
				}
			}
		})
	}
	begun.Wait()
	if err := s.Remember(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	if err := s.Seal(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	for {
		_, err := s.Erase(t.Context(), workflows.EraseStep{SubjectRef: subject, StepID: "shop-erase"})
		if err == nil {
			break
		}
		app, ok := errors.AsType[*temporal.ApplicationError](err)
		if !ok || app.NonRetryable() {
			t.Fatal(err)
		}
	}
	wg.Wait() // every writer is refused in the end
	if n, err := s.orders.CountDocuments(t.Context(), bson.D{{Key: "customerId", Value: subject.CustomerID}}); err != nil || n != 0 {
		t.Errorf("%d orders lead to the subject, %v", n, err)
	}
	if f, err := s.Verify(t.Context(), subject); err != nil || f.Total() != 0 {
		t.Errorf("the verification says %+v, %v", f, err)
	}
	if kept.Load() == 0 || refused.Load() != int64(writers) {
		t.Errorf("%d writes came before the seal, %d were refused", kept.Load(), refused.Load())
	}
}
