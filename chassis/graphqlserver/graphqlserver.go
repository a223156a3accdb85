// Package graphqlserver serves a gqlgen schema as a subgraph: to the router alone, within limits, with errors that tell
// a client what it may know and the log the rest.
package graphqlserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/chassis/identity"
)

// The limits of a request to a subgraph: a second wall behind the router's.
const (
	maxTokens          = 15_000
	maxComplexity      = 50_000
	maxRepresentations = 2_000
	cachedQueries      = 2_000
	// Timeout is how long a query or mutation may take.
	Timeout = 60 * time.Second
	// maxStreams is how many subscriptions a process follows at once.
	maxStreams = 5_000
)

// Error is an expected failure that a client is told: resolvers return it, and it becomes a GraphQL error with
// extensions.code.
type Error struct {
	// Code is NOT_FOUND, CONFLICT, UNAUTHENTICATED, FORBIDDEN, BAD_USER_INPUT, UNAVAILABLE, ...
	Code string
	// Message says what happened and what to do.
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// ErrSignIn is the answer to the anonymous where someone must be signed in.
var ErrSignIn = &Error{"UNAUTHENTICATED", "You are not signed in: send a token in the Authorization header."}

// ErrForbidden is the answer to someone who is signed in and may not do this.
var ErrForbidden = &Error{"FORBIDDEN", "Your role does not allow this: ask someone whose role does."}

// BadInput gives the error for an argument that is malformed.
func BadInput(format string, a ...any) error {
	return &Error{"BAD_USER_INPUT", fmt.Sprintf(format, a...)}
}

// New gives the handler of a subgraph's /graphql for requests that gate admits. Subscriptions are served as server-sent
// events and over graphql-transport-ws.
func New(schema graphql.ExecutableSchema, gate *identity.Gate, log *slog.Logger) http.Handler {
	return newHandler(schema, gate, log, maxStreams)
}

func newHandler(schema graphql.ExecutableSchema, gate *identity.Gate, log *slog.Logger, streams int) http.Handler {
	s := handler.New(schema)
	s.AddTransport(webSocket())
	s.AddTransport(eventStream{})
	s.AddTransport(transport{})
	s.AroundOperations(newBounds(streams).around)
	s.SetQueryCache(lru.New[*ast.QueryDocument](cachedQueries))
	s.SetParserTokenLimit(maxTokens)
	s.SetDisableSuggestion(true)
	s.Use(extension.FixedComplexityLimit(maxComplexity))
	s.Use(representationLimit{})
	s.SetErrorPresenter(func(ctx context.Context, err error) *gqlerror.Error { return present(ctx, log, err) })
	s.SetRecoverFunc(func(ctx context.Context, v any) error {
		log.ErrorContext(ctx, "resolver panicked", "request_id", identity.FromContext(ctx).RequestID, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		return errInternal
	})
	return echo(gate.Wrap(s))
}

var errInternal = &Error{"INTERNAL", "Something went wrong here: try again, and if it stays so tell us the request id."}

var errFull = &Error{"TOO_MANY_SUBSCRIPTIONS", "This subgraph follows as much as it can: try again in a moment."}

func present(ctx context.Context, log *slog.Logger, err error) *gqlerror.Error {
	out := graphql.DefaultErrorPresenter(ctx, err)
	var known *Error
	switch {
	case errors.As(err, &known):
		out.Message, out.Extensions = known.Message, map[string]any{"code": known.Code}
		return out
	case errors.Is(err, context.DeadlineExceeded):
		out.Message, out.Extensions = "The answer took too long: try again.", map[string]any{"code": "TIMEOUT"}
	case errors.Is(err, context.Canceled):
		out.Message, out.Extensions = "The request was given up.", map[string]any{"code": "CANCELLED"}
	case out.Rule != "" || isRequestError(err):
		// A malformed request: gqlparser's and gqlgen's own words about it are meant for the client.
		if out.Extensions == nil {
			out.Extensions = map[string]any{"code": "BAD_USER_INPUT"}
		}
		return out
	default:
		out.Message, out.Extensions = errInternal.Message, map[string]any{"code": errInternal.Code}
	}
	log.ErrorContext(ctx, "request failed", "request_id", identity.FromContext(ctx).RequestID, "path", out.Path.String(), "error", err)
	return out
}

// isRequestError tells the errors that gqlgen makes about the request itself, which are gqlerrors that wrap nothing,
// from those of resolvers.
func isRequestError(err error) bool {
	var g *gqlerror.Error
	return errors.As(err, &g) && g.Err == nil
}

// representationLimit refuses an _entities call with too many representations.
type representationLimit struct{}

var _ interface {
	graphql.HandlerExtension
	graphql.OperationContextMutator
} = representationLimit{}

func (representationLimit) ExtensionName() string                   { return "RepresentationLimit" }
func (representationLimit) Validate(graphql.ExecutableSchema) error { return nil }
func (representationLimit) MutateOperationContext(_ context.Context, op *graphql.OperationContext) *gqlerror.Error {
	for _, v := range op.Variables {
		if list, ok := v.([]any); ok && len(list) > maxRepresentations {
			return &gqlerror.Error{
				Message:    fmt.Sprintf("The request asks for %d entities at once: ask for at most %d.", len(list), maxRepresentations),
				Extensions: map[string]any{"code": "TOO_MANY_ENTITIES"},
			}
		}
	}
	return nil
}
