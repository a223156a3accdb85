package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"

	"github.com/lethe/lethe/router/server"
)

// serveRouter serves Lethe's router until the standard input ends: the address to listen on, the file with the supergraph,
// and, where there is one, the file for a CPU profile. It takes no signal to end, as Callgrind does not survive any.
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
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends
		cancel()
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
