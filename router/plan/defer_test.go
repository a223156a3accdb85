package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

// TestDeferDifferential defers parts of random operations over random supergraphs, and holds that the fetches of the
// initial answer alone give it, that the fetches of a deferred part and of those before it give that, and that all
// together give what the operation asks for.
func TestDeferDifferential(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), uint64(*graphs)
	if *seed > 0 {
		first, last = *seed, *seed
	}
	operations, parts := 0, 0
	for n := first; n <= last && !t.Failed(); n++ {
		r := rand.New(rand.NewPCG(n, 2))
		subgraphs := randomSubgraphs(r)
		result, errs := compose.Compose(subgraphs)
		if len(errs) > 0 {
			continue
		}
		sg, err := supergraph.Parse(result.SDL)
		if err != nil {
			t.Fatalf("seed %d: %v", n, err)
		}
		planner, err := plan.NewPlanner(sg)
		if err != nil {
			t.Fatalf("seed %d: %v", n, err)
		}
		u := newUniverse(sg)
		u.requests = routertest.NewRequests(t, sdls(subgraphs))
		for range 10 {
			query := randomQuery(r, sg.API())
			doc, invalid := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
			if len(invalid) > 0 {
				continue
			}
			count := 0
			doc.Operations[0].SelectionSet = deferring(r, doc.Operations[0].SelectionSet, &count)
			operations++
			parts += count
			if err := compareDeferred(u, planner, sg.API(), doc); err != nil && !errors.Is(err, errRefused) {
				for _, s := range subgraphs {
					t.Logf("# subgraph %s\n%s", s.Name, s.SDL[len(federationLink):])
				}
				t.Errorf("seed %d: %v", n, err)
				break
			}
		}
	}
	t.Logf("%d operations with %d deferred fragments", operations, parts)
}

// deferring puts some of the selections of a set behind a fragment that is deferred.
func deferring(r *rand.Rand, set ast.SelectionSet, count *int) ast.SelectionSet {
	var out, put ast.SelectionSet
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			s.SelectionSet = deferring(r, s.SelectionSet, count)
		case *ast.InlineFragment:
			s.SelectionSet = deferring(r, s.SelectionSet, count)
		}
		if r.IntN(3) == 0 {
			put = append(put, s)
			if r.IntN(4) > 0 {
				continue
			}
		}
		out = append(out, s)
	}
	if len(put) > 0 {
		label := &ast.Value{Kind: ast.StringValue, Raw: fmt.Sprint(*count)}
		*count++
		out = append(out, &ast.InlineFragment{SelectionSet: put, Directives: ast.DirectiveList{{Name: "defer", Arguments: ast.ArgumentList{{Name: "label", Value: label}}}}})
	}
	return out
}

func compareDeferred(u *universe, planner *plan.Planner, api *ast.Schema, doc *ast.QueryDocument) error {
	p, err := planner.PlanFor(doc, "", plan.Options{Defer: func(string) bool { return true }})
	var limit *plan.LimitError
	switch {
	case errors.As(err, &limit):
		return errRefused
	case err != nil && sharesAbstract(u.sg):
		return errRefused
	case err != nil:
		return err
	}
	if err := u.requests.Check(p); err != nil {
		return fmt.Errorf("%w\n%s", err, p)
	}
	vars := map[string]bool{"x": true, "y": false}
	const never = 1 << 63
	var mask uint64
	for bit, c := range p.Operation.Conditions {
		if c.Variable != "" && vars[c.Variable] == c.Equals {
			mask |= 1 << bit
		}
	}
	all := make([]int, len(p.Operation.Deferred))
	sets := [][]int{nil, all}
	for i := range p.Operation.Deferred {
		all[i] = i
		var chain []int
		for d := i; d >= 0; d = p.Operation.Deferred[d].Parent {
			chain = append(chain, d)
		}
		sets = append(sets, chain)
	}
	for _, taken := range sets {
		part := *p
		op := *p.Operation
		labels := map[string]bool{}
		for _, d := range taken {
			labels[p.Operation.Deferred[d].Label] = true
		}
		// A fragment can be several parts, for different types of object: those all count.
		in := func(d int) bool { return labels[p.Operation.Deferred[d].Label] }
		op.Selections = inlined(op.Selections, in)
		part.Operation, part.Fetches = &op, nil
		for _, f := range p.Fetches {
			own := *f
			if len(f.Deferred) > 0 && !slices.ContainsFunc(f.Deferred, in) {
				own.Guard = plan.Guard{never}
			}
			part.Fetches = append(part.Fetches, &own)
		}
		got, err := simulate(u, &part, mask)
		want := truthOf(u, api, vars, thing{"Query", 0}, undeferred(doc.Operations[0].SelectionSet, labels))
		if err == nil && !reflect.DeepEqual(got, any(want)) {
			err = fmt.Errorf("got  %v\nwant %v", got, want)
		}
		if err != nil {
			return fmt.Errorf("with the parts %v: %w\n%s", taken, err, p)
		}
	}
	return nil
}

// inlined writes the deferred fragments that are taken in place of where they begin, and leaves the others out.
func inlined(set plan.SelectionSet, taken func(int) bool) plan.SelectionSet {
	var out plan.SelectionSet
	for _, s := range set {
		switch {
		case s.Field != nil:
			f := *s.Field
			f.Selections = inlined(f.Selections, taken)
			out = append(out, plan.Selection{Field: &f})
		case s.Fragment.Deferred == nil:
			f := *s.Fragment
			f.Selections = inlined(f.Selections, taken)
			out = append(out, plan.Selection{Fragment: &f})
		case !taken(s.Fragment.Deferred.ID):
		case s.Fragment.TypeCondition == "":
			out = append(out, inlined(s.Fragment.Deferred.Selections, taken)...)
		default:
			out = append(out, plan.Selection{Fragment: &plan.Fragment{TypeCondition: s.Fragment.TypeCondition, Guard: s.Fragment.Guard,
				Selections: inlined(s.Fragment.Deferred.Selections, taken)}})
		}
	}
	return out
}

// undeferred leaves out of a client's selection set the deferred fragments whose labels are not taken.
func undeferred(set ast.SelectionSet, taken map[string]bool) ast.SelectionSet {
	var out ast.SelectionSet
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			f := *s
			f.SelectionSet = undeferred(s.SelectionSet, taken)
			out = append(out, &f)
		case *ast.InlineFragment:
			f := *s
			if d := s.Directives.ForName("defer"); d != nil {
				if !taken[d.Arguments.ForName("label").Value.Raw] {
					continue
				}
				f.Directives = nil
			}
			f.SelectionSet = undeferred(s.SelectionSet, taken)
			out = append(out, &f)
		}
	}
	return out
}
