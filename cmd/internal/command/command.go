// Package command is the command line of the lethe binary: it reads flags and the environment, and wires what they ask
// for. Each subcommand stands in a file of its own.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/lethe/lethe/chassis"
)

// Exit codes: what was asked failed, or it was asked wrongly.
const (
	exitFailed = 1
	exitUsage  = 2
)

// System is what a command touches of the world outside.
type System struct {
	Lookup  func(string) (string, bool) // os.LookupEnv
	Stdout  io.Writer
	Stderr  io.Writer
	BuildID string
}

// errUsage marks what the caller wrote wrongly: it exits with 2 after one line.
type errUsage struct{ msg string }

func (e errUsage) Error() string { return e.msg }

func usage(format string, a ...any) error { return errUsage{fmt.Sprintf(format, a...)} }

// errReported marks a failure that was already written out, and errMistaken a mistake of the caller that was.
var (
	errReported = errors.New("reported")
	errMistaken = errors.New("mistaken")
)

type subcommand struct {
	name    string
	args    string
	summary string
	run     func(ctx context.Context, sys System, args []string) error
}

func subcommands() []subcommand {
	return []subcommand{
		{"subgraph", "catalogue|inventory|orders|customers", "run one subgraph with its activity worker", subgraph},
		{"router", "[--supergraph FILE | --subgraph NAME=FILE[@URL] ...] [--config FILE] [--listen ADDR]", "run the router", router},
		{"worker", "", "run the workflows", work},
		{"console", "", "run the support staff's pages", supportConsole},
		{"sandbox", "", "run the sandboxes of the payment provider and the courier", sandbox},
		{"seed", "", "fill empty databases with a catalogue, stock, customers and orders", seed},
		{"compose", "--subgraph NAME=FILE[@URL] ... [-o FILE] [--format text|json]", "compose subgraph schemas into a supergraph", composeSchemas},
		{"plan", "--supergraph FILE --operation FILE", "print the query plan of an operation", planOperation},
		{"token", "--role customer|support|supervisor|admin [--subject ID] [--port-base N]", "print a token from a running lethe-dev", token},
		{"demo", "[--port-base N]", "place an order, see it delivered, erase the customer, verify the certificate", demo},
		{"health", "[--url URL]", "ask a running process whether it is ready", health},
		{"certificate", "verify FILE", "check an erasure certificate offline", certificate},
		{"keys", "", "print fresh keys for a deployment, as an environment file", keys},
		{"version", "", "print the version", version},
	}
}

// Main runs the subcommand that args name and gives the exit code.
func Main(ctx context.Context, sys System, args []string) int {
	if len(args) == 0 {
		help(sys.Stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		help(sys.Stdout)
		return 0
	}
	for _, c := range subcommands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, sys, args[1:])
		return report(sys.Stderr, "lethe "+c.name, err)
	}
	_, _ = fmt.Fprintf(sys.Stderr, "lethe: there is no command %q: run lethe help for the list\n", args[0])
	return exitUsage
}

// report writes err as one line and gives its exit code.
func report(w io.Writer, name string, err error) int {
	var wrong errUsage
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errReported):
		return exitFailed
	case errors.Is(err, errMistaken):
		return exitUsage
	case errors.As(err, &wrong):
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, wrong.msg)
		return exitUsage
	default:
		_, _ = fmt.Fprintf(w, "%s: %s\n", name, oneLine(err))
		return exitFailed
	}
}

func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
}

func help(w io.Writer) {
	_, _ = fmt.Fprintln(w, "lethe: one commerce graph that can forget\n\nUsage: lethe COMMAND [flags]\n\nCommands:")
	for _, c := range subcommands() {
		_, _ = fmt.Fprintf(w, "  %-12s %s\n", c.name, c.summary)
	}
	_, _ = fmt.Fprintln(w, "\nRun lethe COMMAND -h for the flags of a command.")
}

// flags gives a flag set whose mistakes become one line.
func flags(_ System, name string) *flag.FlagSet {
	fs := flag.NewFlagSet("lethe "+name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Usage = func() {}
	return fs
}

// describe writes what a command takes.
func describe(w io.Writer, fs *flag.FlagSet) {
	for _, c := range subcommands() {
		if "lethe "+c.name == fs.Name() {
			_, _ = fmt.Fprintf(w, "%s: %s\n\nUsage: %s %s\n\nFlags:\n", fs.Name(), c.summary, fs.Name(), c.args)
			fs.SetOutput(w)
			fs.PrintDefaults()
		}
	}
}

// parse reads flags and checks how many words are left.
func parse(fs *flag.FlagSet, args []string, words int, want string) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			describe(os.Stdout, fs)
			return err
		}
		return usage("%s: run %s -h for the flags", err, fs.Name())
	}
	if fs.NArg() != words {
		if words == 0 {
			return usage("%q is not understood: run %s -h", fs.Arg(0), fs.Name())
		}
		return usage("%s", want)
	}
	return nil
}

// server holds the flags that all serving commands have.
type server struct {
	listen string
	check  bool
	stop   stopping
}

func (s *server) register(fs *flag.FlagSet, listen string) {
	fs.StringVar(&s.listen, "listen", listen, "`address` to listen on, before LISTEN")
	s.stop.register(fs)
	fs.BoolVar(&s.check, "check", false, "read the configuration, say whether it is right, and exit")
}

// logger returns the log of a serving command. What is wrong with its variables stands in env.Err.
func logger(sys System, env *chassis.Env) *slog.Logger {
	log, err := chassis.NewLogger(sys.Stderr, env.String("LOG_FORMAT", "json"), env.String("LOG_LEVEL", "info"))
	env.Refuse(err)
	return log
}

// configured reports what is wrong with the configuration, in a line each, and tells with done when --check was all that was
// asked.
func configured(sys System, name string, err error, check bool) (done bool, _ error) {
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			if line != "" {
				_, _ = fmt.Fprintf(sys.Stderr, "lethe %s: %s\n", name, line)
			}
		}
		return false, errMistaken
	}
	if check {
		_, err := fmt.Fprintln(sys.Stdout, "the configuration is right")
		return true, err
	}
	return false, nil
}

func version(_ context.Context, sys System, args []string) error {
	if err := parse(flags(sys, "version"), args, 0, ""); err != nil {
		return err
	}
	id := sys.BuildID
	if id == "" {
		id = "development"
	}
	_, err := fmt.Fprintln(sys.Stdout, "lethe", id)
	return err
}

// readFile reads a file that a flag names.
func readFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, usage("%s cannot be read: %s", name, errors.Unwrap(err))
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, usage("%s cannot be read: %s", name, err)
	}
	if int64(len(b)) > limit {
		return nil, usage("%s is larger than %d bytes", name, limit)
	}
	return b, nil
}
