package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/pprof"

	"github.com/lethe/lethe/router/server"
)

// serveRouter serves Lethe's router and writes a CPU profile when it ends: the address to listen on, the file with the
// supergraph, and the file for the profile.
func serveRouter(ctx context.Context, args []string) (err error) {
	if len(args) != 3 {
		return errors.New(partRouter + " takes an address and two files")
	}
	sdl, err := os.ReadFile(args[1])
	if err != nil {
		return fmt.Errorf("read the supergraph: %w", err)
	}
	ln, err := net.Listen("tcp", args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	f, err := os.Create(args[2])
	if err != nil {
		return fmt.Errorf("create the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return fmt.Errorf("start the profile: %w", err)
	}
	defer func() {
		pprof.StopCPUProfile()
		err = errors.Join(err, f.Close())
	}()
	return server.Run(ctx, ln, server.Options{Supergraph: string(sdl), Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
}
