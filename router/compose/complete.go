package compose

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// complete resolves the links of a schema, adds the definitions of what they bring and the schema leaves out, checks those
// that it has, and marks every applied directive with what it means.
func (s *schema) complete() []Error {
	for _, d := range builtInDirectives() {
		if s.directives[d.name] == nil {
			s.addDirective(d)
		}
	}
	linkErrs := s.readLinks()
	if len(linkErrs) > 0 {
		if errs := s.checkDefinedReferences(); len(errs) > 0 {
			return errs
		}
	}
	// Where a schema links the link specification itself, what is wrong with its structure comes before its links; so it does
	// before a version that is not known.
	late := s.linksExplicitly() || onlyVersions(linkErrs)
	if len(linkErrs) > 0 && !late {
		return linkErrs
	}
	if errs := s.checkStructure(late, len(linkErrs) == 0); len(errs) > 0 {
		return errs
	}
	errs := append(s.rootErrs, linkErrs...)
	if l := s.linkTo(linkIdentity); l != nil {
		errs = append(errs, s.completeLink(l)...)
	}
	if len(linkErrs) == 0 {
		errs = append(errs, s.completeFederation()...)
	}
	for _, e := range errs {
		if e.Code == codeTypeDefinitionInvalid {
			return errs
		}
	}
	if len(errs) > 0 {
		return append(errs, s.unknownDirectives()...)
	}
	s.completeKnown()
	s.dropMachinery()
	s.resolveDirectives()
	return s.checkReferences(func(string) bool { return false })
}

// onlyVersions tells whether there are errors and all are about versions that are not known.
func onlyVersions(errs []Error) bool {
	for _, e := range errs {
		if e.Code != codeUnknownFederationVersion && e.Code != codeUnknownLinkVersion {
			return false
		}
	}
	return len(errs) > 0
}

// checkDefinedReferences looks for unknown types in the directive definitions that the schema itself has.
func (s *schema) checkDefinedReferences() []Error {
	var errs []Error
	for _, d := range s.dirOrder {
		for _, a := range d.args {
			if !d.builtIn && s.types[a.typ.Name()] == nil {
				errs = append(errs, s.errorf(codeInvalidGraphQL, a.pos, "Unknown type %s", a.typ.Name()))
			}
		}
	}
	return errs
}

// checkStructure finds what keeps a schema from being put together: types that are named and do not exist or are of the wrong
// kind, and fields that exist twice; with directives, also unknown directives on the schema, among them those of links where
// the links are not sound.
func (s *schema) checkStructure(directives, sound bool) []Error {
	errs := append(s.later, s.checkReferences(func(name string) bool {
		l, _ := s.element(name)
		return l != nil && !s.mentions(name)
	})...)
	if len(errs) == 0 {
		g := &graphqlErrors{s: s}
		g.structure()
		errs = g.errs
	}
	for _, d := range s.applied {
		if directives && s.directives[d.name] == nil && !(s.comesLinked(d.name) && (sound || d.name == s.linkName())) {
			errs = append(errs, s.errorf(codeInvalidGraphQL, d.pos, "Unknown directive \"@%s\".%s", d.name, s.suggestion(d.name)))
		}
	}
	return errs
}

// comesLinked tells whether a directive is one whose definition a link brings.
func (s *schema) comesLinked(name string) bool {
	l, element := s.element("@" + name)
	return l != nil && (l.identity == linkIdentity && element == "@link" || knownElements(l)[element])
}

// unknownDirectives finds the applications of directives that have no definition.
func (s *schema) unknownDirectives() []Error {
	var errs []Error
	s.eachApplied(func(_ ast.DirectiveLocation, _ string, applied *[]*directive) {
		for _, d := range *applied {
			if s.directives[d.name] == nil {
				errs = append(errs, s.errorf(codeInvalidGraphQL, d.pos, "Unknown directive \"@%s\".%s", d.name, s.suggestion(d.name)))
			}
		}
	})
	return errs
}

// completeLink adds or checks the definitions of the link specification.
func (s *schema) completeLink(l *link) []Error {
	var errs []Error
	own := s.directives[l.as] != nil // then the types of its arguments are its own too
	purpose, imports := l.as+"__Purpose", l.as+"__Import"
	if l.local("Purpose") != purpose {
		purpose = l.local("Purpose")
	}
	if l.local("Import") != imports {
		imports = l.local("Import")
	}
	if t := s.types[purpose]; t != nil {
		t.builtIn = true
		var names []string
		for _, v := range t.values {
			names = append(names, v.name)
		}
		if !own && (t.kind != ast.Enum || len(names) != 2 || !contains(names, "SECURITY") || !contains(names, "EXECUTION")) {
			errs = append(errs, s.errorf(codeTypeDefinitionInvalid, t.pos, "Invalid definition for type %q: expected an enum with the values [EXECUTION, SECURITY] but found [%s].", purpose, strings.Join(names, ", ")))
		}
	} else {
		s.addType(&typeDef{name: purpose, kind: ast.Enum, builtIn: true, values: []*valueDef{{name: "SECURITY"}, {name: "EXECUTION"}}})
	}
	if t := s.types[imports]; t != nil {
		t.builtIn = true
		if t.kind != ast.Scalar && !own {
			errs = append(errs, s.kindError(t))
		}
	} else if def := s.directives[l.as]; def == nil || def.arg("import") == nil || def.arg("import").typ.Name() != imports {
		s.addType(&typeDef{name: imports, kind: ast.Scalar, builtIn: true})
	}
	want := mustDirective(`directive @link(url: String, as: String, for: Purpose, import: [Import]) repeatable on SCHEMA`)
	want.name = l.as
	want.arg("for").typ = ast.NamedType(purpose, nil)
	want.arg("import").typ = ast.ListType(ast.NamedType(imports, nil), nil)
	if have := s.directives[l.as]; have != nil {
		errs = append(errs, s.checkDefinition(want, have, map[string]bool{imports: true})...)
	} else {
		s.addDirective(want)
	}
	return errs
}

func (s *schema) kindError(t *typeDef) Error {
	return s.errorf(codeTypeDefinitionInvalid, t.pos, "Invalid definition for type %s: it should be a scalar but is defined as an %s", t.name, kindWord(t.kind))
}

// completeFederation adds or checks the definitions of Federation.
func (s *schema) completeFederation() []Error {
	var errs []Error
	fed := s.linkTo(federationIdentity)
	local := func(name string) string { return fed.local("@" + name) }
	localType := func(name string) string { return fed.local(name) }
	v := version{}
	if fed == nil {
		local = func(name string) string { return name }
		localType = func(name string) string { return "_" + name }
	} else {
		v = fed.version
	}
	custom := map[string]bool{}
	types := featureTypes()
	for _, name := range sortedKeys(types) {
		if fed == nil && name != fieldSetType || types[name] > v.minor {
			continue
		}
		n := localType(name)
		custom[n] = true
		if t := s.types[n]; t != nil {
			t.builtIn = true
			if t.kind != ast.Scalar {
				errs = append(errs, s.kindError(t))
			}
			continue
		}
		if s.mentions(n) {
			return []Error{s.errorf(codeInvalidGraphQL, nil, "Unknown type %s", n)}
		}
		s.addType(&typeDef{name: n, kind: ast.Scalar, builtIn: true})
	}
	if len(errs) > 0 {
		return errs
	}
	g := &graphqlErrors{s: s}
	if g.ownValues(); len(g.errs) > 0 {
		return g.errs
	}
	for _, f := range features() {
		if fed == nil && !fed1Feature(f.name) || f.since > v.minor {
			continue
		}
		want := f.definition(v)
		want.name = local(f.name)
		for _, a := range want.args {
			a.typ = renameType(a.typ, func(n string) string {
				if _, ok := types[n]; ok {
					return localType(n)
				}
				return n
			})
		}
		if have := s.directives[want.name]; have != nil {
			errs = append(errs, s.checkDefinition(want, have, custom)...)
			continue
		}
		s.addDirective(want)
	}
	return errs
}

// fed1Feature tells which directives Federation 1 has.
func fed1Feature(name string) bool {
	switch name {
	case "key", "requires", "provides", "external", "extends", "tag":
		return true
	}
	return false
}

// mentions tells whether a definition that the schema itself has uses the type: it must then define it too.
func (s *schema) mentions(name string) bool {
	for _, d := range s.dirOrder {
		if d.generated || d.builtIn {
			continue
		}
		for _, a := range d.args {
			if a.typ.Name() == name {
				return true
			}
		}
	}
	return false
}

func renameType(t *ast.Type, rename func(string) string) *ast.Type {
	out := *t
	if t.Elem != nil {
		out.Elem = renameType(t.Elem, rename)
	} else {
		out.NamedType = rename(t.NamedType)
	}
	return &out
}

// checkDefinition compares a definition that a schema gives for a directive of a specification with the specification's.
// It may leave out optional arguments and places, demand what is optional, and use String for the scalars of the
// specification, which are listed in custom.
func (s *schema) checkDefinition(want, have *directiveDef, custom map[string]bool) []Error {
	var errs []Error
	bad := func(format string, args ...any) {
		errs = append(errs, s.errorf(codeDirectiveDefinitionInvalid, have.pos, "Invalid definition for directive \"@%s\": %s", want.name, sprintf(format, args...)))
	}
	for _, w := range want.args {
		h := have.arg(w.name)
		if h == nil {
			if required(w.typ, w.value) {
				bad("missing required argument %q", w.name)
			}
			continue
		}
		if w.typ.Elem == nil && custom[w.typ.NamedType] && h.typ.NonNull && h.typ.Elem != nil {
			continue // Federation once wrote field sets as lists
		}
		if !s.sameArgType(w.typ, h.typ, custom) {
			bad("argument %q should have type %q but found type %q", w.name, w.typ, h.typ)
		} else if !sameDefault(w.value, h.value) && !(h.value == nil && h.typ.NonNull) && !required(w.typ, w.value) {
			bad("argument %q should have default value %s but found default value %s", w.name, printDefault(w.value), printDefault(h.value))
		}
	}
	for _, h := range have.args {
		if want.arg(h.name) == nil {
			bad("unknown/unsupported argument %q", h.name)
		}
	}
	if have.repeatable && !want.repeatable {
		bad("\"@%s\" should not be repeatable", want.name)
	}
	var extra []string
	for _, l := range have.locations {
		found := false
		for _, w := range want.locations {
			found = found || w == l
		}
		if !found {
			extra = append(extra, string(l))
		}
	}
	if len(extra) > 0 {
		bad("it should have only the locations of its specification, but found %s", strings.Join(extra, ", "))
	}
	return errs
}

func (s *schema) sameArgType(want, have *ast.Type, custom map[string]bool) bool {
	if want.NonNull && !have.NonNull && (s.isFed2() || !custom[want.Name()]) {
		return false // but Federation 1 let field sets be nullable
	}
	if (want.Elem == nil) != (have.Elem == nil) {
		return false
	}
	if want.Elem != nil {
		return s.sameArgType(want.Elem, have.Elem, custom)
	}
	return want.NamedType == have.NamedType || custom[want.NamedType] && have.NamedType == "String"
}

func printDefault(v *ast.Value) string {
	if v == nil {
		return "undefined"
	}
	return printValue(v)
}

// completeKnown adds the definitions of Apollo's other specifications that a schema links directly.
func (s *schema) completeKnown() {
	for _, l := range s.links {
		if l.identity == federationIdentity || l.identity == linkIdentity {
			continue
		}
		known := knownElements(l)
		if l.identity == connectIdentity {
			if known != nil {
				s.completeConnect(l)
			}
			continue
		}
		for _, name := range sortedKeys(known) {
			if local := l.local(name); name[0] != '@' && s.types[local] == nil {
				s.addType(&typeDef{name: local, kind: ast.Scalar, defined: true})
			}
		}
		for _, f := range features() {
			name := l.local("@" + f.name)
			if f.spec == "" || !known["@"+f.name] || s.directives[name] != nil {
				continue
			}
			d := f.definition(maxFederation)
			d.name = name
			for _, a := range d.args {
				a.typ = renameType(a.typ, func(n string) string {
					if _, ok := featureTypes()[n]; ok {
						return l.local(n)
					}
					return n
				})
			}
			s.addDirective(d)
		}
	}
}

// dropMachinery removes what the subgraph specification adds for routers: they are not part of the graph.
func (s *schema) dropMachinery() {
	q := s.root(ast.Query)
	if q == nil && s.types["Query"] == nil {
		// Every subgraph has a query root: the one at which routers ask for entities.
		q = &typeDef{name: "Query", kind: ast.Object, defined: true}
		s.addType(q)
		s.roots[ast.Query] = q.name
	}
	if q != nil {
		q.removeField("_entities")
		q.removeField("_service")
	}
	for _, name := range []string{"_Service", "_Entity", "_Any"} {
		s.removeType(name)
	}
}

// resolveDirectives finds the definition of each applied directive, and its name in Federation.
func (s *schema) resolveDirectives() {
	meaning := map[string]string{}
	for _, f := range features() {
		meaning[s.fedName(f.name)] = f.name
	}
	fed := map[string]string{}
	s.eachApplied(func(_ ast.DirectiveLocation, _ string, applied *[]*directive) {
		for _, d := range *applied {
			d.def = s.directives[d.name]
			name, ok := fed[d.name]
			if !ok {
				name = s.meaning(d.name, meaning)
				fed[d.name] = name
			}
			d.fed = name
		}
	})
}

// meaning gives the name in Federation of a directive that the schema calls name.
func (s *schema) meaning(name string, federation map[string]string) string {
	if s.directives[name] == nil {
		return ""
	}
	if s.upgraded {
		for _, f := range features() {
			if f.name == name && f.since <= upgradeVersion.minor {
				return name
			}
		}
	} else if !s.isFed2() {
		if fed1Feature(name) {
			return name
		}
	} else if m := federation[name]; m != "" {
		return m
	}
	if l, element := s.element("@" + name); l != nil {
		for _, f := range features() {
			if f.spec != "" && l.identity == apolloSpecs+f.spec && element == "@"+f.name {
				return f.name
			}
		}
	}
	return ""
}

// checkReferences looks for types that are named and do not exist, but for some: nothing else can be checked before they do.
func (s *schema) checkReferences(but func(string) bool) []Error {
	var errs []Error
	check := func(name string, pos *ast.Position) {
		if s.types[name] == nil && !but(name) {
			errs = append(errs, s.errorf(codeInvalidGraphQL, pos, "Unknown type %s", name))
		}
	}
	for _, t := range s.order {
		for _, i := range t.interfaces {
			check(i.name, i.pos)
		}
		for _, m := range t.members {
			check(m.name, m.pos)
		}
		for _, f := range t.fields {
			check(f.typ.Name(), f.pos)
			for _, a := range f.args {
				check(a.typ.Name(), a.pos)
			}
		}
	}
	for _, d := range s.dirOrder {
		for _, a := range d.args {
			check(a.typ.Name(), a.pos)
		}
	}
	return errs
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}
