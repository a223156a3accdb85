package catalogue

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/lethe/lethe/chassis/graphqlserver/graphqltest"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/workflows"
)

// payload is an answer of a mutation.
type payload struct {
	Product    *item
	UserErrors []struct {
		Field         []string
		Message, Code string
	}
}

func (p payload) codes() string {
	var out []string
	for _, e := range p.UserErrors {
		out = append(out, e.Code+"@"+e.Field[len(e.Field)-1])
	}
	return strings.Join(out, " ")
}

func (s *shop) create(t *testing.T, in vars) payload {
	t.Helper()
	var out struct{ CreateProduct payload }
	s.Must(t, graphqltest.Support(), `mutation($in: CreateProductInput!) { createProduct(input: $in) { product { `+itemFields+` } userErrors { field message code } } }`, vars{"in": in}, &out)
	return out.CreateProduct
}

func (s *shop) update(t *testing.T, in vars) payload {
	t.Helper()
	var out struct{ UpdateProduct payload }
	s.Must(t, graphqltest.Support(), `mutation($in: UpdateProductInput!) { updateProduct(input: $in) { product { `+itemFields+` } userErrors { field message code } } }`, vars{"in": in}, &out)
	return out.UpdateProduct
}

func prices(eur, gbp string) []vars {
	return []vars{{"amount": eur, "currencyCode": "EUR"}, {"amount": gbp, "currencyCode": "GBP"}}
}

// newProduct is an input that is taken, but for what is changed in it.
func newProduct(change vars) vars {
	in := vars{"idempotencyKey": "create-key-1", "sku": "NEW-1", "name": "Teasmade", "brand": "Goblin", "category": "coffee-tea", "prices": prices("19.99", "17.50"), "weightGrams": 900}
	for k, v := range change {
		in[k] = v
	}
	return in
}

func TestCreateProduct(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	first := s.create(t, newProduct(nil))
	if first.codes() != "" || first.Product == nil || first.Product.Price.Amount != "19.99" || first.Product.Version != 1 || !strings.HasPrefix(first.Product.ID, "prd_") {
		t.Fatalf("made: %+v", first)
	}
	if again := s.create(t, newProduct(nil)); again.Product == nil || again.Product.ID != first.Product.ID {
		t.Errorf("made again: %+v", again)
	}
	if l := s.list(t, vars{"filter": vars{"text": "teasmade"}, "sort": "NEWEST"}); l.TotalCount != 1 || l.Nodes[0].ID != first.Product.ID {
		t.Errorf("it is found as %+v", l)
	}
	for _, c := range []struct {
		change vars
		want   string
	}{
		{vars{"name": "Teasmaid"}, "IDEMPOTENCY_KEY_REUSED@idempotencyKey"},
		{vars{"idempotencyKey": "create-key-2"}, "TAKEN@sku"},
		{vars{"idempotencyKey": "k"}, "REQUIRED@idempotencyKey"},
		{vars{"sku": "new 1"}, "INVALID@sku"},
		{vars{"name": " "}, "REQUIRED@name"},
		{vars{"name": strings.Repeat("x", 201), "description": strings.Repeat("x", 5001)}, "TOO_LONG@name TOO_LONG@description"},
		{vars{"brand": ""}, "REQUIRED@brand"},
		{vars{"category": "cars"}, "NOT_FOUND@category"},
		{vars{"weightGrams": 0}, "INVALID@weightGrams"},
		{vars{"prices": prices("19.99", "0")}, "INVALID@prices"},
		{vars{"prices": prices("19.999", "1")}, "INVALID@prices"},
		{vars{"prices": prices("1", "1000000.01")}, "INVALID@prices"},
		{vars{"prices": prices("19.99", "1")[:1]}, "REQUIRED@prices"},
		{vars{"prices": append(prices("1", "1"), prices("2", "2")[0])}, "INVALID@prices"},
	} {
		if got := s.create(t, newProduct(c.change)); got.codes() != c.want || got.Product != nil {
			t.Errorf("%v is answered %q %+v, want %q", c.change, got.codes(), got.Product, c.want)
		}
	}
	var wg sync.WaitGroup
	made := make([]payload, 16)
	for i := range made {
		wg.Go(func() { made[i] = s.create(t, newProduct(vars{"idempotencyKey": "create-key-3", "sku": "NEW-3"})) })
	}
	wg.Wait()
	for _, p := range made {
		if p.Product == nil || p.Product.ID != made[0].Product.ID {
			t.Errorf("at once: %+v, want %+v", p, made[0])
		}
	}
	for who, want := range map[identity.Principal]string{graphqltest.Anonymous(): "UNAUTHENTICATED", graphqltest.Customer("cus_1"): "FORBIDDEN"} {
		for _, mutation := range []string{"createProduct", "updateProduct"} {
			in := vars{"id": s.all[0].ID}
			if mutation == "createProduct" {
				in = newProduct(vars{"idempotencyKey": "create-key-4", "sku": "NEW-4"})
			}
			kind := strings.ToUpper(mutation[:1]) + mutation[1:] + "Input"
			if errs := s.Ask(t, who, `mutation($in: `+kind+`!) { `+mutation+`(input: $in) { product { id } } }`, vars{"in": in}, nil); graphqltest.Codes(errs) != want {
				t.Errorf("%s by %s is answered %v", mutation, who.Role, errs)
			}
		}
	}
	s.asked.AssertIndexed(t)
}

func TestUpdateProduct(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.all[5]
	got := s.update(t, vars{"id": p.ID, "version": 1, "name": "Quern", "category": "garden", "prices": prices("5", "4")[:1], "weightGrams": 12})
	if got.codes() != "" || got.Product.Name != "Quern" || got.Product.Category.Slug != "garden" || got.Product.Price.Amount != "5.00" || got.Product.WeightGrams != 12 || got.Product.Version != 2 || got.Product.Brand != p.Brand {
		t.Errorf("changed: %+v", got)
	}
	if l := s.list(t, vars{"filter": vars{"text": "quern", "price": vars{"max": "5", "currencyCode": "EUR"}}}); l.TotalCount != 1 {
		t.Errorf("it is found as %+v", l)
	}
	for _, c := range []struct {
		in   vars
		want string
	}{
		{vars{"id": p.ID, "version": 1, "name": "Late"}, "CONFLICT@version"},
		{vars{"id": "prd_none", "name": "Nothing"}, "NOT_FOUND@id"},
		{vars{"id": p.ID, "name": ""}, "REQUIRED@name"},
		{vars{"id": p.ID, "category": "cars", "weightGrams": -1, "prices": prices("x", "1")}, "INVALID@weightGrams NOT_FOUND@category INVALID@prices"},
	} {
		if got := s.update(t, c.in); got.codes() != c.want || got.Product != nil {
			t.Errorf("%v is answered %q %+v, want %q", c.in, got.codes(), got.Product, c.want)
		}
	}
	// Of those who saw the same version one changes it.
	var wg sync.WaitGroup
	done := make([]payload, 16)
	for i := range done {
		wg.Go(func() { done[i] = s.update(t, vars{"id": p.ID, "version": 2, "weightGrams": 100 + i}) })
	}
	wg.Wait()
	n := 0
	for _, d := range done {
		if d.codes() == "" {
			n++
		} else if d.codes() != "CONFLICT@version" {
			t.Errorf("at once: %+v", d)
		}
	}
	if n != 1 {
		t.Errorf("%d changed the same version", n)
	}
	s.asked.AssertIndexed(t)
}

// registry takes the activities of a service for a test environment.
type registry struct {
	worker.Registry
	env *testsuite.TestActivityEnvironment
}

func (r registry) RegisterActivityWithOptions(f any, o activity.RegisterOptions) {
	r.env.RegisterActivityWithOptions(f, o)
}

// TestQuote asks for prices as the workflow does.
func TestQuote(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	quote := func(currency string, products ...string) (q workflows.Quote, err error) {
		env := new(testsuite.WorkflowTestSuite).NewTestActivityEnvironment()
		(&activities{s.store}).register(registry{env: env})
		in := workflows.QuoteRequest{Currency: currency}
		for i, p := range products {
			in.Lines = append(in.Lines, workflows.Line{ProductID: p, Quantity: i + 1})
		}
		value, err := env.ExecuteActivity(workflows.ActivityQuote, in)
		if err != nil {
			return q, err
		}
		return q, value.Get(&q)
	}
	a, b := s.all[0], s.all[100]
	for _, currency := range []string{"EUR", "GBP"} {
		q, err := quote(currency, b.ID, a.ID)
		if err != nil || len(q.Lines) != 2 {
			t.Fatalf("quoted %+v, %v", q, err)
		}
		for i, p := range []*product{b, a} {
			want := workflows.QuotedLine{ProductID: p.ID, SKU: p.SKU, Name: p.Name, Quantity: i + 1, UnitMinor: p.Prices[currency], WeightGrams: p.WeightGrams}
			if q.Lines[i] != want {
				t.Errorf("line %d is %+v, want %+v", i, q.Lines[i], want)
			}
		}
	}
	_, err := quote("EUR", a.ID, "prd_none")
	var refusal *temporal.ApplicationError
	var product string
	if !errors.As(err, &refusal) || refusal.Type() != workflows.ErrTypeUnknownProduct || !refusal.NonRetryable() ||
		refusal.Category() != temporal.ApplicationErrorCategoryBenign || refusal.Details(&product) != nil || product != "prd_none" {
		t.Errorf("an unknown product: %v (%q)", err, product)
	}
	s.asked.AssertIndexed(t)
}
