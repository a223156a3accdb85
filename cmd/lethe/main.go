// Command lethe is the binary that is deployed: a subcommand for each process and tool.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/lethe/lethe/cmd/internal/command"
)

// buildID is set by the linker. With it workers are versioned.
var buildID string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := command.Main(ctx, command.System{Lookup: os.LookupEnv, Stdout: os.Stdout, Stderr: os.Stderr, BuildID: buildID}, os.Args[1:])
	stop()
	os.Exit(code)
}
