package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/cmd/internal/process"
)

// stopWithin bounds how long a stop takes once the requests under way are answered. What is cut off then loses nothing: every
// store journals what it acknowledged, and Temporal repeats what an activity did not end.
const stopWithin = 1900 * time.Millisecond

// run starts everything, says so, and stops everything when ctx is done.
func run(ctx, atOnce context.Context, o commandLine, lookup func(string) (string, bool), stdout, stderr io.Writer) (err error) {
	began := time.Now()
	p := ports{o.base}
	if err := p.free(); err != nil {
		return err
	}
	dir, err := openDirectory(o.data, o.ephemeral)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	settings, err := dir.keys()
	if err != nil {
		return err
	}
	level, ok := lookup("LOG_LEVEL")
	if !ok {
		level = "warn"
	}
	log, err := chassis.NewLogger(stderr, "text", level)
	if err != nil {
		return usageError(err.Error())
	}
	out := &steps{out: stdout}
	where := "data in " + dir.path
	if o.ephemeral {
		where = "nothing is kept"
	}
	out.line("lethe-dev: starting on ports %d to %d, %s", o.base, o.base+portCount-1, where)

	all := &group{log: log, out: out}
	defer func() { err = errors.Join(err, all.stop(atOnce)) }()
	infra, err := startServers(ctx, log, out, dir, p, lookup)
	all.servers = infra
	if err != nil {
		return err
	}
	settings = infra.settings(settings, p)
	env := func() *chassis.Env { return chassis.NewEnv(overlay(settings, lookup)) }
	if err := startServices(ctx, log, out, p, env, all, settings); err != nil {
		return err
	}
	out.line("lethe is ready: graph and playground on %s, console on %s, Temporal's UI on %s (%.1f s)",
		p.url(portRouter), p.url(portConsole), p.url(portTemporalUI), time.Since(began).Seconds())
	select {
	case <-ctx.Done():
		out.line("lethe-dev: stopping")
		return nil
	case err := <-all.failed():
		return err
	}
}

// overlay reads a variable from the real environment and, where that has none, from what lethe-dev sets.
func overlay(settings map[string]string, lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if v, ok := lookup(name); ok && v != "" {
			return v, true
		}
		v, ok := settings[name]
		return v, ok
	}
}

// group is all that runs, so that it can be stopped together.
type group struct {
	log     *slog.Logger
	out     *steps
	servers *servers

	mu     sync.Mutex
	doors  served // that people come through: requests under way there need all the others
	behind served
	fail   chan error
}

// served are services that stop together.
type served struct {
	wg     sync.WaitGroup
	cancel []context.CancelFunc
	opened []*process.Opened
}

func (g *group) failed() chan error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.fail == nil {
		g.fail = make(chan error, 32)
	}
	return g.fail
}

// serve runs a service on ln until the group stops.
func (g *group) serve(opened *process.Opened, ln net.Listener, to *served) {
	failed := g.failed()
	ctx, cancel := context.WithCancel(context.Background())
	g.mu.Lock()
	to.cancel = append(to.cancel, cancel)
	to.opened = append(to.opened, opened)
	g.mu.Unlock()
	to.wg.Go(func() {
		if err := opened.Serve(ctx, g.log, ln); err != nil {
			failed <- fmt.Errorf("%s stopped: %w", opened.Service.Name, err)
		}
	})
}

// end tells services to stop, and returns a channel that is closed when they have.
func (g *group) end(s *served) <-chan struct{} {
	g.mu.Lock()
	for _, cancel := range s.cancel {
		cancel()
	}
	g.mu.Unlock()
	quiet := make(chan struct{})
	go func() { s.wg.Wait(); close(quiet) }()
	return quiet
}

// stop waits for the requests under way, or until atOnce is done. Then it ends the services behind them, closes all
// connections, and ends the servers, within stopWithin.
func (g *group) stop(atOnce context.Context) error {
	answered := g.end(&g.doors)
	slow := time.NewTimer(time.Second)
	defer slow.Stop()
	for waiting := true; waiting; {
		select {
		case <-answered:
			waiting = false
		case <-atOnce.Done():
			waiting = false
		case <-slow.C:
			g.out.line("lethe-dev: waiting for requests under way; stop it again to cut them")
		}
	}
	deadline := time.Now().Add(stopWithin)
	select {
	case <-g.end(&g.behind):
	case <-time.After(time.Until(deadline) - 500*time.Millisecond):
	}
	ctx, cancel := context.WithDeadline(context.Background(), deadline.Add(-300*time.Millisecond))
	defer cancel()
	var wg sync.WaitGroup
	for _, o := range append(g.doors.opened, g.behind.opened...) {
		wg.Go(func() {
			if err := o.Close(ctx); err != nil {
				g.log.Debug("close", "service", o.Service.Name, "error", err)
			}
		})
	}
	wg.Wait()
	if g.servers == nil {
		return nil
	}
	return g.servers.stop(time.Until(deadline))
}

// devHandler adds lethe-dev's own endpoints to the router.
func devHandler(router http.Handler, tokens http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /dev/token", tokens)
	mux.Handle("/", router)
	return mux
}
