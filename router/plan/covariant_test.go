package plan_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

var covariant = flag.Int("covariant", 60, "how many random supergraphs TestCovariantFields tries")

// TestCovariantFields plans random operations over supergraphs in which object types have narrower fields than their
// interfaces, and subgraphs narrower ones than others. Each operation is planned as it is and with its selections the other way
// round: both have to be answered alike, by requests that the subgraphs take.
func TestCovariantFields(t *testing.T) {
	t.Parallel()
	first, last := uint64(1), uint64(*covariant)
	if *seed > 0 {
		first, last = *seed, *seed
	}
	composed, operations := 0, 0
	for n := first; n <= last && !t.Failed(); n++ {
		r := rand.New(rand.NewPCG(n, 3))
		subgraphs := covariantSubgraphs(r)
		result, errs := compose.Compose(subgraphs)
		if len(errs) > 0 {
			if *seed > 0 {
				t.Log(compose.FormatText(errs))
			}
			continue
		}
		composed++
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
		for range 40 {
			query := randomQuery(r, sg.API())
			for _, turned := range []bool{false, true} {
				doc, invalid := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
				if len(invalid) > 0 {
					break
				}
				if turned {
					turn(doc.Operations[0].SelectionSet)
				}
				operations++
				p, err := planner.Plan(doc, "")
				if err == nil {
					err = u.requests.Check(p)
				}
				if err == nil {
					err = compareRuns(u, p, sg.API(), doc)
				}
				if err != nil {
					for _, s := range subgraphs {
						t.Logf("# subgraph %s\n%s", s.Name, s.SDL[len(federationLink):])
					}
					t.Fatalf("seed %d, turned %v: %s\n%v\n%s", n, turned, query, err, p)
				}
			}
		}
	}
	t.Logf("%d supergraphs, %d operations", composed, operations)
	if composed < int(last-first+1)/4 {
		t.Errorf("only %d of %d supergraphs compose", composed, last-first+1)
	}
}

// turn puts selections the other way round, at every depth.
func turn(set ast.SelectionSet) {
	slices.Reverse(set)
	for _, s := range set {
		switch s := s.(type) {
		case *ast.Field:
			turn(s.SelectionSet)
		case *ast.InlineFragment:
			turn(s.SelectionSet)
		}
	}
}

// covariantWorld makes the types of covariantSubgraphs.
type covariantWorld struct {
	r          *rand.Rand
	interfaces []string
	implements map[string][]string // by object type
	objects    []string
	fields     map[string]string // what the fields of each interface lead to, as Interface.field
}

// covariantSubgraphs makes two subgraphs of the same interfaces and entities, in which each has fields that are narrower than
// an interface's as it likes: in what they lead to and in what may be null.
func covariantSubgraphs(r *rand.Rand) []compose.Subgraph {
	w := &covariantWorld{r: r, implements: map[string][]string{}, fields: map[string]string{}}
	for i := range 2 + r.IntN(2) {
		w.interfaces = append(w.interfaces, fmt.Sprintf("I%d", i))
	}
	for i := range 3 + r.IntN(3) {
		name := fmt.Sprintf("O%d", i)
		w.objects = append(w.objects, name)
		for _, in := range w.interfaces {
			if r.IntN(3) > 0 {
				w.implements[name] = append(w.implements[name], in)
			}
		}
	}
	for i, in := range w.interfaces {
		for range 1 + r.IntN(2) {
			// The interface after the first of the same name may lead elsewhere: an object that has both leads to both.
			field := []string{"same", fmt.Sprintf("f%d", i), "list"}[r.IntN(3)]
			out := w.interfaces[r.IntN(len(w.interfaces))]
			if field == "list" {
				out = "[" + out + "]"
			}
			w.fields[in+"."+field] = out
		}
	}
	var out []compose.Subgraph
	for g := range 2 {
		out = append(out, compose.Subgraph{Name: string(rune('a' + g)), URL: "http://" + string(rune('a'+g)), SDL: federationLink + w.sdl(g)})
	}
	return out
}

// sdl writes the schema of one subgraph.
func (w *covariantWorld) sdl(g int) string {
	var b strings.Builder
	for _, in := range w.interfaces {
		fmt.Fprintf(&b, "interface %s { id: ID v: Int", in)
		for _, f := range w.fieldsOf([]string{in}) {
			fmt.Fprintf(&b, " %s: %s", f, w.fields[in+"."+f])
		}
		b.WriteString(" }\n")
	}
	for _, o := range w.objects {
		fmt.Fprintf(&b, "type %s", o)
		for i, in := range w.implements[o] {
			fmt.Fprintf(&b, "%s %s", []string{" implements", " &"}[min(i, 1)], in)
		}
		fmt.Fprintf(&b, ` @key(fields: "id") { id: ID%s v: Int%s @shareable own%d: Int%s`, w.bang(), w.bang(), g, w.bang())
		for _, f := range w.fieldsOf(w.implements[o]) {
			fmt.Fprintf(&b, " %s: %s @shareable", f, w.narrower(o, f))
		}
		b.WriteString(" }\n")
	}
	fmt.Fprintf(&b, "union U = %s\n", strings.Join(w.objects, " | "))
	fmt.Fprintf(&b, "type Query { u%d: U us%d: [[U!]]", g, g)
	for _, in := range w.interfaces {
		if slices.ContainsFunc(w.objects, func(o string) bool { return slices.Contains(w.implements[o], in) }) {
			fmt.Fprintf(&b, " %s%d: %s", strings.ToLower(in), g, in)
		}
	}
	b.WriteString(" }\n")
	return b.String()
}

func (w *covariantWorld) bang() string { return []string{"", "", "!"}[w.r.IntN(3)] }

// fieldsOf lists the fields of some interfaces.
func (w *covariantWorld) fieldsOf(interfaces []string) []string {
	var out []string
	for key := range w.fields {
		in, field, _ := strings.Cut(key, ".")
		if slices.Contains(interfaces, in) && !slices.Contains(out, field) {
			out = append(out, field)
		}
	}
	slices.Sort(out)
	return out
}

// narrower writes a type for an object's field that all of its interfaces allow.
func (w *covariantWorld) narrower(object, field string) string {
	var wide []string
	for _, in := range w.implements[object] {
		if t := w.fields[in+"."+field]; t != "" {
			wide = append(wide, strings.Trim(t, "[]"))
		}
	}
	choices := slices.DeleteFunc(slices.Clone(w.objects), func(o string) bool {
		return slices.ContainsFunc(wide, func(in string) bool { return !slices.Contains(w.implements[o], in) })
	})
	// Both subgraphs lead to one type or to an interface of it, so that they go together.
	h := 0
	for _, c := range object + field {
		h = h*31 + int(c)
	}
	alike := !slices.ContainsFunc(wide, func(in string) bool { return in != wide[0] })
	out := wide[0]
	if len(choices) > 0 && (!alike || w.r.IntN(3) > 0) {
		out = choices[h%len(choices)]
	}
	if field == "list" {
		return "[" + out + w.bang() + "]" + w.bang()
	}
	return out + w.bang()
}
