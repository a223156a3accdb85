package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/identity"
	"github.com/lethe/lethe/subgraphs/orders/graph"
	"github.com/lethe/lethe/workflows"
)

// desk takes what customers and staff want of orders and has the workflows do it.
type desk struct {
	store    *store
	temporal client.Client
	hasher   hasher
	subjects subjects
	log      *slog.Logger
}

// errLater is the answer when the workflows cannot be reached: the order is kept and they will take it up.
var errLater = &graphqlserver.Error{Code: "UNAVAILABLE", Message: "This was taken note of and will be worked off, but it takes longer than usual: repeat the call with the same input to learn what came of it."}

// place takes an order. The draft is written first and whether its customer may order is read after that, so that of an
// order and an erasure at the same time at least one sees the other. Then the workflow is started, which answers once the
// order is accepted or refused.
func (d *desk) place(ctx context.Context, p identity.Principal, in graph.PlaceOrderInput) (*Order, refusals, error) {
	var refused refusals
	customerID := text(in.CustomerID.Value())
	switch {
	case p.Role == identity.Customer:
		if customerID != "" && customerID != p.Subject {
			return nil, nil, graphqlserver.ErrForbidden
		}
		customerID = p.Subject
	case customerID == "":
		refused.add(graph.UserErrorCodeRequired, "Say for which customer the order is.", "customerId")
	case !opaque("cus_", customerID):
		refused.add(graph.UserErrorCodeNotFound, "There is no such customer: check the id.", "customerId")
	}
	if refused = append(refused, checkPlace(in)...); len(refused) > 0 {
		return nil, refused, nil
	}
	draft, err := d.draft(ctx, customerID, in)
	if err != nil {
		return nil, nil, err
	}
	o, isNew := draft, true
	if err := d.store.insert(ctx, draft); errors.Is(err, errExists) {
		isNew = false
		if o, err = d.store.get(ctx, draft.ID); err != nil {
			return nil, nil, err
		}
	} else if err != nil {
		return nil, nil, err
	}
	if o.CustomerID == "" {
		refused.add(graph.UserErrorCodeSubjectErased, "The data of this customer was erased: nothing can be ordered for it any more.", "customerId")
		return nil, refused, nil
	}
	if o.InputHash != draft.InputHash {
		refused.add(graph.UserErrorCodeIdempotencyKeyReused, "This idempotency key was used for another order: use a new one.", "idempotencyKey")
		return nil, refused, nil
	}
	if o.answered() {
		return o, placedRefusals(o), nil
	}
	if barred, err := d.subjects.barred(ctx, customerID); err != nil {
		return nil, nil, err
	} else if barred != nil {
		if isNew {
			if err := d.store.takeBack(context.WithoutCancel(ctx), o.ID); err != nil {
				return nil, nil, err
			}
		}
		return nil, refusals{barred}, nil
	}
	if err := d.fulfil(ctx, o, workflows.DefaultTerms(), workflows.UpdatePlace, o.ID+"/place", nil); err != nil && !errors.Is(err, errEnded) {
		return nil, nil, err
	}
	if o, err = d.store.get(ctx, o.ID); err != nil {
		return nil, nil, err
	}
	return o, placedRefusals(o), nil
}

// draft makes an order of an input. Its id follows from the customer and the idempotency key, which is itself not kept.
func (d *desk) draft(ctx context.Context, customerID string, in graph.PlaceOrderInput) (*Order, error) {
	raw, err := json.Marshal(struct {
		Lines    []*graph.OrderLineInput
		Address  *graph.ShippingAddressInput
		Method   string
		Currency string
		Note     string
	}{in.Lines, in.ShippingAddress, in.PaymentMethod, string(in.Currency), text(in.Note.Value())})
	if err != nil {
		return nil, fmt.Errorf("compare an order: %w", err)
	}
	id := d.hasher.id("ord", customerID, in.IdempotencyKey)
	number := ""
	if _, err := d.store.get(ctx, id); errors.Is(err, errNotFound) {
		n, err := d.store.nextNumber(ctx, 1)
		if err != nil {
			return nil, err
		}
		number = formatNumber(n)
	} else if err != nil {
		return nil, err
	}
	at := now()
	a := in.ShippingAddress
	o := &Order{
		ID: id, SchemaVersion: schemaVersion, Number: number, CustomerID: customerID, Status: workflows.StatusPending, Currency: in.Currency,
		Address:       &Address{a.Name, a.Line1, text(a.Line2.Value()), a.City, a.PostalCode, a.CountryCode, text(a.Phone.Value())},
		Note:          text(in.Note.Value()),
		PaymentMethod: in.PaymentMethod, Payment: Payment{Status: paymentNone, Refunds: []Refund{}},
		Shipments: []Shipment{}, Returns: []Return{}, Timeline: []Event{{at, workflows.StatusPending, workflows.ActorCustomer}},
		InputHash: d.hasher.fingerprint(string(raw)), PlacedAt: at, UpdatedAt: at,
	}
	for i, l := range in.Lines {
		o.Lines = append(o.Lines, Line{ID: fmt.Sprint(i + 1), ProductID: l.ProductID, Quantity: l.Quantity})
	}
	return o, nil
}

// errEnded is answered where an order's workflow has come to its end: the order says the rest.
var errEnded = errors.New("the order's workflow has ended")

// fulfil starts an order's workflow if it does not run, sends it an update, and waits for the answer. An empty update
// only starts. A refusal is a [temporal.ApplicationError].
func (d *desk) fulfil(ctx context.Context, o *Order, terms workflows.Terms, update, updateID string, arg any) error {
	lines := make([]workflows.Line, len(o.Lines))
	for i, l := range o.Lines {
		lines[i] = workflows.Line{ProductID: l.ProductID, Quantity: l.Quantity}
	}
	in := workflows.FulfilRequest{OrderID: o.ID, Lines: lines, Currency: string(o.Currency), Terms: terms}
	if o.Address != nil {
		in.CountryCode = o.Address.CountryCode
	}
	start := client.StartWorkflowOptions{
		ID: workflows.FulfilID(o.ID), TaskQueue: workflows.QueueWorkflows,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING, WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
	if update == "" {
		_, err := d.temporal.ExecuteWorkflow(ctx, start, workflows.WorkflowFulfil, in)
		return d.reached(ctx, o.ID, err)
	}
	var args []any
	if arg != nil {
		args = []any{arg}
	}
	handle, err := d.temporal.UpdateWithStartWorkflow(ctx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: d.temporal.NewWithStartWorkflowOperation(start, workflows.WorkflowFulfil, in),
		UpdateOptions:          client.UpdateWorkflowOptions{UpdateID: updateID, UpdateName: update, Args: args, WaitForStage: client.WorkflowUpdateStageCompleted},
	})
	if err == nil {
		err = handle.Get(ctx, nil)
	}
	return d.reached(ctx, o.ID, err)
}

// reached tells apart what Temporal answers: a refusal stays as it is.
func (d *desk) reached(ctx context.Context, id string, err error) error {
	var (
		refused *temporal.ApplicationError
		started *serviceerror.WorkflowExecutionAlreadyStarted
		gone    *serviceerror.NotFound
	)
	switch {
	case err == nil, errors.As(err, &refused):
		return err
	case errors.As(err, &started), errors.As(err, &gone):
		return errEnded
	}
	d.log.WarnContext(ctx, "a workflow could not be reached", "order", id, "error", err)
	return errLater
}

// placedRefusals gives why an order was refused when it was placed, as its document says it: so that every repetition of
// the call learns the same.
func placedRefusals(o *Order) refusals {
	var r refusals
	at := []string{"lines"}
	if o.Fault != nil {
		for i, l := range o.Lines {
			if l.ProductID == o.Fault.ProductID {
				at = append(at, fmt.Sprint(i))
			}
		}
	}
	switch o.Reason {
	case workflows.ReasonOutOfStock:
		left := "There is not enough in stock"
		if o.Fault != nil && len(at) > 1 {
			left = fmt.Sprintf("There are only %d in stock", o.Fault.Available)
		}
		r.add(graph.UserErrorCodeOutOfStock, left+": order fewer, or wait until there are more.", at...)
	case workflows.ReasonUnknownProduct:
		r.add(graph.UserErrorCodeNotFound, "There is no such product: remove the line.", at...)
	case workflows.ReasonPaymentDeclined:
		r.add(graph.UserErrorCodePaymentDeclined, "The payment was declined: use another means of payment, with a new idempotency key.", "paymentMethod")
	case workflows.ReasonPaymentUnavailable:
		r.add(graph.UserErrorCodePaymentDeclined, "The payment provider does not answer; nothing was taken. Try again later, with a new idempotency key.", "paymentMethod")
	}
	return r
}
