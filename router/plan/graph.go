package plan

import (
	"fmt"
	"slices"
	"sort"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/supergraph"
)

// graph is a supergraph compiled for the search: types, fields and what each subgraph does with them, by small
// numbers. It is built once and never changed.
type graph struct {
	sg    *supergraph.Supergraph
	size  int // how many subgraphs
	types []*typeNode
	named map[string]*typeNode
	roots [3]*typeNode
	ids   int // the last number given to an item or key
}

// typeNode is a type.
type typeNode struct {
	id       typeID
	name     string
	model    *supergraph.Type
	abstract bool
	fields   map[string]*fieldNode
	in       []*typeIn // by subgraph; nil where it does not know the type
	possible typeSet   // in all subgraphs together
	visible  typeSet   // possible, less what is inaccessible
	// objects are, for an object type, the interfaces of it that some subgraph has as an interface object.
	objects []*typeNode
}

// typeIn is what one subgraph knows of a type.
type typeIn struct {
	// keys are those by which the subgraph can be entered.
	keys []*keyNode
	// closed are the keys by which the subgraph cannot be entered, but for those who stand there and went out for a requirement.
	closed []*keyNode
	// object tells that the subgraph has this interface as an object type.
	object   bool
	possible typeSet
}

// keyNode is a key by which a subgraph is entered.
type keyNode struct {
	text  string
	items []*item
}

// fieldNode is a field of an object or interface type.
type fieldNode struct {
	name    string
	owner   *typeNode
	out     *typeNode // nil for built-in scalars
	text    string    // the type as written
	leaf    bool
	sources []*sourceNode // by subgraph; nil where it does not know the field
	// demanding tells that some subgraph resolves it only with more than the object itself.
	demanding bool
}

// sourceNode is one subgraph's part in a field.
type sourceNode struct {
	id       int
	field    *fieldNode
	subgraph int
	out      *typeNode
	text     string
	resolves bool
	label    string
	active   bool
	requires []*item
	provides view
	contexts []contextNode
}

// contextNode is an argument taken from an ancestor.
type contextNode struct {
	argument, typ, name string
	selection           supergraph.FieldSet
	items               map[typeID][]*item // by the type of the ancestor that sets the context
}

// objectIn reports whether a subgraph has an interface as an object type.
func (n *typeNode) objectIn(subgraph int) bool {
	return n != nil && n.in[subgraph] != nil && n.in[subgraph].object
}

// plain tells that the subgraph resolves the field with nothing but the object itself.
func (s *sourceNode) plain() bool { return len(s.requires) == 0 && len(s.contexts) == 0 }

// view is what a subgraph resolves below a field beyond its own, by @provides.
type view []*item

// item is a field that is asked for at some place, with what is asked below it: of a client's operation, or of a key,
// a requirement, or what is provided.
type item struct {
	id        int
	name      string
	key       string // response key; "" for what only a requirement asks
	decl      *typeNode
	arguments []Argument
	text      string // arguments and directives in canonical form
	variants  []Variant
	types     typeSet
	out       *typeNode // declared on decl; nil for scalars and __typename
	leaf      bool
	sub       []*item
	guard     Guard // relative to the parent
	full      Guard // including the parents'
	group     deferredGroup
}

const typenameField = "__typename"

func newGraph(sg *supergraph.Supergraph) (*graph, error) {
	g := &graph{sg: sg, size: len(sg.Subgraphs()), named: map[string]*typeNode{}}
	for _, t := range sg.Types() {
		n := &typeNode{id: typeID(len(g.types)), name: t.Name, model: t, abstract: t.IsAbstract(), fields: map[string]*fieldNode{}}
		g.types = append(g.types, n)
		g.named[t.Name] = n
	}
	for _, n := range g.types {
		if n.model.IsComposite() {
			g.members(n)
		}
	}
	for _, n := range g.types {
		if n.model.Kind == supergraph.Object || n.model.Kind == supergraph.Interface {
			g.fieldsOf(n)
		}
	}
	for _, n := range g.types {
		if err := g.compileSets(n); err != nil {
			return nil, err
		}
	}
	for _, n := range g.types {
		for _, f := range n.fields {
			f.demanding = slices.ContainsFunc(f.sources, func(src *sourceNode) bool { return src != nil && !src.plain() })
		}
	}
	for i, op := range []ast.Operation{ast.Query, ast.Mutation, ast.Subscription} {
		if t := sg.Root(op); t != nil {
			g.roots[i] = g.named[t.Name]
		}
	}
	return g, nil
}

// members computes what a composite type may be, everywhere and in each subgraph.
func (g *graph) members(n *typeNode) {
	for _, p := range n.model.Possible {
		id := g.named[p.Name].id
		n.possible = append(n.possible, id)
		if !p.Inaccessible {
			n.visible = append(n.visible, id)
		}
	}
	if len(n.possible) == 0 && n.model.Kind == supergraph.Interface && slices.ContainsFunc(n.model.In, func(m supergraph.Membership) bool { return m.InterfaceObject }) {
		// Nothing implements it, but a subgraph has objects of it: they are of no other type.
		n.possible = typeSet{n.id}
		if !n.model.Inaccessible {
			n.visible = n.possible
		}
	}
	n.possible, n.visible = sorted(n.possible), sorted(n.visible)
	n.in = make([]*typeIn, g.size)
	for _, m := range n.model.In {
		in := &typeIn{object: m.InterfaceObject}
		switch {
		case n.model.Kind == supergraph.Object:
			in.possible = typeSet{n.id}
		case m.InterfaceObject:
			in.possible = n.possible
		case n.model.Kind == supergraph.Union:
			for _, u := range n.model.Members {
				if u.Graph == m.Graph {
					in.possible = append(in.possible, g.named[u.Type].id)
				}
			}
		default:
			for _, id := range n.possible {
				if id == n.id {
					in.possible = n.possible
				}
				for _, i := range g.types[id].model.Implements {
					if i.Graph == m.Graph && i.Interface == n.name {
						in.possible = append(in.possible, id)
						break
					}
				}
			}
		}
		in.possible = sorted(in.possible)
		n.in[m.Graph] = in
	}
	if n.model.Kind != supergraph.Interface {
		return
	}
	for _, m := range n.model.In {
		if m.InterfaceObject {
			for _, id := range n.possible {
				g.types[id].objects = append(g.types[id].objects, n)
			}
			return
		}
	}
}

func sorted(s typeSet) typeSet {
	sort.Slice(s, func(i, j int) bool { return s[i] < s[j] })
	out := s[:0]
	for i, t := range s {
		if i == 0 || t != s[i-1] {
			out = append(out, t)
		}
	}
	return out
}

func (g *graph) fieldsOf(n *typeNode) {
	for _, f := range n.model.Fields {
		out := g.named[f.Type.Name()]
		node := &fieldNode{name: f.Name, owner: n, out: out, text: f.Type.String(), leaf: out == nil || !out.model.IsComposite(), sources: make([]*sourceNode, g.size)}
		for i := range f.Sources {
			s := &f.Sources[i]
			g.ids++
			src := &sourceNode{id: g.ids, field: node, subgraph: int(s.Graph), out: g.named[s.Type.Name()], text: s.Type.String(), label: s.Label, active: s.LabelActive}
			src.resolves = s.Resolves() || !s.Overridden && s.External && g.extensionKey(n, s, f.Name)
			for _, c := range s.Contexts {
				src.contexts = append(src.contexts, contextNode{argument: c.Name, typ: c.Type, name: c.Context, selection: c.Selection})
			}
			node.sources[s.Graph] = src
		}
		n.fields[f.Name] = node
	}
}

// extensionKey tells of an external field that a key mentions and that the subgraph yet answers: Federation 1 marked the
// keys of extended types so.
func (g *graph) extensionKey(n *typeNode, s *supergraph.Source, field string) bool {
	m := n.model.Membership(s.Graph)
	if m == nil || !m.Extension {
		return false
	}
	for _, k := range m.Keys {
		for _, sel := range k.Fields {
			if sel.Field == field {
				return true
			}
		}
	}
	return false
}

// compileSets compiles the keys of a type and what its fields require and provide.
func (g *graph) compileSets(n *typeNode) error {
	for _, m := range n.model.In {
		if !n.model.IsComposite() {
			continue
		}
		in := n.in[m.Graph]
		for _, k := range m.Keys {
			items, err := g.compile(n, n.possible, k.Fields)
			if err != nil {
				return fmt.Errorf("key of %s: %w", n.name, err)
			}
			if node := (&keyNode{text: k.Fields.String(), items: items}); k.Resolvable {
				in.keys = append(in.keys, node)
			} else {
				in.closed = append(in.closed, node)
			}
		}
	}
	for _, f := range n.model.Fields {
		node := n.fields[f.Name]
		if node == nil {
			continue
		}
		for i := range f.Sources {
			s := &f.Sources[i]
			src := node.sources[s.Graph]
			var err error
			if src.requires, err = g.compile(n, n.possible, s.Requires); err != nil {
				return fmt.Errorf("requires of %s.%s: %w", n.name, f.Name, err)
			}
			for i := range src.contexts {
				if err := g.compileContext(&src.contexts[i]); err != nil {
					return fmt.Errorf("context %q of %s.%s: %w", src.contexts[i].name, n.name, f.Name, err)
				}
			}
			if len(s.Provides) > 0 && src.out != nil {
				items, err := g.compile(src.out, src.out.possible, s.Provides)
				if err != nil {
					return fmt.Errorf("provides of %s.%s: %w", n.name, f.Name, err)
				}
				src.provides = items
			}
		}
	}
	return nil
}

// compileContext compiles what an argument is read from for each type that sets its context, by itself or by an interface
// or a union.
func (g *graph) compileContext(c *contextNode) error {
	c.items = map[typeID][]*item{}
	for _, t := range g.types {
		if !slices.Contains(t.model.Contexts, c.name) {
			continue
		}
		items, err := g.compile(t, t.possible, c.selection)
		if err != nil {
			return err
		}
		for _, id := range t.possible {
			if c.items[id] == nil {
				c.items[id] = items
			}
		}
	}
	return nil
}

// compile turns a field set selected on the type n, of which only the objects in types are meant, into items.
func (g *graph) compile(n *typeNode, types typeSet, set supergraph.FieldSet) ([]*item, error) {
	var out []*item
	for _, sel := range set {
		if sel.Field == "" {
			on := g.named[sel.On]
			nested, err := g.compile(on, types.intersect(on.possible), sel.Selections)
			if err != nil {
				return nil, err
			}
			out = append(out, nested...)
			continue
		}
		g.ids++
		it := &item{id: g.ids, name: sel.Field, decl: n, types: types, leaf: true}
		for _, a := range sel.Arguments {
			it.arguments = append(it.arguments, Argument{Name: a.Name, Value: a.Value})
		}
		it.text = argumentsText(it.arguments)
		if sel.Field != typenameField {
			f := n.fields[sel.Field]
			if f == nil {
				return nil, fmt.Errorf("type %s has no field %q", n.name, sel.Field)
			}
			it.leaf = f.leaf
			if !f.leaf {
				it.out = f.out
				var err error
				if it.sub, err = g.compile(f.out, f.out.possible, sel.Selections); err != nil {
					return nil, err
				}
			}
		}
		out = append(out, it)
	}
	return out, nil
}

// argumentsText writes arguments in a form in which equal ones are equal whatever their order.
func argumentsText(args []Argument) string {
	if len(args) == 0 {
		return ""
	}
	order := append([]Argument(nil), args...)
	sort.Slice(order, func(i, j int) bool { return order[i].Name < order[j].Name })
	text := "("
	for i, a := range order {
		if i > 0 {
			text += ", "
		}
		text += a.Name + ": " + a.Value
	}
	return text + ")"
}

// field gives the field of an object type, nil when there is none.
func (g *graph) field(t typeID, name string) *fieldNode { return g.types[t].fields[name] }

// names lists the names of a set of types.
func (g *graph) names(s typeSet) []string {
	out := make([]string, len(s))
	for i, t := range s {
		out[i] = g.types[t].name
	}
	return out
}
