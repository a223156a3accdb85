package e2e

import (
	"sync"
	"testing"

	"github.com/lethe/lethe/e2e/harness"
	"github.com/lethe/lethe/embedded/redis/redistest"
)

// TestKill kills Lethe with 20 orders and an erasure on their way and starts it again on the same data: all of them
// finish, none twice, none is lost.
//
// It runs alone: two whole Lethes at once are more than two cores carry in a reasonable time.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	env := []string{"REDIS_URL=" + redistest.URL(t)} // a real redis-server where there is one
	first := openShop(t, shared.build.StartShared(t, harness.Options{Dir: dir, Env: env}))
	const orders, each = 20, 2
	product := first.newProduct(orders*each + 5)
	_, token := first.register()
	leaving, leavingToken := first.register()
	if placed := first.place(leavingToken, orderOf(product, 1, "pm_card_visa")); placed.Order == nil {
		t.Fatalf("refused: %+v", placed.UserErrors)
	}

	var mu sync.Mutex
	inputs := map[string]vars{} // by order id
	var wg sync.WaitGroup
	for range orders {
		wg.Go(func() {
			input := orderOf(product, each, "pm_card_visa")
			placed := first.place(token, input)
			if placed.Order == nil {
				t.Errorf("refused: %+v", placed.UserErrors)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			inputs[placed.Order.ID] = input
		})
	}
	wg.Wait()
	erasure := first.requestErasure(vars{"customerId": leaving, "graceDays": 0})
	if erasure.Erasure == nil {
		t.Fatalf("the erasure is refused: %+v", erasure.UserErrors)
	}
	first.Kill()

	// The same ports: what was signed in before stays so, since the keys are kept.
	second := openShop(t, shared.build.Start(t, harness.Options{Dir: dir, Base: first.Base, Env: env}))
	for id, input := range inputs {
		got := second.await(token, id, "DELIVERED")
		if got.Payment.Status != "CAPTURED" || got.Payment.Captured != got.Total {
			t.Errorf("order %s: payment %+v of total %+v, want it captured once", id, got.Payment, got.Total)
		}
		if again := second.place(token, input); again.Order == nil || again.Order.ID != id {
			t.Errorf("order %s: the same key gives %+v", id, again)
		}
	}
	var list struct {
		Customer struct {
			Orders struct{ TotalCount int }
		}
	}
	second.Do(token, `{ customer: me { orders { totalCount } } }`, nil, &list)
	if list.Customer.Orders.TotalCount != orders {
		t.Errorf("the customer has %d orders, want %d", list.Customer.Orders.TotalCount, orders)
	}
	if done := second.erased(erasure.Erasure.ID); done.Certificate == nil {
		t.Error("the erasure has no certificate")
	}
	if left := second.quantity(product); left != 5-1 {
		t.Errorf("%d are left of %d, want %d", left, orders*each+5, 5-1)
	}
}
