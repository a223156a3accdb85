package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// steps prints what lethe-dev is doing, a line a step with the time that it took.
type steps struct {
	mu  sync.Mutex
	out io.Writer
}

// done prints that what began at began is there.
func (s *steps) done(name, what string, began time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, "  %-12s %-52s %6d ms\n", name, what, time.Since(began).Milliseconds())
}

// line prints a line as it is.
func (s *steps) line(format string, a ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", a...)
}
