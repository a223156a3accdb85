package compose

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator writes subgraphs of one graph: each has a part of its types, fields, arguments, values and directives, and its
// own defaults and definitions, so that merging drops much of what something else names.
type generator struct {
	*rand.Rand
	b strings.Builder
	// rare is how seldom something that may not merge is written: one in so many.
	rare int
	// named is the last part of the address of the specification that brings @note.
	named string
}

// generate returns two or three subgraphs.
func generate(r *rand.Rand) []Subgraph {
	names := []string{"a", "b", "c"}[:2+r.IntN(2)]
	rare, named := 1+r.IntN(120), []string{"notes", "tag", "join"}[r.IntN(3)]
	var out []Subgraph
	for _, name := range names {
		g := &generator{Rand: r, rare: rare, named: named}
		out = append(out, Subgraph{Name: name, URL: "http://" + name, SDL: g.subgraph(name)})
	}
	return out
}

func (g *generator) odd() bool    { return g.IntN(g.rare+3) == 0 }
func (g *generator) mostly() bool { return !g.odd() }

func (g *generator) write(format string, a ...any) { fmt.Fprintf(&g.b, format, a...) }

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// some returns a random part of a list, in its order: the first always, and the others mostly.
func (g *generator) some(list ...string) []string {
	var out []string
	for i, s := range list {
		if i == 0 || g.mostly() {
			out = append(out, s)
		}
	}
	return out
}

func (g *generator) subgraph(name string) string {
	imports := []string{"@key", "@shareable", "@inaccessible", "@tag", "@cost", "@listSize", "@composeDirective", "@requires", "@external", "@provides", "@authenticated", "@policy"}
	g.write("extend schema @link(url: \"https://specs.apollo.dev/federation/v2.9\", import: [")
	for _, i := range imports {
		g.write("%q ", i)
	}
	g.write("])\n")
	composing := g.mostly()
	if composing {
		g.write("extend schema @link(url: \"https://example.com/%s/v1.%d\", as: \"remarks\", import: [\"@note\"]) @composeDirective(name: \"@note\")\n", g.named, g.IntN(2))
	}
	g.write("directive @note(%s) %son %s\n", g.definedArgs("text: String", "of: E", "in: I", "n: Int"), g.either("repeatable "), g.locations("OBJECT", "FIELD_DEFINITION", "ENUM_VALUE", "INPUT_FIELD_DEFINITION", "ARGUMENT_DEFINITION", "FIELD"))
	g.write("directive @run(%s) %son %s\n", g.definedArgs("e: E", "by: By", "n: Int", "s: S"), g.either("repeatable "), g.locations("FIELD", "QUERY", "FRAGMENT_SPREAD", "INLINE_FRAGMENT", "VARIABLE_DEFINITION", "OBJECT"))
	if g.odd() {
		g.write("directive @%s(%s) on %s\n", g.pick("oneOf", "deprecated", "specifiedBy", "defer", "stream", "skip", "cost"), g.definedArgs("reason: String", "url: String", "n: Int"), g.locations("INPUT_OBJECT", "OBJECT", "FIELD", "SCALAR", "FIELD_DEFINITION"))
	}
	g.write("scalar S %s\n", g.pick("", "", `@specifiedBy(url: "https://a")`, `@specifiedBy(url: "https://b")`, "@cost(weight: 3)")+g.applied("@inaccessible"))
	g.write("enum E {")
	for _, v := range g.some("A", "B", "C") {
		g.write("%s %s%s ", g.description(), v, g.applied("@deprecated", "@inaccessible", "@tag(name: \"v\")", "@note"))
	}
	g.write("}\ninput By %s {", g.pick("", "", "@oneOf"))
	for _, f := range g.some("id: ID", "e: E", "in: I") {
		g.write("%s %s ", f, g.applied("@deprecated", "@tag(name: \"x\")"))
	}
	g.write("}\ninput I {")
	for _, f := range g.some("n: Int", "e: E", "l: [E!]", "s: S") {
		g.write("%s%s %s ", f, g.fallback(f), g.applied("@deprecated", "@inaccessible", "@tag(name: \"x\")", "@note", "@cost(weight: 2)"))
	}
	g.write("}\ninterface N {id: ID! ")
	fields := g.some("x: Int", "f: [T]")
	for _, f := range fields {
		g.write("%s ", f)
	}
	g.write("}\ntype T implements N @key(fields: \"id\") @shareable%s {id: ID! ", g.applied("@tag(name: \"t\")", "@note", "@cost(weight: 1)"))
	for _, f := range []string{"x: Int", "f: [T]", "s: S", "e: E"} {
		g.write("%s %s ", f, g.applied("@deprecated", "@tag(name: \"x\")", "@note", "@cost(weight: 2)", "@authenticated", "@inaccessible"))
	}
	g.write("}\nunion U = T%s\n%stype Query {", g.pick("", " | V"), g.description())
	for _, f := range []string{"q: Int", "list: [T]", "n: N", "u: U", "e: E"} {
		typ := f[strings.Index(f, ":"):]
		name := f[:strings.Index(f, ":")]
		g.write("%s%s%s%s @shareable %s\n", g.description(), name, g.args(), typ, g.fieldDirectives(typ))
	}
	g.write("own%s: Int }\ntype V @shareable { v(%s): Int }\n", name, g.definedArgs("i: I"))
	return g.b.String()
}

func (g *generator) either(s string) string {
	if g.odd() {
		return s
	}
	return ""
}

func (g *generator) description() string {
	return g.pick("", "", "", `"one \"quoted\" \\ \n" `, "\"\"\"\nlines with \\\"\"\" and\n  more é\n\"\"\" ")
}

func (g *generator) locations(list ...string) string { return strings.Join(g.some(list...), " | ") }

// definedArgs writes arguments, some required, some with a default.
func (g *generator) definedArgs(list ...string) string {
	var out []string
	for _, a := range g.some(list...) {
		if !strings.Contains(a, "=") {
			a += g.fallback(a)
		}
		out = append(out, a)
	}
	return strings.Join(out, ", ")
}

// fallback writes a default for "name: Type", or nothing.
func (g *generator) fallback(declared string) string {
	if !g.odd() {
		return ""
	}
	_, typ, _ := strings.Cut(declared, ": ")
	return " = " + g.value(typ)
}

func (g *generator) value(typ string) string {
	switch typ {
	case "Int":
		return g.pick("1", "1", "null", "7")
	case "E":
		return g.pick("A", "B", "C")
	case "[E!]":
		return g.pick("[A]", "B", "[]", "[C, A]")
	case "I":
		return g.pick("{}", "{n: 1}", "{e: C}", "{l: [B], n: null}", "{s: {a: [1]}}")
	case "By":
		return g.pick("{id: 1}", "{e: B}", "{in: {e: C}}")
	}
	return g.pick(`"x"`, `"é \"q\""`, `"""block"""`, "null")
}

func (g *generator) args() string {
	var out []string
	for _, a := range g.some("first: Int", "last: Int", "e: E", "i: I", "by: By") {
		out = append(out, a+g.fallback(a)+" "+g.applied("@deprecated", "@tag(name: \"a\")", "@note", "@cost(weight: 4)", "@inaccessible"))
	}
	return "(" + strings.Join(out, ", ") + ")"
}

// applied writes one of some directives, or none.
func (g *generator) applied(list ...string) string {
	if !g.odd() {
		return ""
	}
	d := g.pick(list...)
	if d == "@note" {
		d = g.pick("@note", "@note(n: 1)", "@note(of: C)", "@note(in: {e: B})", `@note(text: "t\nu")`, "@note(n: 1) @note(n: 2)")
	}
	if d == "@deprecated" {
		d = g.pick("@deprecated", `@deprecated(reason: "a \"b\"")`, `@deprecated(reason: """block""")`)
	}
	return " " + d
}

func (g *generator) fieldDirectives(typ string) string {
	out := g.applied("@deprecated", "@tag(name: \"f\")", "@note", "@cost(weight: 9)", "@authenticated", "@inaccessible", `@policy(policies: [["p"]])`)
	if strings.Contains(typ, "[") && g.odd() {
		out += " " + g.pick(`@listSize(slicingArguments: ["first"])`, `@listSize(slicingArguments: ["first", "last"], requireOneSlicingArgument: false)`, "@listSize(assumedSize: 3)")
	}
	return out
}
