package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/prepare"
)

// Media types of the GraphQL over HTTP specification.
const (
	responseJSON = "application/graphql-response+json"
	plainJSON    = "application/json"
)

// request is the body of a POST, or the query of a GET.
type request struct {
	Query         *string         `json:"query"`
	OperationName *string         `json:"operationName"`
	Variables     json.RawMessage `json:"variables"`
	Extensions    json.RawMessage `json:"extensions"`
}

// problem is a request that is answered before it is executed.
type problem struct {
	status        int
	code, message string
}

func (p *problem) Error() string { return p.message }

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }} //nolint:gochecknoglobals // a pool

// graphql answers GraphQL over HTTP.
func (s *Server) graphql(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	status := s.answer(w, r)
	s.metrics.requests.WithLabelValues(strconv.Itoa(status)).Inc()
	s.metrics.seconds.Observe(time.Since(began).Seconds())
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request) int {
	id := requestID(r.Context())
	if s.crossOrigin(w, r) {
		return http.StatusNoContent
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET, POST")
		return refuse(w, r, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "GraphQL is asked with POST or GET.", id)
	}
	media, ok := accepted(r.Header.Values("Accept"))
	if !ok {
		return refuse(w, r, http.StatusNotAcceptable, "NOT_ACCEPTABLE", "Accept "+responseJSON+" or "+plainJSON+".", id)
	}
	select {
	case s.inFlight <- struct{}{}:
		defer func() { <-s.inFlight }()
	default:
		w.Header().Set("Retry-After", "1")
		return refuse(w, r, http.StatusServiceUnavailable, "OVERLOADED", "Too many requests are under way: try again in a moment.", id)
	}
	req, err := s.read(w, r)
	if err != nil {
		return refuseProblem(w, r, err, id)
	}
	ctx := r.Context()
	if s.options.Authenticator != nil {
		if ctx, err = s.options.Authenticator.Authenticate(ctx, r.Header, id); err != nil {
			return refuse(w, r, http.StatusUnauthorized, "UNAUTHENTICATED", "The token is not valid: get a new one and send it as Authorization: Bearer.", id)
		}
	}
	e := s.engine.Load()
	name := ""
	if req.OperationName != nil {
		name = *req.OperationName
	}
	prepared, err := e.prepare.Prepare(ctx, *req.Query, name)
	if err != nil {
		return refuse(w, r, http.StatusServiceUnavailable, "TIMEOUT", "The request was given up.", id)
	}
	if len(prepared.Errors) > 0 {
		return writeErrors(w, media, prepared.Errors, id)
	}
	if prepared.Kind == plan.Mutation && r.Method == http.MethodGet {
		w.Header().Set("Allow", "POST")
		return refuse(w, r, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "A mutation is sent with POST.", id)
	}
	if prepared.Kind == plan.Subscription {
		return refuse(w, r, http.StatusBadRequest, "SUBSCRIPTIONS_NOT_SUPPORTED", "This router does not serve subscriptions: ask again for what you follow.", id)
	}
	if prepared.Introspects && !s.config.introspection() {
		return refuse(w, r, http.StatusBadRequest, "INTROSPECTION_DISABLED", "Introspection is switched off here.", id)
	}
	variables, errs := prepare.Variables(e.graph.API(), prepared.Operation, req.Variables)
	if len(errs) > 0 {
		return writeErrors(w, media, errs, id)
	}
	buf := buffers.Get().(*[]byte)
	out := e.execute.Execute(ctx, prepared.Program, execute.Request{Variables: variables, RequestID: id}, (*buf)[:0])
	if s.config.QueryPlans && r.Header.Get("Lethe-Query-Plan") != "" {
		out = withPlan(out, prepared.Program.Plan())
	}
	w.Header()["Content-Type"] = []string{media + "; charset=utf-8"}
	w.Header()["Content-Length"] = []string{strconv.Itoa(len(out))}
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(out)
	if cap(out) < 4<<20 {
		*buf = out[:0]
		buffers.Put(buf)
	}
	return http.StatusOK
}

func withPlan(out []byte, p *plan.Plan) []byte {
	doc, err := json.Marshal(struct {
		Text string     `json:"text"`
		Plan *plan.Plan `json:"plan"`
	}{p.String(), p})
	if err != nil {
		return out
	}
	out = append(out[:len(out)-1], `,"extensions":{"queryPlan":`...)
	return append(append(out, doc...), "}}"...)
}

// read reads a request. Its query is never nil.
func (s *Server) read(w http.ResponseWriter, r *http.Request) (*request, error) {
	var req request
	if r.Method == http.MethodGet {
		// A browser may send a simple GET unasked across origins: it must carry a header that it asks for first.
		if !simpleAllowed(r) {
			return nil, &problem{http.StatusBadRequest, "CSRF_PREVENTED", "A GET needs a header that browsers ask for first, such as GraphQL-Require-Preflight: 1, or Content-Type: application/json."}
		}
		q := r.URL.Query()
		if q.Has("query") {
			v := q.Get("query")
			req.Query = &v
		}
		if q.Has("operationName") {
			v := q.Get("operationName")
			req.OperationName = &v
		}
		req.Variables, req.Extensions = json.RawMessage(q.Get("variables")), json.RawMessage(q.Get("extensions"))
	} else {
		media, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || media != plainJSON && media != responseJSON {
			return nil, &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Send the request as Content-Type: application/json."}
		}
		if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
			return nil, &problem{http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Send the request in UTF-8."}
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.config.Limits.BodyBytes)))
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return nil, &problem{http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", fmt.Sprintf("The request is larger than %d bytes: send less.", s.config.Limits.BodyBytes)}
		}
		if err != nil {
			return nil, &problem{http.StatusBadRequest, "BAD_REQUEST", "The request could not be read: send it again."}
		}
		if err := json.Unmarshal(body, &req); err != nil {
			return nil, &problem{http.StatusBadRequest, "BAD_REQUEST", "The body is no GraphQL request: send a JSON object with query, and where needed operationName, variables and extensions."}
		}
	}
	for name, v := range map[string]json.RawMessage{"variables": req.Variables, "extensions": req.Extensions} {
		if t := strings.TrimSpace(string(v)); t != "" && t != "null" && (t[0] != '{' || !json.Valid(v)) {
			return nil, &problem{http.StatusBadRequest, "BAD_REQUEST", "`" + name + "` must be a JSON object."}
		}
	}
	if req.Query == nil || strings.TrimSpace(*req.Query) == "" {
		return nil, &problem{http.StatusBadRequest, "QUERY_NEEDED", "The request has no query: send one."}
	}
	return &req, nil
}

func simpleAllowed(r *http.Request) bool {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == plainJSON {
		return true
	}
	for _, h := range []string{"GraphQL-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name", "X-Requested-With"} {
		if r.Header.Get(h) != "" {
			return true
		}
	}
	// A client that is no browser sends neither of these.
	return r.Header.Get("Origin") == "" && r.Header.Get("Sec-Fetch-Site") == ""
}

// accepted chooses the media type of the answer; ok is false where the client takes neither.
func accepted(accept []string) (string, bool) {
	all := strings.Join(accept, ",")
	if strings.TrimSpace(all) == "" {
		return plainJSON, true
	}
	best, bestQ := "", 0.0
	for part := range strings.SplitSeq(all, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if v, err := strconv.ParseFloat(params["q"], 64); err == nil {
			q = v
		}
		switch media {
		case "*/*", "application/*":
			media = plainJSON
		case responseJSON, plainJSON:
		default:
			continue
		}
		if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
			continue
		}
		if q > bestQ {
			best, bestQ = media, q
		}
	}
	return best, best != ""
}

// crossOrigin answers what browsers ask before they send, and tells whether that was all.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin != "" && slices.Contains(s.config.CORS.Origins, origin) {
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", origin)
		h.Add("Vary", "Origin")
		h.Set("Access-Control-Expose-Headers", "X-Request-Id")
		if r.Method == http.MethodOptions {
			h.Set("Access-Control-Allow-Methods", "GET, POST")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Request-Id, GraphQL-Require-Preflight, Apollo-Require-Preflight")
			h.Set("Access-Control-Max-Age", "600")
		}
	}
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	return false
}

// writeErrors answers a request that has errors and was not executed: 400 to those who take the newer media type, and
// 200 to older clients (GraphQL over HTTP, section 6.4).
func writeErrors(w http.ResponseWriter, media string, errs gqlerror.List, id string) int {
	status := http.StatusOK
	if media == responseJSON {
		status = http.StatusBadRequest
	}
	body, err := json.Marshal(struct {
		Errors     gqlerror.List     `json:"errors"`
		Extensions map[string]string `json:"extensions"`
	}{errs, map[string]string{"requestId": id}})
	if err != nil {
		status, body = http.StatusInternalServerError, []byte(`{"errors":[{"message":"Something went wrong here."}]}`)
	}
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
	return status
}

func refuseProblem(w http.ResponseWriter, r *http.Request, err error, id string) int {
	p := &problem{http.StatusBadRequest, "BAD_REQUEST", "The request could not be read: send it again."}
	errors.As(err, &p)
	return refuse(w, r, p.status, p.code, p.message, id)
}

// refuse answers a request that is no well-formed GraphQL request, or may not be executed.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message, id string) int {
	media, ok := accepted(r.Header.Values("Accept"))
	if !ok {
		media = plainJSON
	}
	w.Header().Set("Content-Type", media+"; charset=utf-8")
	w.WriteHeader(status)
	body, err := json.Marshal(struct {
		Errors     gqlerror.List     `json:"errors"`
		Extensions map[string]string `json:"extensions"`
	}{gqlerror.List{{Message: message, Extensions: map[string]any{"code": code}}}, map[string]string{"requestId": id}})
	if err == nil {
		_, _ = w.Write(body)
	}
	return status
}

// health answers 200 while the router serves, and says of the schema since when, and whether a newer one was refused.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	e := s.engine.Load()
	out := struct {
		Status    string    `json:"status"`
		Schema    time.Time `json:"schemaSince"`
		Subgraphs []string  `json:"subgraphs"`
		Refused   string    `json:"refusedSchema,omitempty"`
	}{Status: "ok", Schema: e.since}
	for _, g := range e.graph.Subgraphs() {
		out.Subgraphs = append(out.Subgraphs, g.Name)
	}
	if reason := s.broken.Load(); reason != nil {
		out.Refused = *reason
	}
	w.Header().Set("Content-Type", plainJSON)
	_ = json.NewEncoder(w).Encode(out)
}
