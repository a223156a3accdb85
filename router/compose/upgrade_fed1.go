package compose

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// This file turns schemas of Federation 1 into schemas of Federation 2 that mean the same, as the migration guide of Federation
// describes the differences: extensions are definitions, the external keys of extensions are resolved, what several subgraphs
// resolve is shareable, and directives that had no effect go away.

// upgradeVersion is the version whose directives an upgraded schema has under their plain names.
var upgradeVersion = version{2, 4}

// upgrade upgrades all schemas of Federation 1 and validates them.
func (c *composer) upgrade() {
	var old []*schema
	for _, s := range c.schemas {
		if !s.isFed2() {
			old = append(old, s)
		}
	}
	if len(old) == 0 {
		return
	}
	// What other subgraphs resolve is asked of them as they were written.
	resolved := map[*schema]map[string]bool{}
	for _, s := range c.schemas {
		resolved[s] = s.resolvedFields()
	}
	sound := map[*schema]bool{}
	for _, s := range old {
		before := len(c.errors)
		c.checkInterfaceKeysFor(s)
		c.checkExtensions(s)
		sound[s] = len(c.errors) == before
	}
	var upgraded []*schema
	for _, s := range old {
		before := len(c.errors)
		u := &upgrader{c: c, s: s, resolved: resolved}
		if u.run(); len(c.errors) == before && sound[s] {
			upgraded = append(upgraded, s)
		}
	}
	for _, s := range upgraded {
		c.errors = append(c.errors, s.validateFederation()...)
	}
}

// checkInterfaceKeysFor refuses the keys of interfaces where another subgraph has an interface object: Federation 1 does not resolve
// interfaces by their keys.
func (c *composer) checkInterfaceKeysFor(s *schema) {
	for _, t := range s.order {
		if t.kind != ast.Interface || fed(t.applied, "key") == nil {
			continue
		}
		for _, o := range c.schemas {
			if other := o.types[t.name]; other != nil && other.interfaceObject() {
				e := o.errorf(codeInterfaceObjectUsage, other.pos, "Type %q is an interface object in subgraph %q, which needs a subgraph that resolves the interface by its @key. The @key of the interface in subgraph %q does not do so, since that is a schema of Federation 1: upgrade it to Federation 2 or remove the @key.", t.name, o.name, s.name)
				e.Subgraphs = append(e.Subgraphs, s.name)
				c.errors = append(c.errors, e)
			}
		}
	}
}

// extension tells whether Federation 1 takes a type for the extension of another subgraph's.
func (t *typeDef) extension() bool {
	return t.extended && !t.defined || t.hasFields() && fed(t.applied, "extends") != nil
}

// checkExtensions demands that what is extended is defined somewhere.
func (c *composer) checkExtensions(s *schema) {
	for _, t := range s.order {
		if t.builtIn || s.isRoot(t) || !t.extension() {
			continue
		}
		found := false
		for _, o := range c.schemas {
			if o != s && o.types[t.name] != nil && o.types[t.name].defined {
				found = true
			}
		}
		if !found {
			c.errors = append(c.errors, s.errorf(codeExtensionWithNoBase, t.pos, "Type %q is an extension type, but there is no type definition for %q in any subgraph.", t.name, t.name))
		}
	}
}

// resolvedFields gives the coordinates of the fields that the schema resolves, fully or by some @provides.
func (s *schema) resolvedFields() map[string]bool {
	s.findFakeExternal()
	s.findUsed()
	out := map[string]bool{}
	for _, t := range s.order {
		if t.kind != ast.Object {
			continue
		}
		for _, f := range t.fields {
			if !s.fullyExternal(f) {
				out[f.coordinate()] = true
			}
		}
	}
	return out
}

// upgrader upgrades one schema.
type upgrader struct {
	c        *composer
	s        *schema
	resolved map[*schema]map[string]bool
}

func (u *upgrader) run() {
	s := u.s
	s.keyFields = nil
	for _, t := range s.order {
		for _, f := range t.fields {
			s.keyField(f) // before keys change
		}
	}
	keys := s.keyFields
	s.keyFields = nil
	u.fixArguments()
	u.dropExternalOnInterfaces()
	u.dropExternalOnTypes()
	u.dropExternalOnExtensions()
	u.dropInactive("provides", func(f *fieldDef) *typeDef { return s.types[f.typ.Name()] })
	u.dropInactive("requires", func(f *fieldDef) *typeDef { return f.parent })
	for _, t := range s.order {
		if t.defined {
			continue // what extends a type of the same schema stays an extension
		}
		t.defined, t.extended = true, false
		for _, f := range t.fields {
			f.decl = 0
		}
		for _, d := range t.applied {
			d.decl = 0
		}
	}
	u.dropOnInterfaces()
	u.dropProvidesOnLeaves()
	u.dropUnusedExternals()
	u.shareable(keys)
	u.dropTagsOnExternal()
	s.version, s.upgraded = upgradeVersion, true
	for _, f := range features() {
		if have := s.directives[f.name]; have != nil && !have.generated && !fed1Feature(f.name) && f.since <= upgradeVersion.minor {
			u.c.errors = append(u.c.errors, s.checkDefinition(f.definition(upgradeVersion), have, map[string]bool{})...)
		}
	}
	s.resolveDirectives()
}

func without(applied []*directive, fed string) []*directive {
	out := applied[:0:0]
	for _, d := range applied {
		if d.fed != fed {
			out = append(out, d)
		}
	}
	return out
}

// fixArguments turns field sets that are written as lists or names into strings.
func (u *upgrader) fixArguments() {
	u.s.eachApplied(func(_ ast.DirectiveLocation, _ string, applied *[]*directive) {
		for _, d := range *applied {
			if d.fed != "key" && d.fed != "requires" && d.fed != "provides" {
				continue
			}
			for _, a := range d.args {
				if a.name != "fields" {
					continue
				}
				switch a.value.Kind {
				case ast.EnumValue:
					a.value = stringValue(a.value.Raw)
				case ast.ListValue:
					var parts []string
					for _, c := range a.value.Children {
						parts = append(parts, c.Value.Raw)
					}
					a.value = stringValue(strings.Join(parts, " "))
				}
			}
		}
	})
}

func (u *upgrader) dropExternalOnInterfaces() {
	for _, t := range u.s.order {
		if t.kind == ast.Interface {
			for _, f := range t.fields {
				f.applied = without(f.applied, "external")
			}
		}
	}
}

// dropExternalOnTypes drops @external on types, which Federation 1 did not look at.
func (u *upgrader) dropExternalOnTypes() {
	for _, t := range u.s.order {
		if t.hasFields() {
			t.applied = without(t.applied, "external")
		}
	}
}

// dropExternalOnExtensions drops @external from the keys of extensions. An extension without a key of its own has those
// of the definition.
func (u *upgrader) dropExternalOnExtensions() {
	for _, t := range u.s.order {
		if !t.hasFields() || !t.extension() {
			continue
		}
		keys := fedApplied(t.applied, "key")
		if len(keys) == 0 {
			for _, o := range u.c.schemas {
				if other := o.types[t.name]; o != u.s && other != nil && other.hasFields() {
					keys = append(keys, fedApplied(other.applied, "key")...)
				}
			}
		}
		for _, k := range keys {
			set, err := u.s.parseFieldSet(t, k.str("fields"), nil)
			if err != nil {
				continue
			}
			eachField(set, func(n *selection) { n.field.applied = without(n.field.applied, "external") })
		}
	}
}

// dropInactive drops from @provides and @requires what the subgraph resolves anyway.
func (u *upgrader) dropInactive(name string, target func(*fieldDef) *typeDef) {
	s := u.s
	s.findFakeExternal()
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			d := fed(f.applied, name)
			if d == nil {
				continue
			}
			on := target(f)
			if on == nil || !on.composite() {
				continue
			}
			set, err := s.parseFieldSet(on, d.str("fields"), nil)
			if err != nil {
				continue
			}
			kept, changed := s.active(set, false)
			if !changed {
				continue
			}
			if len(kept) == 0 {
				f.applied = without(f.applied, name)
				continue
			}
			for _, a := range d.args {
				if a.name == "fields" {
					a.value = stringValue(printFieldSet(kept))
				}
			}
		}
	}
}

// active keeps of a field set what has an external field on the way.
func (s *schema) active(set []*selection, external bool) (kept []*selection, changed bool) {
	for _, n := range set {
		below := external || n.field != nil && s.external(n.field)
		if n.field != nil && n.parent.kind == ast.Interface {
			for _, o := range s.possible(n.parent) {
				f := o.field(n.name)
				below = below || f != nil && s.external(f)
			}
		}
		if len(n.sub) == 0 {
			if below {
				kept = append(kept, n)
			} else {
				changed = true
			}
			continue
		}
		sub, c := s.active(n.sub, below)
		changed = changed || c
		if len(sub) == 0 {
			continue
		}
		m := *n
		m.sub = sub
		kept = append(kept, &m)
	}
	return kept, changed
}

// dropOnInterfaces drops the directives that Federation 1 did not look at on interfaces.
func (u *upgrader) dropOnInterfaces() {
	for _, t := range u.s.order {
		if t.kind != ast.Interface {
			continue
		}
		t.applied = without(t.applied, "key")
		for _, f := range t.fields {
			f.applied = without(without(f.applied, "provides"), "requires")
		}
	}
}

func (u *upgrader) dropProvidesOnLeaves() {
	for _, t := range u.s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			if on := u.s.types[f.typ.Name()]; fed(f.applied, "provides") != nil && !on.composite() {
				f.applied = without(f.applied, "provides")
			}
		}
	}
}

// dropUnusedExternals drops external fields that nothing uses, and types of which nothing is left.
func (u *upgrader) dropUnusedExternals() {
	s := u.s
	s.findFakeExternal()
	s.findUsed()
	for _, t := range append([]*typeDef(nil), s.order...) {
		if t.kind != ast.Object && t.kind != ast.Interface || len(t.fields) == 0 {
			continue
		}
		for _, f := range append([]*fieldDef(nil), t.fields...) {
			if s.external(f) && !s.used[f] {
				t.removeField(f.name)
			}
		}
		if len(t.fields) > 0 || s.isRoot(t) {
			continue
		}
		if s.referenced(t) {
			u.c.errors = append(u.c.errors, s.errorf(codeTypeOnlyUnusedExternal, t.pos, "Type %s contains only external fields and all those fields are all unused (they do not appear in any @key, @provides or @requires).", t.name))
		} else {
			s.removeType(t.name)
		}
	}
}

// referenced tells whether some field or union has the type.
func (s *schema) referenced(t *typeDef) bool {
	for _, o := range s.order {
		for _, f := range o.fields {
			if f.typ.Name() == t.name && o != t {
				return true
			}
		}
		for _, m := range o.members {
			if m.name == t.name {
				return true
			}
		}
		if o.implements(t.name) {
			return true
		}
	}
	return false
}

// shareable marks what several subgraphs resolve.
func (u *upgrader) shareable(keys map[*fieldDef]bool) {
	mark := func(applied *[]*directive) {
		for _, d := range *applied {
			if d.name == "shareable" {
				return
			}
		}
		*applied = append(*applied, &directive{name: "shareable", fed: "shareable", def: u.s.directives["shareable"]})
	}
	if u.s.directives["shareable"] == nil {
		for _, f := range features() {
			if f.name == "shareable" {
				u.s.addDirective(f.definition(upgradeVersion))
			}
		}
	}
	for _, t := range u.s.order {
		if t.kind != ast.Object {
			continue
		}
		if fed(t.applied, "key") == nil && !u.s.isRoot(t) {
			for _, o := range u.c.schemas {
				if other := o.types[t.name]; o != u.s && other != nil && other.kind == ast.Object {
					mark(&t.applied)
					break
				}
			}
			continue
		}
		for _, f := range t.fields {
			if keys[f] {
				continue
			}
			for _, o := range u.c.schemas {
				if o != u.s && u.resolved[o][f.coordinate()] {
					mark(&f.applied)
					break
				}
			}
		}
	}
}

// dropTagsOnExternal drops tags of external fields that the resolving subgraph has too.
func (u *upgrader) dropTagsOnExternal() {
	for _, t := range u.s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			if !u.s.external(f) {
				continue
			}
			kept := f.applied[:0:0]
			for _, d := range f.applied {
				if d.fed != "tag" || !u.taggedElsewhere(t.name, f.name, d) {
					kept = append(kept, d)
				}
			}
			f.applied = kept
		}
	}
}

func (u *upgrader) taggedElsewhere(typ, field string, tag *directive) bool {
	for _, o := range u.c.schemas {
		t := o.types[typ]
		if o == u.s || t == nil || t.field(field) == nil || o.external(t.field(field)) {
			continue
		}
		for _, d := range fedApplied(t.field(field).applied, "tag") {
			if d.str("name") == tag.str("name") {
				return true
			}
		}
	}
	return false
}
