package catalogue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/money"
	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/subgraphs/catalogue/graph"
)

// resolver answers the subgraph's fields.
type resolver struct {
	store     *store
	publicURL string
}

var _ graph.ResolverRoot = (*resolver)(nil)

func (r *resolver) Query() graph.QueryResolver                         { return queries{r} }
func (r *resolver) Mutation() graph.MutationResolver                   { return mutations{r} }
func (r *resolver) Entity() graph.EntityResolver                       { return entities{r} }
func (r *resolver) Product() graph.ProductResolver                     { return products{r} }
func (r *resolver) Category() graph.CategoryResolver                   { return categoryFields{r} }
func (r *resolver) ProductConnection() graph.ProductConnectionResolver { return connections{r} }

// present gives a stored product as the graph has it.
func (r *resolver) present(p *product) *graph.Product {
	if p == nil {
		return nil
	}
	out := &graph.Product{
		ID: p.ID, Sku: p.SKU, Name: p.Name, Description: p.Description, Brand: p.Brand, WeightGrams: p.WeightGrams,
		CreatedAt: p.CreatedAt, UpdatedAt: p.UpdatedAt, Version: p.Version,
		Images: []*graph.Image{{URL: r.publicURL + "/images/" + p.SKU + ".svg", Alt: p.Name, Width: imageSize, Height: imageSize}},
	}
	for _, c := range []money.Currency{money.EUR, money.GBP} {
		m := p.price(c)
		out.Prices = append(out.Prices, &m)
	}
	c, _ := categoryOf(p.Category)
	out.Category = &graph.Category{ID: c.id, Name: c.name, Slug: c.slug}
	return out
}

type entities struct{ *resolver }

// FindManyProductByIDs gives products in the order asked, nil where there is none.
func (r entities) FindManyProductByIDs(ctx context.Context, reps []*graph.ProductByIDsInput) ([]*graph.Product, error) {
	ids := make([]string, len(reps))
	for i, rep := range reps {
		ids[i] = rep.ID
	}
	found, err := r.store.byIDs(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*graph.Product, len(reps))
	for i, id := range ids {
		out[i] = r.present(found[id])
	}
	return out, nil
}

type products struct{ *resolver }

func (products) Category(_ context.Context, objs []*graph.Product) ([]*graph.Category, error) {
	out := make([]*graph.Category, len(objs))
	for i, p := range objs {
		if p != nil { // an entity that there is not
			out[i] = p.Category
		}
	}
	return out, nil
}

func (products) Price(_ context.Context, p *graph.Product, c money.Currency) (*money.Money, error) {
	for _, m := range p.Prices {
		if m.Currency == c {
			return m, nil
		}
	}
	return nil, graphqlserver.BadInput("The product has no price in %s.", c)
}

type categoryFields struct{ *resolver }

// ProductCount implements [graph.CategoryResolver].
func (r categoryFields) ProductCount(ctx context.Context, objs []*graph.Category) ([]int, error) {
	counts, err := r.store.counts.of(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]int, len(objs))
	for i, c := range objs {
		if c != nil {
			out[i] = counts[c.Slug]
		}
	}
	return out, nil
}

type connections struct{ *resolver }

func (r connections) TotalCount(ctx context.Context, c *graph.ProductConnection) (int, error) {
	return r.store.count(ctx, c.Filter)
}

type queries struct{ *resolver }

func (r queries) Product(ctx context.Context, id string) (*graph.Product, error) {
	found, err := r.store.byIDs(ctx, []string{id})
	if err != nil {
		return nil, err
	}
	return r.present(found[id]), nil
}

func (queries) Categories(context.Context) ([]*graph.Category, error) {
	var out []*graph.Category
	for _, c := range categories() {
		out = append(out, &graph.Category{ID: c.id, Name: c.name, Slug: c.slug})
	}
	return out, nil
}

func (r queries) Products(ctx context.Context, first *int, after *string, last *int, before *string, in *graph.ProductFilter, sort *graph.ProductSort) (*graph.ProductConnection, error) {
	filter, err := filterOf(in)
	if err != nil {
		return nil, err
	}
	text := in != nil && in.Text.Value() != nil && strings.TrimSpace(*in.Text.Value()) != ""
	by := graph.ProductSortName
	if text {
		by = graph.ProductSortRelevance
	}
	if sort != nil {
		by = *sort
	}
	if by == graph.ProductSortRelevance && !text {
		return nil, graphqlserver.BadInput("`sort: RELEVANCE` needs a `filter.text`.")
	}
	list := page.List{Name: "products/" + string(by), Filter: in}
	w, err := list.Window(page.Args{First: first, After: after, Last: last, Before: before})
	if err != nil {
		return nil, err
	}
	var p page.Page[*product]
	if by == graph.ProductSortRelevance {
		ranked, err := r.store.ranked(ctx, filter)
		if err != nil {
			return nil, err
		}
		p = page.Cut(list, w, rankedWindow(ranked, w), func(p *product) page.Key { return page.Key{p.ID} })
	} else {
		order, key := orderOf(by)
		read, err := r.store.page(ctx, filter, order, w)
		if err != nil {
			return nil, err
		}
		p = page.Cut(list, w, read, key)
	}
	out := &graph.ProductConnection{PageInfo: &graph.PageInfo{
		HasNextPage: p.Info.HasNextPage, HasPreviousPage: p.Info.HasPreviousPage, StartCursor: p.Info.StartCursor, EndCursor: p.Info.EndCursor,
	}, Filter: filter, Edges: []*graph.ProductEdge{}, Nodes: []*graph.Product{}}
	for i, item := range p.Items {
		node := r.present(item)
		out.Nodes = append(out.Nodes, node)
		out.Edges = append(out.Edges, &graph.ProductEdge{Cursor: p.Cursors[i], Node: node})
	}
	return out, nil
}

// rankedWindow cuts a window out of a ranked list, one item more than it holds, in reading order.
func rankedWindow(all []*product, w page.Window) []*product {
	from, to := 0, len(all)
	at := func(k *page.Key) int {
		return slices.IndexFunc(all, func(p *product) bool { return len(*k) > 0 && (*k)[0] == p.ID })
	}
	if w.From != nil {
		from = at(w.From) + 1
	}
	if w.To != nil {
		if i := at(w.To); i >= 0 {
			to = i
		}
	}
	cut := slices.Clone(all[min(from, to):to])
	if w.Backward {
		slices.Reverse(cut)
	}
	return cut[:min(len(cut), w.Limit+1)]
}

func orderOf(by graph.ProductSort) ([]page.Order, func(*product) page.Key) {
	switch by {
	case graph.ProductSortPriceAsc, graph.ProductSortPriceDesc:
		down := by == graph.ProductSortPriceDesc
		return []page.Order{{Field: "prices.EUR", Descending: down}, {Field: "_id", Descending: down}}, func(p *product) page.Key { return page.Key{p.Prices["EUR"], p.ID} }
	case graph.ProductSortNewest:
		// Ids are made in the order of time, so that the newest id is the newest product.
		return []page.Order{{Field: "_id", Descending: true}}, func(p *product) page.Key { return page.Key{p.ID} }
	default:
		return []page.Order{{Field: "name"}, {Field: "_id"}}, func(p *product) page.Key { return page.Key{p.Name, p.ID} }
	}
}

// filterOf turns a filter into a query. Errors are BAD_USER_INPUT.
func filterOf(in *graph.ProductFilter) (bson.D, error) {
	filter := bson.D{}
	if in == nil {
		return filter, nil
	}
	if in.Text.Value() != nil {
		text := strings.TrimSpace(*in.Text.Value())
		if len(text) > 200 {
			return nil, graphqlserver.BadInput("`filter.text` has more than 200 characters: use fewer words.")
		}
		if text != "" {
			filter = append(filter, bson.E{Key: "$text", Value: bson.D{{Key: "$search", Value: text}}})
		}
	}
	for _, list := range []struct {
		name, field string
		values      []string
	}{{"categories", "category", in.Categories.Value()}, {"brands", "brand", in.Brands.Value()}} {
		if len(list.values) > 20 {
			return nil, graphqlserver.BadInput("`filter.%s` names more than 20.", list.name)
		}
		if list.values != nil {
			filter = append(filter, bson.E{Key: list.field, Value: bson.D{{Key: "$in", Value: list.values}}})
		}
	}
	if price := in.Price.Value(); price != nil {
		bounds := bson.D{}
		for _, b := range []struct {
			name, op string
			value    *money.Decimal
		}{{"min", "$gte", price.Min.Value()}, {"max", "$lte", price.Max.Value()}} {
			if b.value == nil {
				continue
			}
			m, err := money.Parse(*b.value, price.CurrencyCode)
			if err != nil {
				return nil, graphqlserver.BadInput("`filter.price.%s`: %s.", b.name, err)
			}
			bounds = append(bounds, bson.E{Key: b.op, Value: m.Minor})
		}
		if len(bounds) > 0 {
			filter = append(filter, bson.E{Key: "prices." + string(price.CurrencyCode), Value: bounds})
		}
	}
	if v := in.Available.Value(); v != nil {
		filter = append(filter, bson.E{Key: "inStock", Value: *v})
	}
	return filter, nil
}

type mutations struct{ *resolver }

// staff refuses everyone else.
func staff(ctx context.Context) error {
	p := identity.FromContext(ctx)
	switch {
	case p.Role == identity.Anonymous:
		return graphqlserver.ErrSignIn
	case !p.Staff():
		return graphqlserver.ErrForbidden
	}
	return nil
}

// faults collects user errors.
type faults struct{ list []*graph.UserError }

func (f *faults) add(code graph.UserErrorCode, message string, field ...string) {
	f.list = append(f.list, &graph.UserError{Field: field, Message: message, Code: code})
}

func (f *faults) text(value, field string, lo, hi int) {
	switch n := len([]rune(strings.TrimSpace(value))); {
	case n < lo:
		f.add(graph.UserErrorCodeRequired, "It is empty: write something.", "input", field)
	case n > hi:
		f.add(graph.UserErrorCodeTooLong, "It is too long.", "input", field)
	}
}

var skuShape = regexp.MustCompile(`^[A-Z0-9][A-Z0-9-]{2,39}$`)

func (f *faults) prices(in []*graph.MoneyInput, all bool) map[string]int64 {
	out := map[string]int64{}
	for _, m := range in {
		v, err := money.Parse(m.Amount, m.CurrencyCode)
		if err != nil || v.Minor <= 0 || v.Minor > 100_000_000 {
			f.add(graph.UserErrorCodeInvalid, "A price is an amount from 0.01 to 1000000.00.", "input", "prices")
			continue
		}
		if _, twice := out[string(m.CurrencyCode)]; twice {
			f.add(graph.UserErrorCodeInvalid, "Each currency has one price.", "input", "prices")
		}
		out[string(m.CurrencyCode)] = v.Minor
	}
	if all && len(out) < 2 && len(f.list) == 0 {
		f.add(graph.UserErrorCodeRequired, "A price is needed in EUR and in GBP.", "input", "prices")
	}
	return out
}

func (f *faults) weight(grams int) {
	if grams < 1 || grams > 1_000_000 {
		f.add(graph.UserErrorCodeInvalid, "The weight is from 1 to 1000000 grams.", "input", "weightGrams")
	}
}

func (f *faults) category(slug string) category {
	c, ok := categoryOf(slug)
	if !ok {
		f.add(graph.UserErrorCodeNotFound, "There is no such category: take a slug from `categories`.", "input", "category")
	}
	return c
}

// digest stands for a text that clients chose: what they write in a key is not kept.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (r mutations) CreateProduct(ctx context.Context, in graph.CreateProductInput) (*graph.CreateProductPayload, error) {
	if err := staff(ctx); err != nil {
		return nil, err
	}
	var f faults
	f.text(in.IdempotencyKey, "idempotencyKey", 8, 128)
	f.text(in.Name, "name", 1, 200)
	f.text(in.Description, "description", 0, 5000)
	f.text(in.Brand, "brand", 1, 100)
	if !skuShape.MatchString(in.Sku) {
		f.add(graph.UserErrorCodeInvalid, "A SKU is 3 to 40 capital letters, digits and hyphens.", "input", "sku")
	}
	prices := f.prices(in.Prices, true)
	f.weight(in.WeightGrams)
	c := f.category(in.Category)
	if len(f.list) > 0 {
		return &graph.CreateProductPayload{UserErrors: f.list}, nil
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	p, err := r.store.create(ctx, &product{
		ID: newID(), SKU: in.Sku, Name: in.Name, Description: in.Description, Brand: in.Brand, Category: c.slug, Label: c.name,
		Prices: prices, WeightGrams: in.WeightGrams, CreatedAt: now, UpdatedAt: now, Version: 1, Schema: 1,
		Request: digest([]string{"createProduct", in.IdempotencyKey}), Input: digest(in),
	})
	switch {
	case errors.Is(err, errTaken):
		f.add(graph.UserErrorCodeTaken, "The SKU is taken: choose another.", "input", "sku")
	case errors.Is(err, errReused):
		f.add(graph.UserErrorCodeIdempotencyKeyReused, "The key was used with another input: make a new one.", "input", "idempotencyKey")
	case err != nil:
		return nil, err
	}
	return &graph.CreateProductPayload{Product: r.present(p), UserErrors: userErrors(f)}, nil
}

func userErrors(f faults) []*graph.UserError {
	if f.list == nil {
		return []*graph.UserError{}
	}
	return f.list
}

func newID() string {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	return "prd_" + strings.ReplaceAll(id.String(), "-", "")
}

func (r mutations) UpdateProduct(ctx context.Context, in graph.UpdateProductInput) (*graph.UpdateProductPayload, error) {
	if err := staff(ctx); err != nil {
		return nil, err
	}
	var f faults
	set := bson.D{}
	text := func(v *string, field string, lo, hi int) {
		if v != nil {
			f.text(*v, field, lo, hi)
			set = append(set, bson.E{Key: field, Value: *v})
		}
	}
	name, _ := in.Name.ValueOK()
	text(name, "name", 1, 200)
	description, _ := in.Description.ValueOK()
	text(description, "description", 0, 5000)
	brand, _ := in.Brand.ValueOK()
	text(brand, "brand", 1, 100)
	if v, _ := in.WeightGrams.ValueOK(); v != nil {
		f.weight(*v)
		set = append(set, bson.E{Key: "weightGrams", Value: *v})
	}
	if v, _ := in.Category.ValueOK(); v != nil {
		c := f.category(*v)
		set = append(set, bson.E{Key: "category", Value: c.slug}, bson.E{Key: "label", Value: c.name})
	}
	if v, _ := in.Prices.ValueOK(); v != nil {
		for currency, minor := range f.prices(v, false) {
			set = append(set, bson.E{Key: "prices." + currency, Value: minor})
		}
	}
	if len(f.list) > 0 {
		return &graph.UpdateProductPayload{UserErrors: f.list}, nil
	}
	version, _ := in.Version.ValueOK()
	p, err := r.store.update(ctx, in.ID, version, set)
	switch {
	case errors.Is(err, errNotFound):
		f.add(graph.UserErrorCodeNotFound, "There is no such product.", "input", "id")
	case errors.Is(err, errConflict):
		f.add(graph.UserErrorCodeConflict, "The product was changed meanwhile: read it again and repeat.", "input", "version")
	case err != nil:
		return nil, err
	}
	return &graph.UpdateProductPayload{Product: r.present(p), UserErrors: userErrors(f)}, nil
}
