package inventory

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/embedded/mongo/mongotest"
	"github.com/lethe/lethe/embedded/redis/redistest"
	"github.com/lethe/lethe/workflows"
)

// depot is the inventory service with all that it works with but Temporal: the tests call the activities as its worker would.
type depot struct {
	*graphqltest.Subgraph
	db    *driver.Database
	asked *mongotest.Record
	redis *goredis.Client
	store *store
}

func newDepot(t *testing.T) *depot {
	t.Helper()
	db, asked := mongotest.Database(t, "inventory")
	d := &depot{db: db, asked: asked, redis: redistest.Client(t)}
	log := slog.New(slog.DiscardHandler)
	var service *chassis.Service
	d.Subgraph = graphqltest.Serve(t, "inventory", func(gate *identity.Gate) http.Handler {
		s, err := New(t.Context(), Options{DB: db, Redis: d.redis, Gate: gate, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		service = s
		return s.Handler
	})
	st, err := newStore(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	d.store = st
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, loop := range service.Run[1:] { // the first is the worker
		wg.Go(func() {
			if err := loop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return d
}

// registry takes the activities of a service for a test environment.
type registry struct {
	worker.Registry
	env *testsuite.TestActivityEnvironment
}

func (r registry) RegisterActivityWithOptions(f any, o activity.RegisterOptions) {
	r.env.RegisterActivityWithOptions(f, o)
}

// do has an activity done, and gives its result or its error as a workflow gets them.
func do[T any](d *depot, name string, in any) (out T, err error) {
	env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
	(&activities{d.store}).register(registry{env: env})
	value, err := env.ExecuteActivity(name, in)
	if err != nil || !value.HasValue() {
		return out, err
	}
	return out, value.Get(&out)
}

func (d *depot) reserve(order, product string, quantity int) (workflows.Reservation, error) {
	return do[workflows.Reservation](d, workflows.ActivityReserve, workflows.ReserveRequest{
		OrderID: order, Lines: []workflows.Line{{ProductID: product, Quantity: quantity}}, CountryCode: "DE", Expires: time.Now().Add(time.Hour),
	})
}

func (d *depot) end(t *testing.T, name, order string) {
	t.Helper()
	if _, err := do[any](d, name, workflows.StockRequest{OrderID: order}); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// shelf is what the graph says of a product in one warehouse.
type shelf struct {
	Warehouse                   struct{ Code string }
	OnHand, Reserved, Available int
}

type availability struct {
	InStock    bool
	Quantity   int
	Warehouses []shelf
}

const levelFields = `warehouse { code } onHand reserved available`

// available asks for products as the router does for entities.
func (d *depot) available(t *testing.T, products ...string) []availability {
	t.Helper()
	reps := make([]map[string]string, len(products))
	for i, p := range products {
		reps[i] = map[string]string{"__typename": "Product", "id": p}
	}
	var out struct {
		Entities []struct {
			ID           string
			Availability availability
		} `json:"_entities"`
	}
	d.Must(t, graphqltest.Anonymous(), `query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { id availability { inStock quantity warehouses { `+levelFields+` } } } } }`,
		map[string]any{"r": reps}, &out)
	found := make([]availability, len(products))
	for i, e := range out.Entities {
		if e.ID != products[i] {
			t.Fatalf("entity %d is %s, want %s", i, e.ID, products[i])
		}
		found[i] = e.Availability
	}
	return found
}

type adjusted struct {
	Product    *struct{ ID string }
	StockLevel *shelf
	UserErrors []struct {
		Field         []string
		Message, Code string
	}
}

func (a adjusted) codes() string {
	var out string
	for _, e := range a.UserErrors {
		out += e.Code + "@" + e.Field[len(e.Field)-1] + " "
	}
	return out
}

func (d *depot) adjust(t *testing.T, key, product, warehouse string, delta int) adjusted {
	t.Helper()
	var out struct{ AdjustStock adjusted }
	d.Must(t, graphqltest.Support(), `mutation($in: AdjustStockInput!) { adjustStock(input: $in) { product { id } stockLevel { `+levelFields+` } userErrors { field message code } } }`,
		map[string]any{"in": map[string]any{"idempotencyKey": key, "productId": product, "warehouse": warehouse, "delta": delta, "reason": "RECEIVED"}}, &out)
	return out.AdjustStock
}

// fill puts goods on a shelf.
func (d *depot) fill(t *testing.T, product, warehouse string, n int) {
	t.Helper()
	if got := d.adjust(t, "fill-"+product+warehouse, product, warehouse, n); got.StockLevel == nil || got.StockLevel.Available != n {
		t.Fatalf("filled: %+v", got)
	}
}

// settled gives the ledger's sum by stock once the relay has emptied all outboxes into it.
func (d *depot) settled(t *testing.T) map[string]int {
	t.Helper()
	r := &relay{store: d.store, redis: d.redis, log: slog.New(slog.DiscardHandler)}
	if err := r.once(t.Context()); err != nil {
		t.Fatal(err)
	}
	cursor, err := d.db.Collection("ledger").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []struct {
		Stock string
		Q     int
	}
	if err := cursor.All(t.Context(), &lines); err != nil {
		t.Fatal(err)
	}
	sums := map[string]int{}
	for _, l := range lines {
		sums[l.Stock] += l.Q
	}
	return sums
}

// balanced checks what must hold of every stock at any time, and gives what is on hand in all of them.
func (d *depot) balanced(t *testing.T) int {
	t.Helper()
	sums := d.settled(t)
	defer d.asked.Forget() // what the test asked itself
	cursor, err := d.db.Collection("stock").Find(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	var all []*stock
	if err := cursor.All(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	total := 0
	for _, st := range all {
		held := 0
		for _, h := range st.Res {
			held += h.Quantity
		}
		if st.Avail < 0 || st.Avail+st.Reserved != st.OnHand || held != st.Reserved || sums[st.ID] != st.OnHand {
			t.Errorf("%s: %d available, %d reserved (%d by order), %d on hand, %d in the ledger", st.ID, st.Avail, st.Reserved, held, st.OnHand, sums[st.ID])
		}
		total += st.OnHand
	}
	return total
}

func TestEntities(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	d.fill(t, "prd_b", "LYO", 7)
	d.fill(t, "prd_a", "BER", 5)
	d.fill(t, "prd_a", "LIV", 3)
	if _, err := d.reserve("ord_1", "prd_a", 2); err != nil {
		t.Fatal(err)
	}
	got := d.available(t, "prd_none", "prd_b", "prd_a", "prd_b")
	want := []availability{
		{false, 0, []shelf{}},
		{true, 7, []shelf{{struct{ Code string }{"LYO"}, 7, 0, 7}}},
		{true, 6, []shelf{{struct{ Code string }{"BER"}, 5, 2, 3}, {struct{ Code string }{"LIV"}, 3, 0, 3}}},
		{true, 7, []shelf{{struct{ Code string }{"LYO"}, 7, 0, 7}}},
	}
	for i := range want {
		if got[i].InStock != want[i].InStock || got[i].Quantity != want[i].Quantity || !slices.Equal(got[i].Warehouses, want[i].Warehouses) {
			t.Errorf("entity %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	var warehouses struct {
		Warehouses []struct{ Code, CountryCode string }
	}
	d.Must(t, graphqltest.Anonymous(), `{ warehouses { code countryCode } }`, nil, &warehouses)
	if len(warehouses.Warehouses) != 3 || warehouses.Warehouses[0].Code != "BER" {
		t.Errorf("the warehouses are %+v", warehouses)
	}
	if n := d.asked.AssertIndexed(t); n == 0 {
		t.Error("nothing was asked")
	}
}

// TestShippingEstimate asks with what @requires gives, and without it.
func TestShippingEstimate(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	d.fill(t, "prd_a", "LYO", 1)
	type estimate struct {
		Cost             struct{ Amount, CurrencyCode string }
		MinDays, MaxDays int
		From             *struct{ Code string }
	}
	ask := func(rep map[string]any, arguments string) (*estimate, string) {
		t.Helper()
		rep["__typename"] = "Product"
		var out struct {
			Entities []*struct{ ShippingEstimate *estimate } `json:"_entities"`
		}
		errs := d.Ask(t, graphqltest.Anonymous(), `query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { shippingEstimate`+arguments+` { cost { amount currencyCode } minDays maxDays from { code } } } } }`,
			map[string]any{"r": []any{rep}}, &out)
		if len(out.Entities) != 1 || out.Entities[0] == nil {
			return nil, graphqltest.Codes(errs)
		}
		return out.Entities[0].ShippingEstimate, graphqltest.Codes(errs)
	}
	product := func(id string, grams int, price string) map[string]any {
		return map[string]any{"id": id, "weightGrams": grams, "prices": []any{map[string]any{"amount": price, "currencyCode": "EUR"}}}
	}
	for name, c := range map[string]struct {
		rep            map[string]any
		arguments      string
		cost, from     string
		minDays        int
		code, currency string
	}{
		"at home":               {rep: product("prd_a", 900, "20.00"), arguments: `(countryCode: "FR")`, cost: "5.10", from: "LYO", minDays: 2},
		"abroad":                {rep: product("prd_a", 1001, "20.00"), cost: "9.45", from: "LYO", minDays: 4},
		"free from fifty on":    {rep: product("prd_a", 900, "50.00"), cost: "0.00", from: "LYO", minDays: 4},
		"in another currency":   {rep: product("prd_a", 900, "50.00"), arguments: `(currency: GBP)`, cost: "7.65", from: "LYO", minDays: 4, currency: "GBP"},
		"of what there is none": {rep: product("prd_none", 900, "20.00"), cost: "5.10", minDays: 10},
		"to no country":         {rep: product("prd_a", 900, "20.00"), arguments: `(countryCode: "de")`, code: "BAD_USER_INPUT"},
	} {
		got, code := ask(c.rep, c.arguments)
		if code != c.code {
			t.Errorf("%s: errors %q, want %q", name, code, c.code)
		}
		if c.code != "" {
			continue
		}
		from := ""
		if got != nil && got.From != nil {
			from = got.From.Code
		}
		if c.currency == "" {
			c.currency = "EUR"
		}
		if got == nil || got.Cost.Amount != c.cost || got.Cost.CurrencyCode != c.currency || from != c.from || got.MinDays != c.minDays || got.MaxDays <= got.MinDays {
			t.Errorf("%s: %+v from %q, want %+v", name, got, from, c)
		}
	}
}

func TestAdjustStock(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	for range 2 { // the second call is answered as the first
		if got := d.adjust(t, "adjust-key-1", "prd_a", "BER", 10); got.codes() != "" || got.StockLevel.OnHand != 10 || got.Product.ID != "prd_a" {
			t.Errorf("adjusted: %+v", got)
		}
	}
	if got := d.adjust(t, "adjust-key-1", "prd_a", "BER", 11); got.codes() != "IDEMPOTENCY_KEY_REUSED@idempotencyKey " || got.StockLevel != nil {
		t.Errorf("another change with the same key: %+v", got)
	}
	if _, err := d.reserve("ord_1", "prd_a", 4); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		key, product, warehouse string
		delta                   int
		want                    string
	}{
		{"adjust-key-2", "prd_a", "BER", -7, "OUT_OF_STOCK@delta "}, // four of the ten are promised
		{"adjust-key-3", "prd_a", "BER", 0, "INVALID@delta "},
		{"adjust-key-4", "prd_a", "BER", 100_001, "INVALID@delta "},
		{"short", "prd_a", "BER", 1, "INVALID@idempotencyKey "},
		{"adjust-key-5", "prd_a", "XXX", 1, "NOT_FOUND@warehouse "},
		{"adjust-key-6", "prd|a", "BER", 1, "NOT_FOUND@productId "},
		{"adjust-key-7", "$where", "BER", -100_001, "INVALID@delta NOT_FOUND@productId "},
	} {
		if got := d.adjust(t, c.key, c.product, c.warehouse, c.delta); got.codes() != c.want {
			t.Errorf("%+v is answered %q", c, got.codes())
		}
	}
	if got := d.adjust(t, "adjust-key-8", "prd_a", "BER", -6); got.codes() != "" || got.StockLevel.OnHand != 4 || got.StockLevel.Available != 0 {
		t.Errorf("taken out: %+v", got)
	}
	d.asked.AssertIndexed(t)
	if total := d.balanced(t); total != 4 {
		t.Errorf("%d are on hand", total)
	}
	for who, want := range map[identity.Principal]string{graphqltest.Anonymous(): "UNAUTHENTICATED", graphqltest.Customer("cus_1"): "FORBIDDEN"} {
		errs := d.Ask(t, who, `mutation { adjustStock(input: {idempotencyKey: "adjust-key-9", productId: "prd_a", warehouse: "BER", delta: 1, reason: COUNTED}) { product { id } } }`, nil, nil)
		if graphqltest.Codes(errs) != want {
			t.Errorf("%s is answered %v, want %s", who.Role, errs, want)
		}
	}
}

func TestOnlyTheRouterIsAnswered(t *testing.T) {
	t.Parallel()
	resp, err := http.Post(newDepot(t).URL, "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", resp.StatusCode)
	}
}

// TestStockFacts reads from the stream what inventory tells: the newest fact of a product is how many can be bought.
func TestStockFacts(t *testing.T) {
	t.Parallel()
	d := newDepot(t)
	d.fill(t, "prd_a", "BER", 5)
	d.fill(t, "prd_a", "LIV", 1)
	if _, err := d.reserve("ord_1", "prd_a", 5); err != nil {
		t.Fatal(err)
	}
	if _, err := d.reserve("ord_2", "prd_a", 1); err != nil {
		t.Fatal(err)
	}
	last, newest := "0", int64(0)
	for left := ""; left != "0"; {
		streams, err := d.redis.XRead(t.Context(), &goredis.XReadArgs{Streams: []string{factsStream, last}, Block: time.Minute}).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range streams[0].Messages {
			last = m.ID
			seq, err := strconv.ParseInt(fmt.Sprint(m.Values["seq"]), 10, 64)
			if err != nil || m.Values["product"] != "prd_a" || seq < newest {
				t.Fatalf("a fact is %v after number %d", m.Values, newest)
			}
			newest, left = seq, fmt.Sprint(m.Values["available"])
		}
	}
	d.asked.AssertIndexed(t)
}
