package orders

import (
	"context"
	"errors"

	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/subgraphs/orders/graph"
)

// resolver answers the graph from the store, and sends what is wanted of orders to the desk.
type resolver struct {
	store *store
	desk  *desk
}

var _ graph.ResolverRoot = (*resolver)(nil)

// Customer implements [graph.ResolverRoot].
func (r *resolver) Customer() graph.CustomerResolver { return customerResolver{r} }

// Entity implements [graph.ResolverRoot].
func (r *resolver) Entity() graph.EntityResolver { return entityResolver{r} }

// Mutation implements [graph.ResolverRoot].
func (r *resolver) Mutation() graph.MutationResolver { return mutationResolver{r} }

// Query implements [graph.ResolverRoot].
func (r *resolver) Query() graph.QueryResolver { return queryResolver{r} }

// Subscription implements [graph.ResolverRoot].
func (r *resolver) Subscription() graph.SubscriptionResolver { return subscriptionResolver{r} }

// signedIn gives the principal of a request, or an error for the anonymous.
func signedIn(ctx context.Context) (identity.Principal, error) {
	p := identity.FromContext(ctx)
	if p.Role == identity.Anonymous || p.Role == "" {
		return p, graphqlserver.ErrSignIn
	}
	return p, nil
}

type queryResolver struct{ *resolver }

// Order implements [graph.QueryResolver].
func (r queryResolver) Order(ctx context.Context, id string) (*graph.Order, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	o, err := r.desk.visible(ctx, p, id)
	return present(o), err
}

type entityResolver struct{ *resolver }

// FindManyOrderByIDs implements [graph.EntityResolver]: who may not see an order gets null, as for one that is not there.
func (r entityResolver) FindManyOrderByIDs(ctx context.Context, reps []*graph.OrderByIDsInput) ([]*graph.Order, error) {
	p := identity.FromContext(ctx)
	ids := make([]string, len(reps))
	for i, rep := range reps {
		ids[i] = rep.ID
	}
	found, err := r.store.many(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := make([]*graph.Order, len(reps))
	for i, id := range ids {
		if o := found[id]; o != nil && maySee(p, o) {
			out[i] = present(o)
		}
	}
	return out, nil
}

// FindManyCustomerByIDs implements [graph.EntityResolver]. Orders knows no customers, only whose orders it has.
func (r entityResolver) FindManyCustomerByIDs(ctx context.Context, reps []*graph.CustomerByIDsInput) ([]*graph.Customer, error) {
	p := identity.FromContext(ctx)
	out := make([]*graph.Customer, len(reps))
	for i, rep := range reps {
		if p.May(rep.ID) {
			out[i] = &graph.Customer{ID: rep.ID}
		}
	}
	return out, nil
}

type customerResolver struct{ *resolver }

// Orders implements [graph.CustomerResolver].
func (r customerResolver) Orders(ctx context.Context, c *graph.Customer, first *int, after *string, last *int, before *string, status []graph.OrderStatus) (*graph.OrderConnection, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	if !p.May(c.ID) {
		return nil, graphqlserver.ErrForbidden
	}
	statuses := make([]string, len(status))
	for i, s := range status {
		statuses[i] = string(s)
	}
	list := page.List{Name: "orders", Filter: append([]string{c.ID}, statuses...)}
	w, err := list.Window(page.Args{First: first, Last: last, After: after, Before: before})
	if err != nil {
		return nil, err
	}
	if w.From, err = moment(w.From); err != nil {
		return nil, graphqlserver.BadInput("`after` is not a cursor of this list: take one from its pageInfo or edges.")
	}
	if w.To, err = moment(w.To); err != nil {
		return nil, graphqlserver.BadInput("`before` is not a cursor of this list: take one from its pageInfo or edges.")
	}
	read, err := r.store.list(ctx, c.ID, statuses, w)
	if err != nil {
		return nil, err
	}
	total := 0
	if selects(ctx, "totalCount") {
		if total, err = r.store.count(ctx, c.ID, statuses); err != nil {
			return nil, err
		}
	}
	cut := page.Cut(list, w, read, place)
	out := &graph.OrderConnection{
		Edges: make([]*graph.OrderEdge, len(cut.Items)), Nodes: make([]*graph.Order, len(cut.Items)), TotalCount: total,
		PageInfo: &graph.PageInfo{
			HasNextPage: cut.Info.HasNextPage, HasPreviousPage: cut.Info.HasPreviousPage, StartCursor: cut.Info.StartCursor, EndCursor: cut.Info.EndCursor,
		},
	}
	for i, o := range cut.Items {
		out.Nodes[i] = present(o)
		out.Edges[i] = &graph.OrderEdge{Cursor: cut.Cursors[i], Node: out.Nodes[i]}
	}
	return out, nil
}

type mutationResolver struct{ *resolver }

// PlaceOrder implements [graph.MutationResolver].
func (r mutationResolver) PlaceOrder(ctx context.Context, input graph.PlaceOrderInput) (*graph.PlaceOrderPayload, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	o, refused, err := r.desk.place(ctx, p, input)
	if err != nil {
		return nil, err
	}
	if o != nil && !maySee(p, o) {
		o = nil // it was never taken
	}
	return &graph.PlaceOrderPayload{Order: present(o), UserErrors: refused.list()}, nil
}

// CancelOrder implements [graph.MutationResolver].
func (r mutationResolver) CancelOrder(ctx context.Context, input graph.CancelOrderInput) (*graph.CancelOrderPayload, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	o, refused, err := r.desk.cancel(ctx, p, input.OrderID)
	if err != nil {
		return nil, err
	}
	return &graph.CancelOrderPayload{Order: present(o), UserErrors: refused.list()}, nil
}

// RequestReturn implements [graph.MutationResolver].
func (r mutationResolver) RequestReturn(ctx context.Context, input graph.RequestReturnInput) (*graph.RequestReturnPayload, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	o, refused, err := r.desk.requestReturn(ctx, p, input)
	if err != nil {
		return nil, err
	}
	return &graph.RequestReturnPayload{Order: present(o), UserErrors: refused.list()}, nil
}

// AdvanceShipment implements [graph.MutationResolver].
func (r mutationResolver) AdvanceShipment(ctx context.Context, input graph.AdvanceShipmentInput) (*graph.AdvanceShipmentPayload, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	if !p.Staff() && p.Role != identity.Service {
		return nil, graphqlserver.ErrForbidden
	}
	o, refused, err := r.desk.advance(ctx, p, input)
	if err != nil {
		return nil, err
	}
	return &graph.AdvanceShipmentPayload{Order: present(o), UserErrors: refused.list()}, nil
}

type subscriptionResolver struct{ *resolver }

// OrderUpdated implements [graph.SubscriptionResolver]. Whether the principal may see the order is asked anew for every
// event: an order whose customer was erased is no longer its customer's.
func (r subscriptionResolver) OrderUpdated(ctx context.Context, id string) (<-chan *graph.Order, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	events, err := changes.Follow(ctx, r.store.changes, id, func(ctx context.Context) (*graph.Order, bool, error) {
		o, err := r.desk.visible(ctx, p, id)
		if o == nil || err != nil {
			return nil, false, err
		}
		return present(o), !o.ended(), nil
	})
	if errors.Is(err, changes.ErrNone) {
		return nil, &graphqlserver.Error{Code: "NOT_FOUND", Message: "There is no such order: check its id."}
	}
	return events, err
}
