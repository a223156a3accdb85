package customers

import (
	"context"
	"errors"

	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/subgraphs/customers/graph"
)

type mutationResolver struct{ *resolver }

// taken is the refusal of an e-mail address that another customer has.
func taken(r *refusals) {
	r.add(graph.UserErrorCodeTaken, "A customer has this e-mail address already: use another, or sign in.", "email")
}

// RegisterCustomer implements [graph.MutationResolver]. Who was erased may register anew and is a new customer.
func (r mutationResolver) RegisterCustomer(ctx context.Context, in graph.RegisterCustomerInput) (*graph.RegisterCustomerPayload, error) {
	if identity.FromContext(ctx).Role == identity.Customer {
		return nil, graphqlserver.ErrForbidden
	}
	refused := checkRegister(in)
	if len(refused) > 0 {
		return &graph.RegisterCustomerPayload{UserErrors: refused.list()}, nil
	}
	at := now()
	c := &Customer{
		ID: newID("cus"), SchemaVersion: schemaVersion, Phone: text(in.Phone), Addresses: addressBook(in.Addresses.Value()),
		Status: statusActive, Version: 1, CreatedAt: at, UpdatedAt: at,
	}
	c.setEmail(in.Email)
	c.setName(in.Name)
	if in.MarketingConsent {
		c.Consent = Consent{true, at}
	}
	switch err := r.store.insert(ctx, c); {
	case errors.Is(err, errTaken):
		taken(&refused)
		return &graph.RegisterCustomerPayload{UserErrors: refused.list()}, nil
	case err != nil:
		return nil, err
	}
	return &graph.RegisterCustomerPayload{Customer: present(c), UserErrors: refused.list()}, nil
}

// UpdateCustomer implements [graph.MutationResolver].
func (r mutationResolver) UpdateCustomer(ctx context.Context, in graph.UpdateCustomerInput) (*graph.UpdateCustomerPayload, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	id := text(in.ID)
	if id == "" && p.Role == identity.Customer {
		id = p.Subject
	}
	refused := checkUpdate(in)
	switch {
	case id == "":
		refused.add(graph.UserErrorCodeRequired, "Say which customer is to be changed.", "id")
	case len(id) > maxID:
		refused.add(graph.UserErrorCodeTooLong, "This is no customer's id: it is too long.", "id")
	case !p.May(id):
		return nil, graphqlserver.ErrForbidden
	}
	if len(refused) > 0 {
		return &graph.UpdateCustomerPayload{UserErrors: refused.list()}, nil
	}
	c, refused, err := r.update(ctx, id, in)
	if err != nil {
		return nil, err
	}
	return &graph.UpdateCustomerPayload{Customer: present(c), UserErrors: refused.list()}, nil
}

// update changes a customer. Where the client named no version, a change that another made meanwhile is no obstacle: the
// customer is read again.
func (r mutationResolver) update(ctx context.Context, id string, in graph.UpdateCustomerInput) (*Customer, refusals, error) {
	for {
		if refused, err := r.office.barred(ctx, id); err != nil || len(refused) > 0 {
			return nil, refused, err
		}
		c, err := r.store.customer(ctx, id)
		if errors.Is(err, errNotFound) {
			var refused refusals
			refused.add(graph.UserErrorCodeNotFound, "There is no such customer: check the id.", "id")
			return nil, refused, nil
		}
		if err != nil {
			return nil, nil, err
		}
		version := c.Version
		if want := in.Version.Value(); want != nil && *want != version {
			return nil, conflict(), nil
		}
		change(c, in)
		switch err := r.store.replace(ctx, c, version); {
		case errors.Is(err, errTaken):
			var refused refusals
			taken(&refused)
			return nil, refused, nil
		case errors.Is(err, errConflict) && in.Version.Value() != nil:
			return nil, conflict(), nil
		case errors.Is(err, errConflict):
			continue
		case err != nil:
			return nil, nil, err
		}
		// A customer that is sealed meanwhile is erased whole, with what was just written: there is nothing to take back.
		err = r.office.participant.Barrier.After(ctx, id, func(context.Context) error { return nil })
		if errors.Is(err, privacy.ErrErased) {
			return nil, erased(), nil
		}
		return c, nil, err
	}
}

func conflict() refusals {
	var refused refusals
	refused.add(graph.UserErrorCodeConflict, "The customer was changed in the meantime: read it again and repeat the change.", "version")
	return refused
}

func erased() refusals {
	var refused refusals
	refused.add(graph.UserErrorCodeSubjectErased, "The customer's data was erased: nothing can be written for it any more.")
	return refused
}

// change applies what an input says to a customer.
func change(c *Customer, in graph.UpdateCustomerInput) {
	if v := in.Email.Value(); v != nil {
		c.setEmail(*v)
	}
	if v := in.Name.Value(); v != nil {
		c.setName(*v)
	}
	if in.Phone.IsSet() {
		c.Phone = text(in.Phone)
	}
	if in.Addresses.IsSet() {
		c.Addresses = addressBook(in.Addresses.Value())
	}
	c.UpdatedAt = now()
	if v := in.MarketingConsent.Value(); v != nil && (*v != c.Consent.Granted || c.Consent.At.IsZero()) {
		c.Consent = Consent{*v, c.UpdatedAt}
	}
	c.Version++
}

func addressBook(in []*graph.AddressInput) []Address {
	out := make([]Address, len(in))
	for i, a := range in {
		out[i] = Address{newID("adr"), text(a.Label), a.Name, a.Line1, text(a.Line2), a.City, a.PostalCode, a.CountryCode, text(a.Phone)}
	}
	return out
}

// RequestErasure implements [graph.MutationResolver].
func (r mutationResolver) RequestErasure(ctx context.Context, in graph.RequestErasureInput) (*graph.RequestErasurePayload, error) {
	p, err := staff(ctx)
	if err != nil {
		return nil, err
	}
	e, refused, err := r.office.request(ctx, p, in)
	if err != nil {
		return nil, err
	}
	return &graph.RequestErasurePayload{Erasure: presentErasure(e, r.office.rules), UserErrors: refused.list()}, nil
}

// ApproveErasure implements [graph.MutationResolver].
func (r mutationResolver) ApproveErasure(ctx context.Context, in graph.ApproveErasureInput) (*graph.ApproveErasurePayload, error) {
	p, err := supervisor(ctx)
	if err != nil {
		return nil, err
	}
	e, refused, err := r.office.approve(ctx, p, in.ID)
	if err != nil {
		return nil, err
	}
	return &graph.ApproveErasurePayload{Erasure: presentErasure(e, r.office.rules), UserErrors: refused.list()}, nil
}

// CancelErasure implements [graph.MutationResolver].
func (r mutationResolver) CancelErasure(ctx context.Context, in graph.CancelErasureInput) (*graph.CancelErasurePayload, error) {
	p, err := staff(ctx)
	if err != nil {
		return nil, err
	}
	e, refused, err := r.office.cancel(ctx, p, in)
	if err != nil {
		return nil, err
	}
	return &graph.CancelErasurePayload{Erasure: presentErasure(e, r.office.rules), UserErrors: refused.list()}, nil
}

// RetryErasureStep implements [graph.MutationResolver].
func (r mutationResolver) RetryErasureStep(ctx context.Context, in graph.RetryErasureStepInput) (*graph.RetryErasureStepPayload, error) {
	p, err := staff(ctx)
	if err != nil {
		return nil, err
	}
	e, refused, err := r.office.retry(ctx, p, in)
	if err != nil {
		return nil, err
	}
	return &graph.RetryErasureStepPayload{Erasure: presentErasure(e, r.office.rules), UserErrors: refused.list()}, nil
}

// WaiveErasureStep implements [graph.MutationResolver].
func (r mutationResolver) WaiveErasureStep(ctx context.Context, in graph.WaiveErasureStepInput) (*graph.WaiveErasureStepPayload, error) {
	p, err := supervisor(ctx)
	if err != nil {
		return nil, err
	}
	e, refused, err := r.office.waive(ctx, p, in)
	if err != nil {
		return nil, err
	}
	return &graph.WaiveErasureStepPayload{Erasure: presentErasure(e, r.office.rules), UserErrors: refused.list()}, nil
}

// ExportCustomerData implements [graph.MutationResolver].
func (r mutationResolver) ExportCustomerData(ctx context.Context, in graph.ExportCustomerDataInput) (*graph.ExportCustomerDataPayload, error) {
	p, err := signedIn(ctx)
	if err != nil {
		return nil, err
	}
	id := text(in.CustomerID)
	if id == "" && p.Role == identity.Customer {
		id = p.Subject
	}
	if id != "" && !p.May(id) {
		return nil, graphqlserver.ErrForbidden
	}
	document, refused, err := r.office.export(ctx, id)
	if err != nil {
		return nil, err
	}
	return &graph.ExportCustomerDataPayload{Document: optional(document), UserErrors: refused.list()}, nil
}

// supervisor gives the principal of a request by a supervisor, or an error.
func supervisor(ctx context.Context) (identity.Principal, error) {
	p, err := signedIn(ctx)
	if err == nil && !p.Supervisor() {
		err = graphqlserver.ErrForbidden
	}
	return p, err
}
