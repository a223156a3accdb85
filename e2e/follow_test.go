package e2e

import (
	"testing"

	"github.com/lethe/lethe/e2e/harness"
)

// firstCode gives the code of the first error, or "" where there is none.
func firstCode(errs []harness.Error) string {
	if len(errs) == 0 {
		return ""
	}
	return errs[0].Extensions.Code
}

// TestFollow follows an order through the router until it has arrived, across the subgraphs, and its customer's erasure
// until what the law wants is all that is kept.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := openShop(t, shared.running(t))
	customer, token := s.register()
	product := s.newProduct(5)
	placed := s.place(token, orderOf(product, 2, "pm_card_visa"))
	if placed.Order == nil {
		t.Fatalf("the order is refused: %+v", placed.UserErrors)
	}
	const orderUpdated = `subscription($id: ID!) { orderUpdated(id: $id) { ` + orderFields + ` timeline { status } lines { quantity product { name availability { quantity } } } } }`
	type event struct {
		OrderUpdated *struct {
			order
			Timeline []struct{ Status string }
			Lines    []struct {
				Quantity int
				Product  *struct {
					Name         string
					Availability *struct{ Quantity int }
				}
			}
		}
	}
	stream := s.Follow(token, orderUpdated, vars{"id": placed.Order.ID})
	var last event
	for n := 0; ; n++ {
		var e event
		errs, more := stream.Next(&e)
		if !more {
			break
		}
		if len(errs) > 0 || e.OrderUpdated == nil || e.OrderUpdated.ID != placed.Order.ID {
			t.Fatalf("event %d is %+v with %+v", n, e.OrderUpdated, errs)
		}
		if l := e.OrderUpdated.Lines; len(l) != 1 || l[0].Product == nil || l[0].Product.Name != "Test lamp" || l[0].Product.Availability == nil || l[0].Product.Availability.Quantity != 3 {
			t.Errorf("event %d, across the subgraphs, is %+v", n, l)
		}
		last = e
	}
	if o := last.OrderUpdated; o == nil || o.Status != "DELIVERED" || o.Payment.Status != "CAPTURED" || len(o.Timeline) != 5 {
		t.Errorf("at last it is %+v", o)
	}

	_, stranger := s.register()
	for who, want := range map[string]string{stranger: "NOT_FOUND", s.support: ""} {
		var e event
		errs, _ := s.Follow(who, orderUpdated, vars{"id": placed.Order.ID}).Next(&e)
		if code := firstCode(errs); code != want || (e.OrderUpdated != nil) != (want == "") {
			t.Errorf("another is told %+v with %+v, want %q", e.OrderUpdated, errs, want)
		}
	}

	asked := s.requestErasure(vars{"customerId": customer, "graceDays": 0})
	if asked.Erasure == nil {
		t.Fatalf("the erasure is refused: %+v", asked.UserErrors)
	}
	const erasureUpdated = `subscription($id: ID!) { erasureUpdated(id: $id) { ` + erasureFields + ` } }`
	var erasure struct{ ErasureUpdated *erasureState }
	erasures := s.Follow(s.support, erasureUpdated, vars{"id": asked.Erasure.ID})
	for {
		errs, more := erasures.Next(&erasure)
		if !more {
			break
		}
		if len(errs) > 0 || erasure.ErasureUpdated == nil {
			t.Fatalf("an event is %+v with %+v", erasure.ErasureUpdated, errs)
		}
	}
	if e := erasure.ErasureUpdated; e.Status != "RETAINING" || e.Certificate == nil || len(e.Retained) != 2 {
		t.Errorf("at last it is %+v", e)
	}
	if errs, _ := s.Follow(token, erasureUpdated, vars{"id": asked.Erasure.ID}).Next(&erasure); firstCode(errs) != "FORBIDDEN" {
		t.Errorf("its customer is told %+v", errs)
	}
}
