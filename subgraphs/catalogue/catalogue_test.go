package catalogue

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"
	driver "go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/embedded/mongo/mongotest"
	"github.com/lethe/lethe/embedded/redis/redistest"
)

// shop is the catalogue service with all that it works with but Temporal, and the demonstration's 240 products.
type shop struct {
	*graphqltest.Subgraph
	db    *driver.Database
	asked *mongotest.Record
	redis *goredis.Client
	store *store
	all   []*product
}

func newShop(t *testing.T) *shop {
	t.Helper()
	db, asked := mongotest.Database(t, "catalogue")
	s := &shop{db: db, asked: asked, redis: redistest.Client(t), all: demonstration()}
	for range 2 { // what is there stays
		if seeded, err := Seed(t.Context(), db); err != nil || len(seeded) != len(s.all) {
			t.Fatalf("%d products are seeded: %v", len(seeded), err)
		}
	}
	var service *chassis.Service
	s.Subgraph = graphqltest.Serve(t, "catalogue", func(gate *identity.Gate) http.Handler {
		made, err := New(t.Context(), Options{DB: db, Redis: s.redis, Gate: gate, Log: slog.New(slog.DiscardHandler), PublicURL: "http://shop.example"})
		if err != nil {
			t.Fatal(err)
		}
		service = made
		return made.Handler
	})
	st, err := newStore(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	s.store = st
	asked.Forget()
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
	return s
}

// item is what the tests read of a product.
type item struct {
	ID, Sku, Name, Brand string
	Category             struct{ Slug string }
	Price                struct{ Amount, CurrencyCode string }
	WeightGrams, Version int
}

const itemFields = `id sku name brand category { slug } price { amount currencyCode } weightGrams version`

// list is a page of products.
type list struct {
	Nodes []item
	Edges []struct {
		Cursor string
		Node   struct{ ID string }
	}
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       *string
	}
	TotalCount int
}

const listQuery = `query($first: Int, $after: String, $last: Int, $before: String, $filter: ProductFilter, $sort: ProductSort) {
	products(first: $first, after: $after, last: $last, before: $before, filter: $filter, sort: $sort) {
		nodes { ` + itemFields + ` } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } totalCount } }`

type vars map[string]any

func (s *shop) list(t *testing.T, v vars) list {
	t.Helper()
	var out struct{ Products list }
	s.Must(t, graphqltest.Anonymous(), listQuery, v, &out)
	return out.Products
}

func (l list) ids() []string {
	ids := make([]string, len(l.Nodes))
	for i, n := range l.Nodes {
		ids[i] = n.ID
	}
	return ids
}

// expect gives the ids of the demonstration's products that a condition holds for, in an order.
func (s *shop) expect(where func(*product) bool, order func(a, b *product) int) []string {
	var ids []string
	for _, p := range slices.SortedFunc(slices.Values(s.all), order) {
		if where(p) {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

func byName(a, b *product) int {
	return strings.Compare(a.Name+"\x00"+a.ID, b.Name+"\x00"+b.ID)
}

func byPrice(a, b *product) int {
	if a.Prices["EUR"] != b.Prices["EUR"] {
		return int(a.Prices["EUR"] - b.Prices["EUR"])
	}
	return strings.Compare(a.ID, b.ID)
}

func everything(*product) bool { return true }

func kettle(p *product) bool { return strings.Contains(p.Name, "Kettle") }

// TestLists reads each list whole, page by page, forwards and backwards, and has every query of it go by an index.
func TestLists(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	reversed := func(f func(a, b *product) int) func(a, b *product) int {
		return func(a, b *product) int { return f(b, a) }
	}
	for _, c := range []struct {
		name string
		v    vars
		want []string
	}{
		{"everything", vars{}, s.expect(everything, byName)},
		{"the cheapest first", vars{"sort": "PRICE_ASC"}, s.expect(everything, byPrice)},
		{"the dearest first", vars{"sort": "PRICE_DESC"}, s.expect(everything, reversed(byPrice))},
		{"the newest first", vars{"sort": "NEWEST"}, s.expect(everything, func(a, b *product) int { return strings.Compare(b.ID, a.ID) })},
		{"two categories", vars{"filter": vars{"categories": []string{"kitchen", "garden"}}}, s.expect(func(p *product) bool { return p.Category == "kitchen" || p.Category == "garden" }, byName)},
		{"a brand", vars{"filter": vars{"brands": []string{"Linde"}}}, s.expect(func(p *product) bool { return p.Brand == "Linde" }, byName)},
		{"a range of prices", vars{"filter": vars{"price": vars{"min": "20.00", "max": "49.90"}}, "sort": "PRICE_ASC"}, s.expect(func(p *product) bool { return p.Prices["EUR"] >= 2000 && p.Prices["EUR"] <= 4990 }, byPrice)},
		{"in pounds", vars{"filter": vars{"price": vars{"min": "100", "currencyCode": "GBP"}}}, s.expect(func(p *product) bool { return p.Prices["GBP"] >= 10000 }, byName)},
		{"what can be bought", vars{"filter": vars{"available": true}}, s.expect(everything, byName)},
		{"what cannot", vars{"filter": vars{"available": false}}, nil},
		{"all conditions", vars{"filter": vars{"categories": []string{"kitchen"}, "brands": []string{"Linde", "Halden"}, "price": vars{"max": "60"}, "available": true}},
			s.expect(func(p *product) bool {
				return p.Category == "kitchen" && (p.Brand == "Linde" || p.Brand == "Halden") && p.Prices["EUR"] <= 6000
			}, byName)},
		{"kettles by price", vars{"filter": vars{"text": "kettle"}, "sort": "PRICE_ASC"}, s.expect(kettle, byPrice)},
		{"words of no product", vars{"filter": vars{"text": "xylophone"}}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, forwards := range []bool{true, false} {
				if got := s.walk(t, c.v, forwards, len(c.want)); !slices.Equal(got, c.want) {
					t.Errorf("forwards %t: %d products, want %d: %v, want %v", forwards, len(got), len(c.want), got, c.want)
				}
			}
		})
	}
	if n := s.asked.AssertIndexed(t); n < 20 {
		t.Errorf("%d different commands", n)
	}
}

// walk reads a list page by page, and checks what the pages say of themselves.
func (s *shop) walk(t *testing.T, v vars, forwards bool, total int) []string {
	t.Helper()
	const size = 37
	v = maps.Clone(v)
	var pages [][]string
	for {
		v["first"], v["last"] = size, nil
		if !forwards {
			v["first"], v["last"] = nil, size
		}
		l := s.list(t, v)
		if l.TotalCount != total {
			t.Fatalf("there are %d in all, want %d", l.TotalCount, total)
		}
		info, more, before := l.PageInfo, l.PageInfo.HasNextPage, l.PageInfo.HasPreviousPage
		if !forwards {
			more, before = before, more
		}
		if before != (len(pages) > 0) || len(l.Edges) != len(l.Nodes) || len(l.Nodes) > size {
			t.Fatalf("page %d: %+v with %d products", len(pages), info, len(l.Nodes))
		}
		for i, e := range l.Edges {
			if e.Node.ID != l.Nodes[i].ID {
				t.Fatalf("edge %d is of %s, node of %s", i, e.Node.ID, l.Nodes[i].ID)
			}
		}
		if len(l.Edges) > 0 && (info.StartCursor == nil || *info.StartCursor != l.Edges[0].Cursor || *info.EndCursor != l.Edges[len(l.Edges)-1].Cursor) {
			t.Fatalf("the page's ends are %+v", info)
		}
		pages = append(pages, l.ids())
		if !more {
			break
		}
		if forwards {
			v["after"] = *info.EndCursor
		} else {
			v["before"] = *info.StartCursor
		}
	}
	if !forwards {
		slices.Reverse(pages)
	}
	return slices.Concat(pages...)
}

// TestSearch finds products by words of their names, brands, categories and descriptions, the best first.
func TestSearch(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for text, fits := range map[string]func(item) bool{
		"kettle":           func(i item) bool { return strings.Contains(i.Name, "Kettle") },
		"gooseneck kettle": func(i item) bool { return strings.Contains(i.Name, "Gooseneck Kettle") },
		"BIRCH apron":      func(i item) bool { return i.Name == "Birch Apron" },
		"nordlys":          func(i item) bool { return i.Brand == "Nordlys" },
		"rooibos":          func(i item) bool { return strings.Contains(i.Name, "Teapot") },
	} {
		l := s.list(t, vars{"first": 1, "filter": vars{"text": text}})
		if len(l.Nodes) != 1 || !fits(l.Nodes[0]) {
			t.Errorf("%q finds first %+v", text, l.Nodes)
		}
	}
	v := vars{"filter": vars{"text": "kettle birch"}}
	whole := s.list(t, vars{"first": 100, "filter": v["filter"]})
	for _, forwards := range []bool{true, false} {
		if got := s.walk(t, v, forwards, whole.TotalCount); !slices.Equal(got, whole.ids()) || len(got) == 0 {
			t.Errorf("forwards %t, by relevance: %v, want %v", forwards, got, whole.ids())
		}
	}
	s.asked.AssertIndexed(t)
}

func TestListsRefuse(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	cursor := *s.list(t, vars{"first": 1}).PageInfo.EndCursor
	twentyOne := slices.Repeat([]string{"kitchen"}, 21)
	for name, v := range map[string]vars{
		"first and last":               {"first": 1, "last": 1},
		"a negative page":              {"first": -1},
		"a large page":                 {"last": 101},
		"what is no cursor":            {"after": "nonsense"},
		"a cursor of another order":    {"after": cursor, "sort": "NEWEST"},
		"a cursor of another filter":   {"before": cursor, "filter": vars{"brands": []string{"Linde"}}},
		"relevance to nothing":         {"sort": "RELEVANCE"},
		"a long text":                  {"filter": vars{"text": strings.Repeat("x", 201)}},
		"many categories":              {"filter": vars{"categories": twentyOne}},
		"many brands":                  {"filter": vars{"brands": twentyOne}},
		"a price that is none":         {"filter": vars{"price": vars{"min": "cheap"}}},
		"a price with too many places": {"filter": vars{"price": vars{"max": "1.001"}}},
	} {
		if errs := s.Ask(t, graphqltest.Anonymous(), listQuery, v, nil); graphqltest.Codes(errs) != "BAD_USER_INPUT" || strings.Contains(errs[0].Message, "mongo") {
			t.Errorf("%s is answered %+v", name, errs)
		}
	}
}

// TestEntities asks for products as the router does: they come in the order asked, with null for what there is not.
func TestEntities(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	a, b := s.all[3], s.all[200]
	reps := []any{}
	for _, id := range []string{b.ID, "prd_none", a.ID, b.ID, ""} {
		reps = append(reps, vars{"__typename": "Product", "id": id})
	}
	var out struct {
		Entities []*struct {
			item
			Prices []struct{ Amount, CurrencyCode string }
			Images []struct{ URL, Alt string }
			Pounds struct{ Amount string }
		} `json:"_entities"`
	}
	s.Must(t, graphqltest.Anonymous(), `query($r: [_Any!]!) { _entities(representations: $r) { ... on Product { `+itemFields+` prices { amount currencyCode } images { url alt } pounds: price(currency: GBP) { amount } } } }`, vars{"r": reps}, &out)
	if len(out.Entities) != 5 || out.Entities[1] != nil || out.Entities[4] != nil {
		t.Fatalf("the entities are %+v", out.Entities)
	}
	for i, p := range map[int]*product{0: b, 2: a, 3: b} {
		e := out.Entities[i]
		if e == nil || e.ID != p.ID || e.Sku != p.SKU || e.Name != p.Name || e.Category.Slug != p.Category || e.WeightGrams != p.WeightGrams || len(e.Prices) != 2 || e.Prices[0].Amount != e.Price.Amount || e.Prices[1].Amount != e.Pounds.Amount {
			t.Fatalf("entity %d is %+v, want %+v", i, e, p)
		}
		if e.Images[0].Alt != p.Name || e.Images[0].URL != "http://shop.example/images/"+p.SKU+".svg" {
			t.Errorf("its picture is %+v", e.Images)
		}
		resp, err := http.Get(strings.TrimSuffix(s.URL, "/graphql") + "/images/" + p.SKU + ".svg")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(string(text), "<svg ") {
			t.Errorf("its picture is served as %d %s", resp.StatusCode, text)
		}
	}
	var one struct{ Product, None *item }
	s.Must(t, graphqltest.Anonymous(), `query($id: ID!) { product(id: $id) { `+itemFields+` } none: product(id: "prd_none") { id } }`, vars{"id": a.ID}, &one)
	if one.Product == nil || one.Product.Name != a.Name || one.None != nil {
		t.Errorf("by id: %+v %+v", one.Product, one.None)
	}
	var categories struct {
		Categories []struct {
			ID, Name, Slug string
			ProductCount   int
		}
	}
	s.Must(t, graphqltest.Anonymous(), `{ categories { id name slug productCount } }`, nil, &categories)
	if len(categories.Categories) != 8 || categories.Categories[0].Slug != "kitchen" || categories.Categories[0].ProductCount != 30 {
		t.Errorf("the categories are %+v", categories)
	}
	s.asked.AssertIndexed(t)
}

func TestOnlyTheRouterIsAnswered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, header := range []string{"", "v1.e30.AAAA"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, strings.NewReader(`{"query":"{ categories { id } }"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set(identity.Header, header)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("signed %q it is answered %d", header, resp.StatusCode)
		}
	}
	for _, name := range []string{"x.svg", "..%2Fsecret.svg", "KIT-NOR-001.png", strings.Repeat("A", 41) + ".svg"} {
		resp, err := http.Get(strings.TrimSuffix(s.URL, "/graphql") + "/images/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("picture %s: %d", name, resp.StatusCode)
		}
	}
}

// TestStockFacts tells that a product is sold out, and late that it was not: the list of what can be bought follows.
func TestStockFacts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	gone := s.all[0]
	tell := func(product string, available, seq any) {
		t.Helper()
		if err := s.redis.XAdd(t.Context(), &goredis.XAddArgs{Stream: factsStream, Values: []any{"product", product, "available", available, "seq", seq}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	tell("prd_none", 0, 9)
	tell("", "x", "y") // malformed: left out
	tell(gone.ID, 0, 7)
	tell(gone.ID, 5, 6) // older
	tell(gone.ID, 0, 7) // twice
	tell(s.all[1].ID, 0, 1)
	for {
		l := s.list(t, vars{"filter": vars{"available": false}, "sort": "NEWEST"})
		if len(l.Nodes) == 2 {
			if want := []string{s.all[1].ID, gone.ID}; !slices.Equal(l.ids(), want) {
				t.Errorf("sold out are %v, want %v", l.ids(), want)
			}
			break
		}
	}
	tell(gone.ID, 2, 8)
	tell(s.all[1].ID, 2, 2)
	for s.list(t, vars{"filter": vars{"available": false}}).TotalCount > 0 {
	}
	s.asked.AssertIndexed(t)
}

func ExampleSeed() {
	p := demonstration()[0]
	fmt.Println(p.SKU, p.Name, p.price("EUR"), p.price("GBP"))
	// Output: KIT-NOR-001 Birch Chef's Knife 72.90 EUR 62.50 GBP
}
