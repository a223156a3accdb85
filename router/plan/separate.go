package plan

// This pass makes each request one that the subgraph's schema allows, and its answer one that can be read. A subgraph
// merges the fields under one response key, and what is selected below them, whatever fragments they stand in (GraphQL
// specification, 5.3.2, FieldsInSetCanMerge). What may not be merged there is asked under another key, as deep as the
// conflict lies:
//
//	accounts { ...on User { friends { ...on Admin { id } } }           id: ID!
//	           ...on Admin { friends { ...on User { id } } } }         id: ID
//	─▶
//	accounts { ...on User { friends { ...on Admin { id } } }
//	           ...on Admin { friends { ...on User { _id_a: id } } } }
//
// And where fields that are merged lead to different types, their objects have to tell which they are: whoever reads the
// answer sees no more than the key.

// asking is a field in a merged selection set, by one way to it.
type asking struct {
	field *selected
	owner *typeNode // the type that it is selected on; nil where more than one way leads to it
	above *asking
	shape string // of its values in the subgraph
	// object is the interface that the field leads to where the subgraph has it as an object type, whose objects cannot tell
	// their type.
	object *typeNode
}

// part is a selection set that is merged with others.
type part struct {
	set   *selection
	above *asking
}

// separator carries what the functions of the pass share.
type separator struct{ subgraph int }

func (b *builder) separate(st *step) {
	s := &separator{subgraph: st.subgraph}
	s.merge([]part{{set: st.root}})
}

// merge settles under which keys the fields of merged selection sets are asked, and goes on below them.
func (s *separator) merge(parts []part) {
	if len(parts) == 1 && parts[0].set.distinct() {
		s.descend(parts[0])
		return
	}
	byAlias := map[string][]*asking{}
	var order []string
	for _, p := range parts {
		for _, f := range p.set.fields {
			a := s.asking(f, p)
			for n := 0; !a.fitsAll(byAlias[f.alias]); n++ {
				f.alias = otherAlias(f.slot.key, n)
			}
			if byAlias[f.alias] == nil {
				order = append(order, f.alias)
			}
			byAlias[f.alias] = append(byAlias[f.alias], a)
		}
	}
	for _, alias := range order {
		if below := s.below(byAlias[alias]); len(below) > 0 {
			s.merge(below)
		}
	}
}

// descend goes on below a selection set of which no two fields stand under one key.
func (s *separator) descend(p part) {
	for _, f := range p.set.fields {
		if f.child == nil {
			continue
		}
		a := &asking{field: f, owner: f.cond, above: p.above}
		if a.owner == nil {
			a.owner = p.set.static
		}
		s.merge([]part{{set: f.ownChild(), above: a}})
	}
}

// ownChild returns what is selected below a field, a copy where it is asked at another place already: there it may be asked
// under other keys.
func (f *selected) ownChild() *selection {
	if f.child.separated {
		f.child = f.child.clone()
	}
	f.child.separated = true
	return f.child
}

// asking describes a field of a part.
func (s *separator) asking(f *selected, p part) *asking {
	a := &asking{field: f, owner: f.cond, above: p.above}
	if a.owner == nil {
		a.owner = p.set.static
	}
	if a.owner == nil || f.item.name == typenameField {
		return a
	}
	a.shape = shapeIn(a.owner, f.item.name, s.subgraph)
	if f.child != nil && f.child.static.objectIn(s.subgraph) {
		a.object = f.child.static
	}
	return a
}

// below returns what is selected below fields that are merged, each selection set once, and sees to it that their objects
// tell their type where the fields do not.
func (s *separator) below(merged []*asking) []part {
	var parts []part
	at := map[*selection]int{}
	mixed := false
	for _, a := range merged {
		child := a.field.child
		if child == nil {
			continue
		}
		if i, known := at[child]; known {
			parts[i].above = &asking{}
			a.field.child = parts[i].set
			continue
		}
		at[child] = len(parts)
		child = a.field.ownChild()
		mixed = mixed || len(parts) > 0 && parts[0].set.static != child.static
		parts = append(parts, part{set: child, above: a})
	}
	for _, p := range parts {
		if mixed {
			p.set.askTypename()
		}
	}
	return parts
}

// fitsAll reports whether a field can be asked under the key of others.
func (a *asking) fitsAll(others []*asking) bool {
	for _, o := range others {
		if !a.fits(o) {
			return false
		}
	}
	return true
}

// standsAs reports whether the values of two fields stand in the same place of the response, for the same objects.
func (a *asking) standsAs(o *asking) bool {
	f, g := a.field, o.field
	return f.slot.key == g.slot.key && f.slot.client == g.slot.client && f.typed == g.typed && (!f.typed || f.types.equal(g.types))
}

// sameField reports whether two fields are of one name and have the same arguments.
func (a *asking) sameField(o *asking) bool {
	return a.field.item.name == o.field.item.name && a.field.item.text == o.field.item.text
}

// fits reports whether two fields can be asked under one key: their values stand in the same place of the response and have
// the same shape, whichever objects they are of, and where one object could have both they are the same field.
func (a *asking) fits(o *asking) bool {
	return a.standsAs(o) && a.shape == o.shape && a.object == o.object && (a.sameField(o) || a.excludes(o))
}

// excludes reports whether no object has both fields: somewhere on the ways to them other object types are asked.
func (a *asking) excludes(o *asking) bool {
	for ; a != nil && o != nil && a != o; a, o = a.above, o.above {
		if a.owner != nil && o.owner != nil && a.owner != o.owner && !a.owner.abstract && !o.owner.abstract {
			return true
		}
	}
	return false
}

// shapeIn is the type of a field as a subgraph has it: of a leaf all of it, of objects what lists and non-nulls there are.
func shapeIn(owner *typeNode, field string, subgraph int) string {
	f := owner.fields[field]
	if f == nil {
		return ""
	}
	text := f.text
	if src := f.sources[subgraph]; src != nil {
		text = src.text
	}
	if f.leaf {
		return text
	}
	return wrappers(text)
}

// wrappers keeps of a type what lists and non-nulls it has.
func wrappers(text string) string {
	var out []byte
	for i := range len(text) {
		switch text[i] {
		case '[', ']', '!':
			out = append(out, text[i])
		}
	}
	return string(out)
}

// otherAlias returns the n-th key for a field beside its own.
func otherAlias(key string, n int) string {
	alias := "_" + key + "_" + string(rune('a'+n%26))
	if n >= 26 {
		alias += itoa(n / 26)
	}
	return alias
}
