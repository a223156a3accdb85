package plan

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/lethe/lethe/router/supergraph"
)

// Unanswerable is a query that the API admits and no plan can answer.
type Unanswerable struct {
	// Operation is the kind of the operation.
	Operation OperationKind
	// Query is the smallest such query on this path, as text.
	Query string
	// Type and Field name what cannot be reached.
	Type, Field string
	// Reasons say, for each subgraph in which one can stand on the path, why it does not lead on.
	Reasons []Reason
	// Disjoint tells that the field can be reached, but subgraphs that share it answer with objects of types of which they
	// have none in common.
	Disjoint bool
}

// Reason says why a subgraph does not lead to a field.
type Reason struct {
	Subgraph string
	Because  []string
}

// satisfyWork bounds the search for queries that cannot be answered.
const satisfyWork = 100_000_000

// maxUnanswerable bounds how many queries are given.
const maxUnanswerable = 200

// maxBranchingLabels bounds how many labels of progressive overrides are tried both ways on one path; further ones are
// taken as off.
const maxBranchingLabels = 10

// Unanswerable looks for queries that cannot be answered: it walks all fields that the API admits, and asks the search for
// each of them, from every combination of subgraphs in which one can stand there. Composition proves by it that a
// supergraph is sound. The error is a [LimitError] when the supergraph is too large to be walked.
func (p *Planner) Unanswerable() ([]Unanswerable, error) {
	w := &walk{g: p.graph, work: satisfyWork}
	for i, root := range p.graph.roots {
		if root == nil {
			continue
		}
		kind := []OperationKind{Query, Mutation, Subscription}[i]
		if err := w.operation(kind, root); err != nil {
			return nil, err
		}
	}
	return w.found, nil
}

// walk is one search for unanswerable queries.
type walk struct {
	g     *graph
	kind  OperationKind
	work  int
	found []Unanswerable
	// visited holds, by type, what has been walked.
	visited map[typeID][]*standing
	queue   []*standing
	// sound holds from where all fields of a type were found to be answered.
	sound map[reachKey][]reach
	// reported keeps each field from being given more than once.
	reported map[string]bool
}

// standing is a position on a path: the ways in which one can stand there.
type standing struct {
	parent   *standing
	via      string // the selection that leads here: "field" or "... on Type { field"
	static   *typeNode
	arrivals []*vertex
	marks    map[string]bool // the arrivals, to compare
	labels   map[string]bool
	contexts map[string]bool
	root     bool
}

func (w *walk) operation(kind OperationKind, root *typeNode) error {
	w.kind = kind
	w.visited, w.reported, w.sound = map[typeID][]*standing{}, map[string]bool{}, map[reachKey][]reach{}
	s := &standing{static: root, root: true, labels: map[string]bool{}, contexts: map[string]bool{}}
	for g, in := range root.in {
		if in != nil {
			s.arrivals = append(s.arrivals, &vertex{kind: rootVertex, static: root, types: root.possible, subgraph: g, self: moveCost})
		}
	}
	w.push(s)
	return w.drain()
}

// push walks a position later, unless one from which no more could be reached has been walked.
func (w *walk) push(s *standing) {
	s.marks = map[string]bool{}
	for _, v := range s.arrivals {
		s.marks[arrivalMark(v)] = true
	}
	for _, o := range w.visited[s.static.id] {
		if includes(s.marks, o.marks) && sameLabels(s.labels, o.labels) && includes(s.contexts, o.contexts) {
			return
		}
	}
	w.visited[s.static.id] = append(w.visited[s.static.id], s)
	w.queue = append(w.queue, s)
}

func arrivalMark(v *vertex) string {
	mark := strconv.Itoa(v.subgraph) + " " + v.static.name + " " + v.types.key()
	for _, it := range v.view {
		mark += " " + strconv.Itoa(it.id)
	}
	return mark
}

// includes tells whether all of small is in large.
func includes(large, small map[string]bool) bool {
	for k := range small {
		if !large[k] {
			return false
		}
	}
	return true
}

func sameLabels(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if o, ok := b[k]; !ok || o != v {
			return false
		}
	}
	return true
}

func (w *walk) drain() error {
	for len(w.queue) > 0 && len(w.found) < maxUnanswerable {
		s := w.queue[0]
		w.queue = w.queue[1:]
		if err := w.fields(s); err != nil {
			return err
		}
	}
	w.queue = nil
	return nil
}

// place makes the search's place for a position under some labels.
func (w *walk) place(st *standing, labels map[string]bool) (*search, *place) {
	known := map[string]bool{}
	for k, v := range labels {
		known[k] = v
	}
	s := &search{g: w.g, kind: w.kind, limits: Limits{Work: w.work}, labels: known, active: map[string]bool{}, scores: map[string]score{}, excluded: map[int]int{}, dry: 1, settled: true}
	p := &place{static: st.static, root: st.root, scope: newScope(), children: map[string]*place{}}
	s.slots = p.scope
	p.objects = true
	for i, a := range st.arrivals {
		v := *a
		v.place = p
		p.arrivals = append(p.arrivals, s.newVertex(v))
		if i == 0 || !st.static.abstract {
			p.possible = p.possible.union(v.types)
		} else {
			// Subgraphs that share a field answer alike, so only what all of them can answer with occurs.
			p.possible = p.possible.intersect(v.types)
		}
		p.objects = p.objects && v.object
	}
	return s, p
}

// fields walks all fields at a position.
func (w *walk) fields(st *standing) error {
	return w.under(st, st.labels)
}

// under walks all fields at a position under some labels, and again under more when others turn out to matter.
func (w *walk) under(st *standing, labels map[string]bool) error {
	s, p := w.place(st, labels)
	defer func() { w.work -= s.work }()
	if visible := p.possible.intersect(p.static.visible); p.objects && !st.root && len(visible) > 0 {
		it := typenameItem(p)
		options, err := s.options(p, visible, it)
		if err != nil {
			return err
		}
		if len(options) == 0 {
			w.report(st, p, s, nil, p.static, it)
		}
	}
	for _, id := range p.possible.intersect(st.static.visible) {
		t := w.g.types[id]
		if t.abstract {
			continue // an interface that nothing implements
		}
		before := len(s.unknown)
		c, err := s.closure(p, typeSet{id})
		if err != nil {
			return err
		}
		if len(s.unknown) > before && len(labels) < maxBranchingLabels {
			return w.branch(st, labels, s.unknown[before])
		}
		here := w.reachFrom(st, c, t, labels)
		if w.covered(here) {
			continue
		}
		found := len(w.found)
		for _, f := range visibleFields(t) {
			it := &item{name: f.name, decl: t, types: typeSet{id}, out: f.out, leaf: f.leaf, key: f.name}
			before := len(s.unknown)
			options, err := w.answers(s, p, st, it)
			if err != nil {
				return err
			}
			if len(s.unknown) > before && len(labels) < maxBranchingLabels {
				return w.branch(st, labels, s.unknown[before])
			}
			if len(options) == 0 {
				w.report(st, p, s, t, t, it)
				continue
			}
			if f.leaf {
				continue
			}
			if err := w.below(st, s, p, labels, t, f, it, options); err != nil {
				return err
			}
		}
		if len(w.found) == found {
			w.sound[here.key] = append(w.sound[here.key], here)
		}
	}
	return nil
}

// branch walks a position with a label on and with it off.
func (w *walk) branch(st *standing, labels map[string]bool, label string) error {
	for _, active := range []bool{true, false} {
		more := map[string]bool{label: active}
		for k, v := range labels {
			more[k] = v
		}
		if err := w.under(st, more); err != nil {
			return err
		}
	}
	return nil
}

// answers gives the vertices at which a field can be answered.
func (w *walk) answers(s *search, p *place, st *standing, it *item) ([]*vertex, error) {
	options, err := s.options(p, it.types, it)
	if err != nil {
		return nil, err
	}
	var out []*vertex
	for _, v := range options {
		if v.kind != requireVertex || w.contextsSet(st, w.g.types[it.types[0]], v.source) {
			out = append(out, v)
		}
	}
	return out, nil
}

// contextsSet tells whether the contexts that a source takes arguments from are set on the way.
func (w *walk) contextsSet(st *standing, t *typeNode, src *sourceNode) bool {
	for _, c := range src.contexts {
		if !st.contexts[c.name] {
			return false
		}
	}
	return true
}

// visibleFields gives the fields of an object type that the API has, in the order of the supergraph.
func visibleFields(t *typeNode) []*fieldNode {
	var out []*fieldNode
	for _, f := range t.model.Fields {
		if !f.Inaccessible {
			out = append(out, t.fields[f.Name])
		}
	}
	return out
}

// below walks what a field leads to.
func (w *walk) below(st *standing, s *search, p *place, labels map[string]bool, t *typeNode, f *fieldNode, it *item, options []*vertex) error {
	c := &place{static: f.out}
	var arrivals []*vertex
	for _, v := range options {
		if a := s.arrive(c, v, it, it.types); a != nil {
			arrivals = append(arrivals, a)
		}
	}
	if len(arrivals) == 0 {
		return nil
	}
	for _, v := range arrivals {
		v.place, v.from, v.deps = nil, nil, nil
	}
	next := &standing{parent: st, static: f.out, labels: labels, contexts: st.contexts, via: selectionOf(st, t, f)}
	if names := w.contextNames(t); len(names) > 0 {
		next.contexts = map[string]bool{}
		for k := range st.contexts {
			next.contexts[k] = true
		}
		for _, n := range names {
			next.contexts[n] = true
		}
	}
	if f.out.abstract && disjoint(arrivals) {
		w.reportDisjoint(st, t, f, arrivals)
	}
	if w.kind == Mutation && st.root && len(arrivals) > 1 {
		return w.oneOf(next, arrivals)
	}
	next.arrivals = arrivals
	w.push(next)
	return nil
}

// contextNames gives the contexts that an object of a type sets, by itself or by its interfaces and unions.
func (w *walk) contextNames(t *typeNode) []string {
	names := append([]string(nil), t.model.Contexts...)
	for _, o := range w.g.types {
		if o.abstract && len(o.model.Contexts) > 0 && o.possible.has(t.id) {
			names = append(names, o.model.Contexts...)
		}
	}
	return names
}

func disjoint(arrivals []*vertex) bool {
	common := arrivals[0].types
	several := false
	for _, v := range arrivals {
		if v.object {
			return false
		}
		several = several || v.subgraph != arrivals[0].subgraph
		common = common.intersect(v.types)
	}
	return several && len(common) == 0
}

// oneOf walks below a field that changes something and that several subgraphs resolve: it runs in one of them, from which
// all the rest has to be reached.
func (w *walk) oneOf(next *standing, arrivals []*vertex) error {
	var first []Unanswerable
	for i, v := range arrivals {
		sub := &walk{g: w.g, kind: w.kind, work: w.work, visited: map[typeID][]*standing{}, reported: map[string]bool{}, sound: map[reachKey][]reach{}}
		at := *next
		at.arrivals = []*vertex{v}
		sub.push(&at)
		if err := sub.drain(); err != nil {
			return err
		}
		w.work = sub.work
		if len(sub.found) == 0 {
			return nil
		}
		if i == 0 {
			first = sub.found
		}
	}
	w.found = append(w.found, first...)
	return nil
}

// selectionOf writes the selection of a field at a position.
func selectionOf(st *standing, t *typeNode, f *fieldNode) string {
	text := f.name + sampleArguments(f)
	if st.static.abstract {
		return "... on " + t.name + " {\x00" + text
	}
	return text
}

// sampleArguments writes values for the arguments that must be given.
func sampleArguments(f *fieldNode) string {
	var parts []string
	for _, m := range f.owner.model.Fields {
		if m.Name != f.name {
			continue
		}
		for _, a := range m.Arguments {
			if !a.Type.NonNull || a.Default != nil {
				continue
			}
			value := "<any " + a.Type.Name() + ">"
			switch {
			case a.Type.Elem != nil:
				value = "[]"
			case a.Type.NamedType == "ID":
				value = `"<any id>"`
			case a.Type.NamedType == "String":
				value = `"A string value"`
			case a.Type.NamedType == "Int":
				value = "0"
			case a.Type.NamedType == "Float":
				value = "3.14"
			case a.Type.NamedType == "Boolean":
				value = "true"
			}
			parts = append(parts, a.Name+": "+value)
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

// text writes the query that leads to a selection at a position.
func (st *standing) text(kind OperationKind, last string) string {
	var path []string
	for s := st; s != nil; s = s.parent {
		if s.via != "" {
			path = append([]string{s.via}, path...)
		}
	}
	path = append(path, last)
	var lines []string
	for _, p := range path {
		lines = append(lines, strings.Split(p, "\x00")...)
	}
	var b strings.Builder
	if kind != Query {
		b.WriteString(operationWord(kind) + " ")
	}
	b.WriteString("{\n")
	for i, l := range lines {
		b.WriteString(strings.Repeat("  ", i+1) + l)
		if i < len(lines)-1 && !strings.HasSuffix(l, "{") {
			b.WriteString(" {")
		}
		b.WriteByte('\n')
	}
	for i := len(lines) - 1; i >= 0; i-- {
		b.WriteString(strings.Repeat("  ", i) + "}\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func operationWord(k OperationKind) string {
	switch k {
	case Mutation:
		return "mutation"
	case Subscription:
		return "subscription"
	}
	return "query"
}

// report notes a field that cannot be reached. t is the object type, nil for the runtime type of an interface object.
func (w *walk) report(st *standing, p *place, s *search, t, owner *typeNode, it *item) {
	mark := owner.name + "." + it.name
	for _, m := range sortedMarks(st.marks) {
		mark += "|" + m
	}
	if w.reported[mark] {
		return
	}
	w.reported[mark] = true
	last := it.name
	if t != nil {
		f := t.fields[it.name]
		last = selectionOf(st, t, f)
		if !f.leaf {
			last += " {\x00..."
		}
	}
	u := Unanswerable{Operation: w.kind, Type: owner.name, Field: it.name, Query: st.text(w.kind, last)}
	done := map[int]bool{}
	for _, v := range p.arrivals {
		if done[v.subgraph] {
			continue
		}
		done[v.subgraph] = true
		r := Reason{Subgraph: w.subgraph(v.subgraph)}
		if t == nil {
			r.Because = append(r.Because, fmt.Sprintf("cannot tell which implementation of %q an object is: %q is an interface object here and no subgraph that has it as an interface can be entered", owner.name, owner.name))
		} else {
			r.Because = w.because(s, p, v, t, it)
		}
		u.Reasons = append(u.Reasons, r)
	}
	w.found = append(w.found, u)
}

func sortedMarks(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func (w *walk) subgraph(g int) string { return w.g.sg.Subgraphs()[g].Name }

// because says why a field cannot be reached from a vertex.
func (w *walk) because(s *search, p *place, v *vertex, t *typeNode, it *item) []string {
	f := t.fields[it.name]
	name := t.name + "." + it.name
	out := []string{w.ownReason(v.subgraph, f, name)}
	for g, src := range f.sources {
		if g == v.subgraph || src == nil || !src.resolves {
			continue
		}
		to := w.subgraph(g)
		in := t.in[g]
		move := fmt.Sprintf("cannot move to subgraph %q, which has field %q, because ", to, name)
		switch {
		case in == nil || len(in.keys) == 0:
			if m := t.model.Membership(supergraph.GraphID(g)); m != nil && len(m.Keys) > 0 {
				out = append(out, move+fmt.Sprintf("none of the @key defined on type %q in subgraph %q are resolvable (they are all declared with their \"resolvable\" argument set to false).", t.name, to))
			} else {
				out = append(out, move+fmt.Sprintf("type %q has no @key defined in subgraph %q.", t.name, to))
			}
		default:
			readable := false
			var keys []string
			c, err := s.closure(p, typeSet{t.id})
			for _, k := range in.keys {
				keys = append(keys, strconv.Quote(k.text))
				if err == nil {
					_, _, ok := s.readKey(c.vertices, typeSet{t.id}, k, g)
					readable = readable || ok
				}
			}
			if readable && len(src.requires) > 0 {
				out = append(out, fmt.Sprintf("cannot satisfy the @require conditions on field %q in subgraph %q (please ensure that this is not due to key field in that subgraph being accidentally marked @external).", name, to))
			} else if readable && len(src.contexts) > 0 {
				out = append(out, fmt.Sprintf("field %q in subgraph %q takes an argument from a context that is not set on this path.", name, to))
			} else {
				out = append(out, fmt.Sprintf("cannot move to subgraph %q using @key(fields: %s) of %q, the key field(s) cannot be resolved from subgraph %q.", to, strings.Join(keys, " or "), t.name, w.subgraph(v.subgraph)))
			}
		}
	}
	for _, o := range t.objects {
		of := o.fields[it.name]
		if of == nil {
			continue
		}
		for g, in := range o.in {
			if in != nil && in.object && of.sources[g] != nil && g != v.subgraph {
				out = append(out, fmt.Sprintf("cannot move to subgraph %q, which has field %q through the interface object %q, by any of its keys.", w.subgraph(g), name, o.name))
			}
		}
	}
	return out
}

// ownReason says why the subgraph one stands in does not answer a field.
func (w *walk) ownReason(g int, f *fieldNode, name string) string {
	src := f.sources[g]
	switch {
	case src == nil:
		return fmt.Sprintf("cannot find field %q.", name)
	case f.owner.model.Field(f.name).Source(supergraph.GraphID(g)).External && !src.resolves:
		return fmt.Sprintf("field %q is not resolvable because marked @external.", name)
	case !src.resolves:
		return fmt.Sprintf("field %q is not resolvable because it is overridden by another subgraph.", name)
	case len(src.requires) > 0:
		return fmt.Sprintf("cannot satisfy the @require conditions on field %q (please ensure that this is not due to key field being accidentally marked @external).", name)
	case len(src.contexts) > 0:
		return fmt.Sprintf("field %q takes an argument from a context that is not set on this path.", name)
	}
	return fmt.Sprintf("cannot resolve field %q here.", name)
}

// reportDisjoint notes a shared field whose subgraphs have no type of object in common.
func (w *walk) reportDisjoint(st *standing, t *typeNode, f *fieldNode, arrivals []*vertex) {
	mark := "disjoint " + t.name + "." + f.name
	if w.reported[mark] {
		return
	}
	w.reported[mark] = true
	u := Unanswerable{Operation: w.kind, Type: t.name, Field: f.name, Query: st.text(w.kind, selectionOf(st, t, f)+" {\x00..."), Disjoint: true}
	for _, v := range arrivals {
		u.Reasons = append(u.Reasons, Reason{Subgraph: w.subgraph(v.subgraph), Because: w.g.names(v.types)})
	}
	w.found = append(w.found, u)
}
