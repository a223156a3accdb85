package routertest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// world is what is true behind the subgraphs of an audit's suite, as far as the expected answers tell. Objects at the
// same place of different answers are one thing, and so are objects with the same key. What no answer tells is made up
// when it is asked for, and stays.
type world struct {
	schema *ast.Schema // the API
	keys   map[string][]ast.SelectionSet
	roots  map[string]*thing
	things []*thing
	listed int // how long lists are that no answer tells of
}

// thing is an object of a world.
type thing struct {
	same  *thing // the thing that stands for it, where two turned out to be one
	n     int
	types []string       // that it may have
	facts map[string]any // by field and arguments: nil, a JSON scalar, *thing, or []any of these
}

func newWorld(schema *ast.Schema) *world {
	return &world{schema: schema, keys: map[string][]ast.SelectionSet{}, roots: map[string]*thing{}}
}

func (w *world) thing(declared string) *thing {
	t := &thing{n: len(w.things) + 1, facts: map[string]any{}}
	if def := w.schema.Types[declared]; def != nil {
		for _, p := range w.schema.GetPossibleTypes(def) {
			t.types = append(t.types, p.Name)
		}
		slices.Sort(t.types)
	}
	if len(t.types) == 0 {
		t.types = []string{declared}
	}
	w.things = append(w.things, t)
	return t
}

func (w *world) root(name string) *thing {
	if w.roots[name] == nil {
		w.roots[name] = w.thing(name)
	}
	return w.roots[name]
}

func (t *thing) real() *thing {
	for t.same != nil {
		t = t.same
	}
	return t
}

// asked is one field that a selection asks of an object, merged by response key.
type asked struct {
	key    string
	field  *ast.Field
	fact   string
	args   map[string]any
	childs []ast.SelectionSet
}

// collect gives what selections ask of an object of a type (GraphQL specification, CollectFields).
func collect(schema *ast.Schema, typeName string, sets []ast.SelectionSet, vars map[string]any) []*asked {
	var out []*asked
	var walk func(set ast.SelectionSet)
	applies := func(cond string) bool {
		def := schema.Types[cond]
		return cond == "" || cond == typeName || def != nil && slices.ContainsFunc(schema.GetPossibleTypes(def), func(d *ast.Definition) bool { return d.Name == typeName })
	}
	walk = func(set ast.SelectionSet) {
		for _, s := range set {
			switch s := s.(type) {
			case *ast.Field:
				if !included(s.Directives, vars) {
					continue
				}
				i := slices.IndexFunc(out, func(a *asked) bool { return a.key == s.Alias })
				if i < 0 {
					args := map[string]any{}
					for _, a := range s.Arguments {
						if v, err := a.Value.Value(vars); err == nil {
							args[a.Name] = v
						}
					}
					i = len(out)
					out = append(out, &asked{key: s.Alias, field: s, fact: factKey(s.Name, args), args: args})
				}
				if len(s.SelectionSet) > 0 {
					out[i].childs = append(out[i].childs, s.SelectionSet)
				}
			case *ast.InlineFragment:
				if included(s.Directives, vars) && applies(s.TypeCondition) {
					walk(s.SelectionSet)
				}
			case *ast.FragmentSpread:
				if included(s.Directives, vars) && applies(s.Definition.TypeCondition) {
					walk(s.Definition.SelectionSet)
				}
			}
		}
	}
	for _, s := range sets {
		walk(s)
	}
	return out
}

func included(ds ast.DirectiveList, vars map[string]any) bool {
	for _, d := range ds {
		if d.Name != "skip" && d.Name != "include" {
			continue
		}
		v, err := d.Arguments.ForName("if").Value.Value(vars)
		if on, ok := v.(bool); err == nil && ok && on != (d.Name == "include") {
			return false
		}
	}
	return true
}

func factKey(name string, args map[string]any) string {
	given := map[string]any{}
	for k, v := range args {
		if v != nil {
			given[k] = v
		}
	}
	if len(given) == 0 {
		return name
	}
	b, _ := json.Marshal(given)
	return name + string(b)
}

// learn takes from an answer what it tells of a thing.
func (w *world) learn(t *thing, sets []ast.SelectionSet, answer map[string]any, vars map[string]any) {
	t = t.real()
	var fitting []string
	byType := map[string][]*asked{}
	for _, name := range t.types {
		fields := collect(w.schema, name, sets, vars)
		fits := len(fields) == len(answer)
		for _, f := range fields {
			v, ok := answer[f.key]
			fits = fits && ok && (f.field.Name != "__typename" || v == name)
		}
		if fits {
			fitting, byType[name] = append(fitting, name), fields
		}
	}
	if len(fitting) == 0 {
		return
	}
	t.types = fitting
	for _, f := range byType[fitting[0]] {
		alike := true
		for _, name := range fitting[1:] {
			alike = alike && slices.ContainsFunc(byType[name], func(g *asked) bool { return g.key == f.key && g.fact == f.fact })
		}
		if f.field.Name == "__typename" || !alike {
			continue
		}
		def := w.schema.Types[fitting[0]].Fields.ForName(f.field.Name)
		if def == nil {
			continue
		}
		old, known := t.facts[f.fact]
		t.facts[f.fact] = w.value(old, known, answer[f.key], def.Type, f.childs, vars)
	}
}

func (w *world) value(old any, known bool, v any, typ *ast.Type, sets []ast.SelectionSet, vars map[string]any) any {
	switch v := v.(type) {
	case []any:
		before, _ := old.([]any)
		out := make([]any, len(v))
		for i, e := range v {
			var o any
			if i < len(before) {
				o = before[i]
			}
			out[i] = w.value(o, o != nil, e, typ.Elem, sets, vars)
		}
		return out
	case map[string]any:
		t, ok := old.(*thing)
		if len(sets) == 0 {
			return v // a scalar that is an object
		}
		if !ok {
			t = w.thing(typ.Name())
		}
		w.learn(t, sets, v, vars)
		return t
	case nil:
		if known {
			return old
		}
		return nil
	default:
		return v
	}
}

// unite makes one of things with the same key, until none are left.
func (w *world) unite() {
	for again := true; again; {
		again = false
		seen := map[string]*thing{}
		for _, t := range w.things {
			if t.same != nil {
				continue
			}
			for _, name := range t.types {
				for i, key := range w.keys[name] {
					text, ok := w.text(t, key)
					if !ok {
						continue
					}
					id := fmt.Sprintf("%s/%d/%s", name, i, text)
					if other := seen[id]; other != nil && other.real() != t.real() {
						if w.merge(other.real(), t.real()) {
							again = true
						}
						continue
					}
					seen[id] = t
				}
			}
		}
	}
}

// text is a key's values where all of them are known.
func (w *world) text(t *thing, key ast.SelectionSet) (string, bool) {
	var parts []string
	for _, s := range key {
		f, ok := s.(*ast.Field)
		if !ok || f.Name == "__typename" {
			continue
		}
		v, ok := t.real().facts[f.Name]
		if !ok || v == nil {
			return "", false
		}
		if inner, isThing := v.(*thing); isThing {
			text, ok := w.text(inner, f.SelectionSet)
			if !ok {
				return "", false
			}
			parts = append(parts, "{"+text+"}")
			continue
		}
		parts = append(parts, fmt.Sprint(v))
	}
	return strings.Join(parts, ","), len(parts) > 0
}

func (w *world) merge(a, b *thing) bool {
	if a == b {
		return false
	}
	common := slices.DeleteFunc(slices.Clone(a.types), func(n string) bool { return !slices.Contains(b.types, n) })
	if len(common) == 0 {
		return false
	}
	a.types, b.same = common, a
	for key, v := range b.facts {
		old, known := a.facts[key]
		if !known || old == nil {
			a.facts[key] = v
			continue
		}
		w.mergeValues(old, v)
	}
	return true
}

func (w *world) mergeValues(a, b any) {
	switch a := a.(type) {
	case *thing:
		if b, ok := b.(*thing); ok {
			w.merge(a.real(), b.real())
		}
	case []any:
		if b, ok := b.([]any); ok {
			for i := range min(len(a), len(b)) {
				w.mergeValues(a[i], b[i])
			}
		}
	}
}

// get gives a field's value, made up where nothing is known.
func (w *world) get(t *thing, name, fact string, typ *ast.Type) any {
	t = t.real()
	if v, ok := t.facts[fact]; ok {
		return v
	}
	v := w.invent(t, name, typ)
	t.facts[fact] = v
	return v
}

func (w *world) invent(t *thing, name string, typ *ast.Type) any {
	if typ.Elem != nil {
		out := []any{}
		for range w.listed {
			out = append(out, w.invent(t, name, typ.Elem))
		}
		return out
	}
	def := w.schema.Types[typ.NamedType]
	switch {
	case def == nil:
		return w.thing(typ.NamedType)
	case def.Kind == ast.Enum:
		return def.EnumValues[0].Name
	case def.IsCompositeType():
		return w.thing(def.Name)
	}
	switch typ.NamedType {
	case "Int", "Float":
		return float64(t.n)
	case "Boolean":
		return true
	}
	return fmt.Sprintf("%s-%d", name, t.n)
}

// find gives the thing that a representation stands for.
func (w *world) find(typeNames []string, rep map[string]any, keys []ast.SelectionSet) *thing {
	for _, t := range w.things {
		if t.same != nil || !slices.ContainsFunc(t.types, func(n string) bool { return slices.Contains(typeNames, n) }) {
			continue
		}
		for _, key := range keys {
			if w.matches(t, rep, key) {
				return t
			}
		}
	}
	return nil
}

func (w *world) matches(t *thing, rep map[string]any, set ast.SelectionSet) bool {
	for _, s := range set {
		f, ok := s.(*ast.Field)
		if !ok || f.Name == "__typename" {
			continue
		}
		given, ok := rep[f.Name]
		if !ok || !w.equal(t.real().facts[f.Name], given, f.SelectionSet) {
			return false
		}
	}
	return true
}

// equal compares what is true with what a representation says.
func (w *world) equal(truth, given any, set ast.SelectionSet) bool {
	switch truth := truth.(type) {
	case *thing:
		g, ok := given.(map[string]any)
		return ok && w.matches(truth, g, set)
	case []any:
		g, ok := given.([]any)
		if !ok || len(g) != len(truth) {
			return false
		}
		for i := range g {
			if !w.equal(truth[i], g[i], set) {
				return false
			}
		}
		return true
	case nil:
		return given == nil
	default:
		return reflect.DeepEqual(truth, given) || fmt.Sprint(truth) == fmt.Sprint(given)
	}
}
