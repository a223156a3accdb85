package differential_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lethe/lethe/router/compose"
)

// federationLink is what every subgraph of Federation 2 begins with.
const federationLink = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@requires", "@provides", "@external",
  "@shareable", "@override", "@interfaceObject", "@inaccessible", "@context", "@fromContext", "@tag"])
`

// draft is a subgraph in the making.
type draft struct {
	name  string
	first bool // of Federation 1
	types map[string]*typeDraft
}

type typeDraft struct {
	kind       string // the keyword
	name       string
	implements []string
	directives []string
	fields     []*fieldDraft
	members    []string // of a union or an enum
}

type fieldDraft struct {
	name, args, typ string
	directives      []string
}

func (t *typeDraft) field(name string) *fieldDraft {
	if t == nil {
		return nil
	}
	for _, f := range t.fields {
		if f.name == name {
			return f
		}
	}
	return nil
}

func (t *typeDraft) has(directive string) bool {
	return slices.ContainsFunc(t.directives, func(d string) bool { return strings.HasPrefix(d, directive) })
}

// generator makes random subgraphs that often compose.
type generator struct {
	r        *rand.Rand
	subs     []*draft
	entities []string
	keys     map[string][]string // by entity: the keys that it may have
	count    int
}

func (g *generator) chance(one int) bool { return g.r.IntN(one) == 0 }

func (g *generator) pick(list ...string) string { return list[g.r.IntN(len(list))] }

// fresh gives a name that nothing has yet.
func (g *generator) fresh(prefix string) string {
	g.count++
	return fmt.Sprintf("%s%d", prefix, g.count)
}

// define gives a subgraph's type, and makes it where it is not there.
func (g *generator) define(i int, kind, name string) *typeDraft {
	t := g.subs[i].types[name]
	if t == nil {
		t = &typeDraft{kind: kind, name: name}
		g.subs[i].types[name] = t
	}
	return t
}

func (g *generator) get(i int, name string) *typeDraft { return g.subs[i].types[name] }

// add gives a subgraph's type a field, unless it has one of the name.
func (g *generator) add(i int, typ, name, args, out string, directives ...string) bool {
	t := g.define(i, "type", typ)
	if t.field(name) != nil {
		return false
	}
	t.fields = append(t.fields, &fieldDraft{name, args, out, slices.DeleteFunc(directives, func(d string) bool { return d == "" })})
	return true
}

// try undoes what draft drafts when it gives nothing.
func (g *generator) try(draft func() string) string {
	kept := g.subs
	g.subs = copied(kept)
	out := draft()
	if out == "" {
		g.subs = kept
	}
	return out
}

// copied copies drafts as deep as they are changed.
func copied(subs []*draft) []*draft {
	out := make([]*draft, len(subs))
	for i, d := range subs {
		own := *d
		own.types = map[string]*typeDraft{}
		for name, t := range d.types {
			typ := *t
			typ.implements, typ.directives, typ.members = slices.Clone(t.implements), slices.Clone(t.directives), slices.Clone(t.members)
			typ.fields = nil
			for _, f := range t.fields {
				field := *f
				field.directives = slices.Clone(f.directives)
				typ.fields = append(typ.fields, &field)
			}
			own.types[name] = &typ
		}
		out[i] = &own
	}
	return out
}

// inputs has a subgraph define the input types that arguments are of.
func (g *generator) inputs(i int, args string) string {
	if strings.Contains(args, "In0") && g.get(i, "In0") == nil {
		t := g.define(i, "input", "In0")
		t.fields = []*fieldDraft{{"a", "", "Int = 3", nil}, {"b", "", "[Int!]", nil}, {"c", "", "Eb", nil}, {"d", "", "In0", nil}}
		if g.chance(3) {
			t.fields = append(t.fields, &fieldDraft{"x", "", "String", nil})
		}
		if g.chance(3) {
			t.fields = append(t.fields, &fieldDraft{"e", "", "[[Ei!]]", nil})
			g.inputs(i, "Ei")
		}
		g.inputs(i, "Eb")
	}
	if strings.Contains(args, "Ei") {
		t := g.define(i, "enum", "Ei")
		if t.members == nil {
			t.members = []string{"K", "L"}
			if g.chance(2) {
				t.members = append(t.members, g.pick("M", "N"))
			}
		}
	}
	if strings.Contains(args, "Eb") {
		g.define(i, "enum", "Eb").members = []string{"P", "Q", "R"}
	}
	return args
}

// arguments gives the arguments of a field that takes some.
func (g *generator) arguments() string {
	return g.pick("(n: Int = 0)", "(n: Int)", "(in: In0)", "(e: Ei, n: Int = 7)", "(l: [Int!] = [1, 2])", "(in: In0 = {a: 5, c: Q}, s: String)", "(id: ID, b: Boolean = true)", "(f: Float)")
}

// scalar gives a type without subfields, and has the subgraphs know it.
func (g *generator) scalar(subs ...int) string {
	name := g.pick("Int", "Int", "Int", "String", "Float", "Boolean", "ID", "Eo", "Eb", "Blob")
	for _, i := range subs {
		switch name {
		case "Eo":
			t := g.define(i, "enum", "Eo")
			if t.members == nil {
				t.members = []string{"X", "Y"}
				if g.chance(2) {
					t.members = append(t.members, g.pick("Z", "W"))
				}
				if g.chance(4) {
					t.members[1] = "Y @inaccessible"
				}
			}
		case "Eb":
			g.inputs(i, "Eb")
		case "Blob":
			g.define(i, "scalar", "Blob")
		}
	}
	return g.wrap(name)
}

// wrap puts a type into lists and makes it non-null, or not.
func (g *generator) wrap(name string) string {
	switch g.r.IntN(12) {
	case 0:
		return "[" + name + "!]!"
	case 1:
		return "[" + name + "]"
	case 2:
		return "[[" + name + "]!]"
	case 3:
		return "[[" + name + "!]]!"
	case 4, 5, 6:
		return name + "!"
	}
	return name
}

// outputs lists the composite types that a subgraph can answer with.
func (g *generator) outputs(i int) []string {
	var out []string
	for _, name := range sortedKeys(g.subs[i].types) {
		t := g.subs[i].types[name]
		if name == "Query" || name == "Mutation" || name == "Subscription" || strings.HasPrefix(name, "Payload") || len(t.fields) == 0 && t.kind != "union" || t.kind == "input" || t.kind == "enum" {
			continue
		}
		out = append(out, name)
	}
	return out
}

// with lists the subgraphs that have a type, but for one, in random order.
func (g *generator) with(typ string, but int) []int {
	var out []int
	for i := range g.subs {
		if i != but && g.get(i, typ) != nil && g.get(i, typ).kind == "type" {
			out = append(out, i)
		}
	}
	g.r.Shuffle(len(out), func(x, y int) { out[x], out[y] = out[y], out[x] })
	return out
}

// subgraphs writes what was drafted.
func (g *generator) subgraphs() []compose.Subgraph {
	out := make([]compose.Subgraph, len(g.subs))
	for i, d := range g.subs {
		var b strings.Builder
		if !d.first {
			b.WriteString(federationLink)
		}
		for _, name := range sortedKeys(d.types) {
			g.write(&b, i, d.types[name])
		}
		out[i] = compose.Subgraph{Name: d.name, URL: "http://" + d.name, SDL: b.String()}
	}
	return out
}

func (g *generator) write(b *strings.Builder, i int, t *typeDraft) {
	d := g.subs[i]
	switch t.kind {
	case "union":
		fmt.Fprintf(b, "union %s %s = %s\n", t.name, strings.Join(t.directives, " "), strings.Join(t.members, " | "))
		return
	case "enum":
		fmt.Fprintf(b, "enum %s %s {\n", t.name, strings.Join(t.directives, " "))
		for _, m := range t.members {
			if d.first {
				m, _, _ = strings.Cut(m, " ")
			}
			b.WriteString("  " + m + "\n")
		}
		b.WriteString("}\n")
		return
	case "scalar":
		b.WriteString("scalar " + t.name + "\n")
		return
	}
	if len(t.fields) == 0 {
		return
	}
	extends := d.first && t.kind == "type" && t.has("@key") && i > 0 && g.get(0, t.name) != nil && g.count%3 > 0
	directives := slices.Clone(t.directives)
	if extends && g.count%2 == 0 {
		directives = append(directives, "@extends")
	} else if extends || t.kind == "type" && t.name == "Query" && d.first && g.count%2 == 0 {
		b.WriteString("extend ")
	}
	b.WriteString(t.kind + " " + t.name)
	if len(t.implements) > 0 {
		b.WriteString(" implements " + strings.Join(t.implements, " & "))
	}
	for _, s := range directives {
		if d.first {
			s = strings.ReplaceAll(s, ", resolvable: false", "")
			if s == "@shareable" || s == "@inaccessible" {
				continue
			}
		}
		b.WriteString(" " + s)
	}
	b.WriteString(" {\n")
	for _, f := range t.fields {
		b.WriteString("  " + f.name + f.args + ": " + f.typ)
		for _, s := range f.directives {
			if d.first && (s == "@shareable" || s == "@inaccessible") {
				continue
			}
			b.WriteString(" " + s)
		}
		if extends && t.keyed(f.name) {
			b.WriteString(" @external")
		}
		b.WriteString("\n")
	}
	b.WriteString("}\n")
}

// keyed tells whether a field stands in a key of the type.
func (t *typeDraft) keyed(name string) bool {
	for _, d := range t.directives {
		if set, ok := strings.CutPrefix(d, `@key(fields: "`); ok {
			set, _, _ = strings.Cut(set, `"`)
			top, _, _ := strings.Cut(set, "{")
			if slices.Contains(strings.Fields(top), name) {
				return true
			}
		}
	}
	return false
}
