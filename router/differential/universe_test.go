package differential_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/supergraph"
)

// population is how many objects there are of each type.
const population = 5

// universe is what is true: every object is a type and a number, and each field of it has a value that follows from these
// and the arguments.
type universe struct {
	sg     *supergraph.Supergraph
	graphs map[string]supergraph.GraphID
	// keys are the fields by which objects are told apart, as Type.field: their values differ between any two objects.
	keys map[string]bool
	// asked are the fields that some requirement reads.
	asked  map[string]bool
	faults faults
	salt   uint64
	broken bool // a field that is never null has no object to answer with
	known  map[string]any
}

// faults are what goes wrong in subgraphs: each is one of so many, 0 for none.
type faults struct {
	fields   uint32 // fields that fail
	entities uint32 // objects that a subgraph does not know, and answers with null
	calls    uint32 // requests that fail as a whole
	values   uint32 // values that are of another kind than their type
	types    uint32 // objects that are answered with a __typename that nobody knows, or with none
	stray    uint32 // requests that are answered with an error which has no place
}

func (f faults) any() bool { return f != faults{} }

// lossy reports whether the answer depends on which subgraphs are asked, and what is true cannot be had in whole. What is no
// value of its type is null wherever it is asked, and an error that has no place takes nothing away.
func (f faults) lossy() bool { return f.fields > 0 || f.entities > 0 || f.calls > 0 || f.types > 0 }

func (f faults) fails(u *universe, o thing, field, args string) bool {
	return f.fields > 0 && u.hash("fault", o, field, args)%f.fields == 0
}

// thing is an object of the universe.
type thing struct {
	typ string
	n   uint32
}

func newUniverse(sg *supergraph.Supergraph, salt uint64) *universe {
	u := &universe{sg: sg, graphs: map[string]supergraph.GraphID{}, keys: map[string]bool{}, asked: map[string]bool{}, salt: salt, known: map[string]any{}}
	for _, g := range sg.Subgraphs() {
		u.graphs[g.Name] = g.ID
	}
	for _, t := range sg.Types() {
		for _, m := range t.In {
			for _, k := range m.Keys {
				u.mark(u.keys, t, k.Fields)
			}
		}
		for _, f := range t.Fields {
			for _, s := range f.Sources {
				u.mark(u.asked, t, s.Requires)
			}
		}
	}
	return u
}

// mark notes the fields of a field set, on every object that it can mean.
func (u *universe) mark(into map[string]bool, t *supergraph.Type, set supergraph.FieldSet) {
	for _, sel := range set {
		if sel.Field == "" {
			u.mark(into, u.sg.Type(sel.On), sel.Selections)
			continue
		}
		into[t.Name+"."+sel.Field] = true
		for _, p := range t.Possible {
			into[p.Name+"."+sel.Field] = true
		}
		if f := t.Field(sel.Field); f != nil && len(sel.Selections) > 0 {
			u.mark(into, u.sg.Type(f.Type.Name()), sel.Selections)
		}
	}
}

func (u *universe) hash(parts ...any) uint32 {
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, u.salt, parts)
	return h.Sum32() >> 3
}

// source is one subgraph's part in a field of an object type.
type source struct {
	graph supergraph.GraphID
	typ   *ast.Type
}

// sources lists the parts of the subgraphs in a field of an object type, those of interface objects too.
func (u *universe) sources(t *supergraph.Type, name string) (out []source, typ *ast.Type) {
	if f := t.Field(name); f != nil {
		typ = f.Type
		for _, s := range f.Sources {
			out = append(out, source{s.Graph, s.Type})
		}
	}
	for _, i := range u.sg.Types() {
		if i.Kind != supergraph.Interface || i == t || !slices.Contains(i.Possible, t) {
			continue
		}
		f := i.Field(name)
		if f == nil {
			continue
		}
		for _, s := range f.Sources {
			if i.Membership(s.Graph).InterfaceObject {
				out = append(out, source{s.Graph, s.Type})
			}
		}
	}
	return out, typ
}

// truth is the value of a field: nil, a scalar, a thing, a list of these, or a failure.
func (u *universe) truth(o thing, field string, args map[string]any) any {
	t := u.sg.Type(o.typ)
	text, _ := json.Marshal(u.canonical(t, field, args))
	mark := fmt.Sprint(o, field, string(text))
	if v, ok := u.known[mark]; ok {
		return v
	}
	v := u.fresh(t, o, field, string(text))
	u.known[mark] = v
	return v
}

func (u *universe) fresh(t *supergraph.Type, o thing, field, args string) any {
	sources, typ := u.sources(t, field)
	if typ == nil && len(sources) > 0 {
		typ = sources[0].typ
	}
	if u.keys[o.typ+"."+field] {
		return u.keyValue(t, o, field, typ, sources)
	}
	if u.faults.fails(u, o, field, args) {
		return failure("no " + field + " of " + o.String())
	}
	var types []*ast.Type
	for _, s := range sources {
		types = append(types, s.typ)
	}
	v := u.value(typ, types, sources, u.hash(o.typ, o.n, field, args, "value"), o)
	if h := u.hash("spoil", o, field, args); u.faults.values > 0 && h%u.faults.values == 0 && (u.faults.lossy() || !u.asked[o.typ+"."+field]) && u.exact(t, field, typ) {
		return u.spoil(typ, v, h/u.faults.values)
	}
	return v
}

func (o thing) String() string { return fmt.Sprintf("%s-%d", o.typ, o.n) }

// keyValue gives a value that no other object has in this field.
func (u *universe) keyValue(t *supergraph.Type, o thing, field string, typ *ast.Type, sources []source) any {
	out := u.sg.Type(typ.Name())
	one := func(n uint32) any {
		switch {
		case out != nil && out.IsComposite():
			names := u.possible(out, sources)
			if len(names) == 0 {
				return nil
			}
			return thing{names[n%uint32(len(names))], n}
		case typ.Name() == "Int":
			return float64(u.hash(t.Name, field)%1000*100 + n)
		}
		return fmt.Sprintf("%s %s-%d", field, t.Name, n)
	}
	if typ.Elem != nil {
		return []any{one(o.n % population), one((o.n + 1) % population)}
	}
	return one(o.n % population)
}

// value gives a value of a type; types are the same as each subgraph has it.
func (u *universe) value(typ *ast.Type, types []*ast.Type, sources []source, h uint32, o thing) any {
	nullable := !typ.NonNull
	var elements []*ast.Type
	for _, t := range types {
		nullable = nullable && !t.NonNull
		if t.Elem != nil {
			elements = append(elements, t.Elem)
		}
	}
	if nullable && h%8 == 0 {
		return nil
	}
	if typ.Elem != nil {
		list := []any{}
		if out := u.sg.Type(typ.Name()); out != nil && out.IsComposite() && len(u.possible(out, sources)) == 0 {
			return list
		}
		for i := range h / 8 % 4 {
			list = append(list, u.value(typ.Elem, elements, sources, u.hash(h, i), o))
		}
		return list
	}
	h /= 8
	out := u.sg.Type(typ.Name())
	switch {
	case out != nil && out.IsComposite():
		if out.Kind == supergraph.Object && out == u.sg.Root(ast.Query) {
			return thing{out.Name, 0}
		}
		names := u.possible(out, sources)
		if len(names) == 0 {
			u.broken = u.broken || !nullable
			return nil
		}
		n := h / 16 % population
		if strings.HasPrefix(names[0], "Payload") {
			n = o.n
		}
		name := names[h%uint32(len(names))]
		if root := u.sg.Root(ast.Query); name == root.Name {
			n = 0
		}
		return thing{name, n}
	case out != nil && out.Kind == supergraph.Enum:
		values := u.enumValues(out, sources)
		if len(values) == 0 {
			u.broken = u.broken || !nullable
			return nil
		}
		return values[h%uint32(len(values))]
	}
	switch typ.Name() {
	case "Int":
		return float64(h % 1000)
	case "Float":
		return float64(h%1000) / 8
	case "Boolean":
		return h%2 == 0
	case "String", "ID":
		return fmt.Sprintf("s\"%d\u00e9\\", h%1000)
	}
	// A custom scalar may be anything.
	return []any{"text", float64(3), true, []any{nil, float64(1)}, []any{[]any{}, "]"}}[h%5]
}

// enumValues lists the values that all subgraphs which answer a field know.
func (u *universe) enumValues(t *supergraph.Type, sources []source) []string {
	var out []string
	for _, v := range t.Values {
		if !slices.ContainsFunc(sources, func(s source) bool { return !slices.Contains(v.Graphs, s.graph) }) {
			out = append(out, v.Name)
		}
	}
	return out
}

// possible lists what every subgraph that answers a field can answer it with.
func (u *universe) possible(out *supergraph.Type, sources []source) []string {
	var names []string
	for _, p := range out.Possible {
		names = append(names, p.Name)
	}
	for _, s := range sources {
		names = slices.DeleteFunc(names, func(n string) bool { return !u.canBe(s.graph, s.typ.Name(), n) })
	}
	return names
}

// canBe tells whether a subgraph can answer with an object of a type where it has the type declared.
func (u *universe) canBe(g supergraph.GraphID, declared, object string) bool {
	d, o := u.sg.Type(declared), u.sg.Type(object)
	m := d.Membership(g)
	if m == nil {
		return false
	}
	if m.InterfaceObject {
		return slices.Contains(d.Possible, o)
	}
	switch d.Kind {
	case supergraph.Object:
		return d == o
	case supergraph.Union:
		return slices.Contains(d.Members, supergraph.Member{Graph: g, Type: object})
	default:
		return slices.Contains(o.Implements, supergraph.Implementation{Graph: g, Interface: declared})
	}
}

// canonical keeps of arguments what the whole supergraph knows.
func (u *universe) canonical(t *supergraph.Type, field string, args map[string]any) map[string]any {
	out := map[string]any{}
	f := t.Field(field)
	for name, v := range args {
		if f == nil {
			out[name] = v
			continue
		}
		for _, a := range f.Arguments {
			if a.Name == name {
				out[name] = u.canonicalInput(a.Type, v)
			}
		}
		for _, s := range f.Sources {
			if slices.ContainsFunc(s.Contexts, func(c supergraph.ContextArgument) bool { return c.Name == name }) {
				out[name] = v
			}
		}
	}
	return out
}

// contexts adds to the arguments of a field those that subgraphs take from objects above, of which way is the last and the
// field's own.
func (u *universe) contexts(way []thing, field string, args map[string]any) {
	if len(way) == 0 {
		return
	}
	f := u.sg.Type(way[len(way)-1].typ).Field(field)
	if f == nil {
		return
	}
	for _, s := range f.Sources {
		for _, c := range s.Contexts {
			for _, o := range slices.Backward(way[:len(way)-1]) {
				if slices.Contains(u.sg.Type(o.typ).Contexts, c.Context) {
					args[c.Name] = u.truth(o, c.Selection[0].Field, nil)
					break
				}
			}
		}
	}
}

func (u *universe) canonicalInput(typ *ast.Type, v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = u.canonicalInput(typ.Elem, v[i])
		}
		return out
	case map[string]any:
		in := u.sg.Type(typ.Name())
		if in == nil || in.Kind != supergraph.InputObject {
			return v
		}
		out := map[string]any{}
		for name, value := range v {
			if f := in.Field(name); f != nil {
				out[name] = u.canonicalInput(f.Type, value)
			}
		}
		return out
	}
	return v
}

// whole answers for the whole universe, as a monolith would.
type whole struct {
	u     *universe
	state *state
}

// state is what mutations change: how many there were.
type state struct{ mutations uint32 }

func (s *state) root(def string, at thing) thing {
	switch def {
	case "Mutation":
		s.mutations++
		return thing{def, s.mutations}
	case "Subscription":
		return thing{def, 0}
	}
	return at
}

func (w *whole) resolve(at position, def *ast.Definition, field *ast.FieldDefinition, args map[string]any) any {
	w.u.contexts(at.way, field.Name, args)
	return w.u.truth(w.state.root(def.Name, at.is), field.Name, args)
}

func (w *whole) typeOf(at position, abstract *ast.Definition) string {
	api := w.u.sg.API()
	for _, d := range api.GetPossibleTypes(abstract) {
		if d.Name == at.is.typ {
			return d.Name
		}
	}
	return ""
}
