package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// validate checks a schema by itself: as GraphQL first, and if it holds there, by the rules of Federation.
func (s *schema) validate() []Error {
	if errs := s.validateGraphQL(); len(errs) > 0 {
		return errs
	}
	if !s.isFed2() {
		s.renameRoots()
		return nil
	}
	return s.validateFederation()
}

// validateFederation checks what a schema says to Federation.
func (s *schema) validateFederation() []Error {
	errs := s.renameRoots()
	s.findFakeExternal()
	s.findUsed()
	errs = append(errs, s.checkKeys()...)
	errs = append(errs, s.checkRequires()...)
	provides, fatal := s.checkProvides()
	if fatal != nil {
		// The published composition reports such a field alone.
		return []Error{*fatal}
	}
	errs = append(errs, provides...)
	errs = append(errs, s.checkContexts()...)
	errs = append(errs, s.checkExternal()...)
	interfaceKeys, fatal := s.checkInterfaceKeys()
	if fatal != nil {
		return []Error{*fatal}
	}
	errs = append(errs, interfaceKeys...)
	errs = append(errs, s.checkInterfaceObjects()...)
	errs = append(errs, s.checkShareable()...)
	errs = append(errs, s.checkCosts()...)
	errs = append(errs, s.checkAuth()...)
	return errs
}

// renameRoots gives the root types their default names, which the supergraph uses.
func (s *schema) renameRoots() []Error {
	var errs []Error
	codes := map[ast.Operation]string{ast.Query: codeRootQueryUsed, ast.Mutation: codeRootMutationUsed, ast.Subscription: codeRootSubscriptionUsed}
	for _, op := range operations {
		root := s.root(op)
		name := defaultRoot(op)
		if root == nil || root.name == name {
			continue
		}
		if other := s.types[name]; other != nil {
			errs = append(errs, s.errorf(codes[op], other.pos, "The schema has a type named %q but it is not set as the %s root type (%q is instead): this is not supported by federation. If a root type does not use its default name, there should be no other type with that default name.", name, op, root.name))
			continue
		}
		s.renameType(root, name)
		s.roots[op] = name
	}
	return errs
}

// renameType gives a type another name wherever it is named.
func (s *schema) renameType(t *typeDef, name string) {
	old := t.name
	rename := func(n string) string {
		if n == old {
			return name
		}
		return n
	}
	delete(s.types, old)
	t.name = name
	s.types[name] = t
	for _, o := range s.order {
		for _, f := range o.fields {
			f.typ = renameType(f.typ, rename)
		}
		for _, m := range o.members {
			m.name = rename(m.name)
		}
	}
}

func (s *schema) checkKeys() []Error {
	var errs []Error
	rules := fieldSetRules{directive: "key", prefix: "KEY", visit: func(f *fieldDef) *fieldSetError {
		if t := s.types[f.typ.Name()]; t.kind == ast.Union || t.kind == ast.Interface {
			return &fieldSetError{code: codeKeyFieldsSelectInvalidType, message: sprintf("field %q is a %s type which is not allowed in @key", f.coordinate(), kindWord(t.kind))}
		}
		return nil
	}}
	for _, t := range s.order {
		for _, d := range fedApplied(t.applied, "key") {
			if t.kind == ast.Interface && !s.version.atLeast(version{2, 3}) {
				errs = append(errs, s.errorf("KEY_UNSUPPORTED_ON_INTERFACE", d.pos, "Cannot use @key on interface %q: @key is supported on interfaces from federation v2.3 only", t.name))
			}
			_, found := s.checkFieldSet(rules, d, t, sprintf("type %q", t.name))
			errs = append(errs, found...)
		}
	}
	return errs
}

func (s *schema) checkRequires() []Error {
	var errs []Error
	rules := fieldSetRules{directive: "requires", prefix: "REQUIRES", leafExternal: true, allowArgs: true}
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			d := fed(f.applied, "requires")
			if d == nil {
				continue
			}
			if t.kind == ast.Interface {
				errs = append(errs, s.errorf("REQUIRES_UNSUPPORTED_ON_INTERFACE", d.pos, "Cannot use @requires on field %q of parent type %q: @requires is not supported within interfaces", f.coordinate(), t.name))
			}
			_, found := s.checkFieldSet(rules, d, t, sprintf("field %q", f.coordinate()))
			errs = append(errs, found...)
		}
	}
	return errs
}

// checkProvides gives the errors of @provides, and apart the one after which nothing else is reported.
func (s *schema) checkProvides() (errs []Error, fatal *Error) {
	rules := fieldSetRules{directive: "provides", prefix: "PROVIDES", leafExternal: true}
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			d := fed(f.applied, "provides")
			if d == nil {
				continue
			}
			if s.external(f) {
				e := s.errorf(codeExternalCollision, d.pos, "Cannot have both @provides and @external on field %q", f.coordinate())
				return nil, &e
			}
			target := s.types[f.typ.Name()]
			if !target.composite() {
				e := s.errorf(codeProvidesOnNonObject, d.pos, "Invalid @provides directive on field %q: field has type %q which has no fields", f.coordinate(), f.typ)
				return nil, &e
			}
			if t.kind == ast.Interface {
				errs = append(errs, s.errorf("PROVIDES_UNSUPPORTED_ON_INTERFACE", d.pos, "Cannot use @provides on field %q of parent type %q: @provides is not supported within interfaces", f.coordinate(), t.name))
			}
			_, found := s.checkFieldSet(rules, d, target, sprintf("field %q", f.coordinate()))
			errs = append(errs, found...)
		}
	}
	return errs, nil
}

// checkExternal finds external fields on interfaces and those that nothing uses.
func (s *schema) checkExternal() []Error {
	var errs []Error
	for _, t := range s.order {
		if t.kind != ast.Interface {
			continue
		}
		for _, f := range t.fields {
			if s.external(f) {
				errs = append(errs, s.errorf(codeExternalOnInterface, f.pos, "Interface type field %q is marked @external but @external is not allowed on interface fields (it is nonsensical).", f.coordinate()))
			}
		}
	}
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			if s.external(f) && !s.used[f] {
				errs = append(errs, s.errorf(codeExternalUnused, f.pos, "Field %q is marked @external but is not used in any federation directive (@key, @provides, @requires) or to satisfy an interface; the field declaration has no use and should be removed (or the field should not be @external).", f.coordinate()))
			}
		}
	}
	return errs
}

// checkInterfaceKeys demands that the implementations of an interface have its keys. It gives apart the error of a key that
// cannot be compared, after which nothing else is reported.
func (s *schema) checkInterfaceKeys() (errs []Error, fatal *Error) {
	written := func(d *directive) bool { return d.arg("fields") != nil && isString(d.arg("fields")) }
	read := func(t *typeDef, d *directive) []*selection {
		set, err := s.readFieldSet(t, d.str("fields"), nil, false)
		if err != nil && fatal == nil {
			e := s.errorf("KEY_INVALID_FIELDS", d.pos, "On type %q, for @%s(fields: %s): %s", t.name, d.name, quote(d.str("fields")), err.message)
			fatal = &e
		}
		return set
	}
	for _, t := range s.order {
		if t.kind != ast.Interface {
			continue
		}
		for _, d := range fedApplied(t.applied, "key") {
			if !written(d) {
				continue
			}
			want := read(t, d)
			for _, o := range s.possible(t) {
				found, resolvable := false, false
				for _, k := range fedApplied(o.applied, "key") {
					if !written(k) && fatal == nil {
						e := s.errorf("KEY_INVALID_FIELDS_TYPE", k.pos, "On type %q, for @%s: Invalid value for argument \"fields\": must be a string.", o.name, k.name)
						fatal = &e
					}
					if fatal != nil {
						return nil, fatal
					}
					if canonical(read(o, k)) == canonical(want) {
						found = true
						resolvable = resolvable || isResolvable(k)
					}
				}
				if fatal != nil {
					return nil, fatal
				}
				switch {
				case !found:
					errs = append(errs, s.errorf(codeInterfaceKeyNotOnImpl, d.pos, "Key @key(fields: %s) on interface type %q is missing on implementation type %q.", quote(d.str("fields")), t.name, o.name))
				case !resolvable && isResolvable(d):
					errs = append(errs, s.errorf(codeInterfaceKeyNotOnImpl, d.pos, "Key @key(fields: %s) on interface type %q should be resolvable on all implementation types, but is declared with argument \"@key(resolvable:)\" set to false in type %q.", quote(d.str("fields")), t.name, o.name))
				}
			}
			if fatal != nil {
				return nil, fatal
			}
		}
	}
	return errs, nil
}

// isResolvable tells whether a subgraph can be entered by a key.
func isResolvable(key *directive) bool {
	v := key.arg("resolvable")
	return v == nil || v.Raw != "false"
}

func (s *schema) checkInterfaceObjects() []Error {
	var errs []Error
	for _, t := range s.order {
		if t.interfaceObject() && fed(t.applied, "key") == nil {
			errs = append(errs, s.errorf(codeInterfaceObjectUsage, t.pos, "The @interfaceObject directive can only be applied to entity types but type %q has no @key in this subgraph.", t.name))
		}
	}
	return errs
}

// checkShareable finds @shareable where it means nothing.
func (s *schema) checkShareable() []Error {
	var errs []Error
	for _, t := range s.order {
		switch t.kind {
		case ast.Interface:
			for _, f := range t.fields {
				if d := fed(f.applied, "shareable"); d != nil {
					errs = append(errs, s.errorf(codeInvalidShareable, d.pos, "Invalid use of @shareable on field %q: only object type fields can be marked with @shareable", f.coordinate()))
				}
			}
		case ast.Object:
			perDecl := map[int]int{}
			for _, d := range fedApplied(t.applied, "shareable") {
				if perDecl[d.decl]++; perDecl[d.decl] == 2 {
					errs = append(errs, s.errorf(codeInvalidShareable, d.pos, "Invalid duplicate application of @shareable on the same type declaration of %q: @shareable is only repeatable on types so it can be used simultaneously on a type definition and its extensions.", t.name))
				}
			}
			for _, f := range t.fields {
				if list := fedApplied(f.applied, "shareable"); len(list) > 1 {
					errs = append(errs, s.errorf(codeInvalidShareable, list[1].pos, "Invalid duplicate application of @shareable on field %q: @shareable is only repeatable on types so it can be used simultaneously on a type definition and its extensions.", f.coordinate()))
				}
			}
		}
	}
	return errs
}
