package server

import (
	"maps"
	"net"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/conns"
	"github.com/lethe/lethe/router/http1"
	"github.com/lethe/lethe/router/settings"
)

// Connections bound what clients may take of connections and time before a request is all there. What a router starts with
// holds until it is started anew.
type Connections struct {
	All        int               `yaml:"all" doc:"Connections of clients at once, WebSockets included: half of the file descriptors that the process may have, less 32, and at most 25000 by default. Where there is no room, the one that has waited longest for its client gives way. A change needs a restart."`
	PerAddress int               `yaml:"perAddress" doc:"Connections of one address at once, or of one /64 network of IPv6: half of all by default. Behind a proxy that hides its clients' addresses set it to all. A change needs a restart."`
	Head       settings.Duration `yaml:"head" doc:"How long a client may take for the head of a request in all, such as \"10s\", which is the default. A change needs a restart."`
	Body       settings.Duration `yaml:"body" doc:"How long it may take for the body in all, beside a second for each 8 KiB of it: \"10s\" by default. A change needs a restart."`
	Idle       settings.Duration `yaml:"idle" doc:"How long a connection may wait for the next request, such as \"2m\", which is the default. A change needs a restart."`

	head, body, idle time.Duration
}

func (c *Connections) complete(check *settings.Check) {
	check.Default("connections.all", &c.All, conns.Options{}.Complete().All)
	check.Default("connections.perAddress", &c.PerAddress, conns.Options{All: c.All}.Complete().PerAddress)
	if c.PerAddress > c.All {
		check.Refuse("connections.perAddress", "is %d, but there are no more than connections.all, which is %d: make that larger, or this smaller", c.PerAddress, c.All)
	}
	c.head = check.Duration("connections.head", c.Head, 10*time.Second)
	c.body = check.Duration("connections.body", c.Body, 10*time.Second)
	c.idle = check.Duration("connections.idle", c.Idle, 2*time.Minute)
}

func (c *Config) http1() bool { return c.HTTP1 == nil || *c.HTTP1 }

// bounds are those of the HTTP server that has the connections which the router does not answer itself.
func (c *Connections) bounds() chassis.Bounds {
	return chassis.Bounds{Head: c.head, Body: c.body, Idle: c.idle}
}

// Front returns a listener that bounds the connections of clients. Unless the configuration has it off (http1) it answers
// most of the requests to /graphql at once, at a fraction of what net/http takes, and leaves to an HTTP server those that it
// does not know how to. It ends with [Server.Close].
func (s *Server) Front(ln net.Listener) net.Listener {
	config := s.config()
	c := config.Connections
	bounded := conns.Listen(ln, conns.Options{All: c.All, PerAddress: c.PerAddress})
	s.bounded.Store(bounded, nil)
	if !config.http1() {
		return bounded
	}
	l := http1.Listen(bounded, http1.Options{Path: "/graphql", Handler: s, Times: http1.Times{Head: c.head, Body: c.body, Idle: c.idle}})
	s.fronts.Store(l, nil)
	return l
}

// connectionMetrics are the figures of all fronts.
func (s *Server) connectionMetrics() []prometheus.Collector {
	return conns.Collectors("lethe_router", func(yield func(*conns.Listener) bool) {
		s.bounded.Range(func(l, _ any) bool {
			bounded, ok := l.(*conns.Listener)
			return ok && yield(bounded)
		})
	})
}

// needsRestart returns the keys of a new configuration that differ from those in use and are read at the start alone.
func (c *Config) needsRestart(before *Config) []string {
	differs := map[string]bool{"connections": c.Connections != before.Connections, "http1": c.http1() != before.http1()}
	maps.DeleteFunc(differs, func(_ string, is bool) bool { return !is })
	return slices.Sorted(maps.Keys(differs))
}
