package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/cmd/internal/process"
	"github.com/lethe/lethe/router/compose"
	personaldata "github.com/lethe/lethe/router/compose/privacy"
	"github.com/lethe/lethe/router/cors"
	"github.com/lethe/lethe/schema"
)

// opener is a process whose configuration was read.
type opener interface {
	Open(ctx context.Context, log *slog.Logger) (*process.Opened, error)
}

// startServices opens and serves every process, and seeds the databases. Settings get what is only known on the way.
func startServices(ctx context.Context, log *slog.Logger, out *steps, p ports, env func() *chassis.Env, all *group, settings map[string]string) error {
	ln, address, err := listenLocal(ctx)
	if err != nil {
		return err
	}
	settings["STRIPE_API_URL"], settings["COURIER_URL"] = address, address+"/courier"
	began := time.Now()
	e := env()
	if err := open(ctx, log, all, e, process.ReadSandbox(e), ln); err != nil {
		return err
	}
	out.done("sandbox", "payment and courier, "+ln.Addr().String(), began)

	var wg sync.WaitGroup
	errs := make([]error, len(process.SubgraphNames())+1)
	for i, name := range process.SubgraphNames() {
		wg.Go(func() {
			began := time.Now()
			e := env()
			s, err := process.ReadSubgraph(e, name, "")
			if err != nil {
				errs[i] = err
				return
			}
			if errs[i] = listenAndOpen(ctx, log, all, e, s, p.addr(portCatalogue+i)); errs[i] == nil {
				out.done(name, "subgraph, "+p.addr(portCatalogue+i), began)
			}
		})
	}
	wg.Go(func() {
		began := time.Now()
		e := env()
		ln, _, err := listenLocal(ctx)
		if err != nil {
			errs[len(errs)-1] = err
			return
		}
		if errs[len(errs)-1] = open(ctx, log, all, e, process.ReadWorker(e, ""), ln); errs[len(errs)-1] == nil {
			out.done("worker", "fulfilment and erasure", began)
		}
	})
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}

	began = time.Now()
	seed := process.ReadSeed(env())
	seeded, err := seed.Run(ctx, log)
	if err != nil {
		return fmt.Errorf("seed the databases: %w", err)
	}
	out.done("seed", seeded.String(), began)

	began = time.Now()
	e = env()
	sdl, err := composeSupergraph(p)
	if err != nil {
		return err
	}
	options := process.RouterOptions{Supergraph: sdl, Shop: true, TokenPath: "/dev/token"}
	options.Config.QueryPlans = true
	// Pages that a developer serves on this machine may ask, whatever they ask with: that is what lethe-dev is for.
	options.Config.CORS = cors.Config{Origins: localOrigins(), Credentials: true, PrivateNetwork: true}
	// All of Lethe shares one machine here, on which a burst of orders takes a while.
	options.Config.Subgraphs.Timeout, options.Config.Timeout = "55s", "60s"
	router, err := process.ReadRouter(e, options)
	if err != nil {
		return err
	}
	tokens, err := process.NewTokenHandler(env(), seeded.FirstCustomer)
	if err != nil {
		return err
	}
	router.Wrap = func(h process.Handler) process.Handler { return devHandler(h, tokens) }
	if err := listenAndOpen(ctx, log, all, e, router, p.addr(portRouter)); err != nil {
		return err
	}
	out.done("router", "graph and playground, "+p.addr(portRouter), began)

	began = time.Now()
	e = env()
	if err := listenAndOpen(ctx, log, all, e, process.ReadConsole(e), p.addr(portConsole)); err != nil {
		return err
	}
	out.done("console", "support staff's pages, "+p.addr(portConsole), began)
	return nil
}

func listenAndOpen(ctx context.Context, log *slog.Logger, all *group, env *chassis.Env, o opener, addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	return open(ctx, log, all, env, o, ln)
}

// stopBehind is how what stands behind the doors stops, when no request needs it any more. A service's workers for workflows
// and for activities take that time one after the other, where they are at something: so it is less than half of
// [stopWithin].
func stopBehind() chassis.Stop { return chassis.Stop{Timeout: 600 * time.Millisecond} }

func open(ctx context.Context, log *slog.Logger, all *group, env *chassis.Env, o opener, ln net.Listener) error {
	timeout := env.Duration("SHUTDOWN_TIMEOUT", 0, time.Millisecond, 24*time.Hour)
	if err := env.Err(); err != nil {
		return errors.Join(usageError(err.Error()), ln.Close())
	}
	opened, err := o.Open(ctx, log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	switch o.(type) {
	case *process.Router, *process.Console:
		own := opened.Service.Stop
		opened.Service.Stop = func() chassis.Stop {
			how := chassis.DefaultStop()
			if own != nil {
				how = own()
			}
			how.Timeout = cmp.Or(timeout, how.Timeout)
			return how
		}
		all.serve(opened, ln, &all.doors)
	default:
		opened.Service.Stop = stopBehind
		all.serve(opened, ln, &all.behind)
	}
	return nil
}

// localOrigins are those of pages on this machine, on any port.
func localOrigins() []string {
	var out []string
	for _, name := range []string{"localhost", "127.0.0.1", "[::1]"} {
		out = append(out, "http://"+name+":*", "https://"+name+":*")
	}
	return out
}

// composeSupergraph composes the subgraphs with the addresses at which lethe-dev serves them.
func composeSupergraph(p ports) (string, error) {
	var subgraphs []compose.Subgraph
	for i, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: p.url(portCatalogue+i) + "/graphql", SDL: s.SDL})
	}
	result, errs := compose.Compose(subgraphs, compose.WithValidation(personaldata.Validation()))
	if len(errs) > 0 {
		return "", errors.New("compose the subgraphs: " + compose.FormatText(errs))
	}
	return result.SDL, nil
}
