// Command gateways measures what a router costs per request, against null routers and other gateways. It is described in
// docs/performance.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/lethe/lethe/bench/gateways/floor"
	"github.com/lethe/lethe/bench/gateways/scenario"
	"github.com/lethe/lethe/bench/gateways/subgraph"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gateways:", err)
		os.Exit(1)
	}
}

// run measures; with the first argument of a part it is that part, in a process of its own.
func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case partSubgraphs:
			return serveSubgraphs(ctx, args[1:])
		case partFloor:
			return serveFloor(args[1:])
		case partLarge:
			return serveLarge(ctx, args[1:])
		case partRouter:
			return serveRouter(ctx, args[1:])
		}
	}
	o, err := readOptions(args)
	if err != nil {
		return err
	}
	return measure(ctx, o)
}

// The parts of the rig that run in processes of their own.
const (
	partSubgraphs = "part-subgraphs"
	partFloor     = "part-floor"
	partRouter    = "part-router"
)

// serveSubgraphs serves the subgraphs of a set, writes their addresses as a line of JSON, and runs until ctx is done. Its
// arguments are the set's name and the directory of the public benchmark.
func serveSubgraphs(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New(partSubgraphs + " takes the name of a set of scenarios and a directory")
	}
	sets, err := scenario.All(publicFiles(args[1]))
	if err != nil {
		return err
	}
	for _, s := range sets {
		if s.Name != args[0] {
			continue
		}
		addresses, err := subgraph.Serve(s.World)
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
			return fmt.Errorf("write the addresses: %w", err)
		}
		<-ctx.Done()
		return nil
	}
	return fmt.Errorf("there is no set of scenarios %q", args[0])
}

// publicFiles returns the files of the public benchmark in a directory, and nil where they are not there.
func publicFiles(dir string) fs.FS {
	files := os.DirFS(dir)
	if _, err := fs.Stat(files, "data.json"); err != nil {
		return nil
	}
	return files
}

// serveFloor serves a null router: its kind, the address to listen on, and the file with its script.
func serveFloor(args []string) error {
	if len(args) != 3 {
		return errors.New(partFloor + " takes a kind, an address and a file")
	}
	s, err := floor.ReadScript(args[2])
	if err != nil {
		return err
	}
	for _, f := range floors() {
		if f.kind == args[0] {
			return f.serve(args[1], s)
		}
	}
	return fmt.Errorf("there is no null router of the kind %q", args[0])
}
