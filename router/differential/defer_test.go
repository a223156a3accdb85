package differential_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/prepare"
)

// TestDeferDifferential defers fragments of random operations over random supergraphs, puts the payloads together, and
// compares with what a plain executor answers to the operation: everything that it answers has to be there. Where a null
// goes up to an object, parts of that object may have been sent before. In every other world fields fail.
func TestDeferDifferential(t *testing.T) {
	t.Parallel()
	c := newCounts()
	if *seed > 0 {
		differDeferred(t, c, *seed)
		return
	}
	var next atomic.Uint64
	next.Store(*from - 1)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for c.asked.Load() < *operations/10 && c.differences.Load() < int64(*differing) {
				differDeferred(t, c, next.Add(1))
			}
		})
	}
	workers.Wait()
	t.Logf("%d operations in %d ways, %d refused, %d answers differ", c.asked.Load(), c.runs.Load(), c.refused.Load(), c.differences.Load())
}

// differDeferred tries one seed.
func differDeferred(t *testing.T, c *counts, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	failing := faults{fields: uint32(seed%2) * 9}
	g := randomSubgraphs(r, failing)
	w, refused, err := newWorld(g.subgraphs(), seed, failing)
	if len(refused) > 0 {
		return
	}
	var op operation
	for range perGraph / 3 {
		if err != nil {
			break
		}
		op = randomOperation(r, w.sg.API())
		op.text = deferring(r, op.text)
		err = w.compareDeferred(c, op)
	}
	if err == nil {
		return
	}
	c.differences.Add(1)
	again := newCounts()
	fails := func(text string) bool {
		smaller := op
		smaller.text = text
		return w.compareDeferred(again, smaller) != nil
	}
	if op.text != "" {
		op.text = shrink(op.text, fails)
		g.shrinkGraphs(func() bool {
			smaller, refused, err := newWorld(g.subgraphs(), w.u.salt, w.u.faults)
			if len(refused) > 0 || err != nil || smaller.compareDeferred(again, op) == nil {
				return false
			}
			w = smaller
			return true
		})
		op.text = shrink(op.text, fails)
		err = w.compareDeferred(again, op)
	}
	var b strings.Builder
	for _, s := range w.subgraphs {
		fmt.Fprintf(&b, "# subgraph %s\n%s\n", s.Name, strings.TrimPrefix(s.SDL, federationLink))
	}
	t.Errorf("seed %d: %v\n%srun it again with -run TestDeferDifferential -seed %d", seed, err, b.String(), seed)
}

// deferring defers some of the fragments of an operation, and puts some of its fields into others that are.
func deferring(r *rand.Rand, text string) string {
	doc, err := parser.ParseQuery(&ast.Source{Input: text})
	if err != nil {
		return text
	}
	labels := 0
	directive := func() ast.DirectiveList {
		labels++
		return ast.DirectiveList{{Name: "defer", Arguments: ast.ArgumentList{{Name: "label", Value: &ast.Value{Kind: ast.StringValue, Raw: strconv.Itoa(labels)}}}}}
	}
	var walk func(set ast.SelectionSet, may bool) ast.SelectionSet
	walk = func(set ast.SelectionSet, may bool) ast.SelectionSet {
		var out, put ast.SelectionSet
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if strings.HasPrefix(s.Name, "__") {
					break
				}
				s.SelectionSet = walk(s.SelectionSet, true)
				if may && r.IntN(4) == 0 {
					put = append(put, s)
					if r.IntN(4) > 0 {
						continue
					}
				}
			case *ast.InlineFragment:
				s.SelectionSet = walk(s.SelectionSet, may)
				if may && r.IntN(3) == 0 {
					s.Directives = append(s.Directives, directive()...)
				}
			case *ast.FragmentSpread:
				if may && r.IntN(3) == 0 {
					s.Directives = append(s.Directives, directive()...)
				}
			}
			out = append(out, s)
		}
		if len(put) > 0 {
			out = append(out, &ast.InlineFragment{SelectionSet: put, Directives: directive()})
		}
		return out
	}
	for _, op := range doc.Operations {
		op.SelectionSet = walk(op.SelectionSet, op.Operation == ast.Query)
	}
	for _, f := range doc.Fragments {
		f.SelectionSet = walk(f.SelectionSet, f.TypeCondition != "Mutation")
	}
	return written(doc)
}

// compareDeferred asks one operation with all the values that it has for its variables, in both forms.
func (w *world) compareDeferred(c *counts, op operation) error {
	doc, invalid := gqlparser.LoadQueryWithRules(w.sg.API(), op.text, referenceRules())
	if len(invalid) > 0 {
		c.invalid.Add(1)
		return nil
	}
	prepared, err := w.preparer.Prepare(context.Background(), []byte(op.text), nil)
	if err != nil {
		return err
	}
	if len(prepared.Errors) > 0 {
		c.refused.Add(1) // TestDifferential says which may be
		return nil
	}
	c.asked.Add(1)
	for _, values := range op.variables {
		given, err := json.Marshal(values)
		if err != nil {
			return err
		}
		var coerced prepare.Values
		if errs := prepared.Coerce(&coerced, given); len(errs) > 0 {
			return fmt.Errorf("the variables are refused: %w", errs)
		}
		program, errs := prepared.For(prepare.Traits{Parts: true, Values: &coerced})
		if len(errs) > 0 {
			if errs[0].Extensions["code"] == "OPERATION_TOO_COMPLEX" {
				c.refused.Add(1)
				continue
			}
			return fmt.Errorf("%s\nrefused: %w", op.text, errs)
		}
		for _, form := range []execute.Form{execute.Form2022, execute.FormPending} {
			c.runs.Add(1)
			if err := w.compareParts(program, execute.Request{Variables: coerced.JSON}, form, doc, values); err != nil {
				calls := strings.Join(w.services.calls, "\n")
				if !w.u.faults.any() && w.compare(newCounts(), op, 0) != nil {
					return nil // that is TestDifferential's to tell
				}
				return fmt.Errorf("%w\n%s\n%s\n%s\n%s", err, op.text, given, program.Plan(), calls)
			}
		}
	}
	return nil
}

func (w *world) compareParts(program *execute.Program, req execute.Request, form execute.Form, doc *ast.QueryDocument, values map[string]any) error {
	w.services.reset(map[string]bool{"percent(100)": true})
	var sent []string
	_, err := w.executor.ExecuteIncremental(context.Background(), program, req, form, func(payload []byte, _ bool) error {
		sent = append(sent, string(payload))
		return nil
	})
	if err != nil {
		return err
	}
	if w.u.broken {
		return nil
	}
	if len(w.services.violations) > 0 {
		return errors.Join(w.services.violations...)
	}
	op := doc.Operations[0]
	e := &executor{schema: w.sg.API(), doc: doc, resolver: &whole{u: w.u, state: &state{}}}
	e.variables(op, values)
	text, err := json.Marshal(e.run(op, thing{"Query", 0}))
	if err != nil || w.u.broken {
		return err
	}
	var want any
	if err := json.Unmarshal(text, &want); err != nil {
		return err
	}
	got, failed, err := assembled(sent)
	switch {
	case err != nil:
	case failed && w.u.faults.any():
		// What a fault costs depends on which subgraph is asked: one may promise a value where another does not.
	case failed != (len(e.errors) > 0):
		err = fmt.Errorf("errors are there: %v, want %v", failed, e.errors)
	default:
		err = holds(got, want, "data")
	}
	if err != nil {
		return fmt.Errorf("%w\nsent %s\nwant %s", err, strings.Join(sent, "\n     "), text)
	}
	return nil
}

// holds reports whether an answer has all of another one.
func holds(got, want any, at string) error {
	switch want := want.(type) {
	case nil:
		return nil
	case map[string]any:
		o, ok := got.(map[string]any)
		if !ok || len(o) != len(want) {
			return fmt.Errorf("%s: got %v, want %v", at, got, want)
		}
		for k := range want {
			v, there := o[k]
			if !there {
				return fmt.Errorf("%s.%s is missing", at, k)
			}
			if err := holds(v, want[k], at+"."+k); err != nil {
				return err
			}
		}
		return nil
	case []any:
		l, ok := got.([]any)
		if !ok || len(l) != len(want) {
			return fmt.Errorf("%s: got %v, want %v", at, got, want)
		}
		for i := range want {
			if err := holds(l[i], want[i], at+"."+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("%s: got %v, want %v", at, got, want)
	}
	return nil
}

// incremental is a payload in either form.
type incremental struct {
	Data    any
	Errors  []any
	HasNext *bool
	Pending []struct {
		ID, Label string
		Path      []any
	}
	Incremental []struct {
		ID     string
		Path   []any
		Data   any
		Errors []any
	}
	Completed []struct {
		ID     string
		Errors []any
	}
}

// assembled puts the payloads of an answer together, and tells whether there was an error in any. It is an error when a
// payload does not fit to those before it.
func assembled(sent []string) (data any, failed bool, err error) {
	open := map[string][]any{}
	for i, text := range sent {
		var p incremental
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, false, fmt.Errorf("payload %d: %w", i, err)
		}
		if more := p.HasNext != nil && *p.HasNext; more != (i < len(sent)-1) || p.HasNext == nil && len(sent) > 1 {
			return nil, false, fmt.Errorf("payload %d of %d: hasNext is wrong", i, len(sent))
		}
		failed = failed || len(p.Errors) > 0
		if i == 0 {
			data = p.Data
		}
		for _, part := range p.Incremental {
			path, known := part.Path, true
			if part.ID != "" {
				path, known = open[part.ID]
			}
			if !known {
				return nil, false, fmt.Errorf("payload %d: %s was not announced", i, part.ID)
			}
			if failed = failed || len(part.Errors) > 0; part.Data == nil {
				if len(part.Errors) == 0 {
					return nil, false, fmt.Errorf("payload %d: %v is null without an error", i, path)
				}
				continue
			}
			into := data
			for _, key := range path {
				switch key := key.(type) {
				case string:
					o, _ := into.(map[string]any)
					into = o[key]
				case float64:
					l, _ := into.([]any)
					if int(key) >= len(l) {
						return nil, false, fmt.Errorf("payload %d: there is nothing at %v", i, path)
					}
					into = l[int(key)]
				}
			}
			if into == nil {
				return nil, false, fmt.Errorf("payload %d: there is nothing at %v", i, path)
			}
			if err := put(into, part.Data); err != nil {
				return nil, false, fmt.Errorf("payload %d at %v: %w", i, path, err)
			}
		}
		for _, done := range p.Completed {
			if _, known := open[done.ID]; !known {
				return nil, false, fmt.Errorf("payload %d completes %s, which is not open", i, done.ID)
			}
			delete(open, done.ID)
			failed = failed || len(done.Errors) > 0
		}
		for _, begun := range p.Pending {
			open[begun.ID] = begun.Path
		}
	}
	if len(open) > 0 {
		return nil, false, fmt.Errorf("%d parts were announced and never came", len(open))
	}
	return data, failed, nil
}

// put merges a part into an object.
func put(into, from any) error {
	switch from := from.(type) {
	case map[string]any:
		o, ok := into.(map[string]any)
		if !ok {
			return fmt.Errorf("an object where %v was", into)
		}
		for k, v := range from {
			switch old := o[k].(type) {
			case nil:
				o[k] = v
			case map[string]any, []any:
				if v == nil {
					continue // it was seen to be there
				}
				if err := put(old, v); err != nil {
					return err
				}
			default:
				if !reflect.DeepEqual(old, v) {
					return fmt.Errorf("%s was %v and is %v", k, old, v)
				}
			}
		}
	case []any:
		l, ok := into.([]any)
		if !ok {
			return fmt.Errorf("a list where %v was", into)
		}
		if len(l) != len(from) {
			return fmt.Errorf("a list of %d that has %d", len(l), len(from))
		}
		for i := range from {
			if l[i] == nil {
				l[i] = from[i]
			} else if from[i] != nil {
				if err := put(l[i], from[i]); err != nil {
					return err
				}
			}
		}
	default:
		if !reflect.DeepEqual(into, from) {
			return fmt.Errorf("was %v and is %v", into, from)
		}
	}
	return nil
}
