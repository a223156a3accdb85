package compose

import (
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// mergedFeature is a specification that the supergraph links.
type mergedFeature struct {
	identity string
	version  version
	as       string // "" for the name of the specification
	purpose  string
	imports  []imported
	// definitions are those of the specification's directives and types, as the supergraph calls them.
	directives []*directiveDef
	types      []*typeDef
}

// carriedDirective says how a directive of a subgraph reaches the supergraph.
type carriedDirective struct {
	name       string // in the supergraph
	fed        string // in Federation, "" for others
	def        *directiveDef
	feature    *mergedFeature // nil for the directives of GraphQL itself
	repeatable bool
}

// featureVersions gives the versions and purposes under which the supergraph links the specifications whose directives it
// carries.
func featureVersion(spec string) (version, string) {
	switch spec {
	case "tag":
		return version{0, 3}, ""
	case "inaccessible":
		return version{0, 2}, "SECURITY"
	case "cost":
		return version{0, 1}, ""
	}
	return version{0, 1}, "SECURITY"
}

// prepareFeatures finds which directives the supergraph carries and what it links for them. It tells whether merging makes
// sense.
func (m *merger) prepareFeatures() bool {
	m.carried = make([]map[string]*carriedDirective, len(m.schemas))
	for i := range m.schemas {
		m.carried[i] = map[string]*carriedDirective{}
	}
	for _, d := range builtInDirectives() {
		if d.name == "deprecated" || d.name == "specifiedBy" {
			for i, s := range m.schemas {
				if s.directives[d.name] != nil {
					m.carried[i][d.name] = &carriedDirective{name: d.name, def: d}
				}
			}
		}
	}
	uses := m.directiveUses()
	for _, f := range features() {
		if f.spec != "" {
			m.carryFeature(f, uses)
		} else if f.name == "context" {
			m.carryContext(uses)
		}
	}
	m.linkJoined(uses)
	m.carryComposed()
	return len(m.c.errors) == 0
}

// directiveUses gives, per subgraph, the Federation directives that are applied, and the names they have there.
func (m *merger) directiveUses() []map[string]string {
	out := make([]map[string]string, len(m.schemas))
	for i, s := range m.schemas {
		out[i] = map[string]string{}
		s.eachApplied(func(_ ast.DirectiveLocation, _ string, applied *[]*directive) {
			for _, d := range *applied {
				if d.fed != "" {
					out[i][d.fed] = d.name
				}
			}
		})
	}
	return out
}

func (m *merger) carryFeature(f feature, uses []map[string]string) {
	names := map[string][]int{}
	var order []string
	var with []int
	for i := range m.schemas {
		n := uses[i][f.name]
		if n == "" {
			continue
		}
		if names[n] == nil {
			order = append(order, n)
		}
		names[n] = append(names[n], i)
		with = append(with, i)
	}
	if len(order) == 0 {
		return
	}
	if len(order) > 1 {
		text := ""
		for i, n := range order {
			if i > 0 {
				text += " but "
			}
			text += sprintf("\"@%s\" in %s", n, m.subgraphList(names[n]))
		}
		m.errorf(codeLinkImportNameMismatch, with, "The \"@%s\" directive (from %s) is imported with mismatched name between subgraphs: it is imported as %s", f.name, federationIdentity, text)
		return
	}
	name := order[0]
	identity := apolloSpecs + f.spec
	var feat *mergedFeature
	for _, o := range m.features {
		if o.identity == identity {
			feat = o
		}
	}
	if feat == nil {
		v, purpose := featureVersion(f.spec)
		feat = &mergedFeature{identity: identity, version: v, purpose: purpose}
		m.features = append(m.features, feat)
		for _, other := range features() {
			if other.spec == f.spec && other.name != f.name {
				d := other.definition(maxFederation)
				d.name = f.spec
				if other.name != f.spec {
					d.name += "__" + other.name
				}
				feat.directives = append(feat.directives, d)
			}
		}
	}
	if name != f.spec {
		feat.imports = append(feat.imports, imported{"@" + f.name, "@" + name})
	}
	def := f.definition(maxFederation)
	def.name = name
	for _, a := range def.args {
		a.typ = renameType(a.typ, func(n string) string {
			if n != scopeType && n != policyType {
				return n
			}
			n = f.spec + "__" + n
			feat.types = append(feat.types, &typeDef{name: n, kind: ast.Scalar, builtIn: true})
			return n
		})
	}
	// It takes the place of the definition that was made for its being left out.
	kept := feat.directives[:0:0]
	for _, d := range feat.directives {
		if d.name != f.spec+"__"+f.name && d.name != name {
			kept = append(kept, d)
		}
	}
	feat.directives = append(kept, def)
	for i := range m.schemas {
		if uses[i][f.name] != "" {
			m.carried[i][name] = &carriedDirective{name: name, fed: f.name, def: def, feature: feat, repeatable: def.repeatable}
		}
	}
}

// carryContext links the context specification when some subgraph sets a context.
func (m *merger) carryContext(uses []map[string]string) {
	var feat *mergedFeature
	for i := range m.schemas {
		local := uses[i]["context"]
		if local == "" {
			continue
		}
		if feat == nil {
			def := mustDirective(`directive @context(name: String!) repeatable on INTERFACE | OBJECT | UNION`)
			from := mustDirective(`directive @context__fromContext(field: context__ContextFieldValue) on ARGUMENT_DEFINITION`)
			feat = &mergedFeature{identity: "https://specs.apollo.dev/context", version: version{0, 1}, purpose: "SECURITY", directives: []*directiveDef{def, from}, types: []*typeDef{{name: "context__ContextFieldValue", kind: ast.Scalar, builtIn: true}}}
			m.features = append(m.features, feat)
		}
		m.carried[i][local] = &carriedDirective{name: "context", fed: "context", def: feat.directives[0], feature: feat, repeatable: true}
	}
}

// composed is a directive that @composeDirective asks to carry.
type composed struct {
	subgraph int
	link     *link
	element  string // with "@"
	name     string
	def      *directiveDef
}

// carryComposed reads @composeDirective.
func (m *merger) carryComposed() {
	var all []composed
	failed := false
	fail := func(with []int, format string, args ...any) {
		failed = true
		m.errorf(codeDirectiveComposition, with, format, args...)
	}
	for i, s := range m.schemas {
		done := map[string]bool{}
		for _, d := range fedApplied(s.applied, "composeDirective") {
			raw := d.str("name")
			switch {
			case raw == "":
				fail([]int{i}, "Argument to @composeDirective in subgraph %q cannot be NULL or an empty String", s.name)
				continue
			case raw[0] != '@':
				fail([]int{i}, "Argument to @composeDirective %q in subgraph %q must have a leading \"@\"", raw, s.name)
				continue
			}
			name := raw[1:]
			def := s.directives[name]
			if def == nil {
				fail([]int{i}, "Could not find matching directive definition for argument to @composeDirective %q in subgraph %q.", raw, s.name)
				continue
			}
			l, element := s.element(raw)
			switch {
			case l == nil:
				fail([]int{i}, "Directive %q in subgraph %q cannot be composed because it is not a member of a core feature", raw, s.name)
				continue
			case l.identity == linkIdentity || l.identity == federationIdentity && !m.alwaysCarried(element[1:]):
				fail([]int{i}, "Composing federation directive %q in subgraph %q is not supported", raw, s.name)
				continue
			case l.identity == federationIdentity || m.carried[i][name] != nil:
				continue // carried anyway
			}
			if !done[name] {
				done[name] = true
				all = append(all, composed{i, l, element, name, def})
			}
		}
	}
	m.checkComposed(all, fail)
	if failed {
		return
	}
	var order []string
	byIdentity := map[string][]composed{}
	for _, c := range all {
		if byIdentity[c.link.identity] == nil {
			order = append(order, c.link.identity)
		}
		byIdentity[c.link.identity] = append(byIdentity[c.link.identity], c)
	}
	for _, id := range order {
		m.carryLinked(id, byIdentity[id])
	}
}

func (m *merger) alwaysCarried(name string) bool {
	for _, f := range features() {
		if f.name == name {
			return f.spec != ""
		}
	}
	return false
}

// checkComposed compares what the subgraphs ask to be composed.
func (m *merger) checkComposed(all []composed, fail func([]int, string, ...any)) {
	majors := map[string]int{}
	bad := map[string]bool{}
	names := map[string]composed{}
	elements := map[string]composed{}
	for _, c := range all {
		id := c.link.identity
		if v, ok := majors[id]; ok && v != c.link.version.major && !bad[id] {
			bad[id] = true
			fail(m.subgraphsOf(all, id), "Core feature %q requested to be merged has major version mismatch across subgraphs", id)
		}
		majors[id] = c.link.version.major
		if o, ok := names[c.name]; ok && o.link.identity != id && !bad["@"+c.name] {
			bad["@"+c.name] = true
			fail([]int{o.subgraph, c.subgraph}, "Composed directive \"@%s\" is not linked by the same core feature in every subgraph", c.name)
		} else if !ok {
			names[c.name] = c
		}
		key := id + " " + c.element
		if o, ok := elements[key]; ok && o.name != c.name && !bad[key] {
			bad[key] = true
			fail([]int{o.subgraph, c.subgraph}, "Composed directive is not named consistently in all subgraphs but \"@%s\" in subgraph %q and \"@%s\" in subgraph %q", o.name, m.schemas[o.subgraph].name, c.name, m.schemas[c.subgraph].name)
		} else if !ok {
			elements[key] = c
		}
	}
}

func (m *merger) subgraphsOf(all []composed, identity string) []int {
	var out []int
	for _, c := range all {
		if c.link.identity == identity && (len(out) == 0 || out[len(out)-1] != c.subgraph) {
			out = append(out, c.subgraph)
		}
	}
	return out
}

// carryLinked carries the directives of one linked specification. The definitions are those of its latest version.
func (m *merger) carryLinked(identity string, list []composed) {
	latest := list[0]
	for _, c := range list[1:] {
		if c.link.version.atLeast(latest.link.version) {
			latest = c
		}
	}
	// Without a purpose, whatever the subgraphs say: a router that does not know the specification must be able to serve the
	// supergraph, in which the directives change no answer.
	feat := &mergedFeature{identity: identity, version: latest.link.version, as: m.freeFeatureName(latest.link.name)}
	m.features = append(m.features, feat)
	defs := map[string]composed{}
	var order []string
	for _, c := range list {
		o, ok := defs[c.name]
		if !ok {
			order = append(order, c.name)
		}
		if !ok || c.link.version.atLeast(o.link.version) {
			defs[c.name] = c
		}
	}
	for _, name := range order {
		c := defs[name]
		// Not always the name under which it was imported: that may have been the specification's default one.
		feat.imports = append(feat.imports, imported{c.element, "@" + name})
		feat.directives = append(feat.directives, c.def)
		for _, a := range c.def.args {
			m.noteUsage(a.typ, true)
		}
		// Subgraphs that do not ask for it keep what they apply to themselves.
		for _, o := range list {
			if o.name == name && o.link.version.major == c.link.version.major {
				m.carried[o.subgraph][name] = &carriedDirective{name: name, def: c.def, feature: feat, repeatable: c.def.repeatable}
			}
		}
	}
}

// freeFeatureName returns under which name a specification is linked when another one has its own already, "" when none has.
func (m *merger) freeFeatureName(own string) string {
	taken := map[string]bool{"link": true, "join": true}
	for _, f := range m.features {
		name := f.as
		if name == "" {
			name = f.identity[strings.LastIndexByte(f.identity, '/')+1:]
		}
		taken[name] = true
	}
	if !taken[own] {
		return ""
	}
	for n := 0; ; n++ {
		if name := "_" + strconv.Itoa(n) + own; !taken[name] {
			return name
		}
	}
}

// joinVersion gives the version of the join specification that the subgraphs need.
func (m *merger) joinVersion() version {
	v := version{0, 3}
	for _, s := range m.schemas {
		needs := s.version
		if implied := s.implied(); implied.atLeast(needs) {
			needs = implied
		}
		switch {
		case needs.atLeast(version{2, 8}):
			return version{0, 5}
		case needs.atLeast(version{2, 7}):
			v = version{0, 4}
		}
	}
	return v
}

// linkDirective writes the @link of a feature.
func (f *mergedFeature) linkDirective() *directive {
	d := &directive{name: "link", args: []*argument{{name: "url", value: stringValue(f.identity + "/" + f.version.String())}}}
	if f.as != "" {
		d.args = append(d.args, &argument{name: "as", value: stringValue(f.as)})
	}
	var items []*ast.Value
	for _, i := range f.imports {
		if i.name == i.as {
			items = append(items, stringValue(i.name))
			continue
		}
		items = append(items, &ast.Value{Kind: ast.ObjectValue, Children: ast.ChildValueList{{Name: "name", Value: stringValue(i.name)}, {Name: "as", Value: stringValue(i.as)}}})
	}
	if items != nil {
		d.args = append(d.args, &argument{name: "import", value: listValue(items)})
	}
	if f.purpose != "" {
		d.args = append(d.args, &argument{name: "for", value: enumValue(f.purpose)})
	}
	return d
}
