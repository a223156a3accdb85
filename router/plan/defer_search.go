package plan

import (
	"slices"
	"strconv"
)

// Deferred parts of the answer are planned after what comes before them, so that it is planned as if they were not there.
// What a deferred fragment selects of an entity is asked in a request of its own, by key, even of a subgraph that is asked
// for the same entity before; what it selects of a root type in a root request of its own. Where there is no key it is
// asked along with the object.
//
//	{ product { id name ...@defer { price reviews { body } } } }
//	catalogue { product { id name } } ─▶ catalogue(id) { price }     deferred
//	                                  ─▶ reviews(id) { reviews }     deferred

// postponed is an item that a deferred part asks at a place that an earlier part arrives at.
type postponed struct {
	place *place
	item  *item
	types typeSet
}

// asked is the group of the item that leads to a place.
func (p *place) asked() deferredGroup {
	if p.item == nil {
		return 0
	}
	return p.item.group
}

// postpones reports whether an item begins a deferred part at a place. The runtime type is asked along with the object.
func (s *search) postpones(p *place, it *item) bool {
	return s.dry == 0 && it.group != 0 && it.group&p.group == 0 && it.name != typenameField
}

// resume explores what is postponed for the next group.
func (s *search) resume() error {
	group := s.later[0].item.group
	var now, later []postponed
	for _, l := range s.later {
		if l.item.group == group {
			now = append(now, l)
		} else {
			later = append(later, l)
		}
	}
	s.later = later
	for _, l := range now {
		for _, class := range s.classes(l.place, l.item, l.types) {
			if err := s.exploreDeferred(l.place, l.item, class); err != nil {
				return err
			}
		}
	}
	return nil
}

// exploreDeferred asks an item in requests of its own if it can, and along with the object if not.
func (s *search) exploreDeferred(p *place, it *item, class typeSet) error {
	if at, group, err := s.asked(p, class, it); err != nil {
		return err
	} else if at != nil {
		return s.reach(p, it, class, []*vertex{at}, group)
	}
	options, err := s.deferredOptions(p, class, it)
	if err != nil {
		return err
	}
	if at := keyRead(options, class, it); at != nil {
		return s.reach(p, it, class, []*vertex{at}, p.group)
	}
	if len(options) > 0 {
		return s.reach(p, it, class, options, it.group)
	}
	if len(class) == 1 {
		return s.exploreClass(p, it, class)
	}
	// The types may have no key in common, but each a key of its own.
	each := make([][]*vertex, len(class))
	for i := range class {
		if each[i], err = s.deferredOptions(p, class[i:i+1], it); err != nil {
			return err
		}
		if len(each[i]) == 0 {
			return s.exploreClass(p, it, class)
		}
	}
	for i := range class {
		if err := s.reach(p, it, class[i:i+1], each[i], it.group); err != nil {
			return err
		}
	}
	return nil
}

// asked gives the first vertex at which an item is asked already, by an earlier part or for a requirement, and the group of the
// requests that stand there; nil where it is not.
func (s *search) asked(p *place, class typeSet, it *item) (at *vertex, group deferredGroup, err error) {
	own, err := s.closure(p, class)
	if err != nil {
		return nil, 0, err
	}
	closures := []*closure{own}
	for _, c := range p.inDeferred {
		if c.class.equal(class) {
			closures = append(closures, c)
		}
	}
	for _, c := range closures {
		options, err := s.optionsOf(c, p, class, it)
		if err != nil {
			return nil, 0, err
		}
		for _, v := range options {
			if v.site != nil && v.site.at.asks(p.scope, it, class) {
				if c == own {
					return v, p.group, nil
				}
				return v, c.group, nil
			}
		}
	}
	return nil, 0, nil
}

// asks reports whether a selection has an item with all below it, for some at least of the types.
func (sel *selection) asks(sc *scope, it *item, types typeSet) bool {
	sl := sc.of(it, types)
	for _, f := range sel.of(sl) {
		if f.slot != sl || f.item.name != it.name || f.item.text != it.text {
			continue
		}
		if it.leaf {
			return true
		}
		if f.child != nil && !slices.ContainsFunc(it.sub, func(sub *item) bool { return !f.child.asks(sc.child(sl.key), sub, sub.types) }) {
			return true
		}
	}
	return false
}

// keyRead gives the vertex at which an item is read anyway, since by it the objects are entered.
func keyRead(options []*vertex, class typeSet, it *item) *vertex {
	if !it.leaf || it.text != "" {
		return nil
	}
	for _, v := range options {
		for _, n := range v.needs {
			if n.leaf == nil && n.item.leaf && n.item.name == it.name && n.item.text == "" && class.within(n.types) {
				return n.at
			}
		}
	}
	return nil
}

// deferredOptions finds the vertices of requests of its own at which an item of a deferred part can be answered.
func (s *search) deferredOptions(p *place, class typeSet, it *item) ([]*vertex, error) {
	c, err := s.deferredClosure(p, class, it.group)
	if err != nil || c == nil {
		return nil, err
	}
	return s.optionsOf(c, p, class, it)
}

// deferredClosure gives the vertices at which objects of a class can be by requests of a group's own.
func (s *search) deferredClosure(p *place, class typeSet, group deferredGroup) (*closure, error) {
	mark := strconv.FormatUint(uint64(group), 16) + " " + class.key()
	if c := p.deferred[mark]; c != nil {
		return c, nil
	}
	c := &closure{required: map[int]*vertex{}, class: class, group: group}
	if p.root {
		for _, v := range p.arrivals {
			c.vertices = append(c.vertices, s.newVertex(vertex{kind: rootVertex, place: p, static: v.static, types: v.types, subgraph: v.subgraph,
				self: moveCost, group: group}))
		}
	} else {
		own, err := s.closure(p, class)
		if err != nil {
			return nil, err
		}
		if len(own.vertices) == 0 {
			return nil, nil
		}
		c.keys = own.vertices
		moved, whence := map[string]*vertex{}, from(c.keys)
		for _, t := range s.targets(nil, class) {
			if err := s.spend(len(c.keys)); err != nil {
				return nil, err
			}
			if v := s.move(p, whence, class, &t, -1, moved); v != nil {
				c.vertices = append(c.vertices, v)
			}
		}
	}
	if p.deferred == nil {
		p.deferred = map[string]*closure{}
	}
	p.deferred[mark] = c
	p.inDeferred = append(p.inDeferred, c)
	return c, nil
}

// want notes that a group needs a step.
func (st *step) want(g deferredGroup) {
	if !slices.Contains(st.wanted, g) {
		st.wanted = append(st.wanted, g)
	}
}

// settleDeferred finds for each step the group that needs it, for its own leaves or for a step after it.
func (b *builder) settleDeferred() {
	if len(b.operation.Deferred) == 0 {
		return
	}
	for changed := true; changed; {
		changed = false
		for _, st := range b.steps {
			for d := range st.deps {
				before := len(d.wanted)
				for _, g := range st.wanted {
					d.want(g)
				}
				changed = changed || len(d.wanted) != before
			}
		}
	}
	for _, st := range b.steps {
		if slices.Contains(st.wanted, 0) {
			continue
		}
		for _, g := range st.wanted {
			st.deferred |= g
		}
		st.deferred = b.operation.outermost(st.deferred)
	}
}

// mark tells the steps of different groups apart: they are not merged.
func (g deferredGroup) mark() string {
	if g == 0 {
		return ""
	}
	return " deferred " + strconv.FormatUint(uint64(g), 16)
}
