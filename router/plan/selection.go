package plan

// selection is what is asked of the objects at one place in one step.
type selection struct {
	static *typeNode // nil for entities
	fields []*selected
	known  *selectionIndex // of large selections
	// separated is set once the keys under which all of it is asked are settled.
	separated bool
}

// selected is a field of a selection.
type selected struct {
	cond  *typeNode // asked of this type only; nil for all
	slot  *slot
	alias string
	item  *item
	guard Guard
	types typeSet // of the objects that it is asked for
	typed bool    // whether its value stands for objects of these alone
	// arguments are the item's, and those taken from contexts.
	arguments []Argument
	child     *selection
}

// selectionIndex finds the fields of a large selection.
type selectionIndex struct {
	first   *selected
	upTo    int
	bySlot  map[*slot][]*selected
	byAlias map[string][]*selected
}

// small is how many fields are looked through faster than looked up.
const small = 16

// index gives the index of a large selection, nil for a small one.
func (s *selection) index() *selectionIndex {
	if len(s.fields) <= small {
		return nil
	}
	x := s.known
	if x == nil || x.first != s.fields[0] {
		x = &selectionIndex{first: s.fields[0], bySlot: map[*slot][]*selected{}, byAlias: map[string][]*selected{}}
		s.known = x
	}
	for _, f := range s.fields[x.upTo:] {
		x.bySlot[f.slot] = append(x.bySlot[f.slot], f)
		x.byAlias[f.alias] = append(x.byAlias[f.alias], f)
	}
	x.upTo = len(s.fields)
	return x
}

// of gives the fields among which those of a slot are, in their order.
func (s *selection) of(sl *slot) []*selected {
	if x := s.index(); x != nil {
		return x.bySlot[sl]
	}
	return s.fields
}

// under gives the fields among which those with an alias are, in their order.
func (s *selection) under(alias string) []*selected {
	if x := s.index(); x != nil {
		return x.byAlias[alias]
	}
	return s.fields
}

// find gives the field of a slot under a condition, or the one under none.
func (s *selection) find(cond *typeNode, sl *slot, it *item) *selected {
	for _, f := range s.of(sl) {
		if f.slot == sl && (f.cond == cond || f.cond == nil) && f.item.name == it.name && f.item.text == it.text {
			return f
		}
	}
	return nil
}

// asksTypename reports whether the runtime type is asked.
func (s *selection) asksTypename() bool {
	for _, f := range s.fields {
		if f.item.name == typenameField && f.slot.key == typenameField {
			return true
		}
	}
	return false
}

// askTypename asks for the runtime type before all else.
func (s *selection) askTypename() {
	if s.asksTypename() {
		return
	}
	it := &item{name: typenameField, leaf: true, decl: s.static}
	s.fields = append([]*selected{{alias: typenameField, item: it, slot: &slot{key: typenameField, client: true}}}, s.fields...)
}

// readTypename has the runtime type of an object below an entity sent with it.
func (s *selection) readTypename() {
	if !s.asksTypename() {
		s.fields = append(s.fields, &selected{alias: typenameField, item: &item{name: typenameField, leaf: true}, slot: &slot{key: typenameField, client: true}})
	}
}

// distinct reports whether no two fields of a small selection stand under one key.
func (s *selection) distinct() bool {
	if len(s.fields) > small {
		return false
	}
	for i, f := range s.fields {
		for _, g := range s.fields[:i] {
			if f.alias == g.alias {
				return false
			}
		}
	}
	return true
}
