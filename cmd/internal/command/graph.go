package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	personaldata "github.com/lethe/lethe/router/compose/privacy"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/reload"
	"github.com/lethe/lethe/router/supergraph"
)

const (
	maxSchema    = 32 << 20
	maxOperation = 1 << 20
)

// subgraphFlag collects --subgraph NAME=FILE[@URL].
type subgraphFlag struct{ list []reload.Subgraph }

func (f *subgraphFlag) String() string { return "" }

func (f *subgraphFlag) Set(v string) error {
	g, err := reload.ParseSubgraph(v)
	if err != nil {
		return err
	}
	f.list = append(f.list, g)
	return nil
}

// source gives the supergraph that the subgraphs compose to, under Lethe's own rules too.
func (f *subgraphFlag) source() reload.Source {
	return reload.Source{Subgraphs: f.list, Compose: []compose.Option{compose.WithValidation(personaldata.Validation())}}
}

// schemaMistakes returns why a supergraph cannot be read or composed, a line each.
func schemaMistakes(err error) error {
	var composition *reload.CompositionError
	if errors.As(err, &composition) {
		return errors.New(strings.TrimSpace(compose.FormatText(composition.Errors)))
	}
	return errors.New(oneLine(err))
}

// composeSchemas composes subgraph schemas into a supergraph.
func composeSchemas(_ context.Context, sys System, args []string) error {
	fs := flags(sys, "compose")
	var subgraphs subgraphFlag
	fs.Var(&subgraphs, "subgraph", "`NAME=FILE[@URL]`: a subgraph's name, the file with its schema, and where it is served; once for each subgraph")
	out := fs.String("o", "", "write the supergraph to this `file` in place of standard output")
	format := fs.String("format", "text", "text or json: with json, one document with errors, hints and, without -o, the supergraph goes to standard output")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	if len(subgraphs.list) == 0 {
		return usage("no subgraph is named: give at least one --subgraph NAME=FILE")
	}
	if *format != "text" && *format != "json" {
		return usage("--format is %q: it must be text or json", *format)
	}
	from := subgraphs.source()
	schemas, err := from.Schemas()
	if err != nil {
		return usage("%s", oneLine(err))
	}
	result, errs := compose.Compose(schemas, from.Compose...)
	outcome := composed{Errors: errs, Hints: []compose.Error{}}
	if len(errs) == 0 {
		outcome.Errors = []compose.Error{}
		outcome.Hints = append(outcome.Hints, result.Hints...)
		if *out == "" {
			outcome.Supergraph = result.SDL
		} else if err := os.WriteFile(*out, []byte(result.SDL), 0o644); err != nil {
			return fmt.Errorf("write the supergraph: %w", err)
		}
	}
	write := outcome.text
	if *format == "json" {
		write = outcome.json
	}
	if err := write(sys); err != nil {
		return err
	}
	if len(errs) > 0 {
		return errReported
	}
	return nil
}

// composed is what lethe compose says. Errors and hints are never null.
type composed struct {
	Errors []compose.Error `json:"errors"`
	Hints  []compose.Error `json:"hints"`
	// Supergraph is the schema, left out where it goes to a file or there is none.
	Supergraph string `json:"supergraph,omitempty"`
}

// text writes the supergraph to standard output, and errors, or else hints as warnings, to standard error.
func (c composed) text(sys System) error {
	if len(c.Errors) > 0 {
		_, err := fmt.Fprintln(sys.Stderr, compose.FormatText(c.Errors))
		return err
	}
	for _, h := range c.Hints {
		if _, err := fmt.Fprint(sys.Stderr, "warning: "+compose.FormatText([]compose.Error{h})); err != nil {
			return err
		}
	}
	_, err := fmt.Fprint(sys.Stdout, c.Supergraph)
	return err
}

// json writes all as one document to standard output.
func (c composed) json(sys System) error {
	doc, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("write the outcome: %w", err)
	}
	_, err = fmt.Fprintln(sys.Stdout, string(doc))
	return err
}

// planOperation prints the query plan of an operation.
func planOperation(_ context.Context, sys System, args []string) error {
	fs := flags(sys, "plan")
	schemaFile := fs.String("supergraph", "", "`file` with the supergraph")
	operationFile := fs.String("operation", "", "`file` with the operation")
	name := fs.String("name", "", "the operation's name, where the file has several")
	format := fs.String("format", "text", "text or json")
	whole := fs.Bool("whole", false, "plan as for clients that take the answer whole: @defer counts for nothing")
	if err := parse(fs, args, 0, ""); err != nil {
		return err
	}
	if *schemaFile == "" || *operationFile == "" {
		return usage("--supergraph and --operation are needed")
	}
	if *format != "text" && *format != "json" {
		return usage("--format is %q: it must be text or json", *format)
	}
	sdl, err := readFile(*schemaFile, maxSchema)
	if err != nil {
		return err
	}
	text, err := readFile(*operationFile, maxOperation)
	if err != nil {
		return err
	}
	sg, err := supergraph.Parse(string(sdl))
	if err != nil {
		return fmt.Errorf("read the supergraph: %w", err)
	}
	doc, errs := gqlparser.LoadQueryWithRules(sg.API(), string(text), rules.NewDefaultRules())
	if len(errs) > 0 {
		return fmt.Errorf("the operation is not valid: %w", errs)
	}
	planner, err := plan.NewPlanner(sg)
	if err != nil {
		return fmt.Errorf("prepare to plan: %w", err)
	}
	var options plan.Options
	if !*whole {
		options.Defer = func(string) bool { return true }
	}
	p, err := planner.PlanFor(doc, *name, options)
	if err != nil {
		return fmt.Errorf("plan the operation: %w", err)
	}
	if *format == "json" {
		doc, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			return fmt.Errorf("write the plan: %w", err)
		}
		_, err = fmt.Fprintln(sys.Stdout, string(doc))
		return err
	}
	_, err = fmt.Fprintln(sys.Stdout, p.String())
	return err
}
