package differential_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
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
	try(c, *operations/10, func(seed uint64) { differDeferred(t, c, seed) })
	t.Logf("%d operations in %d ways, %d refused, %d answers differ", c.asked.Load(), c.runs.Load(), c.refused.Load(), c.differences.Load())
}

// differDeferred tries one seed.
func differDeferred(t *testing.T, c *counts, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 11))
	g := randomSubgraphs(r, faultsOf(seed))
	w, refused, err := newWorld(g.subgraphs(), seed, faultsOf(seed))
	if len(refused) > 0 {
		return
	}
	for n := 0; n < perGraph/3 && err == nil; n++ {
		op := randomOperation(r, w.sg.API())
		op.text = deferring(r, op.text)
		if err = w.compareDeferred(c, op); err != nil {
			w, op = smallest(g, w, op, func(w *world, op operation) error { return w.compareDeferred(newCounts(), op) })
			err = w.compareDeferred(newCounts(), op)
		}
	}
	if err != nil {
		c.differences.Add(1)
		t.Error(report(seed, w, err), "run it again with -run TestDeferDifferential -seed ", seed)
	}
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
	if len(invalid) > 0 || canMerge(w.sg.API(), doc) != nil {
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
			return fmt.Errorf("refused: %w\n%s", errs, op.text)
		}
		for _, form := range []execute.Form{execute.Form2022, execute.FormPending} {
			c.runs.Add(1)
			if err := w.compareParts(program, execute.Request{Variables: coerced.JSON}, form, doc, values); err != nil {
				calls := strings.Join(w.services.calls, "\n")
				if w.compare(newCounts(), op, 0) != nil {
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
	got, failed, err := assembled(sent)
	if err == nil {
		err = w.judgeParts(doc, values, got, failed)
	}
	if err != nil {
		return fmt.Errorf("%w\nsent %s", err, strings.Join(sent, "\n     "))
	}
	return nil
}

// judgeParts compares the parts of a response, put together, with what a plain executor answers as a whole.
func (w *world) judgeParts(doc *ast.QueryDocument, values map[string]any, got any, failed []graphQLError) error {
	whole, errs := w.answer(w.u, doc, values)
	want, err := decoded(whole)
	if err != nil || w.u.broken {
		return err
	}
	unharmed, inherent := w.answer(w.clean, doc, values)
	clean, err := decoded(unharmed)
	if err != nil {
		return err
	}
	// What a fault costs depends on which subgraph is asked where it is lossy: one may promise a value where another does not.
	if !w.u.faults.lossy() {
		if w.u.faults.stray == 0 && len(failed) > 0 != (len(errs) > 0) {
			return fmt.Errorf("errors are there: %v, want %v, of %v", failed, errs, want)
		}
		if err := holds(got, want, "data"); err != nil {
			return fmt.Errorf("%w\nwant %v", err, want)
		}
	}
	if len(inherent) > 0 {
		return nil // a null went up further in what there is to compare with
	}
	if err := within(got, clean, len(failed) > 0 || w.u.faults.entities > 0, "data"); err != nil {
		return err
	}
	// What is deferred of an object that turns out to be null, or that is left out, is never sent, and its errors neither.
	if within(got, clean, false, "data") == nil && !conditional(doc) {
		return w.services.lost(failed)
	}
	return nil
}

// conditional reports whether a document leaves something out by @skip or @include.
func conditional(doc *ast.QueryDocument) bool {
	text := written(doc)
	return strings.Contains(text, "@skip") || strings.Contains(text, "@include")
}

func decoded(v any) (out any, err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return out, json.Unmarshal(text, &out)
}

// within reports whether an answer has nothing that is not in another one. Something may be missing where it may be null.
func within(got, clean any, missing bool, at string) error {
	if got == nil && missing {
		return nil
	}
	switch clean := clean.(type) {
	case map[string]any:
		o, ok := got.(map[string]any)
		if !ok || len(o) > len(clean) {
			return fmt.Errorf("%s: got %v, and were %v if nothing failed", at, got, clean)
		}
		for k := range clean {
			v, there := o[k]
			if !there && missing {
				continue // of a part that never came
			}
			if err := within(v, clean[k], missing, at+"."+k); err != nil {
				return err
			}
		}
		return nil
	case []any:
		l, ok := got.([]any)
		if !ok || len(l) != len(clean) {
			return fmt.Errorf("%s: got %v, and were %v if nothing failed", at, got, clean)
		}
		for i := range clean {
			if err := within(l[i], clean[i], missing, at+"."+strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(got, clean) {
		return fmt.Errorf("%s: got %v, and were %v if nothing failed", at, got, clean)
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
	Errors  []graphQLError
	HasNext *bool
	Pending []struct {
		ID, Label string
		Path      []any
	}
	Incremental []struct {
		ID     string
		Path   []any
		Data   any
		Errors []graphQLError
	}
	Completed []struct {
		ID     string
		Errors []graphQLError
	}
}

// assembled puts the payloads of an answer together, and gives the errors of all. It is an error when a payload does not fit to
// those before it.
func assembled(sent []string) (data any, failed []graphQLError, err error) {
	open := map[string][]any{}
	for i, text := range sent {
		var p incremental
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			return nil, nil, fmt.Errorf("payload %d: %w", i, err)
		}
		if more := p.HasNext != nil && *p.HasNext; more != (i < len(sent)-1) || p.HasNext == nil && len(sent) > 1 {
			return nil, nil, fmt.Errorf("payload %d of %d: hasNext is wrong", i, len(sent))
		}
		failed = append(failed, p.Errors...)
		if i == 0 {
			data = p.Data
		}
		for _, part := range p.Incremental {
			path, known := part.Path, true
			if part.ID != "" {
				path, known = open[part.ID]
			}
			if !known {
				return nil, nil, fmt.Errorf("payload %d: %s was not announced", i, part.ID)
			}
			if failed = append(failed, part.Errors...); part.Data == nil {
				if len(part.Errors) == 0 {
					return nil, nil, fmt.Errorf("payload %d: %v is null without an error", i, path)
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
						return nil, nil, fmt.Errorf("payload %d: there is nothing at %v", i, path)
					}
					into = l[int(key)]
				}
			}
			if into == nil {
				return nil, nil, fmt.Errorf("payload %d: there is nothing at %v", i, path)
			}
			if err := put(into, part.Data); err != nil {
				return nil, nil, fmt.Errorf("payload %d at %v: %w", i, path, err)
			}
		}
		for _, done := range p.Completed {
			if _, known := open[done.ID]; !known {
				return nil, nil, fmt.Errorf("payload %d completes %s, which is not open", i, done.ID)
			}
			delete(open, done.ID)
			failed = append(failed, done.Errors...)
		}
		for _, begun := range p.Pending {
			open[begun.ID] = begun.Path
		}
	}
	if len(open) > 0 {
		return nil, nil, fmt.Errorf("%d parts were announced and never came", len(open))
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
