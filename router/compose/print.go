package compose

import (
	"sort"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// print writes the supergraph. Directives come first, then types, each sorted by name; within a type the order is that of
// the subgraphs. Without purposes, a reader need not know all linked specifications.
func (m *merger) print(purposes bool) string {
	p := &printer{}
	p.schema(m, purposes)
	type block struct {
		name string
		text func()
	}
	var blocks []block
	for _, d := range m.joinDirectives() {
		blocks = append(blocks, block{d.name, func() { p.directiveDef(d) }})
	}
	for _, f := range m.features {
		for _, d := range f.directives {
			blocks = append(blocks, block{d.name, func() { p.directiveDef(d) }})
		}
	}
	for _, d := range m.out.dirOrder {
		blocks = append(blocks, block{d.name, func() { p.directiveDef(d) }})
	}
	flush := func() {
		sort.SliceStable(blocks, func(i, j int) bool { return collated(blocks[i].name, blocks[j].name) })
		for _, b := range blocks {
			p.b.WriteByte('\n')
			b.text()
		}
		blocks = nil
	}
	flush()
	for _, t := range m.joinTypes() {
		blocks = append(blocks, block{t.name, func() { p.typeDef(t) }})
	}
	for _, f := range m.features {
		for _, t := range f.types {
			if m.out.types[t.name] == nil {
				blocks = append(blocks, block{t.name, func() { p.typeDef(t) }})
			}
		}
	}
	for _, t := range m.out.order {
		if !t.builtIn {
			blocks = append(blocks, block{t.name, func() { p.typeDef(t) }})
		}
	}
	flush()
	return p.b.String()
}

// collated orders names as a reader expects: underscores, digits, letters without regard to case.
func collated(a, b string) bool {
	weight := func(c byte) int {
		switch {
		case c == '_':
			return 0
		case c >= '0' && c <= '9':
			return 1 + int(c-'0')
		case c >= 'a' && c <= 'z':
			return 20 + int(c-'a')
		case c >= 'A' && c <= 'Z':
			return 20 + int(c-'A')
		}
		return 100 + int(c)
	}
	for i := 0; i < len(a) && i < len(b); i++ {
		if x, y := weight(a[i]), weight(b[i]); x != y {
			return x < y
		}
	}
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a > b // lower case first
}

// joinDirectives gives the definitions of the link and join specifications.
func (m *merger) joinDirectives() []*directiveDef {
	v := m.joinVersion()
	field := `directive @join__field(graph: join__Graph, requires: join__FieldSet, provides: join__FieldSet, type: String, external: Boolean, override: String, usedOverridden: Boolean`
	if v.minor >= 4 {
		field += `, overrideLabel: String`
	}
	if v.minor >= 5 {
		field += `, contextArguments: [join__ContextArgument!]`
	}
	list := []string{
		`directive @link(url: String, as: String, for: link__Purpose, import: [link__Import]) repeatable on SCHEMA`,
		`directive @join__enumValue(graph: join__Graph!) repeatable on ENUM_VALUE`,
		field + `) repeatable on FIELD_DEFINITION | INPUT_FIELD_DEFINITION`,
		`directive @join__graph(name: String!, url: String!) on ENUM_VALUE`,
		`directive @join__implements(graph: join__Graph!, interface: String!) repeatable on OBJECT | INTERFACE`,
		`directive @join__type(graph: join__Graph!, key: join__FieldSet, extension: Boolean! = false, resolvable: Boolean! = true, isInterfaceObject: Boolean! = false) repeatable on OBJECT | INTERFACE | UNION | ENUM | INPUT_OBJECT | SCALAR`,
		`directive @join__unionMember(graph: join__Graph!, member: String!) repeatable on UNION`,
	}
	if v.minor >= 4 {
		list = append(list, `directive @join__directive(graphs: [join__Graph!], name: String!, args: join__DirectiveArguments) repeatable on SCHEMA | OBJECT | INTERFACE | FIELD_DEFINITION`)
	}
	var out []*directiveDef
	for _, sdl := range list {
		out = append(out, mustDirective(sdl))
	}
	return out
}

// joinTypes gives the types of the link and join specifications, among them the enum of the subgraphs.
func (m *merger) joinTypes() []*typeDef {
	v := m.joinVersion()
	graphs := &typeDef{name: "join__Graph", kind: ast.Enum}
	for _, s := range m.schemas {
		graphs.values = append(graphs.values, &valueDef{name: s.enum, applied: []*directive{join("graph", &argument{name: "name", value: stringValue(s.name)}, &argument{name: "url", value: stringValue(s.url)})}})
	}
	out := []*typeDef{
		{name: "join__FieldSet", kind: ast.Scalar},
		graphs,
		{name: "link__Import", kind: ast.Scalar},
		{name: "link__Purpose", kind: ast.Enum, values: []*valueDef{
			{name: "SECURITY", description: "`SECURITY` features provide metadata necessary to securely resolve fields."},
			{name: "EXECUTION", description: "`EXECUTION` features provide metadata necessary for operation execution."},
		}},
	}
	if v.minor >= 4 {
		out = append(out, &typeDef{name: "join__DirectiveArguments", kind: ast.Scalar})
	}
	if v.minor >= 5 {
		c := &typeDef{name: "join__ContextArgument", kind: ast.InputObject}
		for _, n := range []string{"name", "type", "context"} {
			c.addField(&fieldDef{name: n, typ: ast.NonNullNamedType("String", nil)})
		}
		c.addField(&fieldDef{name: "selection", typ: ast.NonNullNamedType("join__FieldValue", nil)})
		out = append(out, &typeDef{name: "join__FieldValue", kind: ast.Scalar}, c)
	}
	return out
}

// printer writes schema definitions.
type printer struct{ b strings.Builder }

func (p *printer) schema(m *merger, purposes bool) {
	p.description(m.out.description, "")
	p.b.WriteString("schema\n")
	links := []*directive{
		(&mergedFeature{identity: linkIdentity, version: version{1, 0}}).linkDirective(),
		(&mergedFeature{identity: joinIdentity, version: m.joinVersion(), purpose: "EXECUTION"}).linkDirective(),
	}
	for _, f := range m.features {
		linked := *f
		if !purposes {
			linked.purpose = ""
		}
		links = append(links, linked.linkDirective())
	}
	for _, d := range append(links, m.out.applied...) {
		p.b.WriteString("  ")
		p.directive(d)
		p.b.WriteByte('\n')
	}
	p.b.WriteString("{\n")
	for _, op := range operations {
		if n := m.out.roots[op]; n != "" {
			p.b.WriteString("  " + string(op) + ": " + n + "\n")
		}
	}
	p.b.WriteString("}\n")
}

// description writes a description before what it describes.
func (p *printer) description(text, indent string) {
	if text == "" {
		return
	}
	block := strings.TrimRight(text, " \t") == text && !strings.ContainsAny(text, "\r") && strings.TrimSpace(text) == text
	for _, r := range text {
		if r < 0x20 && r != '\n' && r != '\t' {
			block = false
		}
	}
	if !block {
		p.b.WriteString(indent + quote(text) + "\n")
		return
	}
	escaped := strings.ReplaceAll(text, `"""`, `\"""`)
	lines := strings.Split(escaped, "\n")
	if len(lines) == 1 && len(text) <= 70 && !strings.HasSuffix(escaped, `"`) && !strings.HasSuffix(escaped, `\`) {
		p.b.WriteString(indent + `"""` + escaped + `"""` + "\n")
		return
	}
	p.b.WriteString(indent + `"""` + "\n")
	for _, l := range lines {
		if l != "" {
			p.b.WriteString(indent + l)
		}
		p.b.WriteByte('\n')
	}
	p.b.WriteString(indent + `"""` + "\n")
}

func (p *printer) directive(d *directive) {
	p.b.WriteString("@" + d.name)
	if len(d.args) == 0 {
		return
	}
	p.b.WriteByte('(')
	for i, a := range d.args {
		if i > 0 {
			p.b.WriteString(", ")
		}
		p.b.WriteString(a.name + ": ")
		writeValue(&p.b, a.value)
	}
	p.b.WriteByte(')')
}

func (p *printer) inline(applied []*directive) {
	for _, d := range applied {
		p.b.WriteByte(' ')
		p.directive(d)
	}
}

// arguments writes argument definitions, one a line where one of them is described.
func (p *printer) arguments(args []*argDef, indent string) {
	if len(args) == 0 {
		return
	}
	described := false
	for _, a := range args {
		described = described || a.description != ""
	}
	p.b.WriteByte('(')
	for i, a := range args {
		if described {
			if i > 0 {
				p.b.WriteByte('\n')
			}
			p.b.WriteByte('\n')
			p.description(a.description, indent+"  ")
			p.b.WriteString(indent + "  ")
		} else if i > 0 {
			p.b.WriteString(", ")
		}
		p.b.WriteString(a.name + ": " + a.typ.String())
		if a.value != nil {
			p.b.WriteString(" = ")
			writeValue(&p.b, a.value)
		}
		p.inline(a.applied)
	}
	if described {
		p.b.WriteString("\n" + indent)
	}
	p.b.WriteByte(')')
}

func (p *printer) directiveDef(d *directiveDef) {
	p.description(d.description, "")
	p.b.WriteString("directive @" + d.name)
	p.arguments(d.args, "")
	if d.repeatable {
		p.b.WriteString(" repeatable")
	}
	p.b.WriteString(" on ")
	for i, l := range d.locations {
		if i > 0 {
			p.b.WriteString(" | ")
		}
		p.b.WriteString(string(l))
	}
	p.b.WriteByte('\n')
}

func (p *printer) typeDef(t *typeDef) {
	p.description(t.description, "")
	keyword := map[ast.DefinitionKind]string{ast.Object: "type", ast.InputObject: "input", ast.Interface: "interface", ast.Union: "union", ast.Enum: "enum", ast.Scalar: "scalar"}[t.kind]
	p.b.WriteString(keyword + " " + t.name)
	for i, ref := range t.interfaces {
		if i == 0 {
			p.b.WriteString(" implements ")
		} else {
			p.b.WriteString(" & ")
		}
		p.b.WriteString(ref.name)
	}
	for _, d := range t.applied {
		p.b.WriteString("\n  ")
		p.directive(d)
	}
	switch t.kind {
	case ast.Scalar:
		p.b.WriteByte('\n')
		return
	case ast.Union:
		if len(t.applied) > 0 {
			p.b.WriteString("\n ")
		}
		p.b.WriteString(" = ")
		for i, m := range t.members {
			if i > 0 {
				p.b.WriteString(" | ")
			}
			p.b.WriteString(m.name)
		}
		p.b.WriteByte('\n')
		return
	}
	if len(t.applied) > 0 {
		p.b.WriteString("\n{\n")
	} else {
		p.b.WriteString(" {\n")
	}
	first := true
	gap := func(described bool) {
		if described && !first {
			p.b.WriteByte('\n')
		}
		first = false
	}
	for _, f := range t.fields {
		gap(f.description != "")
		p.description(f.description, "  ")
		p.b.WriteString("  " + f.name)
		p.arguments(f.args, "  ")
		p.b.WriteString(": " + f.typ.String())
		if f.value != nil {
			p.b.WriteString(" = ")
			writeValue(&p.b, f.value)
		}
		p.inline(f.applied)
		p.b.WriteByte('\n')
	}
	for _, v := range t.values {
		gap(v.description != "")
		p.description(v.description, "  ")
		p.b.WriteString("  " + v.name)
		p.inline(v.applied)
		p.b.WriteByte('\n')
	}
	p.b.WriteString("}\n")
}
