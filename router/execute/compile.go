package execute

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/jsontext"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// Compile turns a plan into a program. The definitions are those of the client's operation, in the order of the plan's
// variables.
func Compile(sg *supergraph.Supergraph, p *plan.Plan, variables []*ast.VariableDefinition) (*Program, error) {
	c := &compiler{
		sg: sg, api: sg.API(), plan: p, program: &Program{plan: p, schema: sg.API(), variables: variables},
		projections: map[string]*objectProjection{},
	}
	for _, cond := range p.Operation.Conditions {
		i := slices.IndexFunc(p.Operation.Variables, func(v plan.Variable) bool { return v.Name == cond.Variable })
		of := condition{variable: i, equals: cond.Equals}
		if cond.Label != "" {
			l := newLabel(cond.Label)
			of.label = &l
		}
		c.program.conditions = append(c.program.conditions, of)
	}
	c.program.representations = "representations"
	for slices.ContainsFunc(p.Operation.Variables, func(v plan.Variable) bool {
		return strings.HasPrefix(v.Name, c.program.representations)
	}) {
		c.program.representations = "_" + c.program.representations
	}
	c.program.root = newNode(nil, "")
	c.program.root.static = p.Operation.RootType
	for _, f := range p.Fetches {
		if err := c.fetch(f); err != nil {
			return nil, fmt.Errorf("compile fetch %d: %w", f.ID, err)
		}
	}
	c.finish(c.program.root)
	for i, f := range p.Fetches {
		c.expect(c.program.fetches[i], f)
	}
	for i, f := range p.Fetches {
		if err := c.represent(c.program.fetches[i], f); err != nil {
			return nil, fmt.Errorf("compile fetch %d: %w", f.ID, err)
		}
		if err := c.piece(c.program.fetches[i], f); err != nil {
			return nil, fmt.Errorf("compile fetch %d: %w", f.ID, err)
		}
	}
	c.lists()
	c.units()
	c.deferrals()
	var err error
	c.program.projection, err = c.project(c.program.root, p.Operation.RootType, []guarded{{set: p.Operation.Selections}})
	if err != nil {
		return nil, fmt.Errorf("compile the response: %w", err)
	}
	c.program.root.settleTypes()
	for _, f := range c.program.fetches {
		f.setKey(c.program.fetches)
	}
	c.repeats()
	return c.program, nil
}

type compiler struct {
	sg      *supergraph.Supergraph
	api     *ast.Schema
	plan    *plan.Plan
	program *Program

	leaves      map[leafKey]*leafType
	projections map[string]*objectProjection
	written     []*objectProjection // the same in order
	tangled     bool                // a guard has too many alternatives, or a field too many sets of directives
	// What the operation that is being rendered defines for spreads with directives, its fetch, and how many there are.
	definitions strings.Builder
	rendering   int
	fragments   int
}

// ErrTooManyConditions is the answer to an operation that repeats a field under very many combinations of @skip and
// @include.
var ErrTooManyConditions = errors.New("a field is selected under too many combinations of @skip and @include")

func newNode(parent *node, key string) *node {
	return &node{parent: parent, key: key, children: map[string]*node{}, fields: map[string][]access{}}
}

func (n *node) child(key string) *node {
	c := n.children[key]
	if c == nil {
		c = newNode(n, key)
		n.children[key] = c
		n.order = append(n.order, c)
	}
	return c
}

// logical is the key under which a fetch's field is known at its node.
func logical(f *plan.Field) string {
	if f.Key != "" {
		return f.Key
	}
	return "\x00" + f.Alias
}

func (c *compiler) fetch(f *plan.Fetch) error {
	out := &fetch{
		id: f.ID, subgraph: f.Subgraph, kind: f.Kind, entity: len(f.Representations) > 0, guard: f.Guard,
	}
	out.sees, out.needs = make([]bool, len(c.plan.Fetches)), f.DependsOn
	for _, d := range f.DependsOn {
		if d < 0 || d >= len(c.program.fetches) {
			return fmt.Errorf("it depends on fetch %d, which does not stand before it", d)
		}
		before := c.program.fetches[d]
		out.sees[d] = true
		for i, seen := range before.sees {
			out.sees[i] = out.sees[i] || seen
		}
	}
	at := c.program.root
	for _, e := range f.Path {
		at = at.children[e.Key]
		if at == nil {
			return fmt.Errorf("its path leads through %q, which no fetch before it answers", e.Key)
		}
		out.path = append(out.path, step{node: at, types: e.Types})
	}
	out.at = at
	object := &shape{}
	src := source{fetch: f.ID, shape: object}
	switch {
	case len(f.Path) == 0 && !out.entity:
		src.root = true
	default:
		for i := range at.sources {
			if s := &at.sources[i]; out.sees[s.fetch] {
				src.hosts = append(src.hosts, access{source: i, slot: s.shape.size, fetch: s.fetch})
				s.shape.size++
			}
		}
		if len(src.hosts) == 0 {
			return errors.New("nothing that it may read stands at its path")
		}
		out.hosts, out.nested = src.hosts, !out.entity
	}
	at.sources = append(at.sources, src)
	c.selections(f, at, len(at.sources)-1, object, f.Selections)
	out.shape = object
	if out.entity {
		out.entities = object
		out.shape = &shape{size: 1, fields: []shapeField{shapeFieldOf("_entities", 0, object)}}
	}
	for _, s := range flatFields(f.Selections, nil) {
		if s.Key != "" && s.Key[0] != 0 && s.Name != "__typename" {
			out.keys = append(out.keys, s.Key)
		}
	}
	c.render(out, f)
	c.program.fetches = append(c.program.fetches, out)
	return nil
}

func flatFields(set plan.SelectionSet, out []*plan.Field) []*plan.Field {
	for _, s := range set {
		if s.Field != nil {
			out = append(out, s.Field)
		} else {
			out = flatFields(s.Fragment.Selections, out)
		}
	}
	return out
}

// selections adds what a fetch asks of an object to its shape and to the node's sources.
func (c *compiler) selections(f *plan.Fetch, n *node, src int, sh *shape, set plan.SelectionSet) {
	for _, s := range set {
		if s.Fragment != nil {
			c.selections(f, n, src, sh, s.Fragment.Selections)
			continue
		}
		field := s.Field
		at := -1
		for i := range sh.fields {
			if string(sh.fields[i].key) == field.Alias {
				at = i
			}
		}
		if at < 0 {
			at = len(sh.fields)
			sh.fields = append(sh.fields, shapeFieldOf(field.Alias, sh.size, nil))
			sh.size++
		}
		slotAt := sh.fields[at].slot
		if len(field.Selections) == 0 {
			key := logical(field)
			a := access{src, slotAt, f.ID, n.kind(field.Types)}
			if !slices.Contains(n.fields[key], a) {
				n.fields[key] = append(n.fields[key], a)
			}
			n.tell(field, a)
			continue
		}
		child := n.child(logical(field))
		if sh.fields[at].child == nil {
			sh.fields[at].child = &shape{}
		}
		inner := sh.fields[at].child
		index := -1
		for i, cs := range child.sources {
			if cs.fetch == f.ID && !cs.attached() && cs.parent == src && cs.slot == slotAt {
				index = i
			}
		}
		static := c.objectType(f, field)
		if index < 0 {
			index = len(child.sources)
			child.sources = append(child.sources, source{fetch: f.ID, shape: inner, parent: src, slot: slotAt, types: field.Types, static: static})
		} else if s := &child.sources[index]; s.static != static {
			s.static = "" // it depends on the object above: the plan has the objects tell their types
		}
		c.selections(f, child, index, inner, field.Selections)
	}
}

// kind returns the number of some runtime types among those that values at a node stand for, 0 for none.
func (n *node) kind(types []string) int {
	if len(types) == 0 {
		return 0
	}
	for i, known := range n.kinds {
		if slices.Equal(known, types) {
			return i + 1
		}
	}
	n.kinds = append(n.kinds, types)
	return len(n.kinds)
}

// standing returns those places of a field at a node that hold its value for objects of some runtime types; none stand for
// all types.
func (n *node) standing(places []access, types ...string) []access {
	if len(n.kinds) == 0 || len(types) == 0 {
		return places
	}
	var out []access
	for _, a := range places {
		if a.kind == 0 || slices.ContainsFunc(types, func(t string) bool { return slices.Contains(n.kinds[a.kind-1], t) }) {
			out = append(out, a)
		}
	}
	return out
}

// objectType gives the type of the objects that a field leads to as the subgraph has it; "" where it has an abstract type, or
// an interface as an object type.
func (c *compiler) objectType(f *plan.Fetch, field *plan.Field) string {
	t := c.sg.Type(field.Parent)
	if t == nil || t.Field(field.Name) == nil {
		return ""
	}
	def := t.Field(field.Name)
	name := def.Type.Name()
	for i := range def.Sources {
		if s := &def.Sources[i]; c.sg.Subgraphs()[s.Graph].Name == f.Subgraph {
			name = s.Type.Name()
		}
	}
	if out := c.sg.Type(name); out != nil && out.Kind == supergraph.Object {
		return name
	}
	return ""
}

// tell notes that a slot has the runtime type of the objects at a node, or that it has another field of some of them.
func (n *node) tell(f *plan.Field, a access) {
	switch {
	case logical(f) == plan.PresenceKey:
	case f.Name != "__typename":
		n.others = append(n.others, a)
		n.typename = slices.DeleteFunc(n.typename, func(t access) bool { return t == a })
	case !slices.Contains(n.typename, a) && !slices.Contains(n.others, a):
		n.typename = append(n.typename, a)
	}
}

// uses counts the positions in the response at which the objects of each shape stand.
func (c *compiler) uses() map[*shape]int {
	used := map[*shape]int{}
	var count func(n *node)
	count = func(n *node) {
		for i := range n.sources {
			used[n.sources[i].shape]++
		}
		for _, child := range n.order {
			count(child)
		}
	}
	count(c.program.root)
	return used
}

// lists has the scanner note the objects that fetches need, where one source alone tells of them: whoever needs them then
// takes the list, in which each stands once, however often it stands in the response.
func (c *compiler) lists() {
	used := c.uses()
	numbers := make([]int, len(c.program.fetches))
	for _, f := range c.program.fetches {
		if len(f.path) == 0 || len(f.contexts) > 0 || !f.entity && !f.nested {
			continue
		}
		conditional := slices.ContainsFunc(f.path[:len(f.path)-1], func(s step) bool { return len(s.types) > 0 })
		direct, several := -1, false
		for i := range f.at.sources {
			if s := &f.at.sources[i]; !s.attached() && f.sees[s.fetch] {
				direct, several = i, direct >= 0
			}
		}
		if conditional || several || direct < 0 {
			continue
		}
		s := &f.at.sources[direct]
		if used[s.shape] > 1 {
			continue
		}
		if s.shape.list == 0 {
			numbers[s.fetch]++
			s.shape.list = numbers[s.fetch]
		}
		f.listed, f.direct = s.shape.list, direct
	}
}

// finish gives every shape at least one slot, so that objects of different places never share an offset.
func (c *compiler) finish(n *node) {
	for i := range n.sources {
		if n.sources[i].shape.size == 0 {
			n.sources[i].shape.size = 1
		}
	}
	for _, child := range n.order {
		c.finish(child)
	}
}

// render writes the request up to the variables' values.
func (c *compiler) render(out *fetch, f *plan.Fetch) {
	index := map[string]int{}
	for i, v := range c.plan.Operation.Variables {
		index[v.Name] = i
	}
	var b strings.Builder
	switch f.Kind {
	case plan.Mutation:
		b.WriteString("mutation")
	case plan.Subscription:
		b.WriteString("subscription")
	default:
		b.WriteString("query")
	}
	if name := c.operationName(f); name != "" {
		b.WriteString(" " + name)
	}
	var declared []string
	if out.entity {
		declared = append(declared, "$"+c.program.representations+":[_Any!]!")
	}
	for _, name := range f.Variables {
		i, ok := index[name]
		if !ok {
			continue
		}
		declared = append(declared, c.declare(i))
		out.variables = append(out.variables, i)
	}
	// @skip and @include stay in the subgraph's query, and so do their variables.
	for _, name := range guardVariables(c.plan.Operation, f.Selections, f.Kind == plan.Mutation) {
		i, ok := index[name]
		if !ok || slices.Contains(out.variables, i) {
			continue
		}
		declared = append(declared, c.declare(i))
		out.variables = append(out.variables, i)
	}
	if len(declared) > 0 {
		b.WriteString("(" + strings.Join(declared, ",") + ")")
	}
	b.WriteString(c.operationDirectives(f.Kind))
	c.rendering, c.fragments = f.ID, 0
	c.definitions.Reset()
	if out.entity {
		b.WriteString("{_entities(representations:$" + c.program.representations + ")")
		c.write(&b, f.Selections, false)
		b.WriteString("}")
	} else {
		c.write(&b, f.Selections, f.Kind == plan.Mutation)
	}
	out.definitions = c.definitions.String()
	b.WriteString(out.definitions)
	out.query = b.String()
	out.prefix = append(jsontext.AppendString([]byte(`{"query":`), out.query), `,"variables":{`...)
}

// operationName names a fetch's operation after the client's, so that a subgraph's traces tell what it was asked for.
func (c *compiler) operationName(f *plan.Fetch) string {
	if c.plan.Operation.Name == "" {
		return ""
	}
	return fmt.Sprintf("%s__%s__%d", c.plan.Operation.Name, identifier(f.Subgraph), f.ID)
}

// declare writes the definition of one of the operation's variables.
func (c *compiler) declare(i int) string {
	v := c.plan.Operation.Variables[i]
	text := "$" + v.Name + ":" + v.Type
	if v.HasDefault {
		text += "=" + v.Default
	}
	text += v.Directives
	return text
}

func identifier(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, s)
}
