package plan

import (
	"fmt"
	"strings"
	"time"
)

// This pass finds, for every leaf of the operation, all the places in the subgraphs that can answer it.
//
// The response is a tree of places: a place is the objects under one response key, for one class of runtime types of the
// object above. At each place there are vertices: ways to stand there in a subgraph. One arrives at a place by a field
// resolved at a vertex of the place above, and moves between the subgraphs of a place by keys:
//
//	root ─ products ─▶ [catalogue] ─ id ─▶ [inventory] ─ id ─▶ [reviews]      vertices of one place
//
// The vertices of a place are found once, so that the work grows with fields × subgraphs. Which of them are used is
// chosen by the next pass.

// place is a position in the response for a class of runtime types of its parents.
type place struct {
	parent *place
	slot   *slot
	item   *item // the field that leads here
	// class is set when only parents of these runtime types lead here.
	class    typeSet
	static   *typeNode
	arrivals []*vertex
	possible typeSet
	depth    int
	many     int // how many objects are taken to stand here, by the lists on the way
	// objects tells that all arrivals are at interface objects, which do not know their runtime type.
	objects bool
	root    bool
	// serial is, for a root place of a mutation, the position of its field.
	serial int
	// group is the part of the answer whose requests arrive here.
	group deferredGroup

	scope    *scope
	children map[string]*place
	closures map[string]*closure
	deferred map[string]*closure // by group, of what is asked in requests of its own
	// inDeferred are the same in the order in which they were found.
	inDeferred []*closure
	moved      map[string]*vertex // vertices that serve more than one class
	hidden     *leaf              // the runtime type, where it has to be asked of another subgraph
}

// closure holds the vertices at which objects of one class can be, without regard to requirements.
type closure struct {
	vertices []*vertex
	keys     []*vertex       // where keys are read, if not at vertices
	required map[int]*vertex // by source: vertices entered with what the source requires
	// class and group are those of what is asked in requests of its own.
	class typeSet
	group deferredGroup
}

type vertexKind uint8

const (
	rootVertex    vertexKind = iota // a root type, by a request of its own
	fieldVertex                     // by a field of the place above
	moveVertex                      // by a key
	requireVertex                   // by a key, with what a field requires
	reentryVertex                   // a root type below the root
)

// vertex is a way to stand at a place in a subgraph.
type vertex struct {
	n        int
	kind     vertexKind
	place    *place
	static   *typeNode // nil for a class of object types
	types    typeSet   // the runtime types that an object here can have
	subgraph int
	object   bool // at an interface object: static is its interface
	view     view

	from   *vertex // of a field or re-entry
	item   *item
	key    *keyNode // of a move
	source *sourceNode
	needs  []*need
	// contexts are what the arguments of a field with @fromContext are read from.
	contexts []*contextNeed
	// through are the subgraphs passed below the place to gather a key in parts.
	through []int

	deps   []*vertex
	self   int
	late   bool // stands in a request that waits for another
	taken  bool // the plan has it
	walked int  // the walk that met it last
	site   *site
	price
	// group keeps the root vertices of the parts of the answer apart.
	group deferredGroup
}

// need is a part of what a move needs: a key's item read whole at one vertex, or a requirement's leaf.
type need struct {
	item  *item
	types typeSet
	at    *vertex // a key's item, all of it within the subgraph of at
	leaf  *leaf   // a requirement's leaf
	// options are the vertices at which a key's item can be read.
	options []*vertex
}

// choices are the vertices at which what is needed can be read.
func (n *need) choices() []*vertex {
	if n.leaf != nil {
		return n.leaf.options
	}
	return n.options
}

// leaf is a field without subfields at a place, and the vertices that can answer it.
type leaf struct {
	place   *place
	item    *item
	types   typeSet
	options []*vertex
	// need is what a leaf stands for that is only read for a vertex, needing.
	need    *need
	needing *vertex
}

// What things cost. A request outweighs all fields that an operation can have. Among plans of as many requests and fields the one is
// taken that asks less of requests that wait for others: there each object and each leaf costs one, times what lists on the way to it
// multiply it by.
const (
	lateCost  = 1
	fieldCost = 1 << 12
	moveCost  = 1 << 30

	listLength = 8   // how many objects a list is taken to have
	mostMany   = 512 // beyond which lists in lists count no more
)

// search carries what the functions of the pass share.
type search struct {
	g        *graph
	kind     OperationKind
	limits   Limits
	labels   map[string]bool
	unknown  []string // labels that were met and not given
	leaves   []*leaf
	fields   []*fieldNode // of fieldsOf
	later    []postponed  // what deferred parts ask in requests of their own
	vertices int
	pricing
	locations locations
	work      int
	deadline  time.Time
	active    map[string]bool
	scores    map[string]score
	dry       int
	// targetRoom is room for targets that no closure uses at the moment.
	targetRoom []target
	slots      *scope
	// conditions counts the keys and requirements that are being resolved.
	conditions int
	// excluded counts, by subgraph, the keys that are being gathered to enter it.
	excluded map[int]int
	// receiver is the subgraph that the key or the requirement that is being resolved is sent to; -1 for none.
	receiver int
	// settled refuses to rest a key or a requirement on a field under a progressive override.
	settled bool
}

// failure says that a field cannot be reached.
type failure struct {
	place *place
	item  *item
	types typeSet
}

func (f *failure) Error() string {
	var path []string
	for p := f.place; p != nil && p.slot != nil; p = p.parent {
		path = append([]string{p.slot.key}, path...)
	}
	name := f.item.name
	return fmt.Sprintf("no subgraph can be reached that answers %s.%s at %q", f.item.decl.name, name, strings.Join(append(path, name), "."))
}

// spend counts work against the limits.
func (s *search) spend(n int) error {
	s.work += n
	if s.work+s.visits > s.limits.Work {
		return &LimitError{What: "steps of planning", Limit: s.limits.Work}
	}
	if s.work&1023 < n && !s.deadline.IsZero() && time.Now().After(s.deadline) {
		return &LimitError{What: "milliseconds of planning", Limit: int(s.limits.Time.Milliseconds())}
	}
	return nil
}

func (s *search) newVertex(v vertex) *vertex {
	s.vertices++
	v.n = s.vertices
	for _, d := range v.deps {
		v.late = v.late || d.late || v.self >= moveCost
	}
	v.self += v.lateCost()
	return &v
}

// lateCost is what asking one thing of each object at v costs beside the request: nothing in the first requests.
func (v *vertex) lateCost() int {
	if !v.late {
		return 0
	}
	return v.place.many
}

// leafCost is what it would take to answer a leaf at v, beyond what is chosen already.
func (s *search) leafCost(v *vertex) int { return s.cost(v) + v.lateCost() }

// run explores the whole operation and leaves all of its leaves in s.leaves.
func (s *search) run(items []*item, root *typeNode) error {
	s.slots = newScope()
	s.slots.register(items)
	if s.kind == Query {
		return s.explore(s.rootPlace(root, 0), items)
	}
	for i, it := range items {
		if err := s.explore(s.rootPlace(root, i), []*item{it}); err != nil {
			return err
		}
	}
	return nil
}

func (s *search) rootPlace(root *typeNode, serial int) *place {
	p := &place{static: root, possible: root.possible, root: true, many: lateCost, serial: serial, scope: s.slots, children: map[string]*place{}}
	for g, in := range root.in {
		if in != nil {
			p.arrivals = append(p.arrivals, s.newVertex(vertex{kind: rootVertex, place: p, static: root, types: root.possible, subgraph: g, self: moveCost}))
		}
	}
	return p
}

// explore finds the ways to all items at a place and below it.
func (s *search) explore(p *place, items []*item) error {
	found, present := false, false
	for _, it := range items {
		if p.root && it.name == typenameField {
			continue
		}
		types := it.types.intersect(p.possible)
		if len(types) == 0 {
			continue
		}
		found = true
		present = present || it.guard.always() && it.group == p.asked()
		if s.postpones(p, it) {
			s.later = append(s.later, postponed{p, it, types})
			continue
		}
		for _, class := range s.classes(p, it, types) {
			if err := s.exploreClass(p, it, class); err != nil {
				return err
			}
		}
	}
	if p.root {
		return nil
	}
	if !present {
		// It may be that nothing is asked of the objects here: whether there are any still is.
		it := typenameItem(p)
		it.full, it.group = p.item.full, p.item.group
		s.leaves = append(s.leaves, &leaf{place: p, item: it, types: p.possible, options: p.arrivals})
	}
	if p.objects && (found && s.needsTypename(p, items) || p.veiled()) {
		return s.hideTypename(p)
	}
	return nil
}

// veiled reports whether objects of some types stand at p, and the API hides others of them: whether there is something to
// show is decided by the type, though nothing be asked.
func (p *place) veiled() bool {
	n := len(p.static.visible)
	return n > 0 && n < len(p.static.possible)
}

// typenameItem is a __typename that no client asked for.
func typenameItem(p *place) *item {
	return &item{name: typenameField, decl: p.static, types: p.possible, leaf: true}
}

// needsTypename reports whether the runtime type decides what of the items a client gets.
func (s *search) needsTypename(p *place, items []*item) bool {
	for _, it := range items {
		if len(it.types) < len(p.static.possible) || !s.g.sameType(it) {
			return true
		}
	}
	return false
}

// sameType reports whether the field of an item is of the same type on all types of objects that it is asked of. Where it is
// not they decide below what is shown, and what may be null.
func (g *graph) sameType(it *item) bool {
	if it.name == typenameField {
		return true
	}
	text := ""
	for _, t := range it.types {
		f := g.field(t, it.name)
		if f == nil || text != "" && f.text != text {
			return false
		}
		text = f.text
	}
	return true
}

// hideTypename has the runtime type of the objects at p asked of a subgraph that knows it.
func (s *search) hideTypename(p *place) error {
	if p.hidden != nil {
		return nil
	}
	it := typenameItem(p)
	it.group = p.asked()
	if p.item != nil {
		it.full = p.item.full // where the objects are not asked for, their type is not
	}
	options, err := s.options(p, p.possible, it)
	if err != nil {
		return err
	}
	if len(options) == 0 {
		return &failure{place: p, item: it, types: p.possible}
	}
	p.hidden = &leaf{place: p, item: it, types: p.possible, options: options}
	s.leaves = append(s.leaves, p.hidden)
	return nil
}

func (s *search) exploreClass(p *place, it *item, class typeSet) error {
	options, err := s.options(p, class, it)
	if err != nil {
		return err
	}
	if len(options) == 0 {
		if len(class) == 1 {
			return &failure{place: p, item: it, types: class}
		}
		for i := range class {
			if err := s.exploreClass(p, it, class[i:i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	return s.reach(p, it, class, options, p.group)
}

// reach asks an item at some vertices, which stand in requests of a group, and explores what is below it.
func (s *search) reach(p *place, it *item, class typeSet, options []*vertex, group deferredGroup) error {
	if it.leaf {
		s.leaves = append(s.leaves, &leaf{place: p, item: it, types: class, options: options})
		return nil
	}
	child, err := s.childIn(p, it, class, options, group)
	if err != nil {
		return err
	}
	return s.explore(child, it.sub)
}

// options finds the vertices at which an item can be answered for all objects of a class.
func (s *search) options(p *place, class typeSet, it *item) ([]*vertex, error) {
	c, err := s.closure(p, class)
	if err != nil {
		return nil, err
	}
	return s.optionsOf(c, p, class, it)
}

// optionsOf finds those of the vertices of a closure at which an item can be answered.
func (s *search) optionsOf(c *closure, p *place, class typeSet, it *item) ([]*vertex, error) {
	if err := s.spend(len(c.vertices) + 1); err != nil {
		return nil, err
	}
	out := make([]*vertex, 0, len(c.vertices))
	if it.name == typenameField {
		for _, v := range c.vertices {
			if !v.object {
				out = append(out, v)
			}
		}
		return out, nil
	}
	fields := s.fieldsOf(class, it.name)
	for _, v := range c.vertices {
		if (v.object && s.direct(v, class, it.name) || !v.object && s.directAll(v, class, fields)) && s.uniform(v, class, it) {
			out = append(out, v)
		}
	}
	demanding := false
	for _, f := range fields {
		demanding = demanding || f != nil && f.demanding
	}
	for _, iface := range s.g.types[class[0]].objects {
		f := iface.fields[it.name]
		demanding = demanding || f != nil && f.demanding
	}
	if !demanding {
		return out, nil
	}
	for g := 0; g < s.g.size; g++ {
		src, object := s.requirement(class, it.name, g)
		if src == nil {
			continue
		}
		v, err := s.required(p, c, class, src, object)
		if err != nil {
			return nil, err
		}
		if v != nil && s.uniform(v, class, it) {
			out = append(out, v)
		}
	}
	return out, nil
}

// direct reports whether the subgraph of v answers a field of all objects of a class with nothing but the object.
func (s *search) direct(v *vertex, class typeSet, name string) bool {
	if name == typenameField {
		return !v.object
	}
	if v.object {
		f := v.static.fields[name]
		if f == nil {
			return false
		}
		return s.answers(v, f, class)
	}
	for i, t := range class {
		if !v.types.has(t) {
			return false
		}
		f := s.g.field(t, name)
		if f == nil || !s.answers(v, f, class[i:i+1]) {
			return false
		}
	}
	return true
}

// fieldsOf gives a field of each type of a class, nil for those that lack it. It holds until the next call.
func (s *search) fieldsOf(class typeSet, name string) []*fieldNode {
	s.fields = s.fields[:0]
	for _, t := range class {
		s.fields = append(s.fields, s.g.field(t, name))
	}
	return s.fields
}

// directAll is direct for a vertex at objects, with the field of each type of the class.
func (s *search) directAll(v *vertex, class typeSet, fields []*fieldNode) bool {
	for i, f := range fields {
		if f == nil || !v.types.has(class[i]) || !s.answers(v, f, class[i:i+1]) {
			return false
		}
	}
	return true
}

func (s *search) answers(v *vertex, f *fieldNode, class typeSet) bool {
	src := f.sources[v.subgraph]
	if src == nil {
		return false
	}
	if s.resolves(src) && src.plain() {
		return true
	}
	return v.view.provides(class, f.name)
}

func (v view) provides(class typeSet, name string) bool {
	for _, it := range v {
		if it.name == name && class.within(it.types) {
			return true
		}
	}
	return false
}

// below gives what is provided below a field.
func (v view) below(class typeSet, name string) view {
	var out view
	for _, it := range v {
		if it.name == name && class.within(it.types) {
			out = append(out, it.sub...)
		}
	}
	return out
}

// resolves tells whether a source resolves its field under the labels of this plan.
func (s *search) resolves(src *sourceNode) bool {
	if !src.resolves || src.label == "" {
		return src.resolves
	}
	if s.settled && s.conditions > 0 {
		return false
	}
	active, known := s.labels[src.label]
	if !known {
		s.labels[src.label] = false
		s.unknown = append(s.unknown, src.label)
	}
	return active == src.active
}

// requirement gives the source in a subgraph of a field that requires something, the same for all objects of a class.
// object is the interface when the subgraph has it as an interface object.
func (s *search) requirement(class typeSet, name string, subgraph int) (src *sourceNode, object *typeNode) {
	for i, t := range class {
		f := s.g.field(t, name)
		if f == nil {
			return nil, nil
		}
		own := f.sources[subgraph]
		if own == nil || own.plain() || !s.resolves(own) {
			src = nil
			break
		}
		if i > 0 && !sameRequirement(src, own) {
			src = nil
			break
		}
		src = own
	}
	if src != nil {
		return src, nil
	}
	for _, iface := range s.g.types[class[0]].objects {
		f := iface.fields[name]
		if f == nil || iface.in[subgraph] == nil || !iface.in[subgraph].object || !class.within(iface.possible) {
			continue
		}
		if own := f.sources[subgraph]; own != nil && !own.plain() && s.resolves(own) {
			return own, iface
		}
	}
	return nil, nil
}

func sameRequirement(a, b *sourceNode) bool {
	if a == b {
		return true
	}
	return len(a.contexts) == 0 && len(b.contexts) == 0 && sameItems(a.requires, b.requires)
}

func sameItems(a, b []*item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].name != b[i].name || a[i].text != b[i].text || a[i].out != b[i].out || !sameItems(a[i].sub, b[i].sub) {
			return false
		}
	}
	return true
}
