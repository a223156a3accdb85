package console

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

//go:embed queries/*.graphql
var queries embed.FS

const (
	// graphTimeout bounds one operation at the router.
	graphTimeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes. A certificate of many steps is some hundred KiB.
	maxAnswer = 8 << 20
)

// graph sends the operations of queries/ to the router. It is the only way by which the console learns anything.
type graph struct {
	endpoint   string
	operations map[string]string
	client     *http.Client
}

// newGraph gives a client of the router at address: the router itself, or its GraphQL endpoint.
func newGraph(address string) (*graph, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("the router's address %q must be an http or https URL", address)
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/graphql"
	}
	entries, err := queries.ReadDir("queries")
	if err != nil {
		return nil, fmt.Errorf("list the operations: %w", err)
	}
	operations := make(map[string]string, len(entries))
	for _, e := range entries {
		text, err := queries.ReadFile(path.Join("queries", e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read an operation: %w", err)
		}
		operations[strings.TrimSuffix(e.Name(), ".graphql")] = string(text)
	}
	return &graph{
		endpoint:   u.String(),
		operations: operations,
		client: &http.Client{
			Timeout: graphTimeout,
			Transport: &http.Transport{
				DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
				MaxIdleConnsPerHost: 32,
				IdleConnTimeout:     time.Minute,
			},
			// The router never redirects; a token must not follow one.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// The codes of extensions.code that the console acts on.
const (
	codeUnauthenticated = "UNAUTHENTICATED"
	codeForbidden       = "FORBIDDEN"
	codeNotFound        = "NOT_FOUND"
	codeUnavailable     = "SUBGRAPH_UNAVAILABLE"
	codeTimeout         = "TIMEOUT"
)

// fault is an operation that gave no data at all.
type fault struct {
	code      string // extensions.code, or codeUnavailable when the router did not answer
	requestID string // the router's, or ""
	cause     error  // for the log, or nil
}

func (f *fault) Error() string {
	if f.cause != nil {
		return fmt.Sprintf("the router answered with nothing (%s, request %q): %v", f.code, f.requestID, f.cause)
	}
	return fmt.Sprintf("the router answered with nothing (%s, request %q)", f.code, f.requestID)
}

func (f *fault) Unwrap() error { return f.cause }

// faultCode gives the code of the fault that err is, or "".
func faultCode(err error) string {
	if f, ok := errors.AsType[*fault](err); ok {
		return f.code
	}
	return ""
}

// missing is a part of an answer that could not be had.
type missing struct {
	Part      string // the field, in words: "orders"
	Service   string // the service that failed, or ""
	Code      string // extensions.code
	RequestID string // the router's, to be quoted to whoever runs the shop
}

// Why says in words what happened.
func (m missing) Why() string {
	service := "the service that holds it"
	if m.Service != "" {
		service = "the " + m.Service + " service"
	}
	switch m.Code {
	case codeUnavailable:
		return service + " does not answer"
	case codeTimeout:
		return service + " took too long"
	case codeForbidden:
		return "your role may not see it"
	}
	return service + " reported a fault"
}

// answerError is one entry of a response's errors.
type answerError struct {
	Path       []json.RawMessage `json:"path"`
	Extensions struct {
		Code    string `json:"code"`
		Service string `json:"service"`
	} `json:"extensions"`
}

// part names the field at fault: the last name in the path.
func (e answerError) part() string {
	for i := len(e.Path) - 1; i >= 0; i-- {
		var name string
		if json.Unmarshal(e.Path[i], &name) == nil {
			return humanise(name)
		}
	}
	return "a part of this page"
}

// do sends the operation of queries/ with that name, and decodes data into out. What could not be had is in the first
// result. The error is a *fault when there is no data.
func (g *graph) do(ctx context.Context, token, operation string, variables, out any) ([]missing, error) {
	body, err := json.Marshal(struct {
		Query         string `json:"query"`
		OperationName string `json:"operationName"`
		Variables     any    `json:"variables,omitempty"`
	}{g.operations[operation], operation, variables})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", operation, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.endpoint, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make the request of %s: %w", operation, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/graphql-response+json, application/json;q=0.9")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := g.client.Do(req)
	if err != nil {
		code := codeUnavailable
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			code = codeTimeout
		}
		return nil, &fault{code: code, cause: fmt.Errorf("send %s: %w", operation, err)}
	}
	defer func() { _ = resp.Body.Close() }()
	requestID := resp.Header.Get("X-Request-Id")
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, &fault{code: codeUnavailable, requestID: requestID, cause: fmt.Errorf("read the answer of %s: %w", operation, err)}
	}
	if len(text) > maxAnswer {
		return nil, &fault{requestID: requestID, cause: fmt.Errorf("the answer of %s is over %d bytes", operation, maxAnswer)}
	}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []answerError   `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, &fault{code: statusCode(resp.StatusCode), requestID: requestID, cause: fmt.Errorf("status %d of %s is no GraphQL answer: %w", resp.StatusCode, operation, err)}
	}
	for _, e := range answer.Errors {
		if e.Extensions.Code == codeUnauthenticated {
			return nil, &fault{code: codeUnauthenticated, requestID: requestID}
		}
	}
	if len(answer.Data) == 0 || bytes.Equal(answer.Data, []byte("null")) {
		f := &fault{code: statusCode(resp.StatusCode), requestID: requestID}
		if len(answer.Errors) > 0 && answer.Errors[0].Extensions.Code != "" {
			f.code = answer.Errors[0].Extensions.Code
		}
		return nil, f
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return nil, &fault{requestID: requestID, cause: fmt.Errorf("decode the answer of %s: %w", operation, err)}
	}
	return gather(answer.Errors, requestID), nil
}

// gather turns errors beside data into what is missing, each part once.
func gather(errs []answerError, requestID string) []missing {
	var all []missing
	seen := make(map[missing]bool)
	for _, e := range errs {
		m := missing{Part: e.part(), Service: e.Extensions.Service, Code: e.Extensions.Code, RequestID: requestID}
		if !seen[m] {
			seen[m] = true
			all = append(all, m)
		}
	}
	return all
}

// statusCode gives the code that stands for an HTTP status without a GraphQL error.
func statusCode(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return codeUnauthenticated
	case http.StatusForbidden:
		return codeForbidden
	case http.StatusGatewayTimeout:
		return codeTimeout
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return codeUnavailable
	}
	return "INTERNAL"
}

// userError is an expected refusal of a mutation.
type userError struct {
	Field   []string `json:"field"`
	Message string   `json:"message"`
	Code    string   `json:"code"`
}

// Name gives the input field at fault, or "".
func (e userError) Name() string {
	if len(e.Field) == 0 {
		return ""
	}
	return e.Field[len(e.Field)-1]
}

// pageInfo is where a page stands in its list.
type pageInfo struct {
	HasNextPage bool
	EndCursor   string
}

// variables of an operation on one thing.
type byID struct {
	ID string `json:"id"`
}
