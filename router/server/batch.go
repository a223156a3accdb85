package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lethe/lethe/router/jsontext"
)

// defaultBatchSize is how many operations one request may bring, where nothing else is configured.
const defaultBatchSize = 10

func (l Limits) batchSize() int {
	if l.BatchSize == nil {
		return defaultBatchSize
	}
	return *l.BatchSize
}

// batched is one operation of a batch, or why it is none.
type batched struct {
	*request
	problem *problem
}

// isBatch reports whether a body is a list.
func isBatch(body []byte) bool {
	s := jsontext.Scanner{Data: body}
	return s.Next() == '['
}

// parseBatch reads a list of at most a number of requests. A request in it that is none is answered in its place.
func (q *request) parseBatch(body []byte, most int) *problem {
	if most == 0 {
		return &problem{http.StatusBadRequest, "BATCHING_NOT_SUPPORTED", "Operations are taken one at a time here: send each in a request of its own."}
	}
	q.clear()
	s := jsontext.Scanner{Data: body}
	if s.Enter('[') != nil {
		return errNoObject
	}
	for {
		more, err := s.More(']', len(q.batch) == 0)
		if err != nil {
			return noRequest(err)
		}
		if !more {
			break
		}
		value, err := s.Value()
		if err != nil {
			return noRequest(err)
		}
		if len(q.batch) == most {
			return &problem{http.StatusBadRequest, "BATCH_TOO_LARGE", fmt.Sprintf("More than %d operations in one request: send fewer at once.", most)}
		}
		one, _ := requests.Get().(*request)
		q.batch = append(q.batch, batched{one, one.parse(value)})
	}
	if s.End() != nil || len(q.batch) == 0 {
		return errNoObject
	}
	return nil
}

// part takes the answer to one operation of a batch. Its status and headers are nobody's: those of the batch count.
type part struct {
	exchange
	header  http.Header
	body    []byte
	problem *problem // why it is none
	took    time.Duration
}

// Header implements http.ResponseWriter.
func (p *part) Header() http.Header { return p.header }

// WriteHeader implements http.ResponseWriter.
func (p *part) WriteHeader(int) {
	if n, err := strconv.Atoi(first(p.header["Content-Length"])); err == nil {
		p.body = slices.Grow(p.body[:0], n)
	}
}

// Write implements http.ResponseWriter.
func (p *part) Write(b []byte) (int, error) {
	p.body = append(p.body, b...)
	return len(b), nil
}

// runBatch runs the operations of a batch side by side, and answers with the list of their answers, in their order.
func (s *Server) runBatch(ctx context.Context, x *exchange, e *engine) {
	parts := make([]part, len(x.batch))
	for i, b := range x.batch {
		parts[i].header, parts[i].problem = http.Header{}, b.problem
		parts[i].exchange = exchange{request: b.request, w: &parts[i], r: x.r, id: x.id, media: x.media, deadline: x.deadline, files: x.files, buffers: x.buffers, server: s, principal: x.principal}
	}
	each := func(do func(p *part)) {
		var left sync.WaitGroup
		for i := range parts {
			left.Go(func() { s.guarded(ctx, &parts[i], do) })
		}
		left.Wait()
	}
	each(func(p *part) {
		if p.problem != nil {
			p.refuse(p.problem)
			return
		}
		s.ready(ctx, &p.exchange, e)
	})
	if s.affordable(x.principal, parts, e) {
		each(func(p *part) {
			if p.ready {
				s.perform(ctx, &p.exchange, e)
			}
		})
	}
	if e.config.AccessLog {
		for i := range parts {
			s.record(&parts[i].exchange, parts[i].took)
		}
	}
	x.sendBatch(parts)
}

// sendBatch answers with the list of the parts' answers.
func (x *exchange) sendBatch(parts []part) {
	length := 1 + len(parts)
	for i := range parts {
		length += len(parts[i].body)
		x.errors += parts[i].errors
	}
	if length >= longFrom {
		p := (*pieces)(x)
		p.Begin(length)
		for i := range parts {
			begin := "["
			if i > 0 {
				begin = ","
			}
			if _, err := p.Write([]byte(begin)); err != nil {
				x.finish(err)
				return
			}
			if _, err := p.Write(parts[i].body); err != nil {
				x.finish(err)
				return
			}
			parts[i].body = nil
		}
		_, err := p.Write([]byte("]"))
		x.finish(err)
		return
	}
	x.out = append(x.out[:0], '[')
	for i := range parts {
		if i > 0 {
			x.out = append(x.out, ',')
		}
		x.out = append(x.out, parts[i].body...)
	}
	x.out = append(x.out, ']')
	x.send(http.StatusOK, x.out)
}

// guarded does something for one operation. A fault in it costs its own answer alone.
func (s *Server) guarded(ctx context.Context, p *part, do func(p *part)) {
	began := time.Now()
	defer func() {
		p.took += time.Since(began)
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				s.log.ErrorContext(ctx, "an operation of a batch panicked", "request_id", p.id, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
			}
			p.body, p.ready = p.body[:0], false
			p.refuse(&problem{http.StatusInternalServerError, "INTERNAL", "Something went wrong here: try again, and if it stays so tell us the request id."})
		}
	}()
	do(p)
}
