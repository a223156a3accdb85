package plan

import "slices"

// This pass turns the vertices that are chosen into steps, the requests to be, and puts into each step what it asks.
//
//	leaf a ─▶ vertex [catalogue] ─▶ step 1: { product { id a } }
//	leaf b ─▶ vertex [inventory] ─▶ step 2: product ▸ _entities(id) { b }, after step 1

// builder carries what the functions of the pass share.
type builder struct {
	search    *search
	operation *Operation
	steps     []*step
	walks     int // over the steps, counted
	byLevel   []*step
}

// step is a request to a subgraph in the making.
type step struct {
	n         int
	subgraph  int
	place     *place
	entity    bool
	root      *selection
	represent []*represented
	key       string // the text of the key by which entities are entered
	deps      map[*step]bool
	// dependants are the steps that wait for this one; known while plans are made smaller.
	dependants map[*step]bool
	gone       bool // absorbed by another
	guard      Guard
	guarded    bool // whether guard was set at all
	contexts   []*contextual
	level      int // how many steps come before it one after another
	latest     int // the last level at which it could stand without delaying the whole
	walked     int // the walk that met it last
	// part is the group of the root vertex that a root step was made for; deferred is the group that needs the step, 0
	// where the initial answer does.
	part, deferred deferredGroup
	batch          int
	wanted         []deferredGroup
}

// represented is how objects of some types become representations of a step.
type represented struct {
	types    typeSet // nil where the runtime type is not known
	typename string
	fields   *selection
}

// site is where a vertex stands in a step.
type site struct {
	step *step
	at   *selection
	// fields are those by which a field vertex hangs in the selection above.
	fields []*selected
}

// stepFor makes a step.
func (b *builder) stepFor(v *vertex, static *typeNode) *step {
	st := &step{n: len(b.steps), subgraph: v.subgraph, place: v.place, root: &selection{static: static}, deps: map[*step]bool{}}
	b.steps = append(b.steps, st)
	return st
}

// stand gives the site of a vertex, and makes it with all that it depends on where it is not there.
func (b *builder) stand(v *vertex) *site {
	if v.site != nil {
		return v.site
	}
	switch v.kind {
	case rootVertex:
		v.site = b.rootSite(v)
	case fieldVertex:
		above := b.stand(v.from)
		fields := b.add(above, v.from, v.place.scopeAbove(), v.item, v.place.parentTypes(), v.item.guard)
		v.site = &site{step: above.step, at: fields[0].child, fields: fields}
		if v.static.abstract && !v.object {
			b.typename(v.site)
		}
	case reentryVertex:
		above := b.stand(v.from)
		b.typename(above)
		st := b.stepFor(v, v.static)
		st.deps[above.step] = true
		b.awaitTypes(st, v.place)
		v.site = &site{step: st, at: st.root}
	default:
		v.site = b.entitySite(v)
	}
	v.taken = true
	b.search.stood++
	return v.site
}

// scopeAbove is the scope of the objects that a place's field is asked of.
func (p *place) scopeAbove() *scope { return p.parent.scope }

// parentTypes gives the runtime types of the objects above for which a place's field is asked.
func (p *place) parentTypes() typeSet {
	if p.class != nil {
		return p.class
	}
	return p.parent.possible
}

func (b *builder) rootSite(v *vertex) *site {
	for _, st := range b.steps {
		if !st.entity && st.place.root && st.subgraph == v.subgraph && st.place.serial == v.place.serial && st.part == v.group {
			return &site{step: st, at: st.root}
		}
	}
	st := b.stepFor(v, v.static)
	st.part = v.group
	return &site{step: st, at: st.root}
}

// entitySite makes the step of a move: its representations, and what has to be asked elsewhere for them.
func (b *builder) entitySite(v *vertex) *site {
	for _, d := range v.deps {
		b.stand(d)
	}
	st := b.stepFor(v, nil)
	st.entity, st.key = true, v.key.text
	r := &represented{types: v.types, fields: &selection{}}
	if v.static != nil {
		r.typename = v.static.name
		if !v.object || onlyInterface(v) {
			r.types = nil
		}
	}
	st.represent = []*represented{r}
	for _, n := range v.needs {
		b.readOnce(n, v.place)
		at := b.stand(n.at)
		st.deps[at.step] = true
		if n.leaf == nil && n.item.name == typenameField {
			b.typename(at)
			continue
		}
		if n.leaf == nil {
			b.addDeep(at, n.at, v.place.scope, n.item, n.types)
			b.readDeep(r.fields, v.place.scope, n.item, n.types, v.types, n.at.subgraph, v.subgraph)
			continue
		}
		if n.item.name == typenameField {
			b.typename(at)
		} else {
			b.add(at, n.at, n.leaf.place.scope, n.item, n.types, nil)
		}
		unguard(n.at, v.place)
		b.readLeaf(r.fields, v.place, n.leaf, v.subgraph)
	}
	b.awaitTypes(st, v.place)
	b.passContexts(st, v)
	v.site = &site{step: st, at: st.root}
	return v.site
}

// readOnce has what a vertex at a place needs read where it is asked already, if it is: what it would be read of otherwise might
// disagree.
func (b *builder) readOnce(n *need, p *place) {
	if n.leaf != nil {
		p = n.leaf.place
	}
	n.at = b.askedAt(n.at, n.choices(), p.scope, n.item, n.types)
}

// askedAt gives the vertex among several that stand at which an item is asked, and v where there is none.
func (b *builder) askedAt(v *vertex, options []*vertex, sc *scope, it *item, types typeSet) *vertex {
	if len(options) < 2 || it.name == typenameField || !sc.of(it, types).asked {
		return v
	}
	asks := func(o *vertex) bool { return o.site != nil && o.site.at.asks(sc, it, types) }
	if asks(v) {
		return v
	}
	if i := slices.IndexFunc(options, asks); i >= 0 {
		return options[i]
	}
	return v
}

// unguard makes the fields that lead from a place to a vertex below it unconditional, since a representation reads there,
// whatever a client's conditions on the same fields.
func unguard(v *vertex, top *place) {
	if v.place.depth <= top.depth {
		return
	}
	if v.kind == fieldVertex {
		for _, f := range v.site.fields {
			f.guard = nil
		}
		unguard(v.from, top)
		return
	}
	for _, d := range v.deps {
		unguard(d, top)
	}
}

// awaitTypes has a step wait for the runtime types by which its path goes on from interface objects.
func (b *builder) awaitTypes(st *step, p *place) {
	for ; p.parent != nil; p = p.parent {
		if p.class != nil && p.parent.objects {
			b.awaitType(st, p.parent)
		}
	}
}

// awaitType has a step wait for the runtime type of the objects at a place of interface objects, which its path depends on.
func (b *builder) awaitType(st *step, p *place) {
	if err := b.search.hideTypename(p); err != nil {
		return // no subgraph knows it: then no path to here was found either
	}
	at := b.stand(b.search.cheapest(nil, p.hidden.options))
	b.typename(at)
	st.deps[at.step] = true
}

// onlyInterface tells of a vertex entered under an interface's name for whatever stands at its place.
func onlyInterface(v *vertex) bool { return len(v.types) == len(v.static.in[v.subgraph].possible) }

// typename asks for the runtime type.
func (b *builder) typename(at *site) { at.at.askTypename() }

// PresenceKey is the logical key of a __typename that tells only that there is an object, and not its runtime type.
const PresenceKey = "\x00_present"

// presence asks whether there are objects where the subgraph does not know their runtime type: it answers with the name
// of the interface, which is kept under a name where nobody takes it for the type.
func (b *builder) presence(at *site) {
	alias := PresenceKey[1:]
	for _, f := range at.at.fields {
		if f.alias == alias {
			return
		}
	}
	it := &item{name: typenameField, leaf: true, decl: at.at.static}
	at.at.fields = append(at.at.fields, &selected{alias: alias, item: it, slot: &slot{key: alias}})
}

// add asks an item of the objects at a site, for some runtime types, and gives the fields that do: one, or one for each type.
func (b *builder) add(at *site, v *vertex, sc *scope, it *item, types typeSet, guard Guard) []*selected {
	sl := sc.of(it, types)
	sl.asked = true
	var out *typeNode
	if !it.leaf {
		if src := b.search.sourceAt(v, types, it); src != nil {
			out = src.out
		}
	}
	conds := b.conditions(at.at, v, it, types)
	var child *selection
	var fields []*selected
	for _, cond := range conds {
		for _, f := range at.at.of(sl) {
			if f.slot == sl && (f.cond == cond || f.cond == nil) && f.item.name == it.name && f.item.text == it.text && f.child != nil {
				child = f.child
			}
		}
	}
	if child == nil && !it.leaf {
		child = &selection{static: out}
	}
	for _, cond := range conds {
		f := at.at.find(cond, sl, it)
		if f == nil {
			f = &selected{cond: cond, slot: sl, alias: sl.key, item: it, guard: guard, types: types, child: child, arguments: it.arguments, typed: v.object && !v.types.within(types) && sl.contested()}
			if len(v.contexts) > 0 && at.at == at.step.root {
				f.arguments = at.step.contextArguments(it.arguments)
			}
			at.at.fields = append(at.at.fields, f)
		} else {
			f.guard, f.types = f.guard.or(guard), f.types.union(types)
		}
		fields = append(fields, f)
	}
	return fields
}

// conditions returns the types under whose conditions an item is asked: none where it can be asked of the objects as they
// stand, the interface that it is selected on where the item leads to more from that than from each of the types.
func (b *builder) conditions(at *selection, v *vertex, it *item, types typeSet) []*typeNode {
	if at.static != nil && (!at.static.abstract || v.object) {
		return []*typeNode{nil}
	}
	if at.static == nil && v.static != nil && v.object {
		return []*typeNode{v.static}
	}
	own := b.search.sourceAt(v, types, it)
	if t := at.static; t != nil {
		if in := t.in[v.subgraph]; in != nil && in.possible.intersect(v.types).within(types) && b.askable(t, v, it, own) {
			return []*typeNode{nil}
		}
	} else if t := v.static; t != nil && t.abstract && v.types.within(types) && b.askable(t, v, it, own) {
		return []*typeNode{t}
	}
	if !it.leaf && own != nil && own == byInterface(v, types, it) && b.search.narrows(v, types, it, own) {
		return []*typeNode{it.decl}
	}
	out := make([]*typeNode, 0, len(types))
	for _, t := range types {
		out = append(out, b.search.g.types[t])
	}
	return out
}

// askable reports whether an item can be asked on an interface itself, of which own is the source for the objects there.
func (b *builder) askable(t *typeNode, v *vertex, it *item, own *sourceNode) bool {
	f := t.fields[it.name]
	if f == nil || f.sources[v.subgraph] == nil {
		return false
	}
	src := f.sources[v.subgraph]
	return b.search.resolves(src) && src.plain() && (it.leaf || own == nil || src.out == own.out)
}

// addDeep asks an item with all below it, all of which the subgraph of v answers by itself.
func (b *builder) addDeep(at *site, v *vertex, sc *scope, it *item, types typeSet) {
	if !b.search.uniform(v, types, it) {
		for i := range types {
			b.addDeep(at, v, sc, it, types[i:i+1])
		}
		return
	}
	fields := b.add(at, v, sc, it, types, nil)
	if it.leaf {
		return
	}
	f := fields[0]
	src := b.search.sourceAt(v, types, it)
	in := src.out.in[v.subgraph]
	inner := &vertex{static: src.out, types: in.possible, subgraph: v.subgraph, object: in.object,
		view: append(append(view{}, src.provides...), v.view.below(types, it.name)...)}
	below := &site{step: at.step, at: f.child}
	if src.out.abstract && !in.object {
		b.typename(below)
	}
	for _, sub := range it.sub {
		if common := sub.types.intersect(in.possible); len(common) > 0 {
			b.addDeep(below, inner, sc.child(f.slot.key), sub, common)
		}
	}
}

// readDeep adds a key's item, read from one subgraph, to what a representation for another is made of.
func (b *builder) readDeep(into *selection, sc *scope, it *item, types, all typeSet, from, receiver int) {
	if it.name == typenameField {
		return
	}
	sl := sc.of(it, types)
	for _, cond := range b.readConditions(types, all) {
		f := into.find(cond, sl, it)
		if f == nil {
			f = &selected{cond: cond, slot: sl, alias: sl.key, item: it}
			if !it.leaf {
				f.child = &selection{}
			}
			into.fields = append(into.fields, f)
		}
		if it.out != nil && it.out.tellsType(receiver) && it.out.in[from] != nil && !it.out.in[from].object {
			f.child.readTypename()
		}
		for _, sub := range it.sub {
			b.readDeep(f.child, sc.child(sl.key), sub, sub.types, nil, from, receiver)
		}
	}
}

// readConditions gives the types under whose conditions a part of a representation is read.
func (b *builder) readConditions(types, all typeSet) []*typeNode {
	if all == nil || all.within(types) {
		return []*typeNode{nil}
	}
	var out []*typeNode
	for _, t := range types {
		out = append(out, b.search.g.types[t])
	}
	return out
}

// readLeaf adds a requirement's leaf to what a representation is made of: the way from the entity to the leaf's place,
// and the leaf.
func (b *builder) readLeaf(into *selection, entity *place, l *leaf, receiver int) {
	var way []*place
	for p := l.place; p != nil && p.depth > entity.depth; p = p.parent {
		way = append(way, p)
	}
	slices.Reverse(way)
	for _, p := range way {
		f := into.find(nil, p.slot, p.item)
		if f == nil {
			f = &selected{slot: p.slot, alias: p.slot.key, item: p.item, child: &selection{}}
			if p.class != nil && p.depth > entity.depth+1 && len(p.class) == 1 {
				f.cond = b.search.g.types[p.class[0]]
			}
			into.fields = append(into.fields, f)
		}
		into = f.child
		if p.static.tellsType(receiver) {
			into.readTypename()
		}
	}
	if l.item.name == typenameField {
		if l.place != entity {
			into.readTypename()
		}
		return
	}
	sl := l.place.scope.of(l.item, l.types)
	conds := []*typeNode{nil}
	if l.place != entity && !l.place.possible.within(l.types) {
		conds = b.readConditions(l.types, l.place.possible)
	}
	for _, cond := range conds {
		if into.find(cond, sl, l.item) == nil {
			into.fields = append(into.fields, &selected{cond: cond, slot: sl, alias: sl.key, item: l.item})
		}
	}
}
