package customerstest

import (
	"testing"

	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
)

// followed is an erasure as somebody follows it.
type followed struct {
	t      testing.TB
	stream *graphqltest.Stream
}

func (h *house) follow(t *testing.T, w who, id string) followed {
	t.Helper()
	subgraph := &graphqltest.Subgraph{URL: w.url, Name: "customers", Signer: h.signer}
	return followed{t, subgraph.Follow(t, w.Principal, `subscription($id: ID!) { erasureUpdated(id: $id) { `+erasureFields+` } }`, map[string]any{"id": id})}
}

// next gives the erasure of the next event, or the codes of its errors; neither at the end.
func (f followed) next() (*erasureState, string) {
	f.t.Helper()
	var out struct{ ErasureUpdated *erasureState }
	errs, _ := f.stream.Next(f.t, &out)
	return out.ErasureUpdated, graphqltest.Codes(errs)
}

// TestFollow follows an erasure from its grace to its end, and another to its cancellation.
func TestFollow(t *testing.T) {
	t.Parallel()
	h := theHouse
	asked := h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": plants{}.customer(t, h), "graceDays": 0})
	if asked.Erasure == nil {
		t.Fatalf("refused: %s", codes(asked.UserErrors))
	}
	stream := h.follow(t, h.support("staff_2"), asked.Erasure.ID)
	seen, last := 0, (*erasureState)(nil)
	for e, fault := stream.next(); e != nil || fault != ""; e, fault = stream.next() {
		if fault != "" || e.ID != asked.Erasure.ID {
			t.Fatalf("%+v %s", e, fault)
		}
		last = e
		seen++
	}
	if last == nil || last.Status != "RETAINING" || last.Certificate == nil || last.Customer != nil || len(last.Retained) == 0 {
		t.Errorf("at last it is %+v", last)
	}
	if seen < 2 {
		t.Errorf("%d events", seen)
	}

	asked = h.command(t, h.support("staff_1"), "requestErasure", map[string]any{"customerId": plants{}.customer(t, h), "graceDays": 3})
	h.await(t, asked.Erasure.ID, "GRACE")
	stream = h.follow(t, h.support("staff_2"), asked.Erasure.ID)
	if e, _ := stream.next(); e == nil || e.Status != "GRACE" || e.Customer == nil {
		t.Errorf("at first it is %+v", e)
	}
	h.command(t, h.support("staff_1"), "cancelErasure", map[string]any{"id": asked.Erasure.ID})
	last = nil
	for e, fault := stream.next(); e != nil || fault != ""; e, fault = stream.next() {
		last = e
	}
	if last == nil || last.Status != "CANCELLED" {
		t.Errorf("at last it is %+v", last)
	}
}

func TestFollowRefused(t *testing.T) {
	t.Parallel()
	h := theHouse
	for _, c := range []struct {
		who
		want string
	}{{h.anonymous(), "UNAUTHENTICATED"}, {h.customer("cus_1"), "FORBIDDEN"}, {h.support("staff_1"), "NOT_FOUND"}} {
		stream := h.follow(t, c.who, "era_none")
		if e, fault := stream.next(); e != nil || fault != c.want {
			t.Errorf("%s gets %+v %s, want %s", c.Role, e, fault, c.want)
		}
		if e, fault := stream.next(); e != nil || fault != "" {
			t.Errorf("%s: the stream goes on: %+v %s", c.Role, e, fault)
		}
	}
}
