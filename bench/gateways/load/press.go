package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/valyala/fasthttp"
)

// Pressed is what clients saw of a router that may have been asked for more than it can do.
type Pressed struct {
	// Served are the requests that were answered.
	Served Result
	// Refused is how many were answered 503, and Unsaid how many of them without Retry-After.
	Refused, Unsaid int64
	// RefusedLatencies are sorted.
	RefusedLatencies []time.Duration
}

// Press has clients ask one request after another for a time, as [Generator.Run] does. A router may refuse requests with
// 503; the client comes again after a pause. The error is the first answer that is neither right nor such a refusal.
func (g *Generator) Press(ctx context.Context, clients int, d, pause time.Duration) (*Pressed, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	all := make([]Pressed, clients)
	var wg sync.WaitGroup
	began := time.Now()
	for i := range all {
		wg.Go(func() {
			if err := g.press(ctx, &all[i], pause); err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	out := &Pressed{Served: Result{Took: time.Since(began)}}
	for i := range all {
		out.Refused += all[i].Refused
		out.Unsaid += all[i].Unsaid
		out.Served.Latencies = append(out.Served.Latencies, all[i].Served.Latencies...)
		out.RefusedLatencies = append(out.RefusedLatencies, all[i].RefusedLatencies...)
	}
	slices.Sort(out.Served.Latencies)
	slices.Sort(out.RefusedLatencies)
	out.Served.Requests = int64(len(out.Served.Latencies))
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return out, err
	}
	return out, nil
}

// press is one client.
func (g *Generator) press(ctx context.Context, into *Pressed, pause time.Duration) error {
	c := g.client()
	defer c.close()
	again := time.NewTimer(pause)
	defer again.Stop()
	for ctx.Err() == nil {
		asked := time.Now()
		if err := c.post(); err != nil {
			return err
		}
		switch c.resp.StatusCode() {
		case fasthttp.StatusOK:
			if err := c.checker.Check(c.resp.Body()); err != nil {
				return err
			}
			into.Served.Latencies = append(into.Served.Latencies, time.Since(asked))
			continue
		case fasthttp.StatusServiceUnavailable:
		default:
			return c.strange()
		}
		into.RefusedLatencies = append(into.RefusedLatencies, time.Since(asked))
		into.Refused++
		if len(c.resp.Header.Peek("Retry-After")) == 0 {
			into.Unsaid++
		}
		again.Reset(pause)
		select {
		case <-again.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// strange says what a router answered that is no answer.
func (c *client) strange() error {
	return fmt.Errorf("the router answered %d: %.300s", c.resp.StatusCode(), c.resp.Body())
}
