package erasure_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/embedded/redis/redistest"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/privacy/certificate"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/erasure"
)

// options gives what activities work with: servers of the test's own, and a Temporal that is never called.
func options(t *testing.T) erasure.Options {
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
	lazy, err := client.NewLazyClient(client.Options{HostPort: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(lazy.Close)
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	return erasure.Options{
		DB: c.Database("ledger"), Redis: redistest.Client(t), Temporal: lazy, Supergraph: func() string { return "" }, Retention: schema.Retention(),
		Keys: privacy.Keys{Receipt: key(2), Certificate: ed25519.NewKeyFromSeed(key(4))}, Log: slog.New(slog.DiscardHandler),
	}
}

func activities(t *testing.T, o erasure.Options) *erasure.Activities {
	t.Helper()
	a, err := erasure.NewActivities(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func certificateRequest(id string, keys privacy.Keys) workflows.CertificateRequest {
	ref := workflows.SubjectRef{ErasureID: id, CustomerID: "cus_1"}
	r := workflows.Receipt{Service: "orders", Matched: 3, Changed: 2, Retained: []workflows.PathHeld{{Path: "Invoice.number", Rule: "invoices", Count: 1}}}
	r.Signature = privacy.Sign(keys.Receipt, ref, r)
	return workflows.CertificateRequest{
		EraseRequest: workflows.EraseRequest{SubjectRef: ref, SubjectHash: "hash", RequestedBy: "staff_1"},
		Receipts:     []workflows.Receipt{r}, Findings: []workflows.Findings{{Service: "orders", Documents: 9, Tokens: 3}},
	}
}

// TestCertificatesAreChained issues two and looks that the second names the first, and that repeating changes nothing.
func TestCertificatesAreChained(t *testing.T) {
	t.Parallel()
	o := options(t)
	a := activities(t, o)
	first, err := a.Certificate(t.Context(), certificateRequest("era_1", o.Keys))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := a.Certificate(t.Context(), certificateRequest("era_1", o.Keys)); err != nil || again.Document != first.Document {
		t.Errorf("repeated it is %s, %v", again.Document, err)
	}
	if err := a.Ledger(t.Context(), workflows.LedgerEntry{SubjectRef: workflows.SubjectRef{ErasureID: "era_2"}, Event: workflows.StateRequested}); err != nil {
		t.Fatal(err)
	}
	second, err := a.Certificate(t.Context(), certificateRequest("era_2", o.Keys))
	if err != nil {
		t.Fatal(err)
	}
	v, err := certificate.Verify([]byte(second.Document))
	if err != nil || v.Certificate.Previous != certificate.Digest([]byte(first.Document)) || len(v.Certificate.Retained) != 1 || v.Certificate.Retained[0].Law == "" {
		t.Errorf("the second certificate is %s, %v", second.Document, err)
	}
	forged := certificateRequest("era_3", o.Keys)
	forged.Receipts[0].Changed = 3
	_, err = a.Certificate(t.Context(), forged)
	if app, ok := errors.AsType[*temporal.ApplicationError](err); !ok || app.Type() != workflows.ErrTypeCountMismatch {
		t.Errorf("a forged receipt is answered %v", err)
	}
}

// TestLedgerShowsTampering changes the ledger in every way.
func TestLedgerShowsTampering(t *testing.T) {
	t.Parallel()
	for name, tamper := range map[string]func(context.Context, *driver.Collection) error{
		"changed": func(ctx context.Context, c *driver.Collection) error {
			_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "$set", Value: bson.D{{Key: "event", Value: workflows.StateCancelled}}}})
			return err
		},
		"taken out": func(ctx context.Context, c *driver.Collection) error {
			_, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: 2}})
			return err
		},
		"cut off at the start": func(ctx context.Context, c *driver.Collection) error {
			_, err := c.DeleteOne(ctx, bson.D{{Key: "_id", Value: 1}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options(t)
			a := activities(t, o)
			for range 2 { // repeated, nothing is appended
				for _, event := range []string{workflows.StateRequested, workflows.StateSealed, workflows.StateCompleted} {
					if err := a.Ledger(t.Context(), workflows.LedgerEntry{SubjectRef: workflows.SubjectRef{ErasureID: "era_1"}, Event: event, At: time.Unix(1, 0)}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n, err := erasure.VerifyLedger(t.Context(), o.DB); n != 3 || err != nil {
				t.Fatalf("%d lines, %v", n, err)
			}
			if err := tamper(t.Context(), o.DB.Collection("ledger")); err != nil {
				t.Fatal(err)
			}
			if n, err := erasure.VerifyLedger(t.Context(), o.DB); err == nil {
				t.Errorf("%d lines hold", n)
			}
		})
	}
}

// TestPurge looks that caches lose what is the subject's and nothing else, and that routers are told.
func TestPurge(t *testing.T) {
	t.Parallel()
	o := options(t)
	key := bytes.Repeat([]byte("k"), 32)
	gate, err := identity.NewGate("router", key)
	if err != nil {
		t.Fatal(err)
	}
	if o.Signer, err = identity.NewSigner(map[string][]byte{"router": key}); err != nil {
		t.Fatal(err)
	}
	told := 0
	router := httptest.NewServer(gate.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/internal/purge" || identity.FromContext(r.Context()).Role != identity.Service {
			w.WriteHeader(http.StatusForbidden)
		}
		told++
	})))
	defer router.Close()
	o.Routers = []string{router.URL}
	for _, k := range []string{"session:cus_1", "cart:cus_1:items", "session:cus_2"} {
		if err := o.Redis.Set(t.Context(), k, "x", 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	a := activities(t, o)
	env.RegisterActivity(a.Purge)
	for want := 2; want >= 0; want -= 2 {
		value, err := env.ExecuteActivity(a.Purge, workflows.SubjectRef{CustomerID: "cus_1"})
		if err != nil {
			t.Fatal(err)
		}
		var r workflows.Receipt
		if err := value.Get(&r); err != nil || r.Matched != want || r.Changed != want || r.Remaining != 0 {
			t.Errorf("the receipt is %+v, %v", r, err)
		}
	}
	if left := o.Redis.Keys(t.Context(), "*").Val(); len(left) != 1 || left[0] != "session:cus_2" || told != 2 {
		t.Errorf("left are %v, the router was told %d times", left, told)
	}
}
