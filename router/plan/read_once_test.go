package plan_test

import (
	"fmt"
	"sort"
	"strings"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// askedTwice lists the values that a plan asks of two subgraphs, or of one in two requests: two may disagree, and then what is
// computed of the one does not go with the other. Fields of interface objects are left out: one is asked for the objects of some
// types by one request, and for those of others by another. So are the fields of keys, which are how subgraphs agree on an object.
func askedTwice(sg *supergraph.Supergraph, p *plan.Plan) []string {
	asked := map[string]map[int]bool{}
	var walk func(f *plan.Fetch, at string, set plan.SelectionSet)
	walk = func(f *plan.Fetch, at string, set plan.SelectionSet) {
		for _, s := range set {
			if s.Fragment != nil {
				walk(f, at, s.Fragment.Selections)
				continue
			}
			key := s.Field.Key
			if key == "" {
				key = "\x00" + s.Field.Alias
			}
			if len(s.Field.Selections) > 0 {
				walk(f, at+"/"+key, s.Field.Selections)
			} else if t := sg.Type(s.Field.Parent); t != nil && !t.IsAbstract() && s.Field.Name != "__typename" && !inKey(t, s.Field.Name) {
				mark := at + "/" + s.Field.Parent + "." + key
				if asked[mark] == nil {
					asked[mark] = map[int]bool{}
				}
				asked[mark][f.ID] = true
			}
		}
	}
	for _, f := range p.Fetches {
		var at strings.Builder
		for _, e := range f.Path {
			at.WriteString("/" + e.Key)
		}
		walk(f, at.String(), f.Selections)
	}
	var out []string
	for mark, by := range asked {
		if len(by) > 1 {
			var ids []int
			for id := range by {
				ids = append(ids, id)
			}
			sort.Ints(ids)
			out = append(out, fmt.Sprintf("%q by %v", mark, ids))
		}
	}
	sort.Strings(out)
	return out
}

// inKey reports whether a key of a type mentions a field.
func inKey(t *supergraph.Type, field string) bool {
	for _, m := range t.In {
		for _, k := range m.Keys {
			for _, f := range k.Fields {
				if f.Field == field {
					return true
				}
			}
		}
	}
	return false
}
