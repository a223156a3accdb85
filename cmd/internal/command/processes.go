package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lethe/lethe/chassis"
	"github.com/lethe/lethe/chassis/conns"
	"github.com/lethe/lethe/cmd/internal/process"
	"github.com/lethe/lethe/router/reload"
	"github.com/lethe/lethe/schema"
)

const defaultListen = ":8080"

// subgraph runs one subgraph.
func subgraph(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "subgraph")
	var s server
	s.register(fs, "")
	name, rest := firstWord(args)
	if err := parse(fs, rest, 0, ""); err != nil {
		return err
	}
	env := chassis.NewEnv(sys.Lookup)
	p, err := process.ReadSubgraph(env, name, sys.BuildID)
	if err != nil {
		return usage("%s", err)
	}
	return serve(ctx, sys, "subgraph", env, s, p)
}

// work runs the workflows.
func work(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "worker")
	var s server
	s.register(fs, "")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	env := chassis.NewEnv(sys.Lookup)
	return serve(ctx, sys, "worker", env, s, process.ReadWorker(env, sys.BuildID))
}

// supportConsole runs the support staff's pages.
func supportConsole(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "console")
	var s server
	s.register(fs, "")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	env := chassis.NewEnv(sys.Lookup)
	return serve(ctx, sys, "console", env, s, process.ReadConsole(env))
}

// sandbox runs the outside parties that stand in for real ones.
func sandbox(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "sandbox")
	var s server
	s.register(fs, "")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	env := chassis.NewEnv(sys.Lookup)
	return serve(ctx, sys, "sandbox", env, s, process.ReadSandbox(env))
}

// opener is a process whose configuration was read.
type opener interface {
	Open(ctx context.Context, log *slog.Logger) (*process.Opened, error)
}

// checker is a process that finds mistakes in its configuration beyond what reading it shows.
type checker interface {
	Check() error
}

// serve listens, opens the process and serves it until ctx is done. Mistakes that were found already are reported together
// with those of the environment.
func serve(ctx context.Context, sys System, name string, env *chassis.Env, s server, p opener, mistakes ...error) (err error) {
	log := logger(sys, env)
	addr := listenAddress(env, s)
	s.stop.read(env)
	bounds := connectionBounds(env)
	found := errors.Join(errors.Join(mistakes...), env.Err())
	if c, ok := p.(checker); ok && found == nil {
		found = c.Check()
	}
	if done, err := configured(sys, name, found, s.check); done || err != nil {
		return err
	}
	ln, err := listen(ctx, addr)
	if err != nil {
		return err
	}
	opened, err := p.Open(ctx, log)
	if err != nil {
		return errors.Join(err, ln.Close())
	}
	opened.Service.Stop = s.stop.over(opened.Service.Stop)
	if !opened.Whole { // a router has it from its own configuration
		opened.Service.Bounds.Connections = bounds
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, opened.Close(stop))
	}()
	log.Info("serving", "service", opened.Service.Name, "addr", ln.Addr().String())
	return opened.Serve(ctx, log, ln)
}

// connectionBounds returns how many connections a process takes, zero for the defaults.
func connectionBounds(env *chassis.Env) conns.Options {
	const most = 1 << 24
	return conns.Options{All: env.Int("MAX_CONNECTIONS", 0, 1, most), PerAddress: env.Int("MAX_CONNECTIONS_PER_ADDRESS", 0, 1, most)}
}

// listenAddress returns the address to listen on. What is wrong with it stands in env.Err.
func listenAddress(env *chassis.Env, s server) string {
	fromEnv := env.Listen("LISTEN", defaultListen)
	if s.listen == "" {
		return fromEnv
	}
	if err := chassis.CheckListen(s.listen); err != nil {
		env.Refuse(fmt.Errorf("--listen %w", err))
	}
	return s.listen
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, usage("%s is in use by another program: stop it, or choose another address with --listen", addr)
	case err != nil:
		return nil, usage("%s cannot be listened on: %s", addr, err)
	}
	return ln, nil
}

// firstWord takes the first argument that is no flag off args.
func firstWord(args []string) (string, []string) {
	if len(args) > 0 && len(args[0]) > 0 && args[0][0] != '-' {
		return args[0], args[1:]
	}
	return "", args
}

// seed fills empty databases.
func seed(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "seed")
	check := fs.Bool("check", false, "read the configuration, say whether it is right, and exit")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	env := chassis.NewEnv(sys.Lookup)
	log := logger(sys, env)
	s := process.ReadSeed(env)
	if done, err := configured(sys, "seed", env.Err(), *check); done || err != nil {
		return err
	}
	began := time.Now()
	seeded, err := s.Run(ctx, log)
	if err != nil {
		return err
	}
	log.Info("seeded", "products", seeded.Products, "customers", seeded.Customers, "seconds", time.Since(began).Seconds())
	return nil
}

// router runs the router, for Lethe's own supergraph or any other.
func router(ctx context.Context, sys System, args []string) error {
	fs := flags(sys, "router")
	var s server
	s.register(fs, "")
	file := fs.String("supergraph", "", "`file` with the supergraph, which is watched; Lethe's own when left out")
	var subgraphs subgraphFlag
	fs.Var(&subgraphs, "subgraph", "`NAME=FILE[@URL]`: in place of a supergraph, a subgraph to compose one from, once for each; the files are watched")
	configFile := fs.String("config", "", "`file` with the configuration, in YAML, which is watched")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	if *file != "" && len(subgraphs.list) > 0 {
		return usage("--supergraph and --subgraph exclude each other: give the supergraph, or what it is composed from")
	}
	source := subgraphs.source()
	source.File = *file
	o := process.RouterOptions{Supergraph: schema.Supergraph(), Reload: reload.Options{Schema: source, Config: *configFile}}
	o.Shop = len(source.Files()) == 0
	var mistakes []error
	if !o.Shop {
		var err error
		if o.Supergraph, err = source.Read(); err != nil {
			mistakes = append(mistakes, schemaMistakes(err))
			o.Supergraph = ""
		}
	}
	if *configFile != "" {
		var err error
		if o.Config, err = reload.ReadConfig(*configFile); err != nil {
			mistakes = append(mistakes, err)
		}
	}
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	o.Reload.Again = again
	env := chassis.NewEnv(sys.Lookup)
	p, err := process.ReadRouter(env, o)
	return serve(ctx, sys, "router", env, s, p, append(mistakes, err)...)
}
