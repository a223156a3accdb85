package graphqlserver

import (
	"encoding/json"
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// transport is GraphQL over HTTP POST. It writes a response's data as it is, where gqlgen's own scans all of it again.
type transport struct{}

var _ graphql.Transport = transport{}

// Supports implements [graphql.Transport].
func (transport) Supports(r *http.Request) bool {
	return r.Method == http.MethodPost
}

// Do implements [graphql.Transport].
func (transport) Do(w http.ResponseWriter, r *http.Request, exec graphql.GraphExecutor) {
	ctx := r.Context()
	params, ok := readParams(w, r)
	if !ok {
		return
	}
	op, errs := exec.CreateOperationContext(ctx, params)
	if errs != nil {
		write(w, http.StatusUnprocessableEntity, exec.DispatchError(graphql.WithOperationContext(ctx, op), errs))
		return
	}
	if op.Operation.Operation == ast.Subscription {
		write(w, http.StatusNotAcceptable, &graphql.Response{Errors: gqlerror.List{{
			Message:    "A subscription is answered as a stream: accept text/event-stream, or send it over a WebSocket.",
			Extensions: map[string]any{"code": "NOT_ACCEPTABLE"},
		}}})
		return
	}
	responses, ctx := exec.DispatchOperation(ctx, op)
	write(w, http.StatusOK, responses(ctx))
}

// readParams reads a request, or answers that it cannot be read.
func readParams(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, bool) {
	start := graphql.Now()
	var params graphql.RawParams
	decoder := json.NewDecoder(r.Body)
	decoder.UseNumber()
	if err := decoder.Decode(&params); err != nil {
		write(w, http.StatusBadRequest, &graphql.Response{Errors: gqlerror.List{{
			Message:    "The body is no GraphQL request: send a JSON object with a query.",
			Extensions: map[string]any{"code": "BAD_REQUEST"},
		}}})
		return nil, false
	}
	params.ReadTime = graphql.TraceTiming{Start: start, End: graphql.Now()}
	params.Headers = r.Header
	return &params, true
}

func write(w http.ResponseWriter, code int, resp *graphql.Response) {
	buf := make([]byte, 0, len(resp.Data)+64)
	buf = append(buf, `{"data":`...)
	if len(resp.Data) > 0 {
		buf = append(buf, resp.Data...)
	} else {
		buf = append(buf, "null"...)
	}
	if len(resp.Errors) > 0 {
		if errs, err := json.Marshal(resp.Errors); err == nil {
			buf = append(append(buf, `,"errors":`...), errs...)
		}
	}
	buf = append(buf, '}')
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(buf)
}
