// Command lethe-dev runs all of Lethe in one process on embedded servers, seeded, for developers: the four subgraphs, the
// router, the workflows, the console, and MongoDB, Redis and Temporal where none is configured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	first, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	second, cut := context.WithCancel(context.Background())
	again := make(chan os.Signal, 1)
	context.AfterFunc(first, func() {
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		stop()
		<-again
		signal.Stop(again) // a third one ends the process as it stands
		cut()
	})
	code := start(first, second, os.Args[1:], os.Stdout, os.Stderr)
	os.Exit(code)
}

// start reads the command line and runs until ctx is done; requests under way are then waited for until atOnce is. It gives
// the exit code: 2 for a mistake of the caller.
func start(ctx, atOnce context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := readOptions(args, stdout)
	if err == nil {
		err = run(ctx, atOnce, o, os.LookupEnv, stdout, stderr)
	}
	var mistake usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &mistake):
		for line := range strings.SplitSeq(string(mistake), "\n") {
			_, _ = fmt.Fprintf(stderr, "lethe-dev: %s\n", line)
		}
		return 2
	default:
		_, _ = fmt.Fprintf(stderr, "lethe-dev: %s\n", strings.ReplaceAll(err.Error(), "\n", "; "))
		return 1
	}
}

type commandLine struct {
	base      int
	data      string
	ephemeral bool
}

func readOptions(args []string, stdout io.Writer) (commandLine, error) {
	var o commandLine
	fs := flag.NewFlagSet("lethe-dev", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.IntVar(&o.base, "port-base", 4000, "the `first` of the ten ports that lethe-dev listens on")
	fs.StringVar(&o.data, "data", ".lethe", "the `directory` that keeps the data from one start to the next")
	fs.BoolVar(&o.ephemeral, "ephemeral", false, "keep nothing")
	fs.Usage = func() {}
	help := func() {
		_, _ = fmt.Fprintln(stdout, "lethe-dev: all of Lethe in one process, for development\n\nFlags:")
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		_, _ = fmt.Fprintln(stdout, "\nMONGODB_URI, REDIS_URL and TEMPORAL_ADDRESS name servers to use in place of the embedded ones.\nSHUTDOWN_TIMEOUT is how long requests under way may take once lethe-dev is told to stop; told again it stops at once.")
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			help()
			return o, err
		}
		return o, usageError(fmt.Sprintf("%s: run lethe-dev -h for the flags", err))
	}
	if fs.NArg() > 0 {
		return o, usageError(fmt.Sprintf("%q is not understood: run lethe-dev -h for the flags", fs.Arg(0)))
	}
	if o.base < 1024 || o.base > 65536-portCount {
		return o, usageError(fmt.Sprintf("--port-base must be from 1024 to %d", 65536-portCount))
	}
	return o, nil
}
