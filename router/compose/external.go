package compose

import "github.com/vektah/gqlparser/v2/ast"

// markedExternal tells whether a field or its type bears @external.
func (f *fieldDef) markedExternal() bool {
	return fed(f.applied, "external") != nil || fed(f.parent.applied, "external") != nil
}

// external tells whether the subgraph does not resolve a field, but for what @provides says.
func (s *schema) external(f *fieldDef) bool {
	return f.markedExternal() && !s.fakeExternal[f]
}

// fullyExternal tells whether the subgraph resolves a field nowhere.
func (s *schema) fullyExternal(f *fieldDef) bool {
	return s.external(f) && !s.provided[f]
}

// findFakeExternal finds the external fields that the subgraph does resolve: Federation 1 demanded @external on the keys of
// extended types.
func (s *schema) findFakeExternal() {
	s.fakeExternal = map[*fieldDef]bool{}
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		extends := fed(t.applied, "extends") != nil
		for _, d := range fedApplied(t.applied, "key") {
			if !extends && d.decl == 0 {
				continue
			}
			v := d.arg("fields")
			if v == nil || !isString(v) {
				continue
			}
			for _, f := range s.fieldsOf(t, v.Raw) {
				if fed(f.applied, "external") != nil {
					s.fakeExternal[f] = true
				}
			}
		}
	}
}

// findUsed finds the fields that federation needs: those in field sets, and those that implement an interface's.
func (s *schema) findUsed() {
	s.used = map[*fieldDef]bool{}
	s.provided = map[*fieldDef]bool{}
	use := func(target *typeDef, d *directive, into ...map[*fieldDef]bool) {
		v := d.arg("fields")
		if target == nil || v == nil || !isString(v) {
			return
		}
		for _, f := range s.fieldsOf(target, v.Raw) {
			for _, m := range into {
				m[f] = true
				if f.parent.kind != ast.Interface {
					continue
				}
				for _, o := range s.possible(f.parent) {
					if of := o.field(f.name); of != nil {
						m[of] = true
					}
				}
			}
		}
	}
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, d := range fedApplied(t.applied, "key") {
			use(t, d, s.used)
		}
		for _, f := range t.fields {
			if d := fed(f.applied, "requires"); d != nil {
				use(t, d, s.used)
			}
			if d := fed(f.applied, "provides"); d != nil {
				if target := s.types[f.typ.Name()]; target.composite() {
					use(target, d, s.used, s.provided)
				}
			}
			for _, i := range t.interfaces {
				if it := s.types[i.name]; it != nil && it.field(f.name) != nil {
					s.used[f] = true
				}
			}
		}
	}
	s.contextUses()
}
