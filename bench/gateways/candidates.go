package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lethe/lethe/bench/gateways/floor"
	"github.com/lethe/lethe/bench/gateways/load"
	"github.com/lethe/lethe/bench/gateways/process"
)

// The names of the routers in reports.
const (
	nameLethe         = "lethe"
	nameFloorFastHTTP = "floor-fasthttp"
	nameFloorHTTP1    = "floor-http1"
	nameFloorNetHTTP  = "floor-nethttp"
)

// null is a null router.
type null struct {
	name, kind string
	serve      func(address string, s *floor.Script) error
}

// floors gives the null routers in the order of reports: on fasthttp, on the client and server of Lethe's router, and on
// net/http.
func floors() []null {
	return []null{
		{nameFloorFastHTTP, "fasthttp", floor.FastHTTP},
		{nameFloorHTTP1, "http1", floor.HTTP1},
		{nameFloorNetHTTP, "nethttp", floor.NetHTTP},
	}
}

// isFloor reports whether a router is a null router.
func isFloor(name string) bool {
	return slices.ContainsFunc(floors(), func(n null) bool { return n.name == name })
}

// candidate is a router to be measured.
type candidate struct {
	name string
	// command gives the command line for a port.
	command func(port string) []string
	env     []string
}

// files are what the routers are started with.
type files struct {
	self       string // this program
	lethe      string
	supergraph string
	script     string // of the null routers
	sharing    string // the configuration with which Lethe's router shares
}

// candidates gives the routers that o asks for, the floors first, and why others are not among them.
func candidates(o *options, f files, dir string) (out []candidate, missing []failure) {
	var all []candidate
	for _, n := range floors() {
		all = append(all, candidate{name: n.name, command: func(port string) []string {
			return []string{f.self, partFloor, n.kind, "127.0.0.1:" + port, f.script}
		}})
	}
	all = append(all, candidate{name: nameLethe, command: func(port string) []string { return letheCommand(o, f, port) }})
	rust, err := hiveRouter(o, f, dir)
	if err != nil && o.only.takes(nameHiveRouter) {
		missing = append(missing, failure{nameHiveRouter, err.Error()})
	}
	others, err := javascript(o, f, dir)
	if err != nil && o.only.takesAny(javascriptNames()) {
		missing = append(missing, failure{"npm", err.Error()})
	}
	all = slices.Concat(all, rust, others)
	for _, p := range o.peers {
		all = append(all, candidate{name: p.name, command: func(port string) []string {
			line := strings.NewReplacer("{supergraph}", f.supergraph, "{port}", port).Replace(p.command)
			return []string{"/bin/sh", "-c", "exec " + line}
		}})
	}
	for _, c := range all {
		if o.only.takes(c.name) {
			out = append(out, c)
		}
	}
	return out, missing
}

func letheCommand(o *options, f files, port string) []string {
	args := []string{f.lethe, "router", "--supergraph", f.supergraph, "--listen", "127.0.0.1:" + port}
	switch {
	case o.config != "":
		args = append(args, "--config", o.config)
	case o.sharing:
		args = append(args, "--config", f.sharing)
	}
	return args
}

// buildLethe builds the binary that is deployed, unless one was given.
func buildLethe(ctx context.Context, given, dir string) (string, error) {
	if given != "" {
		return filepath.Abs(given)
	}
	out := filepath.Join(dir, "lethe")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "github.com/lethe/lethe/cmd/lethe")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build lethe: %w", err)
	}
	return out, nil
}

// running is a candidate that serves.
type running struct {
	*process.Process
	name string
	load *load.Generator
}

// start starts a candidate and waits until it gives the right answer.
func start(ctx context.Context, c candidate, o *options, s *load.Scenario) (*running, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := process.Start(pinned(o.pin, c.command(port), c.env))
	if err != nil {
		return nil, err
	}
	r := &running{Process: p, name: c.name}
	if r.load, err = load.New("http://127.0.0.1:"+port+"/graphql", s); err == nil {
		err = ready(ctx, r.load, p.Ended())
	}
	if err != nil {
		p.Stop(ctx)
		return nil, fmt.Errorf("%s: %w\n%s", c.name, err, p.Output())
	}
	return r, nil
}

// ready waits until the router gives the right answer; ended is closed where it ends before.
func ready(ctx context.Context, g *load.Generator, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		_, err := g.Ask()
		if err == nil {
			return nil
		}
		select {
		case <-again.C:
		case <-ended:
			return errors.New("it ended before it served")
		case <-ctx.Done():
			return fmt.Errorf("it did not come to serve: %w", err)
		}
	}
}

// pinned makes the command, on the given cores where there are any.
func pinned(cores string, line, env []string) *exec.Cmd {
	if cores != "" {
		line = append([]string{"taskset", "-c", cores}, line...)
	}
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

func freePort() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(ln.Addr().String())
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	if _, err := strconv.Atoi(port); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return port, ln.Close()
}
