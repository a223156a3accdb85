package inventory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"

	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/money"
	"github.com/lethe/lethe/subgraphs/inventory/graph"
)

// resolver answers the subgraph's fields.
type resolver struct{ store *store }

var _ graph.ResolverRoot = (*resolver)(nil)

func (r *resolver) Query() graph.QueryResolver       { return queries{r} }
func (r *resolver) Mutation() graph.MutationResolver { return mutations{r} }
func (r *resolver) Entity() graph.EntityResolver     { return entities{r} }
func (r *resolver) Product() graph.ProductResolver   { return products{r} }

func present(w warehouse) *graph.Warehouse {
	return &graph.Warehouse{ID: w.id, Code: w.code, Name: w.name, CountryCode: w.country}
}

func level(st *stock) *graph.StockLevel {
	w, _ := warehouseOf(st.Warehouse)
	return &graph.StockLevel{Warehouse: present(w), OnHand: st.OnHand, Reserved: st.Reserved, Available: st.Avail}
}

type queries struct{ *resolver }

func (queries) Warehouses(context.Context) ([]*graph.Warehouse, error) {
	var out []*graph.Warehouse
	for _, w := range warehouses() {
		out = append(out, present(w))
	}
	return out, nil
}

type entities struct{ *resolver }

// FindManyProductByIDs gives products by their ids alone: what inventory knows of them its fields read.
func (entities) FindManyProductByIDs(_ context.Context, reps []*graph.ProductByIDsInput) ([]*graph.Product, error) {
	out := make([]*graph.Product, len(reps))
	for i, rep := range reps {
		out[i] = &graph.Product{ID: rep.ID}
	}
	return out, nil
}

type products struct{ *resolver }

func (r products) Availability(ctx context.Context, objs []*graph.Product) ([]*graph.Availability, error) {
	ids := make([]string, len(objs))
	for i, p := range objs {
		ids[i] = p.ID
	}
	have, err := r.store.of(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*graph.Availability, len(objs))
	for i, id := range ids {
		a := &graph.Availability{Warehouses: []*graph.StockLevel{}}
		for _, st := range have[id] {
			a.Quantity += st.Avail
			a.Warehouses = append(a.Warehouses, level(st))
		}
		a.InStock = a.Quantity > 0
		out[i] = a
	}
	return out, nil
}

// freeFrom is the price, in minor units, from which shipping is free.
const freeFrom = 5000

// required is what shippingEstimate requires of the catalogue.
type required struct {
	WeightGrams int `json:"weightGrams"`
	Prices      []struct {
		Amount       money.Decimal  `json:"amount"`
		CurrencyCode money.Currency `json:"currencyCode"`
	} `json:"prices"`
}

func (r products) ShippingEstimate(ctx context.Context, p *graph.Product, country string, currency money.Currency, representation map[string]any) (*graph.ShippingEstimate, error) {
	if len(country) != 2 || strings.ToUpper(country) != country {
		return nil, graphqlserver.BadInput("`countryCode` is an ISO 3166-1 alpha-2 code such as \"DE\".")
	}
	var req required
	text, err := json.Marshal(representation)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &req); err != nil {
		return nil, graphqlserver.BadInput("The representation of the product lacks what its shipping estimate requires.")
	}
	have, err := r.store.of(ctx, []string{p.ID})
	if err != nil {
		return nil, err
	}
	out := &graph.ShippingEstimate{MinDays: 2, MaxDays: 4}
	for _, w := range nearest(country) {
		for _, st := range have[p.ID] {
			if st.Warehouse == w.code && st.Avail > 0 && out.From == nil {
				out.From = present(w)
			}
		}
	}
	if out.From == nil {
		out.MinDays, out.MaxDays = 10, 20
	} else if out.From.CountryCode != country {
		out.MinDays, out.MaxDays = 4, 8
	}
	// A parcel costs 3.90 and 1.20 for each kilogram begun, half as much again abroad.
	cost := int64(390 + 120*((max(req.WeightGrams, 1)+999)/1000))
	if out.From != nil && out.From.CountryCode != country {
		cost = cost * 3 / 2
	}
	for _, m := range req.Prices {
		if price, err := money.Parse(m.Amount, m.CurrencyCode); err == nil && m.CurrencyCode == currency && price.Minor >= freeFrom {
			cost = 0
		}
	}
	c := money.New(cost, currency)
	out.Cost = &c
	return out, nil
}

type mutations struct{ *resolver }

const maxDelta = 100_000

func (r mutations) AdjustStock(ctx context.Context, in graph.AdjustStockInput) (*graph.AdjustStockPayload, error) {
	switch p := identity.FromContext(ctx); {
	case p.Role == identity.Anonymous:
		return nil, graphqlserver.ErrSignIn
	case !p.Staff():
		return nil, graphqlserver.ErrForbidden
	}
	out := &graph.AdjustStockPayload{UserErrors: []*graph.UserError{}}
	fault := func(code graph.UserErrorCode, message string, field string) {
		out.UserErrors = append(out.UserErrors, &graph.UserError{Field: []string{"input", field}, Message: message, Code: code})
	}
	if n := len(in.IdempotencyKey); n < 8 || n > 128 {
		fault(graph.UserErrorCodeInvalid, "An idempotency key has 8 to 128 characters.", "idempotencyKey")
	}
	if in.Delta == 0 || in.Delta > maxDelta || in.Delta < -maxDelta {
		fault(graph.UserErrorCodeInvalid, "A change is from -100000 to 100000, and not 0.", "delta")
	}
	if in.ProductID == "" || len(in.ProductID) > 100 || strings.ContainsAny(in.ProductID, "|$.") {
		fault(graph.UserErrorCodeNotFound, "There is no such product.", "productId")
	}
	if _, ok := warehouseOf(in.Warehouse); !ok {
		fault(graph.UserErrorCodeNotFound, "There is no such warehouse: take a code from `warehouses`.", "warehouse")
	}
	if len(out.UserErrors) > 0 {
		return out, nil
	}
	st, err := r.store.add(ctx, in.ProductID, in.Warehouse, digest("adjustStock", in.IdempotencyKey), kindAdjust, digest(in), in.Delta)
	switch {
	case errors.Is(err, errShort):
		fault(graph.UserErrorCodeOutOfStock, "The warehouse has less that is not promised to orders: take less.", "delta")
		return out, nil
	case errors.Is(err, errReused):
		fault(graph.UserErrorCodeIdempotencyKeyReused, "The key was used with another input: make a new one.", "idempotencyKey")
		return out, nil
	case err != nil:
		return nil, err
	}
	out.Product, out.StockLevel = &graph.Product{ID: in.ProductID}, level(st)
	return out, nil
}

// digest stands for what clients wrote: the text of a key is not kept.
func digest(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
