package inventory

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/workflows"
)

// refused gives the type of a refusal, which workflows tell it by, and checks that it is final and no failure to metrics.
func refused(t *testing.T, err error) string {
	t.Helper()
	var refusal *temporal.ApplicationError
	if !errors.As(err, &refusal) {
		t.Fatalf("the error is %v", err)
	}
	if !refusal.NonRetryable() || refusal.Category() != temporal.ApplicationErrorCategoryBenign {
		t.Errorf("%v is tried again: %t, counts as %v", refusal, !refusal.NonRetryable(), refusal.Category())
	}
	return refusal.Type()
}

// TestLastTen has 64 orders want the last ten, which lie in three warehouses.
func TestLastTen(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	for warehouse, n := range map[string]int{"BER": 5, "LYO": 4, "LIV": 1} {
		d.fill(t, "prd_a", warehouse, n)
	}
	var got, short atomic.Int32
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			_, err := d.reserve(fmt.Sprintf("ord_%d", i), "prd_a", 1)
			if err == nil {
				got.Add(1)
			} else if kind := refused(t, err); kind == workflows.ErrTypeInsufficientStock {
				short.Add(1)
			}
		})
	}
	wg.Wait()
	if got.Load() != 10 || short.Load() != 54 {
		t.Errorf("%d got one, %d were refused", got.Load(), short.Load())
	}
	if a := d.available(t, "prd_a")[0]; a.InStock || a.Quantity != 0 {
		t.Errorf("available: %+v", a)
	}
	if total := d.balanced(t); total != 10 {
		t.Errorf("%d are on hand", total)
	}
}

// TestWholeOrdersOnly has orders of two products, of which one runs out: nobody holds half an order.
func TestWholeOrdersOnly(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	d.fill(t, "prd_a", "BER", 100)
	d.fill(t, "prd_b", "BER", 6)
	var got atomic.Int32
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			_, err := do[workflows.Reservation](d, workflows.ActivityReserve, workflows.ReserveRequest{
				OrderID: fmt.Sprintf("ord_%d", i), Lines: []workflows.Line{{ProductID: "prd_b", Quantity: 2}, {ProductID: "prd_a", Quantity: 3}}, CountryCode: "FR", Expires: time.Now().Add(time.Hour),
			})
			if err == nil {
				got.Add(1)
			} else {
				refused(t, err)
			}
		})
	}
	wg.Wait()
	if a := d.available(t, "prd_a", "prd_b"); got.Load() != 3 || a[0].Quantity != 91 || a[1].Quantity != 0 {
		t.Errorf("%d orders got theirs, %+v", got.Load(), a)
	}
	d.balanced(t)
}

func TestReserve(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	for warehouse, n := range map[string]int{"BER": 5, "LYO": 4, "LIV": 1} {
		d.fill(t, "prd_a", warehouse, n)
	}
	for range 2 { // the second call is answered as the first
		got, err := do[workflows.Reservation](d, workflows.ActivityReserve, workflows.ReserveRequest{
			OrderID: "ord_1", Lines: []workflows.Line{{ProductID: "prd_a", Quantity: 4}}, CountryCode: "FR", Expires: time.Now().Add(time.Hour),
		})
		if err != nil || len(got.Allocations) != 1 || got.Allocations[0] != (workflows.Allocation{ProductID: "prd_a", Warehouse: "LYO", Quantity: 4}) {
			t.Fatalf("reserved %+v, %v", got, err)
		}
	}
	got, err := d.reserve("ord_2", "prd_a", 6)
	if err != nil || len(got.Allocations) != 2 || got.Allocations[0].Warehouse != "BER" || got.Allocations[0].Quantity+got.Allocations[1].Quantity != 6 {
		t.Errorf("of two warehouses: %+v, %v", got, err)
	}
	var short workflows.Shortage
	var refusal *temporal.ApplicationError
	_, err = d.reserve("ord_3", "prd_a", 1)
	if refused(t, err) != workflows.ErrTypeInsufficientStock || !errors.As(err, &refusal) || refusal.Details(&short) != nil || short != (workflows.Shortage{ProductID: "prd_a"}) {
		t.Errorf("refused with %+v: %v", short, err)
	}
	if _, err := d.reserve("ord_4", "prd_none", 1); refused(t, err) != workflows.ErrTypeInsufficientStock {
		t.Errorf("a product that is not stocked: %v", err)
	}

	d.end(t, workflows.ActivityRelease, "ord_1")
	if _, err := d.reserve("ord_1", "prd_a", 4); refused(t, err) != workflows.ErrTypeWrongState {
		t.Errorf("reserved after its release: %v", err)
	}
	d.end(t, workflows.ActivityRelease, "ord_5") // that never reserved anything
	if _, err := d.reserve("ord_5", "prd_a", 1); refused(t, err) != workflows.ErrTypeWrongState {
		t.Errorf("reserved after its release: %v", err)
	}
	for range 2 {
		d.end(t, workflows.ActivityCommit, "ord_2")
		d.end(t, workflows.ActivityRelease, "ord_2") // changes nothing after a commit
	}
	if total := d.balanced(t); total != 4 {
		t.Errorf("%d are on hand, want 4", total)
	}
	for range 2 {
		if _, err := do[any](d, workflows.ActivityRestock, workflows.RestockRequest{
			OrderID: "ord_2", ReturnID: "ret_1", Allocations: []workflows.Allocation{{ProductID: "prd_a", Warehouse: "BER", Quantity: 2}},
		}); err != nil {
			t.Error(err)
		}
	}
	if total := d.balanced(t); total != 6 {
		t.Errorf("%d are on hand, want 6", total)
	}
}

// TestReleaseMeetsReserve has an order's reserve and its release happen at once: afterwards it holds nothing, whichever was
// first.
func TestReleaseMeetsReserve(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	for _, warehouse := range []string{"BER", "LYO", "LIV"} {
		d.fill(t, "prd_a", warehouse, 40)
	}
	for i := range 60 {
		order := fmt.Sprintf("ord_%d", i)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				// Of all three warehouses, so that there is something in between.
				if _, err := d.reserve(order, "prd_a", 90); err != nil {
					refused(t, err)
				}
			})
			wg.Go(func() { d.end(t, workflows.ActivityRelease, order) })
		}
		wg.Wait()
		if a := d.available(t, "prd_a")[0]; a.Quantity != 120 {
			t.Fatalf("after its release the order holds something: %+v", a)
		}
	}
	d.balanced(t)
}

// TestInterleavings does everything to a few orders at once, in an order that a seed gives. What is there is always what
// came in less what went out, whatever was done how often.
func TestInterleavings(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			d := newDepot(t)
			in := 0
			for i, warehouse := range []string{"BER", "LYO", "LIV"} {
				for _, product := range []string{"prd_a", "prd_b"} {
					d.fill(t, product, warehouse, 10*(i+1))
					in += 10 * (i + 1)
				}
			}
			var mu sync.Mutex
			restocked := map[string]bool{}
			var wg sync.WaitGroup
			for w := range 8 {
				dice := rand.New(rand.NewPCG(seed, uint64(w)))
				wg.Go(func() {
					for range 40 {
						n := dice.IntN(24)
						order := fmt.Sprintf("ord_%d", n)
						product := []string{"prd_a", "prd_b"}[n%2]
						switch dice.IntN(6) {
						case 0, 1:
							if _, err := d.reserve(order, product, 1+n%7); err != nil {
								refused(t, err)
							}
						case 2:
							if n%3 == 0 {
								d.end(t, workflows.ActivityCommit, order)
							}
						case 3:
							if n%3 == 1 {
								d.end(t, workflows.ActivityRelease, order)
							}
						case 4:
							if _, err := do[any](d, workflows.ActivityExtend, workflows.StockRequest{OrderID: order, Expires: time.Now().Add(2 * time.Hour)}); err != nil {
								t.Error(err)
							}
						case 5:
							id := fmt.Sprintf("ret_%d", n)
							if _, err := do[any](d, workflows.ActivityRestock, workflows.RestockRequest{
								OrderID: order, ReturnID: id, Allocations: []workflows.Allocation{{ProductID: product, Warehouse: "BER", Quantity: 1}},
							}); err != nil {
								t.Error(err)
							}
							mu.Lock()
							restocked[id] = true
							mu.Unlock()
						}
					}
				})
			}
			wg.Wait()
			out := 0
			for n := 0; n < 24; n += 3 { // whoever reserved and was committed, once
				order := fmt.Sprintf("ord_%d", n)
				d.end(t, workflows.ActivityCommit, order)
				a, err := d.store.choose(t.Context(), workflows.ReserveRequest{OrderID: order})
				if !errors.Is(err, errEnded) {
					t.Errorf("order %s has not ended: %+v %v", order, a, err)
				}
				if d.committed(t, order) {
					out += 1 + n%7
				}
			}
			if total := d.balanced(t); total != in+len(restocked)-out {
				t.Errorf("%d are on hand: %d came in, %d came back, %d went out", total, in, len(restocked), out)
			}
		})
	}
}

// committed tells whether goods went out for an order.
func (d *depot) committed(t *testing.T, order string) bool {
	t.Helper()
	d.settled(t)
	n, err := d.db.Collection("ledger").CountDocuments(t.Context(), map[string]any{"ref": order, "kind": kindCommit})
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

// TestSweep ends what nobody ended, and nothing else.
func TestSweep(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	d.fill(t, "prd_a", "BER", 10)
	at := time.Now().UTC().Truncate(time.Millisecond)
	for order, expires := range map[string]time.Time{"ord_gone": at.Add(-time.Hour), "ord_late": at.Add(-time.Minute), "ord_fresh": at.Add(time.Hour)} {
		if _, err := do[workflows.Reservation](d, workflows.ActivityReserve, workflows.ReserveRequest{
			OrderID: order, Lines: []workflows.Line{{ProductID: "prd_a", Quantity: 2}}, CountryCode: "DE", Expires: expires,
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := do[any](d, workflows.ActivityExtend, workflows.StockRequest{OrderID: "ord_late", Expires: at.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.store.sweepOnce(t.Context(), at); err != nil {
			t.Fatal(err)
		}
		if a := d.available(t, "prd_a")[0]; a.Quantity != 6 {
			t.Errorf("after the sweep: %+v", a)
		}
	}
	if _, err := d.reserve("ord_gone", "prd_a", 2); refused(t, err) != workflows.ErrTypeWrongState {
		t.Errorf("what was swept is reserved again: %v", err)
	}
	d.asked.AssertIndexed(t)
	d.balanced(t)
}
