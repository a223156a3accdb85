package customers

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/lethe/lethe/chassis/changes"
	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/chassis/page"
	"github.com/lethe/lethe/subgraphs/customers/graph"
)

// resolver answers the graph from the store, and takes what is about erasures to the office.
type resolver struct {
	store  *store
	office *office
}

var _ graph.ResolverRoot = (*resolver)(nil)

// Customer implements [graph.ResolverRoot].
func (r *resolver) Customer() graph.CustomerResolver { return customerResolver{r} }

// Entity implements [graph.ResolverRoot].
func (r *resolver) Entity() graph.EntityResolver { return entityResolver{r} }

// Erasure implements [graph.ResolverRoot].
func (r *resolver) Erasure() graph.ErasureResolver { return erasureResolver{r} }

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

// staff gives the principal of a request by staff, or an error.
func staff(ctx context.Context) (identity.Principal, error) {
	p, err := signedIn(ctx)
	if err == nil && !p.Staff() {
		err = graphqlserver.ErrForbidden
	}
	return p, err
}

type queryResolver struct{ *resolver }

// Me implements [graph.QueryResolver].
func (r queryResolver) Me(ctx context.Context) (*graph.Customer, error) {
	p := identity.FromContext(ctx)
	if p.Role != identity.Customer {
		return nil, nil
	}
	return r.visible(ctx, p, p.Subject)
}

// Customer implements [graph.QueryResolver]: another's customer is null, as one that is not there.
func (r queryResolver) Customer(ctx context.Context, id string) (*graph.Customer, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	return r.visible(ctx, p, id)
}

// visible gives a customer that a principal may see; nil where it may not or there is none.
func (r *resolver) visible(ctx context.Context, p identity.Principal, id string) (*graph.Customer, error) {
	if !p.May(id) {
		return nil, nil
	}
	c, err := r.store.customer(ctx, id)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	return present(c), err
}

// window reads the paging arguments of a list by time.
func window(list page.List, a page.Args) (page.Window, error) {
	w, err := list.Window(a)
	if err != nil {
		return w, err
	}
	if w.From, err = moment(w.From); err != nil {
		return w, graphqlserver.BadInput("`after` is not a cursor of this list: take one from its pageInfo or edges.")
	}
	return w, nil
}

// Customers implements [graph.QueryResolver].
func (r queryResolver) Customers(ctx context.Context, search *string, first *int, after *string) (*graph.CustomerConnection, error) {
	if _, err := staff(ctx); err != nil {
		return nil, err
	}
	text := ""
	if search != nil {
		text = *search
	}
	if utf8.RuneCountInString(text) > maxSearch {
		return nil, graphqlserver.BadInput("`search` has more than %d characters: search for less.", maxSearch)
	}
	// The cursor names what was searched for by a hash alone.
	list := page.List{Name: "customers", Filter: r.office.keys.SubjectHash("search\x00" + nameKey(text))}
	w, err := window(list, page.Args{First: first, After: after})
	if err != nil {
		return nil, err
	}
	read, err := r.store.find(ctx, text, w)
	if err != nil {
		return nil, err
	}
	total := 0
	if selects(ctx, "totalCount") {
		if total, err = r.store.count(ctx, text); err != nil {
			return nil, err
		}
	}
	cut := page.Cut(list, w, read, func(c *Customer) page.Key { return page.Key{c.CreatedAt.UnixMilli(), c.ID} })
	out := &graph.CustomerConnection{
		Edges: make([]*graph.CustomerEdge, len(cut.Items)), Nodes: make([]*graph.Customer, len(cut.Items)), PageInfo: pageInfo(cut.Info), TotalCount: total,
	}
	for i, c := range cut.Items {
		out.Nodes[i] = present(c)
		out.Edges[i] = &graph.CustomerEdge{Cursor: cut.Cursors[i], Node: out.Nodes[i]}
	}
	return out, nil
}

// Erasure implements [graph.QueryResolver].
func (r queryResolver) Erasure(ctx context.Context, id string) (*graph.Erasure, error) {
	if _, err := staff(ctx); err != nil {
		return nil, err
	}
	e, err := r.store.erasure(ctx, id)
	if errors.Is(err, errNotFound) {
		return nil, nil
	}
	return presentErasure(e, r.office.rules), err
}

// Erasures implements [graph.QueryResolver].
func (r queryResolver) Erasures(ctx context.Context, status []graph.ErasureStatus, first *int, after *string) (*graph.ErasureConnection, error) {
	if _, err := staff(ctx); err != nil {
		return nil, err
	}
	statuses := make([]string, len(status))
	for i, s := range status {
		statuses[i] = string(s)
	}
	list := page.List{Name: "erasures", Filter: statuses}
	w, err := window(list, page.Args{First: first, After: after})
	if err != nil {
		return nil, err
	}
	read, err := r.store.listErasures(ctx, statuses, w)
	if err != nil {
		return nil, err
	}
	total := 0
	if selects(ctx, "totalCount") {
		if total, err = r.store.countErasures(ctx, statuses); err != nil {
			return nil, err
		}
	}
	cut := page.Cut(list, w, read, func(e *Erasure) page.Key { return page.Key{e.RequestedAt.UnixMilli(), e.ID} })
	out := &graph.ErasureConnection{
		Edges: make([]*graph.ErasureEdge, len(cut.Items)), Nodes: make([]*graph.Erasure, len(cut.Items)), PageInfo: pageInfo(cut.Info), TotalCount: total,
	}
	for i, e := range cut.Items {
		out.Nodes[i] = presentErasure(e, r.office.rules)
		out.Edges[i] = &graph.ErasureEdge{Cursor: cut.Cursors[i], Node: out.Nodes[i]}
	}
	return out, nil
}

// ErasurePreview implements [graph.QueryResolver].
func (r queryResolver) ErasurePreview(ctx context.Context, customerID string) (*graph.ErasurePreview, error) {
	if _, err := staff(ctx); err != nil {
		return nil, err
	}
	return r.office.preview(ctx, customerID)
}

// DataMap implements [graph.QueryResolver].
func (r queryResolver) DataMap(ctx context.Context) (*graph.DataMap, error) {
	if _, err := staff(ctx); err != nil {
		return nil, err
	}
	return r.office.dataMap(), nil
}

type entityResolver struct{ *resolver }

// FindManyCustomerByIDs implements [graph.EntityResolver]: who may not see a customer gets null, as for one that is not
// there.
func (r entityResolver) FindManyCustomerByIDs(ctx context.Context, reps []*graph.CustomerByIDsInput) ([]*graph.Customer, error) {
	ids := make([]string, len(reps))
	for i, rep := range reps {
		ids[i] = rep.ID
	}
	return r.visibleMany(ctx, ids)
}

// visibleMany gives customers in the order of ids, nil where there is none or the principal may not see it.
func (r *resolver) visibleMany(ctx context.Context, ids []string) ([]*graph.Customer, error) {
	p := identity.FromContext(ctx)
	var may []string
	for _, id := range ids {
		if p.May(id) {
			may = append(may, id)
		}
	}
	out := make([]*graph.Customer, len(ids))
	if len(may) == 0 {
		return out, nil
	}
	found, err := r.store.many(ctx, may)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		if p.May(id) {
			out[i] = present(found[id])
		}
	}
	return out, nil
}

// FindManyErasureByIDs implements [graph.EntityResolver].
func (r entityResolver) FindManyErasureByIDs(ctx context.Context, reps []*graph.ErasureByIDsInput) ([]*graph.Erasure, error) {
	out := make([]*graph.Erasure, len(reps))
	if !identity.FromContext(ctx).Staff() {
		return out, nil
	}
	ids := make([]string, len(reps))
	for i, rep := range reps {
		ids[i] = rep.ID
	}
	found, err := r.store.erasuresByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		out[i] = presentErasure(found[id], r.office.rules)
	}
	return out, nil
}

type customerResolver struct{ *resolver }

// Erasure implements [graph.CustomerResolver]. A customer is not told: staff tell it themselves.
func (r customerResolver) Erasure(ctx context.Context, objs []*graph.Customer) ([]*graph.Erasure, error) {
	out := make([]*graph.Erasure, len(objs))
	if !identity.FromContext(ctx).Staff() {
		return out, nil
	}
	ids := make([]string, len(objs))
	for i, c := range objs {
		if c != nil { // an entity that there is not
			ids[i] = c.ID
		}
	}
	found, err := r.store.underWay(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, id := range ids {
		out[i] = presentErasure(found[id], r.office.rules)
	}
	return out, nil
}

type erasureResolver struct{ *resolver }

// Customer implements [graph.ErasureResolver].
func (r erasureResolver) Customer(ctx context.Context, objs []*graph.Erasure) ([]*graph.Customer, error) {
	ids := make([]string, len(objs))
	for i, e := range objs {
		if e != nil && e.Customer != nil { // an entity that there is not, or one whose customer is gone
			ids[i] = e.Customer.ID
		}
	}
	return r.visibleMany(ctx, ids)
}

type subscriptionResolver struct{ *resolver }

// ErasureUpdated implements [graph.SubscriptionResolver].
func (r subscriptionResolver) ErasureUpdated(ctx context.Context, id string) (<-chan *graph.Erasure, error) {
	if _, err := staff(ctx); err != nil {
		return nil, err
	}
	events, err := changes.Follow(ctx, r.office.changes, id, func(ctx context.Context) (*graph.Erasure, bool, error) {
		e, err := r.store.erasure(ctx, id)
		if errors.Is(err, errNotFound) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		return presentErasure(e, r.office.rules), goesOn(e.Status), nil
	})
	if errors.Is(err, changes.ErrNone) {
		return nil, &graphqlserver.Error{Code: "NOT_FOUND", Message: "There is no such erasure: check its id."}
	}
	return events, err
}
