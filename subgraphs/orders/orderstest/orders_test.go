package orderstest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

func keys() privacy.Keys {
	key := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	return privacy.Keys{Tombstone: key(1), Receipt: key(2), Dossier: key(3), Idempotency: key(4)}
}

func path(o *order) string {
	var statuses []string
	for _, e := range o.Timeline {
		statuses = append(statuses, e.Status)
	}
	return strings.Join(statuses, " ")
}

func to(in map[string]any, postalCode string) map[string]any {
	in["shippingAddress"].(map[string]any)["postalCode"] = postalCode
	return in
}

func paidBy(in map[string]any, method string) map[string]any {
	in["paymentMethod"] = method
	return in
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	s, jane := theShop, customer("cus_delivered")
	placed := s.place(t, jane, input("delivered-1", "prd_a", "prd_b"))
	if placed.Order == nil || placed.Order.Status != workflows.StatusConfirmed || len(placed.UserErrors) > 0 {
		t.Fatalf("placed %+v", placed)
	}
	o := s.awaitStatus(t, placed.Order.ID, workflows.StatusDelivered)
	if o.Payment.Status != "CAPTURED" || o.Payment.Captured.Amount != "44.90" || o.Total.Amount != "44.90" || o.Subtotal.Amount != "40.00" || o.Shipping.Amount != "4.90" {
		t.Errorf("the money of the order: %+v", o)
	}
	if o.Invoice == nil || len(o.Shipments) != 2 || o.Shipments[0].TrackingNumber == nil || o.Cancellable {
		t.Errorf("delivered %+v", o)
	}
	if got := path(o); got != "PENDING RESERVED CONFIRMED SHIPPED DELIVERED" {
		t.Errorf("the order went %s", got)
	}
	if l := o.Lines[1]; l.Name != "Thing" || l.SKU != "PRD_B" || l.UnitPrice.Amount != "10.00" || l.Total.Amount != "20.00" || l.Product.ID != "prd_b" || l.ID != "2" {
		t.Errorf("the line is %+v", l)
	}
	if o.Customer == nil || o.Customer.ID != "cus_delivered" || *o.ShippingAddress.Name != "Jane Roe" || *o.Note != "Ring twice." {
		t.Errorf("the order is %+v", o)
	}
}

// TestPayments places orders with every means of payment that the sandbox knows.
func TestPayments(t *testing.T) {
	t.Parallel()
	for method, want := range map[string]struct{ status, reason, codes string }{
		payment.MethodMastercard:        {workflows.StatusConfirmed, "", ""},
		payment.MethodDeclined:          {workflows.StatusFailed, "PAYMENT_DECLINED", "PAYMENT_DECLINED@input.paymentMethod"},
		payment.MethodInsufficientFunds: {workflows.StatusFailed, "PAYMENT_DECLINED", "PAYMENT_DECLINED@input.paymentMethod"},
		payment.MethodAuthentication:    {workflows.StatusReserved, "", ""},
		payment.MethodTimeout:           {workflows.StatusConfirmed, "", ""},
		payment.MethodDropped:           {workflows.StatusConfirmed, "", ""},
		payment.MethodError:             {workflows.StatusConfirmed, "", ""},
		"pm_card_of_nobody":             {workflows.StatusFailed, "PAYMENT_DECLINED", "PAYMENT_DECLINED@input.paymentMethod"},
	} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s, who := theShop, customer("cus_"+method)
			product := "prd_paid_by_" + method
			s.stock.count(product, 10)
			for range 2 { // the second call is answered as the first
				got := s.place(t, who, paidBy(to(input("payments-1", product), shipping.PostalCodeHold), method))
				if got.Order == nil || got.Order.Status != want.status || got.codes() != want.codes {
					t.Fatalf("placed %+v, %s; want %+v", got.Order, got.codes(), want)
				}
				if reason := got.Order.StatusReason; (reason == nil) != (want.reason == "") || reason != nil && *reason != want.reason {
					t.Errorf("because of %v, want %q", reason, want.reason)
				}
				if want.reason != "" && (s.stock.left(product) != 10 || got.Order.Payment.DeclineCode == nil) {
					t.Errorf("declined, but %d are left of 10, by %v", s.stock.left(product), got.Order.Payment.DeclineCode)
				}
			}
			cancelled := s.mutate(t, who, "cancelOrder", "CancelOrderInput", map[string]any{"orderId": s.place(t, who, paidBy(to(input("payments-1", product), shipping.PostalCodeHold), method)).Order.ID})
			if want.reason == "" && (cancelled.Order.Status != workflows.StatusCancelled || cancelled.Order.Payment.Status != "VOIDED") {
				t.Errorf("cancelled: %+v %s", cancelled.Order, cancelled.codes())
			}
			if want.reason != "" && cancelled.codes() != "WRONG_STATE@input.orderId" {
				t.Errorf("cancelling a failed order was answered %s", cancelled.codes())
			}
			if left := s.stock.left(product); left != 10 {
				t.Errorf("%d are left of 10", left)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_refused")
	s.stock.count("prd_scarce", 1)
	long := strings.Repeat("x", 1001)
	for name, c := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"an unknown product": {func(in map[string]any) {
			in["lines"] = append(in["lines"].([]map[string]any), map[string]any{"productId": "prd_unknown", "quantity": 1})
		}, "NOT_FOUND@input.lines.1"},
		"too few in stock": {func(in map[string]any) {
			in["lines"] = []map[string]any{{"productId": "prd_scarce", "quantity": 2}}
		}, "OUT_OF_STOCK@input.lines.0"},
		"what is no product's id":     {func(in map[string]any) { in["lines"].([]map[string]any)[0]["productId"] = "Jane Roe" }, "NOT_FOUND@input.lines.0"},
		"what is no means of payment": {func(in map[string]any) { in["paymentMethod"] = "Jane's card" }, "INVALID@input.paymentMethod"},
		"no lines":                    {func(in map[string]any) { in["lines"] = []any{} }, "REQUIRED@input.lines"},
		"quantity zero":               {func(in map[string]any) { in["lines"].([]map[string]any)[0]["quantity"] = 0 }, "INVALID@input.lines.0.quantity"},
		"a product twice": {func(in map[string]any) {
			in["lines"] = append(in["lines"].([]map[string]any), in["lines"].([]map[string]any)[0])
		}, "INVALID@input.lines.1.productId"},
		"a short key":        {func(in map[string]any) { in["idempotencyKey"] = "k" }, "INVALID@input.idempotencyKey"},
		"a long note":        {func(in map[string]any) { in["note"] = long }, "TOO_LONG@input.note"},
		"no name":            {func(in map[string]any) { in["shippingAddress"].(map[string]any)["name"] = " " }, "REQUIRED@input.shippingAddress.name"},
		"no country":         {func(in map[string]any) { in["shippingAddress"].(map[string]any)["countryCode"] = "Germany" }, "INVALID@input.shippingAddress.countryCode"},
		"control characters": {func(in map[string]any) { in["note"] = "a\x00b" }, "INVALID@input.note"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input("refused "+name, "prd_a")
			c.change(in)
			for range 2 {
				if got := s.place(t, who, in); got.codes() != c.want || (got.Order != nil) != strings.HasPrefix(c.want, "OUT_OF_STOCK") {
					t.Errorf("answered %s with order %+v, want %s", got.codes(), got.Order, c.want)
				}
			}
		})
	}
}

// TestIdempotency repeats a call, at once and many times, and with another input.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_twice")
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		ids []string
	)
	for range 16 {
		wg.Go(func() {
			got := s.place(t, who, input("the same key", "prd_a"))
			mu.Lock()
			defer mu.Unlock()
			if got.Order == nil {
				t.Errorf("answered %s", got.codes())
				return
			}
			ids = append(ids, got.Order.ID)
		})
	}
	wg.Wait()
	if slices.Sort(ids); len(slices.Compact(ids)) != 1 {
		t.Errorf("one key made the orders %v", ids)
	}
	if got := s.place(t, who, input("the same key", "prd_b")); got.codes() != "IDEMPOTENCY_KEY_REUSED@input.idempotencyKey" || got.Order != nil {
		t.Errorf("another input was answered %s %+v", got.codes(), got.Order)
	}
	if got := s.place(t, customer("cus_other"), input("the same key", "prd_b")); got.Order == nil || got.Order.ID == ids[0] {
		t.Errorf("another customer's same key was answered %s %+v", got.codes(), got.Order)
	}
	n, err := s.db.Collection("orders").CountDocuments(t.Context(), bson.D{{Key: "customerId", Value: "cus_twice"}})
	if err != nil || n != 1 {
		t.Errorf("there are %d orders, %v", n, err)
	}
}

// TestNotOversold has 64 customers order the last ten at once.
func TestNotOversold(t *testing.T) {
	t.Parallel()
	s := theShop
	s.stock.count("prd_last", 10)
	var (
		wg sync.WaitGroup
		mu sync.Mutex
		by = map[string]int{}
	)
	for i := range 64 {
		wg.Go(func() {
			in := input("oversold", "prd_last")
			in["lines"].([]map[string]any)[0]["quantity"] = 1
			got := s.place(t, customer(fmt.Sprintf("cus_rush_%d", i)), in)
			if got.Order == nil {
				t.Errorf("answered %s", got.codes())
				return
			}
			o := s.await(t, got.Order.ID, func(o *order) bool {
				return o.Status == workflows.StatusDelivered || o.Status == workflows.StatusFailed
			})
			mu.Lock()
			defer mu.Unlock()
			by[o.Status]++
		})
	}
	wg.Wait()
	if by[workflows.StatusDelivered] != 10 || by[workflows.StatusFailed] != 54 || s.stock.left("prd_last") != 0 {
		t.Errorf("of 64 orders for 10: %v, %d left", by, s.stock.left("prd_last"))
	}
}

// TestInvoicesHaveNoGaps looks at all the invoices that the tests have made so far, while they make more.
func TestInvoicesHaveNoGaps(t *testing.T) {
	t.Parallel()
	s := theShop
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			placed := s.place(t, customer(fmt.Sprintf("cus_invoice_%d", i)), input("invoiced", "prd_a"))
			s.awaitStatus(t, placed.Order.ID, workflows.StatusDelivered)
		})
	}
	wg.Wait()
	cursor, err := s.db.Collection("invoices").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var found []struct {
		Number  string `bson:"_id"`
		OrderID string `bson:"orderId"`
	}
	if err := cursor.All(t.Context(), &found); err != nil {
		t.Fatal(err)
	}
	by := map[string][]string{}
	for _, i := range found {
		year := i.Number[:len("LT-2026")]
		by[year] = append(by[year], i.Number)
	}
	for year, numbers := range by {
		slices.Sort(numbers)
		for n, number := range numbers {
			if number != fmt.Sprintf("%s-%08d", year, n+1) {
				t.Errorf("invoice %d of %s is %s", n+1, year, number)
			}
		}
	}
}

func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_late")
	placed := s.place(t, who, input("late-key-1", "prd_a"))
	s.awaitStatus(t, placed.Order.ID, workflows.StatusDelivered)
	if got := s.mutate(t, who, "cancelOrder", "CancelOrderInput", map[string]any{"orderId": placed.Order.ID}); got.codes() != "TOO_LATE@input.orderId" || got.Order.Status != workflows.StatusDelivered {
		t.Errorf("cancelling a delivered order was answered %s %+v", got.codes(), got.Order)
	}
}

// TestAdvance moves parcels by hand.
func TestAdvance(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_hand")
	placed := s.place(t, who, to(input("by hand 1", "prd_a", "prd_b"), shipping.PostalCodeHold))
	o := s.await(t, placed.Order.ID, func(o *order) bool { return len(o.Shipments) == 2 && o.Shipments[1].TrackingNumber != nil })
	advance := func(as identity.Principal, in map[string]any) payload {
		in["orderId"] = o.ID
		return s.mutate(t, as, "advanceShipment", "AdvanceShipmentInput", in)
	}
	if got := advance(support(), map[string]any{"shipmentId": "shp_none"}); got.codes() != "NOT_FOUND@input.shipmentId" {
		t.Errorf("an unknown shipment was answered %s", got.codes())
	}
	if got := advance(support(), map[string]any{"shipmentId": o.Shipments[0].ID}); got.codes() != "" || got.Order.Shipments[0].Status != workflows.ShipmentInTransit || got.Order.Shipments[1].Status != workflows.ShipmentPreparing {
		t.Errorf("advancing one was answered %s %+v", got.codes(), got.Order)
	}
	s.awaitStatus(t, o.ID, workflows.StatusShipped)
	if got := advance(support(), map[string]any{"shipmentId": o.Shipments[0].ID, "to": "PREPARING"}); got.codes() != "TOO_LATE@input.orderId" {
		t.Errorf("going back was answered %s", got.codes())
	}
	if got := advance(support(), map[string]any{"to": "DELIVERED"}); got.codes() != "" {
		t.Errorf("delivering was answered %s", got.codes())
	}
	s.awaitStatus(t, o.ID, workflows.StatusDelivered)
	if errs := s.ask(t, who, `mutation ($id: ID!) { advanceShipment(input: {orderId: $id}) { order { id } } }`, map[string]any{"id": o.ID}, nil); code(errs) != "FORBIDDEN" {
		t.Errorf("a customer moving a parcel was answered %v", errs)
	}
}

func code(errs []problem) string {
	if len(errs) == 0 {
		return ""
	}
	c, _ := errs[0].Extensions["code"].(string)
	return c
}

func TestUndeliverable(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_away")
	s.stock.count("prd_away", 5)
	placed := s.place(t, who, to(input("nobody home", "prd_away"), shipping.PostalCodeUndeliverable))
	o := s.awaitStatus(t, placed.Order.ID, workflows.StatusFailed)
	if o.StatusReason == nil || *o.StatusReason != workflows.ReasonUndeliverable || o.Payment.Status != "REFUNDED" || o.Payment.Refunded.Amount != "24.90" || s.stock.left("prd_away") != 5 {
		t.Errorf("undeliverable: %+v, %d left of 5", o, s.stock.left("prd_away"))
	}
}

func TestReturn(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_back")
	s.stock.count("prd_back", 5)
	placed := s.place(t, who, input("coming back", "prd_back", "prd_b"))
	id := placed.Order.ID
	back := func(key string, lines ...map[string]any) payload {
		in := map[string]any{"idempotencyKey": key, "orderId": id, "reason": "It did not fit."}
		if lines != nil {
			in["lines"] = lines
		}
		return s.mutate(t, who, "requestReturn", "RequestReturnInput", in)
	}
	if got := back("early-return"); got.codes() != "WRONG_STATE@input.orderId" {
		t.Errorf("an early return was answered %s", got.codes())
	}
	s.awaitStatus(t, id, workflows.StatusDelivered)
	one := map[string]any{"lineId": "1", "quantity": 1}
	for range 2 {
		got := back("first-return", one)
		if got.codes() != "" || len(got.Order.Returns) != 1 || got.Order.Returns[0].Refund.Amount != "10.00" || got.Order.Payment.Status != "PARTIALLY_REFUNDED" || got.Order.Status != workflows.StatusDelivered {
			t.Errorf("the first return was answered %s %+v", got.codes(), got.Order)
		}
	}
	if left := s.stock.left("prd_back"); left != 4 {
		t.Errorf("%d are left of 5 after two were bought and one came back", left)
	}
	if got := back("first-return", map[string]any{"lineId": "2", "quantity": 1}); got.codes() != "IDEMPOTENCY_KEY_REUSED@input.idempotencyKey" {
		t.Errorf("another return with the same key was answered %s", got.codes())
	}
	if got := back("second-return", map[string]any{"lineId": "1", "quantity": 2}); got.codes() != "INVALID@input.lines.0.quantity" {
		t.Errorf("returning too many was answered %s", got.codes())
	}
	if got := back("third-return", map[string]any{"lineId": "9", "quantity": 1}); got.codes() != "NOT_FOUND@input.lines.0.lineId" {
		t.Errorf("returning an unknown line was answered %s", got.codes())
	}
	got := back("last-return")
	if got.codes() != "" || got.Order.Status != workflows.StatusReturned || got.Order.Payment.Status != "REFUNDED" || got.Order.Payment.Refunded.Amount != "44.90" || s.stock.left("prd_back") != 5 {
		t.Errorf("returning the rest was answered %s %+v, %d left", got.codes(), got.Order, s.stock.left("prd_back"))
	}
	if got := back("after-return"); got.codes() != "WRONG_STATE@input.orderId" {
		t.Errorf("a return after all came back was answered %s", got.codes())
	}
}

// TestReturnsAtOnce has two returns of the same thing at the same time: one is refused.
func TestReturnsAtOnce(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_race")
	placed := s.place(t, who, input("racing-back", "prd_a"))
	s.awaitStatus(t, placed.Order.ID, workflows.StatusDelivered)
	codes := make(chan string, 4)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			codes <- s.mutate(t, who, "requestReturn", "RequestReturnInput", map[string]any{"idempotencyKey": fmt.Sprintf("race-%d-key", i), "orderId": placed.Order.ID}).codes()
		})
	}
	wg.Wait()
	close(codes)
	done := 0
	for c := range codes {
		if c == "" {
			done++
		}
	}
	if o := s.read(t, who, placed.Order.ID); done != 1 || o.Payment.Refunded.Amount != "24.90" || o.Status != workflows.StatusReturned {
		t.Errorf("%d of 4 returns of everything were taken, refunded %s, %s", done, o.Payment.Refunded.Amount, o.Status)
	}
}

// TestWhoMay looks at an order as everybody.
func TestWhoMay(t *testing.T) {
	t.Parallel()
	s, owner, other := theShop, customer("cus_owner"), customer("cus_stranger")
	placed := s.place(t, owner, to(input("who may see", "prd_a"), shipping.PostalCodeHold))
	id := placed.Order.ID
	if o := s.read(t, owner, id); o == nil {
		t.Error("the owner does not see the order")
	}
	if o := s.read(t, support(), id); o == nil {
		t.Error("support does not see the order")
	}
	if o := s.read(t, other, id); o != nil {
		t.Error("a stranger sees the order")
	}
	if errs := s.ask(t, identity.Principal{Role: identity.Anonymous}, `query ($id: ID!) { order(id: $id) { id } }`, map[string]any{"id": id}, nil); code(errs) != "UNAUTHENTICATED" {
		t.Errorf("the anonymous was answered %v", errs)
	}
	if errs := s.ask(t, identity.Principal{Role: identity.Anonymous}, `mutation ($in: PlaceOrderInput!) { placeOrder(input: $in) { order { id } } }`, map[string]any{"in": input("anonymous", "prd_a")}, nil); code(errs) != "UNAUTHENTICATED" {
		t.Errorf("the anonymous ordering was answered %v", errs)
	}
	if got := s.mutate(t, other, "cancelOrder", "CancelOrderInput", map[string]any{"orderId": id}); got.codes() != "NOT_FOUND@input.orderId" || got.Order != nil {
		t.Errorf("a stranger cancelling was answered %s", got.codes())
	}
	in := input("for another", "prd_a")
	in["customerId"] = "cus_owner"
	if errs := s.ask(t, other, `mutation ($in: PlaceOrderInput!) { placeOrder(input: $in) { order { id } } }`, map[string]any{"in": in}, nil); code(errs) != "FORBIDDEN" {
		t.Errorf("ordering for another was answered %v", errs)
	}
	if got := s.place(t, support(), in); got.Order == nil || got.Order.Customer.ID != "cus_owner" {
		t.Errorf("support ordering for a customer was answered %s %+v", got.codes(), got.Order)
	}
	if got := s.place(t, support(), input("for nobody", "prd_a")); got.codes() != "REQUIRED@input.customerId" {
		t.Errorf("support ordering for nobody was answered %s", got.codes())
	}
	entities := `query ($reps: [_Any!]!) { _entities(representations: $reps) { ... on Order { id status } ... on Customer { id orders { totalCount nodes { id } } } } }`
	reps := map[string]any{"reps": []map[string]any{{"__typename": "Order", "id": id}, {"__typename": "Customer", "id": "cus_owner"}, {"__typename": "Order", "id": "ord_none"}}}
	for _, c := range []struct {
		as   identity.Principal
		want []bool
	}{{owner, []bool{true, true, false}}, {other, []bool{false, false, false}}, {support(), []bool{true, true, false}}, {identity.Principal{Role: identity.Anonymous}, []bool{false, false, false}}} {
		var out struct {
			Entities []map[string]any `json:"_entities"`
		}
		if errs := s.ask(t, c.as, entities, reps, &out); errs != nil {
			t.Errorf("%s: %v", c.as.Role, errs)
			continue
		}
		for i, e := range out.Entities {
			if (e != nil) != c.want[i] {
				t.Errorf("%s %s: entity %d is %v", c.as.Role, c.as.Subject, i, e)
			}
		}
	}
	req := s.url
	s2 := *s
	stranger, err := identity.NewSigner(map[string][]byte{"orders": []byte("another key of thirty-two bytes!!!")})
	if err != nil {
		t.Fatal(err)
	}
	s2.url, s2.signer = req, stranger
	if errs := s2.ask(t, support(), `query { order(id: "x") { id } }`, nil, nil); code(errs) != "UNAUTHENTICATED" {
		t.Errorf("a request that the router did not sign was answered %v", errs)
	}
}

// TestPages goes through a customer's orders forwards, backwards and by status.
func TestPages(t *testing.T) {
	t.Parallel()
	s, who := theShop, customer("cus_pages")
	var placed []string
	for i := range 5 {
		in := input(fmt.Sprintf("page-key-%d", i), "prd_a")
		if i%2 == 0 {
			in = paidBy(in, payment.MethodDeclined)
		} else {
			in = to(in, shipping.PostalCodeHold)
		}
		placed = append(placed, s.place(t, who, in).Order.ID)
	}
	slices.Reverse(placed)
	type connection struct {
		Nodes      []struct{ ID string }
		Edges      []struct{ Cursor string }
		TotalCount int
		PageInfo   struct {
			HasNextPage, HasPreviousPage bool
			StartCursor, EndCursor       string
		}
	}
	page := func(args string) connection {
		t.Helper()
		var out struct {
			Entities []struct{ Orders connection } `json:"_entities"`
		}
		q := `query ($reps: [_Any!]!) { _entities(representations: $reps) { ... on Customer { orders` + args + ` { nodes { id } edges { cursor } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } } }`
		if errs := s.ask(t, who, q, map[string]any{"reps": []map[string]any{{"__typename": "Customer", "id": "cus_pages"}}}, &out); errs != nil {
			t.Fatalf("%s: %v", args, errs)
		}
		return out.Entities[0].Orders
	}
	ids := func(c connection) (got []string) {
		for _, n := range c.Nodes {
			got = append(got, n.ID)
		}
		return got
	}
	all := page("")
	if !slices.Equal(ids(all), placed) || all.TotalCount != 5 || all.PageInfo.HasNextPage || all.PageInfo.HasPreviousPage {
		t.Errorf("all: %+v, want %v", all, placed)
	}
	first := page("(first: 2)")
	next := page(fmt.Sprintf("(first: 2, after: %q)", first.PageInfo.EndCursor))
	last := page(fmt.Sprintf("(first: 2, after: %q)", next.PageInfo.EndCursor))
	if got := slices.Concat(ids(first), ids(next), ids(last)); !slices.Equal(got, placed) || !first.PageInfo.HasNextPage || last.PageInfo.HasNextPage || !last.PageInfo.HasPreviousPage {
		t.Errorf("forwards: %v, want %v", got, placed)
	}
	end := page("(last: 2)")
	middle := page(fmt.Sprintf("(last: 2, before: %q)", end.PageInfo.StartCursor))
	if got := slices.Concat(ids(middle), ids(end)); !slices.Equal(got, placed[1:]) || !middle.PageInfo.HasPreviousPage || !middle.PageInfo.HasNextPage {
		t.Errorf("backwards: %v, want %v", got, placed[1:])
	}
	failed := page("(status: [FAILED])")
	if failed.TotalCount != 3 || !slices.Equal(ids(failed), []string{placed[0], placed[2], placed[4]}) {
		t.Errorf("failed ones: %+v", failed)
	}
	for _, args := range []string{`(first: 1, last: 1)`, `(first: 101)`, `(first: -1)`, `(after: "nonsense")`, fmt.Sprintf("(status: [FAILED], after: %q)", first.PageInfo.EndCursor)} {
		q := `query ($reps: [_Any!]!) { _entities(representations: $reps) { ... on Customer { orders` + args + ` { totalCount } } } }`
		if errs := s.ask(t, who, q, map[string]any{"reps": []map[string]any{{"__typename": "Customer", "id": "cus_pages"}}}, nil); code(errs) != "BAD_USER_INPUT" {
			t.Errorf("%s was answered %v", args, errs)
		}
	}
}
