// Package compose composes subgraph schemas into a supergraph schema, by the rules of Apollo Federation 2.
//
// The stages, each of which ends composition when it finds errors, are those of the specification: every schema is read
// and completed with the definitions of the specifications it links; schemas of Federation 1 are upgraded; each schema is
// validated by itself; the schemas are merged; the merged schema is validated; and it is proved that every query that the
// API admits can be answered ([github.com/lethe/lethe/router/plan] does the searching).
package compose

import (
	"fmt"
	"runtime/debug"
	"sort"
	"strings"
)

// Subgraph is a subgraph to compose: its name within the supergraph, the address where it is served, and its schema.
type Subgraph struct {
	Name string
	URL  string
	SDL  string
}

// Location is a place in a subgraph's schema. Lines and columns count from 1.
type Location struct {
	Subgraph string `json:"subgraph"`
	Line     int    `json:"line"`
	Column   int    `json:"column"`
}

// Error says why subgraphs do not compose, or, as a hint, what is odd about them.
type Error struct {
	// Code is the code of the Federation documentation, e.g. INVALID_FIELD_SHARING.
	Code string `json:"code"`
	// Message says what is wrong, for a person to read.
	Message string `json:"message"`
	// Subgraphs names the subgraphs that take part, sorted.
	Subgraphs []string `json:"subgraphs"`
	// Locations are the places in the schemas, as far as they are known.
	Locations []Location `json:"locations,omitempty"`
}

// Error gives the code and the message.
func (e Error) Error() string { return e.Code + ": " + e.Message }

// Result is a supergraph.
type Result struct {
	// SDL is the schema of the supergraph, with join specification 0.3 to 0.5 as its subgraphs need.
	SDL string
	// Hints are observations that do not stand in the way of composition.
	Hints []Error
}

// Validation checks the merged schema against the rules of a linked specification. It is called only when at least one
// subgraph links the specification, after the merge and before satisfiability.
type Validation struct {
	// Identity is the specification's address without its version: "https://lethe.dev/privacy".
	Identity string
	Check    func(*Merged) []Error
}

// Option changes how [Compose] works.
type Option func(*composer)

// WithValidation has the merged schema checked by v too.
func WithValidation(v Validation) Option {
	return func(c *composer) { c.validations = append(c.validations, v) }
}

// composer carries what the stages of one composition share.
type composer struct {
	validations []Validation
	schemas     []*schema
	errors      []Error
	hints       []Error
}

// Compose composes subgraphs. It gives the supergraph, or every error that the first failing stage found; never both.
// The same subgraphs give the same bytes, in whatever order they are passed.
func Compose(subgraphs []Subgraph, options ...Option) (result *Result, errs []Error) {
	c := &composer{}
	for _, o := range options {
		o(c)
	}
	// Nothing below is meant to panic; should it yet, the caller gets an error and keeps the supergraph it has.
	defer func() {
		if p := recover(); p != nil {
			result, errs = nil, []Error{{Code: codeInternal, Message: fmt.Sprintf("Composition failed inside: %v. This is a defect of the composer.\n%s", p, debug.Stack())}}
		}
	}()
	result = c.compose(subgraphs)
	if len(c.errors) > 0 {
		return nil, finish(c.errors)
	}
	result.Hints = finish(c.hints)
	return result, nil
}

func (c *composer) compose(subgraphs []Subgraph) *Result {
	c.load(subgraphs)
	if len(c.errors) > 0 {
		return nil
	}
	c.upgrade()
	if len(c.errors) > 0 {
		return nil
	}
	m := c.merge()
	if len(c.errors) > 0 {
		return nil
	}
	merged := newMerged(m)
	for _, v := range c.validations {
		if merged.Links(v.Identity) {
			c.errors = append(c.errors, v.Check(merged)...)
		}
	}
	if len(c.errors) > 0 {
		return nil
	}
	c.errors = append(c.errors, satisfiable(m.print(false))...)
	if len(c.errors) > 0 {
		return nil
	}
	return &Result{SDL: m.print(true)}
}

// finish drops repeated errors and sorts the subgraphs of each.
func finish(errs []Error) []Error {
	seen := map[string]bool{}
	var out []Error
	for _, e := range errs {
		key := e.Code + "\x00" + e.Message
		if seen[key] {
			continue
		}
		seen[key] = true
		names := append([]string{}, e.Subgraphs...)
		sort.Strings(names)
		e.Subgraphs = dedupe(names)
		out = append(out, e)
	}
	return out
}

func dedupe(sorted []string) []string {
	out := sorted[:0]
	for i, s := range sorted {
		if i == 0 || s != sorted[i-1] {
			out = append(out, s)
		}
	}
	return out
}

// FormatText writes errors for a terminal: the code, the subgraphs, the message and the places of each.
func FormatText(errs []Error) string {
	var b strings.Builder
	for _, e := range errs {
		fmt.Fprintf(&b, "%s", e.Code)
		if len(e.Subgraphs) > 0 {
			fmt.Fprintf(&b, " [%s]", strings.Join(e.Subgraphs, ", "))
		}
		b.WriteString("\n")
		for _, line := range strings.Split(e.Message, "\n") {
			b.WriteString("  " + line + "\n")
		}
		for _, l := range e.Locations {
			fmt.Fprintf(&b, "  at %s:%d:%d\n", l.Subgraph, l.Line, l.Column)
		}
	}
	return b.String()
}
