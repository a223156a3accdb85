package differential_test

import (
	"context"
	"fmt"

	"github.com/lethe/lethe/router/execute"
)

// pieces collects a response that is sent in pieces.
type pieces struct {
	length, begun int
	text          []byte
}

// Begin implements [execute.Stream].
func (p *pieces) Begin(length int) {
	p.length = length
	p.begun++
}

// Write implements [execute.Stream].
func (p *pieces) Write(b []byte) (int, error) {
	p.text = append(p.text, b...)
	return len(b), nil
}

// execute gives the response to a request: of every second one in pieces, which are as short as they can be.
func (w *world) execute(c *counts, program *execute.Program, req execute.Request) ([]byte, error) {
	if w.requests++; w.requests%2 == 0 {
		answer, _ := w.executor.Execute(context.Background(), program, req, nil)
		return answer, nil
	}
	var p pieces
	req.Stream = &p
	answer, outcome := w.executor.Execute(context.Background(), program, req, nil)
	switch {
	case outcome.Err != nil:
		return nil, fmt.Errorf("in pieces: %w", outcome.Err)
	case !outcome.Streamed && p.begun == 0:
		return answer, nil // some of it had to be taken back, or it is too short
	case !outcome.Streamed || p.begun != 1 || p.length != len(p.text) || len(answer) > 0:
		return nil, fmt.Errorf("in pieces: begun %d times, of %d bytes where %d were said, and %d that were not sent", p.begun, len(p.text), p.length, len(answer))
	}
	c.streamed.Add(1)
	return p.text, nil
}
