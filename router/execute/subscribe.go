package execute

import (
	"context"
	"errors"

	"github.com/lethe/lethe/router/plan"
)

// Subscriber opens subscriptions at subgraphs.
type Subscriber interface {
	// Subscribe asks a subgraph for a subscription and returns once the subgraph has taken it; ctx bounds the whole of it. A
	// failure that a client is to be told of in particular words is a *[Failure]. The call's body is the caller's again when
	// Subscribe returns.
	Subscribe(ctx context.Context, call Call) (Events, error)
}

// Events are what a subgraph tells of one subscription, in the order in which it does.
type Events interface {
	// Next waits for the next event and appends it, a GraphQL response, to into. The error is io.EOF after the last one, and
	// a *[Failure] where the subgraph was lost.
	Next(into []byte) ([]byte, error)
	// Close ends the subscription at the subgraph. A Next that waits returns with an error.
	Close()
}

// ErrNoSource is the answer to a subscription of which @skip and @include leave nothing.
var ErrNoSource = errors.New("the subscription asks for no field: @skip and @include leave none")

// Source gives the request to a subgraph from which the events of a subscription come. Its body is appended to body.
func (p *Program) Source(req Request, body []byte) (Call, error) {
	mask := p.mask(req)
	for _, f := range p.fetches {
		if f.kind == plan.Subscription && f.guard.Holds(mask) {
			r := &run{request: req}
			r.program = p
			return Call{Subgraph: f.subgraph, Kind: f.kind, Body: r.message(f, nil, body), Trail: req.Trail}, nil
		}
	}
	return Call{}, ErrNoSource
}

// Event answers one event of a subscription: event is what its source told, the other subgraphs are asked for the rest,
// and the response, a whole JSON document, is appended to dst.
func (e *Executor) Event(ctx context.Context, p *Program, req Request, event, dst []byte) ([]byte, Outcome) {
	if event == nil {
		event = []byte{}
	}
	return e.execute(ctx, p, req, event, dst)
}
