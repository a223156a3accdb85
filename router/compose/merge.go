package compose

import (
	"sort"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// merger merges validated schemas into one.
type merger struct {
	c       *composer
	schemas []*schema
	// out is the supergraph's schema. Its directives are applied under the names of the supergraph, and what
	// composition writes itself (join__*) stands before what subgraphs applied.
	out *schema
	// sources holds, for each type of out, the type of each subgraph, nil where it has none.
	sources map[string][]*typeDef
	// fields holds the same for the fields of objects, interfaces and input objects, by coordinate.
	fields map[string][]*fieldDef
	// carried says how directives of the subgraphs reach the supergraph, by subgraph and local name.
	carried []map[string]*carriedDirective
	// features are the linked specifications of the supergraph, in the order in which they are linked.
	features []*mergedFeature
	usage    map[string]*enumUsage
	// overrides remembers what @override does to each field, by coordinate.
	overrides map[string]*overriding
}

func (c *composer) merge() *merger {
	m := &merger{
		c:         c,
		schemas:   c.schemas,
		out:       &schema{types: map[string]*typeDef{}, directives: map[string]*directiveDef{}, roots: map[ast.Operation]string{}},
		sources:   map[string][]*typeDef{},
		fields:    map[string][]*fieldDef{},
		usage:     map[string]*enumUsage{},
		overrides: map[string]*overriding{},
	}
	for _, name := range builtInScalars {
		m.out.addType(&typeDef{name: name, kind: ast.Scalar, builtIn: true})
	}
	if !m.prepareFeatures() {
		return m
	}
	m.collectTypes()
	m.mergeImplements()
	for _, t := range m.merging(ast.Union) {
		m.mergeUnion(t)
	}
	for _, k := range []ast.DefinitionKind{ast.Scalar, ast.InputObject, ast.Interface, ast.Object} {
		for _, t := range m.merging(k) {
			switch k {
			case ast.Scalar:
				m.mergeScalar(t)
			case ast.InputObject:
				m.mergeInput(t)
			default:
				m.mergeFields(t)
			}
		}
	}
	m.mergeExecutableDirectives()
	for _, t := range m.merging(ast.Enum) {
		m.mergeEnum(t)
	}
	m.mergeSchemaDefinition()
	m.copyInterfaceObjectFields()
	for _, itf := range m.merging(ast.Interface) {
		m.checkInterfaceKeyCoverage(itf)
		m.checkAbstracted(itf)
	}
	m.checkBases()
	if q := m.out.types["Query"]; q == nil || len(q.fields) == 0 {
		m.errorf(codeNoQueries, nil, "No queries found in any subgraph: a supergraph must have a query root type.")
	}
	if len(m.c.errors) > 0 {
		return m
	}
	m.hint()
	m.propagateAuth()
	m.checkMerged()
	if len(m.c.errors) > 0 {
		return m
	}
	m.checkInaccessible()
	return m
}

// errorf notes an error that subgraphs make together.
func (m *merger) errorf(code string, subgraphs []int, format string, args ...any) {
	e := Error{Code: code, Message: sprintf(format, args...)}
	for _, i := range subgraphs {
		e.Subgraphs = append(e.Subgraphs, m.schemas[i].name)
	}
	m.c.errors = append(m.c.errors, e)
}

// at adds the places of elements to the last error.
func (m *merger) at(positions map[int]*ast.Position) {
	e := &m.c.errors[len(m.c.errors)-1]
	for i := range m.schemas {
		if l, ok := m.schemas[i].location(positions[i]); ok {
			e.Locations = append(e.Locations, l)
		}
	}
}

func (m *merger) hintf(code string, subgraphs []int, format string, args ...any) {
	e := Error{Code: code, Message: sprintf(format, args...)}
	for _, i := range subgraphs {
		e.Subgraphs = append(e.Subgraphs, m.schemas[i].name)
	}
	m.c.hints = append(m.c.hints, e)
}

// collectTypes finds the types of the supergraph, and those whose kinds do not agree.
func (m *merger) collectTypes() {
	for i, s := range m.schemas {
		for _, t := range s.order {
			if t.builtIn || m.federationType(s, t) {
				continue
			}
			list := m.sources[t.name]
			if list == nil {
				list = make([]*typeDef, len(m.schemas))
				m.sources[t.name] = list
				m.out.addType(&typeDef{name: t.name, kind: t.mergedKind()})
			}
			list[i] = t
		}
	}
	for _, t := range m.out.order {
		if t.builtIn {
			continue
		}
		m.checkKinds(t)
	}
}

// federationType tells whether a type belongs to a specification that is not carried into the supergraph, linked or not.
func (m *merger) federationType(s *schema, t *typeDef) bool {
	for _, prefix := range []string{"link__", "federation__", "join__"} {
		if strings.HasPrefix(t.name, prefix) {
			return true
		}
	}
	l, _ := s.element(t.name)
	return l != nil && (l.identity == federationIdentity || l.identity == linkIdentity || l.identity == connectIdentity)
}

func (m *merger) checkKinds(t *typeDef) {
	kinds := map[string][]string{}
	var order []string
	objectOnly := true
	var with []int
	for i, s := range m.sources[t.name] {
		if s == nil {
			continue
		}
		with = append(with, i)
		kind := kindName(s.kind)
		if s.interfaceObject() {
			kind = kindName(ast.Interface)
		} else {
			objectOnly = false
		}
		if kinds[kind] == nil {
			order = append(order, kind)
		}
		word := kind
		if s.interfaceObject() {
			word = "Interface Object Type (Object Type with @interfaceObject)"
		}
		kinds[kind] = append(kinds[kind], sprintf("%s in subgraph %q", word, m.schemas[i].name))
	}
	if len(order) > 1 {
		message := ""
		for i, k := range order {
			if i > 0 {
				message += " but "
			}
			message += joined(kinds[k])
		}
		m.errorf(codeTypeKindMismatch, with, "Type %q has mismatched kind: it is defined as %s", t.name, message)
		return
	}
	if objectOnly {
		m.errorf(codeInterfaceObjectUsage, with, "Type %q is declared with @interfaceObject in all the subgraphs in which it is defined: at least one subgraph must define it as an interface", t.name)
	}
}

func kindName(k ast.DefinitionKind) string {
	switch k {
	case ast.Object:
		return "Object Type"
	case ast.Interface:
		return "Interface Type"
	case ast.Union:
		return "Union Type"
	case ast.Enum:
		return "Enum Type"
	case ast.InputObject:
		return "InputObject Type"
	}
	return "Scalar Type"
}

// joined writes a list as a person would.
func joined(list []string) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0]
	}
	out := list[0]
	for i, s := range list[1:] {
		if i == len(list)-2 {
			out += " and " + s
		} else {
			out += ", " + s
		}
	}
	return out
}

// merging gives the types of a kind that can be merged.
func (m *merger) merging(k ast.DefinitionKind) []*typeDef {
	var out []*typeDef
	for _, t := range append([]*typeDef(nil), m.out.order...) {
		if t.kind == k && !t.builtIn {
			out = append(out, t)
		}
	}
	return out
}

// checkBases looks for types that are only ever extended. Where the kinds do not agree, those of the first subgraph's kind
// are looked at.
func (m *merger) checkBases() {
	for _, t := range m.out.order {
		if t.builtIn || m.isRootName(t.name) {
			continue
		}
		base := false
		var extending []int
		for i, s := range m.sources[t.name] {
			if s == nil {
				continue
			}
			if s.mergedKind() != t.kind {
				continue
			}
			base = base || s.defined
			extending = append(extending, i)
		}
		if base || len(extending) == 0 {
			continue
		}
		for _, i := range extending {
			m.errorf(codeExtensionWithNoBase, []int{i}, "[%s] Type %q is an extension type, but there is no type definition for %q in any subgraph.", m.schemas[i].name, t.name, t.name)
			m.at(map[int]*ast.Position{i: m.sources[t.name][i].pos})
		}
	}
}

func (m *merger) isRootName(name string) bool {
	for _, op := range operations {
		if name == defaultRoot(op) {
			return true
		}
	}
	return false
}

// mergeImplements merges which interfaces types implement.
func (m *merger) mergeImplements() {
	for _, t := range m.out.order {
		if !t.hasFields() {
			continue
		}
		for i, s := range m.sources[t.name] {
			if s == nil {
				continue
			}
			for _, ref := range s.interfaces {
				if m.sources[ref.name] == nil {
					continue
				}
				t.applied = append(t.applied, join("implements", graphArg(m.schemas[i]), &argument{name: "interface", value: stringValue(ref.name)}))
				if !t.implements(ref.name) {
					t.interfaces = append(t.interfaces, &reference{name: ref.name})
				}
			}
		}
		sort.SliceStable(t.interfaces, func(i, j int) bool { return false })
	}
}

// join makes an application of a directive of the join specification.
func join(name string, args ...*argument) *directive {
	return &directive{name: "join__" + name, args: args}
}

func graphArg(s *schema) *argument { return &argument{name: "graph", value: enumValue(s.enum)} }

// addJoinTypes writes which subgraphs know a type, and by which keys. It puts them before all else.
func (m *merger) addJoinTypes(t *typeDef) {
	var out []*directive
	for i, s := range m.sources[t.name] {
		if s == nil {
			continue
		}
		keys := fedApplied(s.applied, "key")
		extension := &argument{name: "extension", value: boolValue(true)}
		extends := fed(s.applied, "extends") != nil
		object := s.interfaceObject()
		add := func(key *directive) {
			d := join("type", graphArg(m.schemas[i]))
			if key != nil {
				d.args = append(d.args, &argument{name: "key", value: stringValue(key.str("fields"))})
				if extends || key.decl > 0 {
					d.args = append(d.args, extension)
				}
				if key.arg("resolvable") != nil {
					d.args = append(d.args, &argument{name: "resolvable", value: boolValue(isResolvable(key))})
				}
			}
			if object {
				d.args = append(d.args, &argument{name: "isInterfaceObject", value: boolValue(true)})
			}
			out = append(out, d)
		}
		for _, k := range keys {
			add(k)
		}
		if len(keys) == 0 {
			add(nil)
		}
	}
	t.applied = append(out, t.applied...)
}

// description picks the description that most subgraphs give; of equally frequent ones the first.
func (m *merger) description(coordinate string, list []string) string {
	counts := map[string]int{}
	best := ""
	for _, d := range list {
		if d == "" {
			continue
		}
		counts[d]++
	}
	for _, d := range list {
		if d != "" && (best == "" || counts[d] > counts[best]) {
			best = d
		}
	}
	if len(counts) > 1 {
		m.hintf(hintInconsistentDescription, nil, "Element %q has inconsistent descriptions across subgraphs. The supergraph uses %q.", coordinate, best)
	}
	return best
}

func (m *merger) typeHeader(t *typeDef) {
	var texts []string
	var applied []appliedAt
	for i, s := range m.sources[t.name] {
		if s != nil {
			texts = append(texts, s.description)
			applied = append(applied, appliedAt{i, s.applied})
		}
	}
	t.description = m.description(t.name, texts)
	m.addJoinTypes(t)
	m.mergeApplied(&t.applied, applied, t.name)
	m.joinApplied(&t.applied, applied)
}

func (m *merger) mergeScalar(t *typeDef) { m.typeHeader(t) }

func (m *merger) mergeUnion(t *typeDef) {
	m.typeHeader(t)
	seen := map[string]bool{}
	for i, s := range m.sources[t.name] {
		if s == nil {
			continue
		}
		if s.kind != ast.Union {
			continue
		}
		for _, ref := range s.members {
			t.applied = append(t.applied, join("unionMember", graphArg(m.schemas[i]), &argument{name: "member", value: stringValue(ref.name)}))
			if !seen[ref.name] {
				seen[ref.name] = true
				t.members = append(t.members, &reference{name: ref.name})
			}
		}
	}
}

// mergeSchemaDefinition merges the roots, the description and what is applied to the schema itself.
func (m *merger) mergeSchemaDefinition() {
	var texts []string
	var applied []appliedAt
	for i, s := range m.schemas {
		texts = append(texts, s.description)
		applied = append(applied, appliedAt{i, s.applied})
		for op, name := range s.roots {
			if t := m.out.types[name]; t != nil && len(t.fields) > 0 {
				m.out.roots[op] = name
			}
		}
	}
	m.out.description = m.description("schema", texts)
	m.mergeApplied(&m.out.applied, applied, "schema")
	m.joinApplied(&m.out.applied, applied)
}
