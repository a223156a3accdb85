package orderstest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/shipping"
)

// events is an order as it is followed over server-sent events.
type events struct {
	t     testing.TB
	lines *bufio.Scanner
	close func()
}

func (s *shop) follow(t testing.TB, as identity.Principal, id string) *events {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": `subscription ($id: ID!) { orderUpdated(id: $id) { ` + fields + ` } }`, "variables": map[string]any{"id": id}})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set(identity.Header, s.signer.Value(as, "orders", body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	e := &events{t: t, lines: bufio.NewScanner(resp.Body), close: func() { _ = resp.Body.Close() }}
	t.Cleanup(e.close)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("answered %s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	return e
}

// next gives the order of the next event; nil with the errors' codes where there are errors, and nil at the end.
func (e *events) next() (o *order, codes []string) {
	e.t.Helper()
	kind := ""
	for e.lines.Scan() {
		name, value, _ := strings.Cut(e.lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			kind = value
		case name == "data" && kind == "complete":
			return nil, nil
		case name == "data":
			var answer struct {
				Data   struct{ OrderUpdated *order }
				Errors []problem
			}
			if err := json.Unmarshal([]byte(value), &answer); err != nil {
				e.t.Fatalf("%v: %s", err, value)
			}
			for _, p := range answer.Errors {
				codes = append(codes, code([]problem{p}))
			}
			return answer.Data.OrderUpdated, codes
		}
	}
	e.t.Fatalf("the stream broke off: %v", e.lines.Err())
	return nil, nil
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
	streams := []*events{s.follow(t, jane, id), s.follow(t, support(), id)}
	for _, e := range streams {
		if o, _ := e.next(); o == nil || o.ID != id || o.Number != placed.Order.Number || o.Status != workflows.StatusConfirmed {
			t.Fatalf("at first it is %+v", o)
		}
	}
	for range 3 {
		s.mutate(t, support(), "advanceShipment", "AdvanceShipmentInput", map[string]any{"orderId": id})
	}
	for _, e := range streams {
		var last *order
		var statuses []string
		for o, codes := e.next(); o != nil || codes != nil; o, codes = e.next() {
			if codes != nil {
				t.Fatalf("errors: %v", codes)
			}
			last = o
			statuses = append(statuses, o.Status)
		}
		if last == nil || last.Status != workflows.StatusDelivered || last.Invoice == nil || last.Payment.Status != "CAPTURED" || path(last) != "PENDING RESERVED CONFIRMED SHIPPED DELIVERED" {
			t.Errorf("at last it is %+v", last)
		}
		if want := slices.Compact(slices.Clone(statuses)); !slices.IsSortedFunc(want, func(a, b string) int {
			order := []string{workflows.StatusConfirmed, workflows.StatusShipped, workflows.StatusDelivered}
			return slices.Index(order, a) - slices.Index(order, b)
		}) {
			t.Errorf("it went %v", statuses)
		}
	}
	ended := s.follow(t, jane, id)
	if o, _ := ended.next(); o == nil || o.Status != workflows.StatusDelivered {
		t.Errorf("an order that has ended is first %+v", o)
	}
	if o, codes := ended.next(); o != nil || codes != nil {
		t.Errorf("an order that has ended is followed further: %+v %v", o, codes)
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
		"the anonymous":    {identity.Principal{Role: identity.Anonymous}, id, "UNAUTHENTICATED"},
		"another customer": {customer("cus_other"), id, "NOT_FOUND"},
		"no such order":    {jane, "ord_none", "NOT_FOUND"},
	} {
		e := s.follow(t, c.as, c.id)
		if o, codes := e.next(); o != nil || !slices.Equal(codes, []string{c.want}) {
			t.Errorf("%s: %+v %v, want %s", name, o, codes, c.want)
		}
		if o, codes := e.next(); o != nil || codes != nil {
			t.Errorf("%s: the stream goes on: %+v %v", name, o, codes)
		}
	}
}
