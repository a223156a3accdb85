// Package subgraph serves subgraphs as cheaply as can be, so that measuring a router measures the router: small graphs of
// fixed data behind a real executor, whose answers are kept by the request's body.
package subgraph

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Addresses are where the subgraphs of a world are served.
type Addresses struct {
	// Subgraphs holds URLs by name.
	Subgraphs map[string]string `json:"subgraphs"`
	// Control answers GET /counts with [Counts]. GET /record begins to record requests, and GET /recorded ends it and
	// answers with a list of [Recorded]. GET /slow?subgraph=NAME has one in a hundred of a subgraph's answers wait for two
	// seconds, and without a name none.
	Control string `json:"control"`
}

// Counts is how many requests the subgraphs answered, and how many of them with errors.
type Counts struct {
	Requests int64 `json:"requests"`
	Failed   int64 `json:"failed"`
}

// Recorded is a request that a subgraph got.
type Recorded struct {
	Subgraph string `json:"subgraph"`
	Body     string `json:"body"`
	// Step counts from 0: the request came after all those of the steps before it were answered.
	Step int `json:"step"`
}

// recordingDelay is how long an answer waits while requests are recorded, so that those which do not wait for one
// another overlap.
const recordingDelay = 150 * time.Millisecond

// What waits of a slow subgraph's answers: one in so many, and for how long.
const (
	slowOneIn = 100
	slowFor   = 2 * time.Second
)

// Server serves a world.
type Server struct {
	requests, failed atomic.Int64
	recording        atomic.Bool
	slow             atomic.Pointer[string] // the subgraph whose answers wait at times
	mu               sync.Mutex
	recorded         []timed
}

type timed struct {
	Recorded
	began, ended time.Time
}

// Serve listens on free ports of the loopback interface and serves a world until the process ends. The error, if there is
// one, comes before anything is served.
func Serve(w *World) (Addresses, error) {
	s := &Server{}
	out := Addresses{Subgraphs: map[string]string{}}
	for _, n := range w.Subgraphs {
		addr, err := listen(func(ctx *fasthttp.RequestCtx) { s.answer(ctx, n, w.Latency) })
		if err != nil {
			return out, err
		}
		out.Subgraphs[n.Name] = "http://" + addr + "/graphql"
	}
	addr, err := listen(s.control)
	out.Control = "http://" + addr
	return out, err
}

func listen(h fasthttp.RequestHandler) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &fasthttp.Server{Handler: h, NoDefaultServerHeader: true, MaxRequestBodySize: 64 << 20, Logger: silent{}}
	go func() { _ = server.Serve(ln) }()
	return ln.Addr().String(), nil
}

// silent takes the lines about clients that closed their connections.
type silent struct{}

func (silent) Printf(string, ...any) {}

func (s *Server) answer(ctx *fasthttp.RequestCtx, n Named, latency time.Duration) {
	if latency > 0 {
		time.Sleep(latency)
	}
	number := s.requests.Add(1)
	if slow := s.slow.Load(); slow != nil && *slow == n.Name && number%slowOneIn == 0 {
		time.Sleep(slowFor)
	}
	began := time.Now()
	body := ctx.PostBody()
	answer := n.Graph.Answer(body)
	if bytes.HasPrefix(answer, []byte(`{"errors"`)) {
		s.failed.Add(1)
	}
	ctx.SetContentType("application/json")
	if s.recording.Load() {
		time.Sleep(recordingDelay)
		s.mu.Lock()
		s.recorded = append(s.recorded, timed{Recorded{Subgraph: n.Name, Body: string(body)}, began, time.Now()})
		s.mu.Unlock()
	}
	ctx.Response.SetBodyRaw(answer)
}

func (s *Server) control(ctx *fasthttp.RequestCtx) {
	ctx.SetContentType("application/json")
	var out any
	switch string(ctx.Path()) {
	case "/counts":
		out = Counts{s.requests.Load(), s.failed.Load()}
	case "/record":
		s.mu.Lock()
		s.recorded = nil
		s.mu.Unlock()
		s.recording.Store(true)
	case "/recorded":
		s.recording.Store(false)
		out = s.steps()
	case "/slow":
		name := string(ctx.QueryArgs().Peek("subgraph"))
		s.slow.Store(&name)
	default:
		ctx.SetStatusCode(fasthttp.StatusNotFound)
	}
	if err := json.NewEncoder(ctx).Encode(out); err != nil {
		ctx.SetStatusCode(fasthttp.StatusInternalServerError)
	}
}

// steps sorts what was recorded into steps.
func (s *Server) steps() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Recorded, 0, len(s.recorded))
	for i := range s.recorded { // in the order of their ends, so that those before are numbered
		r := &s.recorded[i]
		for j := range s.recorded[:i] {
			if before := &s.recorded[j]; before.ended.Before(r.began) {
				r.Step = max(r.Step, before.Step+1)
			}
		}
		out = append(out, r.Recorded)
	}
	return out
}
