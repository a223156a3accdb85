package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lethe/lethe/router/cost"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
	"github.com/lethe/lethe/router/supergraph"
)

// engine is all that belongs to one schema and configuration. A request keeps the engine that it began with.
type engine struct {
	sdl     string
	config  *Config
	prepare *prepare.Preparer
	execute *execute.Executor
	graph   *supergraph.Supergraph
	callers *subgraphs
	sharing *sharing
	since   time.Time // when the schema was taken
	// replaced is closed when another engine took over.
	replaced chan struct{}

	documents *documents // nil where none are trusted
	uploads   []string   // the scalars whose values are files
}

// reloads keeps what became of the schemas and configurations that came while the router ran.
type reloads struct {
	mu     sync.Mutex // one reload at a time
	reason sync.RWMutex
	schema string // why the newest schema was refused, or ""
	config string // the same of the configuration
}

// What can be reloaded, as the metrics name it.
const (
	schemaReload = "schema"
	configReload = "configuration"
)

// warming bounds how long a new schema waits for the plans of the operations in use.
const warming = 5 * time.Second

// config gives the configuration in force.
func (s *Server) config() *Config { return s.engine.Load().config }

// Reload takes a new supergraph, with the operations in use planned before it takes over. Requests under way finish on
// the old one. Where the new one is not right the old one stays, the reason is logged, and /health says it.
func (s *Server) Reload(sdl string) error {
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	old := s.engine.Load()
	e, err := s.build(sdl, *old.config)
	if err != nil {
		s.Refuse(err)
		return err
	}
	if err := e.config.Fits(e.graph); err != nil {
		s.log.Warn("the configuration does not fit the new schema", "reason", err.Error())
	}
	s.swap(old, e)
	s.outcome(schemaReload, nil)
	s.log.Info("a new schema is served", "subgraphs", len(e.callers.byName), "operations", e.prepare.Len())
	return nil
}

// Refuse notes that a newer supergraph could not even be read or composed: the one in use stays.
func (s *Server) Refuse(err error) {
	s.outcome(schemaReload, err)
	s.log.Error("the new schema is refused, the one before stays in use", "reason", err.Error())
}

// Configure takes a new configuration, in the way that [Server.Reload] takes a schema.
func (s *Server) Configure(c Config) error {
	s.reloads.mu.Lock()
	defer s.reloads.mu.Unlock()
	c, err := c.complete()
	if err != nil {
		s.RefuseConfig(err)
		return err
	}
	old := s.engine.Load()
	if err := c.Fits(old.graph); err != nil {
		s.RefuseConfig(err)
		return err
	}
	e, err := s.build(old.sdl, c)
	if err != nil {
		s.RefuseConfig(err)
		return err
	}
	e.since = old.since
	s.swap(old, e)
	s.outcome(configReload, nil)
	s.log.Info("a new configuration is in force")
	if keys := c.needsRestart(old.config); len(keys) > 0 {
		s.log.Warn("the new configuration changes what a router reads at its start alone: start it anew", "keys", keys)
	}
	return nil
}

// RefuseConfig notes that a newer configuration could not even be read: the one in force stays.
func (s *Server) RefuseConfig(err error) {
	s.outcome(configReload, err)
	s.log.Error("the new configuration is refused, the one before stays in force", "reason", err.Error())
}

// swap puts a new engine in an old one's place, once it knows the operations in use.
func (s *Server) swap(old, e *engine) {
	ctx, cancel := context.WithTimeout(context.Background(), warming)
	defer cancel()
	e.prepare.Warm(ctx, old.prepare)
	s.engine.Store(e)
	close(old.replaced)
	hosts := map[string]bool{}
	for _, to := range e.callers.byName {
		if to.url != nil {
			hosts[to.url.Host] = true
		}
	}
	left := false
	for name, to := range old.callers.byName {
		if e.callers.byName[name] == nil {
			s.metrics.forget(name)
		}
		left = left || to.url != nil && !hosts[to.url.Host]
	}
	s.hosts.keep(hosts)
	if left {
		s.client.CloseIdleConnections() // some lead to where nothing is asked any more
	}
}

func (s *Server) outcome(what string, err error) {
	s.metrics.reloaded(what, err == nil)
	s.reloads.reason.Lock()
	defer s.reloads.reason.Unlock()
	reason := &s.reloads.schema
	if what == configReload {
		reason = &s.reloads.config
	}
	*reason = ""
	if err != nil {
		*reason = err.Error()
	}
}

// refusals gives why the newest schema and configuration are not in use, "" where they are.
func (r *reloads) refusals() (schema, config string) {
	r.reason.RLock()
	defer r.reason.RUnlock()
	return r.schema, r.config
}

func (s *Server) build(sdl string, config Config) (*engine, error) {
	graph, err := supergraph.Parse(sdl)
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	uploads := config.Uploads.of(graph.API())
	prepares := prepare.Options{Limits: config.operationLimits(), NoIntrospection: !config.introspection(), Uploads: uploads}
	if config.Demand.Mode != demandOff {
		prepares.Costs, prepares.MaxCost = cost.New(graph, cost.Options{ListSize: config.Demand.ListSize}), config.Demand.most()
	}
	p, err := prepare.New(graph, prepares)
	if err != nil {
		return nil, fmt.Errorf("read the supergraph: %w", err)
	}
	callers, err := s.newSubgraphs(graph, &config)
	if err != nil {
		return nil, err
	}
	documents, err := s.readDocuments(&config, p)
	if err != nil {
		return nil, err
	}
	s.checkOverrides(graph, &config)
	return &engine{
		sdl: sdl, config: &config, prepare: p, graph: graph, callers: callers, since: time.Now(), replaced: make(chan struct{}), documents: documents,
		uploads: uploads, sharing: newSharing(),
		execute: execute.New(callers, execute.Options{
			MaskErrors: config.Subgraphs.MaskErrors, ErrorExtensions: config.Subgraphs.ErrorExtensions,
			NameSubgraphs: config.Subgraphs.NameInErrors, Log: s.log, Workers: s.workers, MemoryBudget: int64(config.Limits.MemoryBytes),
			QueueLength: config.Limits.QueueLength, QueueTime: config.queueTime, QueueShare: config.Clients.Shares.Waiting, Buffers: s.buffers,
		}),
	}, nil
}
