package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"

	"github.com/lethe/lethe/router/server"
)

// serveRouter serves Lethe's router until the standard input ends: the address to listen on, the file with the supergraph,
// and, where there is one, the file for a CPU profile. Each line of the input is a file to write a profile of the heap to. It
// takes no signal to end, as Callgrind does not survive any.
func serveRouter(ctx context.Context, args []string) (err error) {
	if len(args) < 2 || len(args) > 3 {
		return errors.New(partRouter + " takes an address and one or two files")
	}
	sdl, err := os.ReadFile(args[1])
	if err != nil {
		return fmt.Errorf("read the supergraph: %w", err)
	}
	ln, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if err := writeHeap(lines.Text()); err != nil {
				slog.Error("no profile of the heap", "error", err)
			}
		}
	}()
	if len(args) == 3 {
		f, err := os.Create(args[2])
		if err != nil {
			return fmt.Errorf("create the profile: %w", err)
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return errors.Join(fmt.Errorf("start the profile: %w", err), f.Close())
		}
		defer func() {
			pprof.StopCPUProfile()
			err = errors.Join(err, f.Close())
		}()
	}
	return server.Run(ctx, ln, server.Options{Supergraph: string(sdl), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
}

// writeHeap writes what is on the heap.
func writeHeap(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("create the profile: %w", err)
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}
