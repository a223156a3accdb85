package orderstest

import (
	"slices"
	"testing"

	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/shipping"
)

// followed is an order as somebody follows it.
type followed struct{ stream *graphqltest.Stream }

func (s *shop) follow(t testing.TB, as identity.Principal, id string) followed {
	t.Helper()
	subgraph := &graphqltest.Subgraph{URL: s.url, Name: "orders", Signer: s.signer}
	return followed{subgraph.Follow(t, as, `subscription ($id: ID!) { orderUpdated(id: $id) { `+fields+` } }`, map[string]any{"id": id})}
}

// next gives the order of the next event, or the codes of its errors; neither at the end.
func (f followed) next(t testing.TB) (*order, string) {
	t.Helper()
	var out struct{ OrderUpdated *order }
	errs, _ := f.stream.Next(t, &out)
	return out.OrderUpdated, graphqltest.Codes(errs)
}

// TestFollow follows an order to its end, as its customer and as staff do.
func TestFollow(t *testing.T) {
	t.Parallel()
	s, jane := theShop, customer("cus_follow")
	placed := s.place(t, jane, to(input("follow-1", "prd_a", "prd_b"), shipping.PostalCodeHold))
	if placed.Order == nil {
		t.Fatalf("answered %s", placed.codes())
	}
	id := placed.Order.ID
	streams := []followed{s.follow(t, jane, id), s.follow(t, support(), id)}
	for _, f := range streams {
		if o, _ := f.next(t); o == nil || o.ID != id || o.Number != placed.Order.Number || o.Status != workflows.StatusConfirmed {
			t.Fatalf("at first it is %+v", o)
		}
	}
	for range 3 {
		s.mutate(t, support(), "advanceShipment", "AdvanceShipmentInput", map[string]any{"orderId": id})
	}
	course := []string{workflows.StatusConfirmed, workflows.StatusShipped, workflows.StatusDelivered}
	for _, f := range streams {
		var last *order
		at := 0
		for o, codes := f.next(t); o != nil || codes != ""; o, codes = f.next(t) {
			if codes != "" || slices.Index(course, o.Status) < at {
				t.Fatalf("errors %q; the order went from %s to %+v", codes, course[at], o)
			}
			last, at = o, slices.Index(course, o.Status)
		}
		if last == nil || last.Status != workflows.StatusDelivered || last.Invoice == nil || last.Payment.Status != "CAPTURED" || path(last) != "PENDING RESERVED CONFIRMED SHIPPED DELIVERED" {
			t.Errorf("at last it is %+v", last)
		}
	}
	ended := s.follow(t, jane, id)
	if o, _ := ended.next(t); o == nil || o.Status != workflows.StatusDelivered {
		t.Errorf("an order that has ended is first %+v", o)
	}
	if o, codes := ended.next(t); o != nil || codes != "" {
		t.Errorf("an order that has ended is followed further: %+v %s", o, codes)
	}
}

// TestFollowRefused has others follow an order, and one that is not there.
func TestFollowRefused(t *testing.T) {
	t.Parallel()
	s, jane := theShop, customer("cus_follow_refused")
	placed := s.place(t, jane, to(input("follow-refused-1", "prd_a"), shipping.PostalCodeHold))
	if placed.Order == nil {
		t.Fatalf("answered %s", placed.codes())
	}
	id := placed.Order.ID
	for name, c := range map[string]struct {
		as   identity.Principal
		id   string
		want string
	}{
		"the anonymous":    {graphqltest.Anonymous(), id, "UNAUTHENTICATED"},
		"another customer": {customer("cus_other"), id, "NOT_FOUND"},
		"no such order":    {jane, "ord_none", "NOT_FOUND"},
	} {
		f := s.follow(t, c.as, c.id)
		if o, codes := f.next(t); o != nil || codes != c.want {
			t.Errorf("%s: %+v %s, want %s", name, o, codes, c.want)
		}
		if o, codes := f.next(t); o != nil || codes != "" {
			t.Errorf("%s: the stream goes on: %+v %s", name, o, codes)
		}
	}
}
