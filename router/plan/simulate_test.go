package plan_test

import (
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strings"

	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

// universe is what is true: every object is a type and a number, and every field of it has a value that follows from
// these. A plan is run on it strictly: a subgraph that is asked for what it does not resolve is an error, and so is a
// representation with a value that is not true.
type universe struct {
	sg *supergraph.Supergraph
	// graphs are the subgraphs by name.
	graphs map[string]supergraph.GraphID
	// requests checks what subgraphs are asked.
	requests *routertest.Requests
}

// thing is an object of the universe.
type thing struct {
	typ string
	n   uint32
}

func newUniverse(sg *supergraph.Supergraph) *universe {
	u := &universe{sg: sg, graphs: map[string]supergraph.GraphID{}}
	for _, g := range sg.Subgraphs() {
		u.graphs[g.Name] = g.ID
	}
	return u
}

func hash(parts ...any) uint32 {
	h := fnv.New32a()
	fmt.Fprint(h, parts...)
	return h.Sum32() % 1000
}

// truth is the value of a field: nil, a scalar, a thing, or a list of these.
func (u *universe) truth(o thing, field, arguments string) any {
	switch field {
	case "id", "sku":
		return fmt.Sprintf("%s-%s-%d", field, o.typ, o.n)
	}
	f := u.sg.Type(o.typ).Field(field)
	h := hash(o.typ, o.n, field, arguments)
	if !f.Type.NonNull && h%9 == 0 {
		return nil
	}
	out := u.sg.Type(f.Type.Name())
	if out == nil || !out.IsComposite() {
		return float64(h)
	}
	types := u.possible(o.typ, f)
	if f.Type.Elem != nil {
		list := []any{}
		for i := range h % 3 {
			if len(types) > 0 {
				list = append(list, thing{types[hash(h, i)%uint32(len(types))], hash(h, i) % 5})
			}
		}
		return list
	}
	if len(types) == 0 {
		return nil
	}
	return thing{types[h%uint32(len(types))], h % 5}
}

// possible lists what every subgraph that answers a field can answer it with.
func (u *universe) possible(owner string, f *supergraph.Field) []string {
	out := u.sg.Type(f.Type.Name())
	var names []string
	for _, p := range out.Possible {
		names = append(names, p.Name)
	}
	for i := range f.Sources {
		s := &f.Sources[i]
		if u.sg.Type(s.Type.Name()).Membership(s.Graph) != nil {
			names = slices.DeleteFunc(names, func(n string) bool { return !u.canBe(s.Graph, s.Type.Name(), n) })
		}
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
		return slices.ContainsFunc(d.Possible, func(p *supergraph.Type) bool { return p == o })
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

// node is an object of the response as it grows. The runtime type is known once an answer told it.
type node struct {
	is       thing
	declared string // the type of the field that leads to it
	known    bool
	data     map[string]any
}

// simulation runs one plan.
type simulation struct {
	u    *universe
	op   *plan.Operation
	mask uint64
	root *node
}

// simulate runs a plan and gives the response's data, with all conditions of op in mask on.
func simulate(u *universe, p *plan.Plan, mask uint64) (any, error) {
	s := &simulation{u: u, op: p.Operation, mask: mask}
	s.root = &node{is: thing{p.Operation.RootType, 0}, known: true, data: map[string]any{}}
	for i, f := range p.Fetches {
		if f.ID != i || slices.ContainsFunc(f.DependsOn, func(d int) bool { return d >= i }) {
			return nil, fmt.Errorf("fetch %d: not in topological order", i)
		}
		if !f.Guard.Holds(mask) {
			continue
		}
		if err := s.fetch(f); err != nil {
			return nil, fmt.Errorf("fetch %d from %s: %w", i, f.Subgraph, err)
		}
	}
	return s.project(s.root, p.Operation.Selections)
}

func (s *simulation) fetch(f *plan.Fetch) error {
	at, err := s.follow([]*node{s.root}, f.Path)
	if err != nil {
		return err
	}
	g := s.u.graphs[f.Subgraph]
	for _, n := range at {
		if len(f.Representations) == 0 {
			if err := s.answer(g, n, n.is.typ, false, nil, f.Selections); err != nil {
				return err
			}
			continue
		}
		for _, r := range f.Representations {
			if len(r.Types) > 0 {
				if !n.known {
					return fmt.Errorf("at %s: a representation depends on a runtime type that no fetch told", f.Path)
				}
				if !slices.Contains(r.Types, n.is.typ) {
					continue
				}
			}
			if err := s.enter(g, n, r, f.Selections); err != nil {
				return fmt.Errorf("at %s: %w", f.Path, err)
			}
			break
		}
	}
	return nil
}

// follow walks along a path to the objects at its end.
func (s *simulation) follow(at []*node, path plan.Path) ([]*node, error) {
	for _, e := range path {
		var next []*node
		for _, n := range at {
			v, asked := n.data[e.Key]
			if !asked {
				continue
			}
			for _, c := range flatten(v) {
				if len(e.Types) > 0 {
					if !c.known {
						return nil, fmt.Errorf("the path %s depends on a runtime type that no fetch told", path)
					}
					if !slices.Contains(e.Types, c.is.typ) {
						continue
					}
				}
				next = append(next, c)
			}
		}
		at = next
	}
	return at, nil
}

func flatten(v any) []*node {
	switch v := v.(type) {
	case *node:
		return []*node{v}
	case []any:
		var out []*node
		for _, e := range v {
			out = append(out, flatten(e)...)
		}
		return out
	}
	return nil
}

// enter sends an object as a representation and takes the answer.
func (s *simulation) enter(g supergraph.GraphID, n *node, r plan.Representation, set plan.SelectionSet) error {
	name := r.Typename
	if name == "" {
		if name = n.is.typ; !n.known {
			return fmt.Errorf("sends its own runtime type, which no fetch told")
		}
	}
	m := s.u.sg.Type(name).Membership(g)
	if m == nil {
		return fmt.Errorf("the subgraph does not know %s", name)
	}
	sent := map[string]any{}
	ok, err := s.read(n, r.Fields, sent)
	if err != nil {
		return err
	}
	if !ok {
		return nil
	}
	entered := false
	for _, k := range m.Keys {
		entered = entered || k.Resolvable && holds(sent, k.Fields, n.is.typ)
	}
	if !entered {
		return fmt.Errorf("no key of %s is in the representation %v", name, sent)
	}
	return s.answer(g, n, name, true, sent, set)
}

// read makes a representation of an object; ok is false when one of its values is missing.
func (s *simulation) read(n *node, set plan.SelectionSet, into map[string]any) (ok bool, err error) {
	for _, sel := range set {
		if sel.Fragment != nil {
			if !n.known {
				return false, fmt.Errorf("a fragment in a representation depends on a runtime type that no fetch told")
			}
			if sel.Fragment.TypeCondition == n.is.typ {
				if ok, err := s.read(n, sel.Fragment.Selections, into); err != nil || !ok {
					return ok, err
				}
			}
			continue
		}
		f := sel.Field
		key := f.Key
		if key == "" {
			key = "\x00" + f.Alias
		}
		v, asked := n.data[key]
		if !asked {
			return false, fmt.Errorf("the representation reads %s, which no fetch asked", f.Name)
		}
		if _, twice := into[f.Name]; twice {
			return false, fmt.Errorf("the representation has %s twice", f.Name)
		}
		value, ok, err := s.readValue(v, f)
		if err != nil || !ok {
			return ok, err
		}
		into[f.Name] = value
	}
	return true, nil
}

func (s *simulation) readValue(v any, f *plan.Field) (any, bool, error) {
	switch v := v.(type) {
	case []any:
		out := []any{}
		for _, e := range v {
			value, ok, err := s.readValue(e, f)
			if err != nil || !ok {
				return nil, ok, err
			}
			out = append(out, value)
		}
		return out, true, nil
	case *node:
		into := map[string]any{}
		if v.known {
			into["__typename"] = v.is.typ
		}
		ok, err := s.read(v, f.Selections, into)
		return into, ok, err
	}
	return v, true, nil
}

// holds reports whether all of a field set is in a representation of a type.
func holds(sent map[string]any, set supergraph.FieldSet, typ string) bool {
	for _, sel := range set {
		if sel.Field == "" {
			if sel.On == typ && !holds(sent, sel.Selections, typ) {
				return false
			}
			continue
		}
		if sel.Field == "__typename" {
			continue
		}
		v, ok := sent[sel.Field]
		if !ok {
			return false
		}
		for _, e := range append([]any{}, objectsIn(v)...) {
			o, _ := e.(map[string]any)
			name, _ := o["__typename"].(string)
			if !holds(o, sel.Selections, name) {
				return false
			}
		}
	}
	return true
}

func objectsIn(v any) []any {
	switch v := v.(type) {
	case map[string]any:
		return []any{v}
	case []any:
		var out []any
		for _, e := range v {
			out = append(out, objectsIn(e)...)
		}
		return out
	}
	return nil
}

// true reports whether what a representation sends is so.
func (u *universe) true(o thing, sent map[string]any, set supergraph.FieldSet) error {
	for _, sel := range set {
		if sel.Field == "" {
			if sel.On == o.typ {
				if err := u.true(o, sent, sel.Selections); err != nil {
					return err
				}
			}
			continue
		}
		v, ok := sent[sel.Field]
		if !ok {
			return fmt.Errorf("%s.%s is required and not sent", o.typ, sel.Field)
		}
		if err := u.trueValue(u.truth(o, sel.Field, fieldSetArguments(sel)), v, sel); err != nil {
			return err
		}
	}
	return nil
}

func (u *universe) trueValue(is, sent any, sel supergraph.Selection) error {
	switch is := is.(type) {
	case thing:
		o, ok := sent.(map[string]any)
		if !ok {
			return fmt.Errorf("%s was sent as %v and is an object", sel.Field, sent)
		}
		return u.true(is, o, sel.Selections)
	case []any:
		list, ok := sent.([]any)
		if !ok || len(list) != len(is) {
			return fmt.Errorf("%s was sent as %v and is %v", sel.Field, sent, is)
		}
		for i := range is {
			if err := u.trueValue(is[i], list[i], sel); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(is, sent) {
		return fmt.Errorf("%s was sent as %v and is %v", sel.Field, sent, is)
	}
	return nil
}

func fieldSetArguments(sel supergraph.Selection) string {
	var out []string
	for _, a := range sel.Arguments {
		out = append(out, a.Name+":"+a.Value)
	}
	return strings.Join(out, ",")
}

func argumentText(f *plan.Field) string {
	var out []string
	for _, a := range f.Arguments {
		out = append(out, a.Name+":"+a.Value)
	}
	return strings.Join(out, ",")
}

// answer has a subgraph answer a selection on an object, which stands there under the type static, with what was sent of
// it.
func (s *simulation) answer(g supergraph.GraphID, n *node, static string, entity bool, sent map[string]any, set plan.SelectionSet, provided ...supergraph.FieldSet) error {
	object := s.u.sg.Type(static).Membership(g) != nil && s.u.sg.Type(static).Membership(g).InterfaceObject
	for _, sel := range set {
		if sel.Fragment != nil {
			if !sel.Fragment.Guard.Holds(s.mask) {
				continue
			}
			on := sel.Fragment.TypeCondition
			m := s.u.sg.Type(on).Membership(g)
			if on != "" && m == nil {
				return fmt.Errorf("the subgraph does not know %s", on)
			}
			if object {
				if on != static {
					return fmt.Errorf("... on %s cannot apply to the interface object %s", on, static)
				}
			} else if on != "" && !s.u.canBe(g, on, n.is.typ) {
				continue
			}
			if err := s.answer(g, n, static, false, sent, sel.Fragment.Selections, provided...); err != nil {
				return err
			}
			continue
		}
		if !sel.Field.Guard.Holds(s.mask) || len(sel.Field.Types) > 0 && !slices.Contains(sel.Field.Types, n.is.typ) {
			continue
		}
		if entity && sel.Field.Name != "__typename" {
			return fmt.Errorf("%s is asked of _Entity itself", sel.Field.Name)
		}
		if err := s.field(g, n, static, object, sent, sel.Field, provided); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulation) field(g supergraph.GraphID, n *node, static string, object bool, sent map[string]any, f *plan.Field, provided []supergraph.FieldSet) error {
	key := f.Key
	if key == "" {
		key = "\x00" + f.Alias
	}
	if f.Name == "__typename" {
		if object && key == plan.PresenceKey {
			return nil
		}
		if object {
			return fmt.Errorf("__typename is asked of the interface object %s", static)
		}
		n.known = true
		n.data[key] = n.is.typ
		return nil
	}
	owner := n.is.typ
	if object {
		owner = static
	}
	model := s.u.sg.Type(owner).Field(f.Name)
	if model == nil {
		return fmt.Errorf("%s has no field %s", owner, f.Name)
	}
	src := model.Source(g)
	if src == nil {
		return fmt.Errorf("the subgraph does not know %s.%s", owner, f.Name)
	}
	var below []supergraph.FieldSet
	given := false
	for _, set := range provided {
		if sub, ok := s.provides(set, n.is.typ, f.Name); ok {
			given = true
			below = append(below, sub)
		}
	}
	if !given {
		if !src.Resolves() {
			return fmt.Errorf("the subgraph does not resolve %s.%s", owner, f.Name)
		}
		if err := s.u.true(n.is, sent, src.Requires); err != nil {
			return fmt.Errorf("%s.%s: %w", owner, f.Name, err)
		}
	}
	if len(src.Provides) > 0 {
		below = append(below, src.Provides)
	}
	v, err := s.value(g, n.data[key], s.u.truth(n.is, f.Name, argumentText(f)), src.Type.Name(), model.Type.Name(), f, below)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	n.data[key] = v
	return nil
}

func (s *simulation) provides(set supergraph.FieldSet, typ, field string) (supergraph.FieldSet, bool) {
	var out supergraph.FieldSet
	found := false
	for _, sel := range set {
		if sel.Field == "" {
			t := s.u.sg.Type(sel.On)
			if slices.ContainsFunc(t.Possible, func(p *supergraph.Type) bool { return p.Name == typ }) {
				if sub, ok := s.provides(sel.Selections, typ, field); ok {
					out, found = append(out, sub...), true
				}
			}
			continue
		}
		if sel.Field == field {
			out, found = append(out, sel.Selections...), true
		}
	}
	return out, found
}

// value gives what a field answers, merged into what is there.
func (s *simulation) value(g supergraph.GraphID, there, is any, static, declared string, f *plan.Field, provided []supergraph.FieldSet) (any, error) {
	switch is := is.(type) {
	case thing:
		n, ok := there.(*node)
		if !ok {
			t := s.u.sg.Type(static)
			n = &node{is: is, declared: declared, known: t.Kind == supergraph.Object, data: map[string]any{}}
		}
		if n.is != is {
			return nil, fmt.Errorf("two objects under one key: %v and %v", n.is, is)
		}
		return n, s.answer(g, n, static, false, nil, f.Selections, provided...)
	case []any:
		list, _ := there.([]any)
		out := make([]any, len(is))
		for i := range is {
			var old any
			if i < len(list) {
				old = list[i]
			}
			var err error
			if out[i], err = s.value(g, old, is[i], static, declared, f, provided); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return is, nil
}

// project makes the response of what the fetches answered.
func (s *simulation) project(n *node, set plan.SelectionSet) (any, error) {
	out := map[string]any{}
	for _, sel := range set {
		if sel.Fragment != nil {
			if !sel.Fragment.Guard.Holds(s.mask) {
				continue
			}
			on := s.u.sg.Type(sel.Fragment.TypeCondition)
			if !slices.ContainsFunc(on.Possible, func(p *supergraph.Type) bool { return p.Name == n.is.typ }) {
				continue
			}
			if !n.known && len(on.Possible) < len(s.u.sg.Type(n.declared).Possible) {
				return nil, fmt.Errorf("... on %s: no fetch told the runtime type", sel.Fragment.TypeCondition)
			}
			v, err := s.project(n, sel.Fragment.Selections)
			if err != nil {
				return nil, err
			}
			merge(out, v.(map[string]any))
			continue
		}
		f := sel.Field
		if !f.Guard.Holds(s.mask) {
			continue
		}
		if n == s.root && f.Name == "__typename" {
			out[f.Key] = n.is.typ
			continue
		}
		v, asked := n.data[f.Key]
		if !asked {
			return nil, fmt.Errorf("no fetch answers %s of %v", f.Key, n.is)
		}
		value, err := s.projectValue(v, f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Key, err)
		}
		merge(out, map[string]any{f.Key: value})
	}
	return out, nil
}

func (s *simulation) projectValue(v any, f *plan.Field) (any, error) {
	switch v := v.(type) {
	case *node:
		return s.project(v, f.Selections)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			var err error
			if out[i], err = s.projectValue(v[i], f); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// merge merges what is answered under one key at two places.
func merge(into, from map[string]any) {
	for k, v := range from {
		if old, twice := into[k]; twice {
			v = merged(old, v)
		}
		into[k] = v
	}
}

func merged(x, y any) any {
	switch x := x.(type) {
	case map[string]any:
		if y, ok := y.(map[string]any); ok {
			merge(x, y)
		}
		return x
	case []any:
		if y, ok := y.([]any); ok && len(x) == len(y) {
			for i := range x {
				x[i] = merged(x[i], y[i])
			}
		}
		return x
	}
	return y
}
