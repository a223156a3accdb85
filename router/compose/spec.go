package compose

import (
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// The addresses of the specifications that composition knows.
const (
	linkIdentity       = "https://specs.apollo.dev/link"
	federationIdentity = "https://specs.apollo.dev/federation"
	joinIdentity       = "https://specs.apollo.dev/join"
)

// apolloSpecs is what the addresses of Apollo's specifications begin with.
const apolloSpecs = "https://specs.apollo.dev/"

// knownSpec is a specification of Apollo's that schemas can link besides Federation.
type knownSpec struct {
	name     string
	latest   int // minor version
	elements []string
	// federation is the minor version of Federation that linking the specification implies.
	federation int
}

func knownSpecs() []knownSpec {
	return []knownSpec{
		{name: "link", latest: 0, elements: []string{"@link", "Import", "Purpose"}},
		{name: "tag", latest: 3, elements: []string{"@tag"}},
		{name: "inaccessible", latest: 2, elements: []string{"@inaccessible"}},
		{name: "authenticated", latest: 1, elements: []string{"@authenticated"}, federation: 5},
		{name: "requiresScopes", latest: 1, elements: []string{"@requiresScopes", "Scope"}},
		{name: "policy", latest: 1, elements: []string{"@policy", "Policy"}},
		{name: "cost", latest: 1, elements: []string{"@cost", "@listSize"}, federation: 9},
		{name: "context", latest: 1, elements: []string{"@context", "@fromContext", "ContextFieldValue"}},
		{name: "connect", latest: 4, elements: connectElements(), federation: 10},
	}
}

// version is the version of a specification.
type version struct{ major, minor int }

func (v version) String() string { return "v" + strconv.Itoa(v.major) + "." + strconv.Itoa(v.minor) }

// atLeast tells whether v is o or later.
func (v version) atLeast(o version) bool {
	return v.major > o.major || v.major == o.major && v.minor >= o.minor
}

// parseVersion reads "v1.2".
func parseVersion(s string) (version, bool) {
	major, minor, ok := strings.Cut(strings.TrimPrefix(s, "v"), ".")
	if !ok || !strings.HasPrefix(s, "v") {
		return version{}, false
	}
	a, okA := digits(major)
	b, okB := digits(minor)
	return version{a, b}, okA && okB
}

func digits(s string) (int, bool) {
	if s == "" || len(s) > 6 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// maxFederation is the latest version of Federation that composition knows.
var maxFederation = version{2, 14}

// feature says how composition treats a directive of the Federation specification.
type feature struct {
	name  string
	since int // minor version of Federation 2
	sdl   string
	// merged directives are carried into the supergraph; spec and specVersions name the specification there.
	spec string
}

// fieldSetType stands in definitions for the local name of the scalar; so do the others.
const (
	fieldSetType     = "FieldSet"
	scopeType        = "Scope"
	policyType       = "Policy"
	contextValueType = "ContextFieldValue"
)

// oneOfDirective is the directive of input objects that take exactly one field.
const oneOfDirective = "oneOf"

// features lists the directives of Federation 2 as their definitions were introduced.
// Source: the Federation documentation, "Federation directives" and "Federation version changelog".
func features() []feature {
	return []feature{
		{name: "key", sdl: `directive @key(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE`},
		{name: "requires", sdl: `directive @requires(fields: FieldSet!) on FIELD_DEFINITION`},
		{name: "provides", sdl: `directive @provides(fields: FieldSet!) on FIELD_DEFINITION`},
		{name: "external", sdl: `directive @external(reason: String) on OBJECT | FIELD_DEFINITION`},
		{name: "tag", spec: "tag", sdl: `directive @tag(name: String!) repeatable on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION`},
		{name: "extends", sdl: `directive @extends on OBJECT | INTERFACE`},
		{name: "shareable", sdl: `directive @shareable on OBJECT | FIELD_DEFINITION`},
		{name: "inaccessible", spec: "inaccessible", sdl: `directive @inaccessible on FIELD_DEFINITION | OBJECT | INTERFACE | UNION | ARGUMENT_DEFINITION | SCALAR | ENUM | ENUM_VALUE | INPUT_OBJECT | INPUT_FIELD_DEFINITION`},
		{name: "override", sdl: `directive @override(from: String!) on FIELD_DEFINITION`},
		{name: "composeDirective", since: 1, sdl: `directive @composeDirective(name: String) repeatable on SCHEMA`},
		{name: "interfaceObject", since: 3, sdl: `directive @interfaceObject on OBJECT`},
		{name: "authenticated", since: 5, spec: "authenticated", sdl: `directive @authenticated on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM`},
		{name: "requiresScopes", since: 5, spec: "requiresScopes", sdl: `directive @requiresScopes(scopes: [[Scope!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM`},
		{name: "policy", since: 6, spec: "policy", sdl: `directive @policy(policies: [[Policy!]!]!) on FIELD_DEFINITION | OBJECT | INTERFACE | SCALAR | ENUM`},
		{name: "context", since: 8, sdl: `directive @context(name: String!) repeatable on INTERFACE | OBJECT | UNION`},
		{name: "fromContext", since: 8, sdl: `directive @fromContext(field: ContextFieldValue) on ARGUMENT_DEFINITION`},
		{name: "cost", since: 9, spec: "cost", sdl: `directive @cost(weight: Int!) on ARGUMENT_DEFINITION | ENUM | FIELD_DEFINITION | INPUT_FIELD_DEFINITION | OBJECT | SCALAR`},
		{name: "listSize", since: 9, spec: "cost", sdl: `directive @listSize(assumedSize: Int, slicingArguments: [String!], sizedFields: [String!], requireOneSlicingArgument: Boolean = true) on FIELD_DEFINITION`},
		{name: "cacheTag", since: 12, sdl: `directive @cacheTag(format: String!) repeatable on OBJECT | FIELD_DEFINITION`},
	}
}

// featureTypes are the scalars of the Federation specification and the minor version that brought them.
func featureTypes() map[string]int {
	return map[string]int{fieldSetType: 0, scopeType: 5, policyType: 6, contextValueType: 8}
}

// definition gives the definition of a directive of Federation in a version.
func (f feature) definition(v version) *directiveDef {
	sdl := f.sdl
	switch {
	case f.name == "shareable" && v.atLeast(version{2, 2}):
		sdl = strings.Replace(sdl, " on ", " repeatable on ", 1)
	case f.name == "tag" && v.atLeast(version{2, 3}):
		sdl += " | SCHEMA"
	case f.name == "override" && v.atLeast(version{2, 7}):
		sdl = strings.Replace(sdl, "String!)", "String!, label: String)", 1)
	case f.name == "key" && v.major < 2:
		sdl = `directive @key(fields: FieldSet!, resolvable: Boolean = true) repeatable on OBJECT | INTERFACE`
	}
	return mustDirective(sdl)
}

// mustDirective parses the text of a definition that stands in this package.
func mustDirective(sdl string) *directiveDef {
	doc, err := parser.ParseSchema(&ast.Source{Input: sdl})
	if err != nil || len(doc.Directives) != 1 {
		panic("compose: bad built-in definition: " + sdl)
	}
	d := newDirectiveDef(doc.Directives[0])
	d.generated = true
	return d
}

// builtInDirectives are those of the GraphQL specification of September 2025, section 3.13.
func builtInDirectives() []*directiveDef {
	var out []*directiveDef
	for _, sdl := range []string{
		`directive @skip(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT`,
		`directive @include(if: Boolean!) on FIELD | FRAGMENT_SPREAD | INLINE_FRAGMENT`,
		`directive @deprecated(reason: String = "No longer supported") on FIELD_DEFINITION | ENUM_VALUE | ARGUMENT_DEFINITION | INPUT_FIELD_DEFINITION`,
		`directive @specifiedBy(url: String!) on SCALAR`,
		`directive @oneOf on INPUT_OBJECT`,
	} {
		d := mustDirective(sdl)
		d.builtIn, d.generated = true, false
		out = append(out, d)
	}
	return out
}
