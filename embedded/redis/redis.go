// Package redis runs a Redis server inside the process: miniredis, with a clock that moves. It keeps nothing when the
// process ends, as a cache may. It is for development and tests.
package redis

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tick is how far the clock of a server moves at a time: miniredis expires keys only when it is told that time passed.
const tick = 20 * time.Millisecond

// Server is a running Redis server.
type Server struct {
	mini *miniredis.Miniredis
	stop chan struct{}
	wg   sync.WaitGroup
}

// Start starts a server on host:port; port 0 takes a free one.
func Start(addr string) (*Server, error) {
	mini := miniredis.NewMiniRedis()
	if err := mini.StartAddr(addr); err != nil {
		return nil, fmt.Errorf("listen on %s for Redis: %w", addr, err)
	}
	s := &Server{mini: mini, stop: make(chan struct{})}
	s.wg.Go(s.run)
	return s, nil
}

func (s *Server) run() {
	t := time.NewTicker(tick)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-s.stop:
			return
		case now := <-t.C:
			s.mini.FastForward(now.Sub(last))
			s.mini.SetTime(now)
			last = now
		}
	}
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return s.mini.Addr() }

// URL is what a client connects to.
func (s *Server) URL() string { return "redis://" + s.mini.Addr() + "/0" }

// Close stops the server.
func (s *Server) Close() {
	close(s.stop)
	s.wg.Wait()
	s.mini.Close()
}
