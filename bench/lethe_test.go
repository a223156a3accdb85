// Package bench measures Lethe as it is used: through its front door. Run it with go test ./bench -bench . -benchtime 1x;
// it prints figures and never fails on a slow machine.
package bench

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe/lethe/e2e/harness"
)

type vars map[string]any

// BenchmarkStart measures from the start of the process to "lethe is ready", on an empty directory and on one that is
// seeded already, and the memory at rest.
func BenchmarkStart(b *testing.B) {
	build := harness.Build{Dir: b.TempDir()}
	if _, err := build.Binary(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		dir := b.TempDir()
		began := time.Now()
		first := build.StartShared(b, harness.Options{Dir: dir})
		b.ReportMetric(time.Since(began).Seconds(), "s-to-ready-first")
		b.ReportMetric(first.ResidentMB(), "MB-at-rest")
		first.Stop()
		began = time.Now()
		second := build.StartShared(b, harness.Options{Dir: dir})
		b.ReportMetric(time.Since(began).Seconds(), "s-to-ready-again")
		second.Stop()
	}
}

// BenchmarkShop measures a running Lethe: the four-subgraph query, orders from placed to delivered, and an erasure from
// request to certificate with no grace.
func BenchmarkShop(b *testing.B) {
	build := harness.Build{Dir: b.TempDir()}
	l := build.Start(b, harness.Options{})
	b.Run("four-subgraph query", func(b *testing.B) { query(b, l.With(b)) })
	b.Run("orders fulfilled", func(b *testing.B) { orders(b, l.With(b)) })
	b.Run("erasure", func(b *testing.B) { erasures(b, l.With(b)) })
}

const page = `{ customers(first: 10) { nodes { name orders(first: 5) { nodes { status lines { name product { name availability { quantity } } } } } } } }`

// query measures the query that crosses all four subgraphs: one client, then eight.
func query(b *testing.B, l *harness.Lethe) {
	token := l.Token("support", "")
	l.Do(token, page, nil, nil)
	const each = 200
	for b.Loop() {
		for _, clients := range []int{1, 8} {
			var mu sync.Mutex
			var took []time.Duration
			var wg sync.WaitGroup
			began := time.Now()
			for range clients {
				wg.Go(func() {
					for range each {
						t := time.Now()
						if errs, err := l.Try(b.Context(), token, page, nil, nil); err != nil || len(errs) > 0 {
							b.Errorf("%v %v", err, errs)
							return
						}
						mu.Lock()
						took = append(took, time.Since(t))
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			total := time.Since(began)
			slices.Sort(took)
			if len(took) == 0 {
				return
			}
			at := func(q float64) float64 { return float64(took[int(q*float64(len(took)-1))].Microseconds()) / 1000 }
			b.ReportMetric(at(0.5), fmt.Sprintf("ms-p50-%d-clients", clients))
			b.ReportMetric(at(0.99), fmt.Sprintf("ms-p99-%d-clients", clients))
			b.ReportMetric(float64(len(took))/total.Seconds(), fmt.Sprintf("req/s-%d-clients", clients))
		}
	}
}

// orders places orders from several clients and waits until all are delivered.
func orders(b *testing.B, l *harness.Lethe) {
	const clients, each = 8, 10
	var found struct {
		Products struct{ Nodes []struct{ ID string } }
	}
	l.Do("", `{ products(first: 50, filter: {available: true}) { nodes { id } } }`, nil, &found)
	for b.Loop() {
		token := l.Token("customer", customer(b, l))
		var n atomic.Int64
		var wg sync.WaitGroup
		began := time.Now()
		for c := range clients {
			wg.Go(func() {
				for i := range each {
					id, err := place(b.Context(), l, token, found.Products.Nodes[(c*each+i)%len(found.Products.Nodes)].ID)
					if err != nil {
						b.Error(err)
						return
					}
					if delivered(b.Context(), l, token, id) {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(n.Load())/time.Since(began).Seconds(), "orders-delivered/s")
	}
}

func customer(b *testing.B, l *harness.Lethe) string {
	b.Helper()
	var out struct {
		RegisterCustomer struct{ Customer struct{ ID string } }
	}
	l.Do("", `mutation($input: RegisterCustomerInput!) { registerCustomer(input: $input) { customer { id } } }`,
		vars{"input": vars{"email": rand.Text() + "@example.com", "name": "Bench Person"}}, &out)
	return out.RegisterCustomer.Customer.ID
}

func place(ctx context.Context, l *harness.Lethe, token, product string) (string, error) {
	var out struct {
		PlaceOrder struct {
			Order      *struct{ ID string }
			UserErrors []struct{ Code string }
		}
	}
	errs, err := l.Try(ctx, token, `mutation($input: PlaceOrderInput!) { placeOrder(input: $input) { order { id } userErrors { code } } }`, vars{"input": vars{
		"idempotencyKey": rand.Text(), "lines": []vars{{"productId": product, "quantity": 1}}, "paymentMethod": "pm_card_visa",
		"shippingAddress": vars{"name": "Bench Person", "line1": "Lindenweg 3", "city": "Berlin", "postalCode": "10115", "countryCode": "DE"},
	}}, &out)
	if err != nil || len(errs) > 0 || out.PlaceOrder.Order == nil {
		return "", fmt.Errorf("place an order: %w %v %v", err, errs, out.PlaceOrder.UserErrors)
	}
	return out.PlaceOrder.Order.ID, nil
}

func delivered(ctx context.Context, l *harness.Lethe, token, id string) bool {
	for {
		var out struct{ Order struct{ Status string } }
		if _, err := l.Try(ctx, token, `query($id: ID!) { order(id: $id) { status } }`, vars{"id": id}, &out); err != nil {
			return false
		}
		switch out.Order.Status {
		case "DELIVERED":
			return true
		case "FAILED", "CANCELLED":
			return false
		}
		if !wait(ctx) {
			return false
		}
	}
}

func wait(ctx context.Context) bool {
	t := time.NewTimer(20 * time.Millisecond)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// erasures erases customers one after another, each with a profile and a delivered order.
func erasures(b *testing.B, l *harness.Lethe) {
	support := l.Token("support", "")
	var took []time.Duration
	for b.Loop() {
		took = took[:0]
		for range 5 {
			id := customer(b, l)
			began := time.Now()
			var out struct {
				RequestErasure struct{ Erasure *struct{ ID string } }
			}
			l.Do(support, `mutation($input: RequestErasureInput!) { requestErasure(input: $input) { erasure { id } } }`, vars{"input": vars{"customerId": id, "graceDays": 0}}, &out)
			if out.RequestErasure.Erasure == nil {
				b.Fatal("the erasure is refused")
			}
			for {
				var got struct {
					Erasure struct {
						Status      string
						Certificate *struct{ Document string }
					}
				}
				l.Do(support, `query($id: ID!) { erasure(id: $id) { status certificate { document } } }`, vars{"id": out.RequestErasure.Erasure.ID}, &got)
				if got.Erasure.Certificate != nil {
					break
				}
				if !wait(b.Context()) {
					b.Fatal("the time is up")
				}
			}
			took = append(took, time.Since(began))
		}
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds(), "s-erasure-median")
		b.ReportMetric(took[len(took)-1].Seconds(), "s-erasure-worst")
	}
}

// TestMain says where it was measured.
func TestMain(m *testing.M) {
	if slices.ContainsFunc(os.Args, func(a string) bool { return strings.HasPrefix(a, "-test.bench") }) {
		fmt.Printf("%s, %d cores\n", runtime.Version(), runtime.NumCPU())
	}
	os.Exit(m.Run())
}
