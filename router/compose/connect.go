package compose

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// connectIdentity is the specification of Apollo Connectors.
const connectIdentity = apolloSpecs + "connect"

// cacheTagIdentity is the specification that the supergraph links for @cacheTag.
const cacheTagIdentity = apolloSpecs + "cacheTag"

// connectSDL defines what the connect specification brings, in all versions that are known.
// Source: the Connectors reference of Apollo's documentation.
const connectSDL = `
directive @connect(source: String, id: String, http: ConnectHTTP, batch: ConnectBatch, errors: ConnectorErrors, isSuccess: JSONSelection, selection: JSONSelection!, entity: Boolean = false) repeatable on FIELD_DEFINITION | OBJECT
directive @source(name: String!, http: SourceHTTP!, errors: ConnectorErrors, isSuccess: JSONSelection) repeatable on SCHEMA
scalar JSONSelection
scalar URLPathTemplate
input ConnectHTTP {
  GET: URLPathTemplate
  POST: URLPathTemplate
  PUT: URLPathTemplate
  PATCH: URLPathTemplate
  DELETE: URLPathTemplate
  body: JSONSelection
  headers: [HTTPHeaderMapping!]
  path: JSONSelection
  queryParams: JSONSelection
}
input SourceHTTP { baseURL: String! headers: [HTTPHeaderMapping!] path: JSONSelection queryParams: JSONSelection }
input HTTPHeaderMapping { name: String! from: String value: String }
input ConnectBatch { maxSize: Int }
input ConnectorErrors { message: JSONSelection extensions: JSONSelection }
`

// completeConnect adds the definitions of the connect specification.
func (s *schema) completeConnect(l *link) {
	doc, err := parser.ParseSchema(&ast.Source{Input: connectSDL})
	if err != nil {
		panic("compose: bad built-in definitions: " + err.Error())
	}
	defined := map[string]bool{}
	for _, d := range doc.Definitions {
		defined[d.Name] = true
	}
	rename := func(n string) string {
		if defined[n] {
			return l.local(n)
		}
		return n
	}
	for _, d := range doc.Definitions {
		name := l.local(d.Name)
		if s.types[name] != nil {
			s.types[name].builtIn = true
			continue
		}
		t := &typeDef{name: name, kind: d.Kind, builtIn: true, defined: true}
		t.declare(d, 0)
		for _, f := range t.fields {
			f.typ = renameType(f.typ, rename)
		}
		s.addType(t)
	}
	for _, d := range doc.Directives {
		def := newDirectiveDef(d)
		def.name, def.generated = l.local("@"+d.Name), true
		for _, a := range def.args {
			a.typ = renameType(a.typ, rename)
		}
		if s.directives[def.name] == nil {
			s.addDirective(def)
		}
	}
}

// connectElements lists what can be imported from the connect specification.
func connectElements() []string {
	return []string{"@connect", "@source", "JSONSelection", "URLPathTemplate", "ConnectHTTP", "SourceHTTP", "HTTPHeaderMapping", "ConnectBatch", "ConnectorErrors"}
}

// linkJoined links the specifications whose directives the supergraph has as @join__directive.
func (m *merger) linkJoined(uses []map[string]string) {
	for i := range m.schemas {
		if uses[i]["cacheTag"] != "" {
			m.features = append(m.features, &mergedFeature{identity: cacheTagIdentity, version: version{0, 1}, purpose: "EXECUTION"})
			break
		}
	}
	var connect *mergedFeature
	for _, s := range m.schemas {
		l := s.linkTo(connectIdentity)
		if l == nil || knownElements(l) == nil {
			continue
		}
		if connect == nil {
			connect = &mergedFeature{identity: connectIdentity, version: version{0, 3}, purpose: "EXECUTION"}
			m.features = append(m.features, connect)
		}
		if l.version.atLeast(connect.version) {
			connect.version = l.version
		}
	}
}

// joinedName gives the name under which @join__directive has a directive of a subgraph, "" for directives that it does not have.
func (s *schema) joinedName(d *directive) string {
	if d.fed == "cacheTag" {
		return "federation__cacheTag"
	}
	if d.name == s.linkName() && strings.HasPrefix(d.str("url"), connectIdentity+"/") {
		return "link"
	}
	if l, element := s.element("@" + d.name); l != nil && l.identity == connectIdentity && (element == "@connect" || element == "@source") {
		return d.name
	}
	return ""
}

// joinApplied adds the directives that are not merged but listed with the subgraphs that apply them.
func (m *merger) joinApplied(out *[]*directive, sources []appliedAt) {
	type group struct {
		graphs []*ast.Value
		name   string
		args   []*argument
	}
	var groups []*group
	for _, s := range sources {
		from := m.schemas[s.subgraph]
		for _, d := range s.list {
			name := from.joinedName(d)
			if name == "" {
				continue
			}
			graph := enumValue(from.enum)
			found := false
			for _, g := range groups {
				if g.name == name && sameArgs(g.args, d.args) {
					found = true
					if last := g.graphs[len(g.graphs)-1]; last.Raw != graph.Raw {
						g.graphs = append(g.graphs, graph)
					}
				}
			}
			if !found {
				groups = append(groups, &group{graphs: []*ast.Value{graph}, name: name, args: d.args})
			}
		}
	}
	for _, g := range groups {
		args := &ast.Value{Kind: ast.ObjectValue}
		for _, a := range g.args {
			args.Children = append(args.Children, &ast.ChildValue{Name: a.name, Value: a.value})
		}
		*out = append(*out, join("directive", &argument{name: "graphs", value: listValue(g.graphs)}, &argument{name: "name", value: stringValue(g.name)}, &argument{name: "args", value: args}))
	}
}
