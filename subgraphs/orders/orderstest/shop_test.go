package orderstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/durable"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/mongodb"
	"github.com/lethe/lethe/embedded/mongo"
	"github.com/lethe/lethe/embedded/redis"
	"github.com/lethe/lethe/embedded/temporal"
	"github.com/lethe/lethe/subgraphs/orders"
	"github.com/lethe/lethe/workflows"
	"github.com/lethe/lethe/workflows/fulfilment"
	"github.com/lethe/lethe/workflows/payment"
	"github.com/lethe/lethe/workflows/shipping"
)

// shop is the orders service with all that it works with. One process runs one Temporal server, so the tests share it.
type shop struct {
	url      string // of the orders subgraph
	payments payment.Options
	signer   *identity.Signer
	db       *driver.Database
	sandbox  *driver.Database
	temporal client.Client
	redis    *goredis.Client
	stock    *stock
}

var theShop *shop

func TestMain(m *testing.M) {
	flag.Parse()
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (code int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	if testing.Verbose() {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	var closers []func()
	defer func() {
		for _, c := range slices.Backward(closers) {
			c()
		}
	}()
	data, err := mongo.Start(ctx, mongo.Options{})
	if err != nil {
		return 1, err
	}
	closers = append(closers, func() { _ = data.Close() })
	cache, err := redis.Start("127.0.0.1:0")
	if err != nil {
		return 1, err
	}
	closers = append(closers, cache.Close)
	server, err := temporal.Start(ctx, temporal.Options{Addr: "127.0.0.1:0", Namespaces: []string{"default"}, Log: log})
	if err != nil {
		return 1, err
	}
	closers = append(closers, func() { server.Stop(5 * time.Second) })
	flows, err := durable.Dial(ctx, durable.Options{Address: server.Addr(), Namespace: "default", Identity: "test", Log: log})
	if err != nil {
		return 1, err
	}
	closers = append(closers, flows.Close)
	mongoClient, err := mongodb.Connect(ctx, data.URI(), "test")
	if err != nil {
		return 1, err
	}
	o, err := goredis.ParseURL(cache.URL())
	if err != nil {
		return 1, err
	}
	s := &shop{
		db: mongoClient.Database("orders"), sandbox: mongoClient.Database("sandbox"), temporal: flows, redis: goredis.NewClient(o),
		stock: &stock{onHand: map[string]int{}, reserved: map[string][]workflows.Line{}, ended: map[string]bool{}},
	}
	running, err := s.open(ctx, log)
	if err != nil {
		return 1, err
	}
	closers = append(closers, running.Wait, cancel)
	theShop = s
	return m.Run(), nil
}

// open starts the sandboxes, the service and the workers.
func (s *shop) open(ctx context.Context, log *slog.Logger) (*sync.WaitGroup, error) {
	key := bytes.Repeat([]byte("k"), 32)
	stripe, err := payment.NewSandbox(ctx, payment.SandboxOptions{DB: s.sandbox, Log: log})
	if err != nil {
		return nil, err
	}
	courier, err := shipping.NewSandbox(ctx, shipping.SandboxOptions{DB: s.sandbox, Log: log, Key: key, Pace: 100 * time.Millisecond})
	if err != nil {
		return nil, err
	}
	s.payments = payment.Options{BaseURL: httptest.NewServer(stripe).URL, APIKey: "sk_test_1", Timeout: time.Second}
	gate, err := identity.NewGate("orders", key)
	if err != nil {
		return nil, err
	}
	if s.signer, err = identity.NewSigner(map[string][]byte{"orders": key}); err != nil {
		return nil, err
	}
	service, err := orders.New(ctx, orders.Options{
		DB: s.db, Redis: s.redis, Temporal: s.temporal, Gate: gate, Log: log, Payments: s.payments,
		Shipping: shipping.Options{BaseURL: httptest.NewServer(courier).URL, Key: key}, Keys: keys(),
	})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s.url = "http://" + ln.Addr().String() + "/graphql"
	var wg sync.WaitGroup
	for _, loop := range []func(context.Context) error{
		func(ctx context.Context) error { return chassis.Serve(ctx, log, ln, service) },
		durable.Worker(s.temporal, workflows.QueueWorkflows, "", func(r worker.Registry) { fulfilment.Register(r) }),
		durable.Worker(s.temporal, workflows.QueueCatalogue, "", registerCatalogue),
		durable.Worker(s.temporal, workflows.QueueInventory, "", s.stock.register),
	} {
		wg.Go(func() {
			if err := loop(ctx); err != nil {
				log.Error("a part of the shop stopped", "error", err)
			}
		})
	}
	return &wg, nil
}

// registerCatalogue has every product cost ten and weigh a kilogram, but prd_unknown, which there is none of.
func registerCatalogue(r worker.Registry) {
	r.RegisterActivityWithOptions(func(_ context.Context, in workflows.QuoteRequest) (workflows.Quote, error) {
		var q workflows.Quote
		for _, l := range in.Lines {
			if l.ProductID == "prd_unknown" {
				return q, sdktemporal.NewNonRetryableApplicationError("no such product", workflows.ErrTypeUnknownProduct, nil, l.ProductID)
			}
			q.Lines = append(q.Lines, workflows.QuotedLine{ProductID: l.ProductID, SKU: strings.ToUpper(l.ProductID), Name: "Thing", Quantity: l.Quantity, UnitMinor: 10_00})
		}
		return q, nil
	}, activity.RegisterOptions{Name: workflows.ActivityQuote})
}

// stock is what there is of each product; a product that was never counted has no end.
type stock struct {
	mu       sync.Mutex
	onHand   map[string]int
	reserved map[string][]workflows.Line
	ended    map[string]bool
}

func (s *stock) count(product string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onHand[product] = n
}

func (s *stock) left(product string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onHand[product]
}

func (s *stock) register(r worker.Registry) {
	with := func(name string, f any) { r.RegisterActivityWithOptions(f, activity.RegisterOptions{Name: name}) }
	with(workflows.ActivityReserve, func(_ context.Context, in workflows.ReserveRequest) (workflows.Reservation, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var out workflows.Reservation
		if s.ended[in.OrderID] {
			return out, sdktemporal.NewNonRetryableApplicationError("released", workflows.ErrTypeWrongState, nil)
		}
		for i, l := range in.Lines {
			if n, counted := s.onHand[l.ProductID]; counted && n < l.Quantity && s.reserved[in.OrderID] == nil {
				return out, sdktemporal.NewNonRetryableApplicationError("short", workflows.ErrTypeInsufficientStock, nil, workflows.Shortage{ProductID: l.ProductID, Available: n})
			}
			out.Allocations = append(out.Allocations, workflows.Allocation{ProductID: l.ProductID, Warehouse: []string{"BER", "LON"}[i%2], Quantity: l.Quantity})
		}
		if s.reserved[in.OrderID] == nil {
			s.reserved[in.OrderID] = in.Lines
			s.add(in.Lines, -1)
		}
		return out, nil
	})
	with(workflows.ActivityExtend, func(context.Context, workflows.StockRequest) error { return nil })
	with(workflows.ActivityRelease, func(_ context.Context, in workflows.StockRequest) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended[in.OrderID] {
			s.ended[in.OrderID] = true
			s.add(s.reserved[in.OrderID], 1)
		}
		return nil
	})
	with(workflows.ActivityCommit, func(_ context.Context, in workflows.StockRequest) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended[in.OrderID] = true
		return nil
	})
	with(workflows.ActivityRestock, func(_ context.Context, in workflows.RestockRequest) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.ended[in.ReturnID] {
			s.ended[in.ReturnID] = true
			for _, a := range in.Allocations {
				s.add([]workflows.Line{{ProductID: a.ProductID, Quantity: a.Quantity}}, 1)
			}
		}
		return nil
	})
}

func (s *stock) add(lines []workflows.Line, sign int) {
	for _, l := range lines {
		if _, counted := s.onHand[l.ProductID]; counted {
			s.onHand[l.ProductID] += sign * l.Quantity
		}
	}
}

// problem is a GraphQL error.
type problem struct {
	Message    string         `json:"message"`
	Extensions map[string]any `json:"extensions"`
}

// ask sends an operation as somebody and reads its data into out.
func (s *shop) ask(t testing.TB, as identity.Principal, query string, variables map[string]any, out any) []problem {
	t.Helper()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(identity.Header, s.signer.Value(as, "orders", body))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Data   json.RawMessage
		Errors []problem
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	if out != nil && len(answer.Data) > 0 {
		if err := json.Unmarshal(answer.Data, out); err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
	}
	return answer.Errors
}

func customer(id string) identity.Principal {
	return identity.Principal{Subject: id, Role: identity.Customer, RequestID: "req"}
}

func support() identity.Principal {
	return identity.Principal{Subject: "staff_1", Role: identity.Support, RequestID: "req"}
}

// order is what the tests read of an order.
type order struct {
	ID, Number, Status string
	StatusReason       *string
	Customer           *struct{ ID string }
	Lines              []struct {
		ID, Name, SKU    string
		Quantity         int
		UnitPrice, Total amount
		Product          struct{ ID string }
	}
	Subtotal, Shipping, Total amount
	ShippingAddress           *struct{ Name, Line1, City, PostalCode, CountryCode *string }
	Note                      *string
	Payment                   struct {
		Status                         string
		Authorised, Captured, Refunded amount
		Reference, DeclineCode         *string
	}
	Invoice   *struct{ Number string }
	Shipments []struct {
		ID, Status, Warehouse string
		TrackingNumber        *string
	}
	Returns []struct {
		ID     string
		Refund amount
	}
	Timeline    []struct{ Status, Actor string }
	Cancellable bool
}

type amount struct{ Amount, CurrencyCode string }

const fields = `id number status statusReason customer { id } lines { id name sku quantity unitPrice { amount currencyCode } total { amount } product { id } }
	subtotal { amount } shipping { amount } total { amount } shippingAddress { name line1 city postalCode countryCode } note
	payment { status authorised { amount } captured { amount } refunded { amount } reference declineCode } invoice { number }
	shipments { id status warehouse trackingNumber } returns { id refund { amount } } timeline { status actor } cancellable`

type payload struct {
	Order      *order
	UserErrors []struct {
		Field         []string
		Message, Code string
	}
}

func (p payload) codes() string {
	var codes []string
	for _, e := range p.UserErrors {
		codes = append(codes, e.Code+"@"+strings.Join(e.Field, "."))
	}
	return strings.Join(codes, " ")
}

// input makes the input of an order. Changes are made to it by the caller.
func input(key string, products ...string) map[string]any {
	lines := []map[string]any{}
	for _, p := range products {
		lines = append(lines, map[string]any{"productId": p, "quantity": 2})
	}
	return map[string]any{
		"idempotencyKey": key, "lines": lines, "paymentMethod": payment.MethodVisa, "note": "Ring twice.",
		"shippingAddress": map[string]any{"name": "Jane Roe", "line1": "Marienplatz 1", "city": "München", "postalCode": "80331", "countryCode": "DE", "phone": "+49 89 1"},
	}
}

func (s *shop) place(t testing.TB, as identity.Principal, in map[string]any) payload {
	t.Helper()
	for {
		var out struct{ PlaceOrder payload }
		errs := s.ask(t, as, `mutation ($in: PlaceOrderInput!) { placeOrder(input: $in) { order { `+fields+` } userErrors { field message code } } }`, map[string]any{"in": in}, &out)
		switch code(errs) {
		case "":
			return out.PlaceOrder
		case "UNAVAILABLE", "TIMEOUT": // the machine is busy: the call is repeated, as its answer says
		default:
			t.Fatalf("placing an order: %v", errs)
		}
	}
}

func (s *shop) mutate(t testing.TB, as identity.Principal, name, inputType string, in map[string]any) payload {
	t.Helper()
	out := map[string]payload{}
	if errs := s.ask(t, as, `mutation ($in: `+inputType+`!) { `+name+`(input: $in) { order { `+fields+` } userErrors { field message code } } }`, map[string]any{"in": in}, &out); errs != nil {
		t.Fatalf("%s: %v", name, errs)
	}
	return out[name]
}

func (s *shop) read(t testing.TB, as identity.Principal, id string) *order {
	t.Helper()
	var out struct{ Order *order }
	if errs := s.ask(t, as, `query ($id: ID!) { order(id: $id) { `+fields+` } }`, map[string]any{"id": id}, &out); errs != nil {
		t.Fatalf("reading an order: %v", errs)
	}
	return out.Order
}

var errWaited = errors.New("it did not come about")

// await follows the order's changes until it is as wanted.
func (s *shop) await(t testing.TB, id string, wanted func(*order) bool) *order {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), 5*time.Minute, errWaited)
	defer cancel()
	changes := s.redis.Subscribe(ctx, "orders:changed:"+id)
	defer func() { _ = changes.Close() }()
	if _, err := changes.Receive(ctx); err != nil {
		t.Fatal(err)
	}
	for {
		o := s.read(t, support(), id)
		if wanted(o) {
			return o
		}
		if _, err := changes.ReceiveMessage(ctx); err != nil {
			t.Fatalf("the order is %s: %v", o.Status, errors.Join(err, context.Cause(ctx)))
		}
	}
}

func (s *shop) awaitStatus(t testing.TB, id, status string) *order {
	t.Helper()
	return s.await(t, id, func(o *order) bool { return o.Status == status })
}
