package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/lethe/lethe/router/compose"
)

// generator makes random subgraphs that often compose.
type generator struct {
	r        *rand.Rand
	n        int
	entities []string
	bodies   []map[string][]string // by subgraph: fields of each type, in the order of adding
	heads    []map[string]string   // by subgraph: what stands between a type's name and its fields
	known    []map[string]bool     // by subgraph: fields already there, as Type.field
}

// randomSubgraphs makes two to four subgraphs that share entities, with interfaces, unions, interface objects,
// requirements, provided and overridden fields.
func randomSubgraphs(r *rand.Rand) []compose.Subgraph {
	g := &generator{r: r, n: 2 + r.IntN(3)}
	for range g.n {
		g.bodies = append(g.bodies, map[string][]string{})
		g.heads = append(g.heads, map[string]string{})
		g.known = append(g.known, map[string]bool{})
	}
	for i := range 2 + r.IntN(3) {
		g.entities = append(g.entities, fmt.Sprintf("E%d", i))
	}
	g.placeEntities()
	g.abstract()
	g.fields()
	g.queries()
	out := make([]compose.Subgraph, g.n)
	for i := range out {
		var b strings.Builder
		b.WriteString(federationLink)
		var names []string
		for name := range g.bodies[i] {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			head := g.heads[i][name]
			if head == "" {
				head = "type " + name
			}
			fmt.Fprintf(&b, "%s {\n", head)
			for _, f := range g.bodies[i][name] {
				fmt.Fprintf(&b, "  %s\n", f)
			}
			b.WriteString("}\n")
		}
		if u := g.heads[i]["union"]; u != "" {
			b.WriteString(u + "\n")
		}
		out[i] = compose.Subgraph{Name: string(rune('a' + i)), URL: "http://" + string(rune('a'+i)), SDL: b.String()}
	}
	return out
}

// add puts a field into a subgraph's type unless it is there.
func (g *generator) add(i int, typ, field string) bool {
	name := strings.TrimRight(strings.FieldsFunc(field, func(c rune) bool { return c == ':' || c == '(' })[0], " ")
	if g.known[i][typ+"."+name] {
		return false
	}
	g.known[i][typ+"."+name] = true
	g.bodies[i][typ] = append(g.bodies[i][typ], field)
	return true
}

func (g *generator) has(i int, typ string) bool { return len(g.bodies[i][typ]) > 0 }

// placeEntities gives every entity to some subgraphs, with the key id, and sometimes with another that others lack.
func (g *generator) placeEntities() {
	for _, e := range g.entities {
		for i := range g.n {
			if i != g.r.IntN(g.n) && g.r.IntN(3) == 0 {
				continue
			}
			head := "type " + e
			switch g.r.IntN(6) {
			case 0:
				head += ` @key(fields: "sku")`
				g.add(i, e, "sku: ID!")
			case 1:
				head += ` @key(fields: "id") @key(fields: "sku")`
				g.add(i, e, "id: ID!")
				g.add(i, e, "sku: ID!")
			case 2:
				head += ` @key(fields: "id sku")`
				g.add(i, e, "id: ID!")
				g.add(i, e, "sku: ID!")
			default:
				head += ` @key(fields: "id")`
				g.add(i, e, "id: ID!")
			}
			g.heads[i][e] = head
		}
	}
}

// abstract makes an interface and a union of entities, and an interface with interface objects.
func (g *generator) abstract() {
	for i := range g.n {
		var members []string
		for _, e := range g.entities {
			if g.has(i, e) && g.r.IntN(3) > 0 {
				members = append(members, e)
			}
		}
		if len(members) > 0 && g.r.IntN(2) == 0 {
			g.heads[i]["union"] = "union U = " + strings.Join(members, " | ")
		}
		members = slices.DeleteFunc(slices.Clone(members), func(e string) bool { return !g.known[i][e+".id"] })
		if len(members) > 0 && g.r.IntN(2) == 0 {
			g.heads[i]["I"] = "interface I"
			g.add(i, "I", "id: ID!")
			for _, e := range members {
				g.heads[i][e] = strings.Replace(g.heads[i][e], e, e+" implements I", 1)
			}
		}
	}
	if g.r.IntN(3) > 0 {
		return
	}
	home := g.r.IntN(g.n)
	g.heads[home]["J"] = `interface J @key(fields: "id")`
	g.add(home, "J", "id: ID!")
	g.add(home, "J", "jn: Int")
	for k := range 1 + g.r.IntN(3) {
		name := fmt.Sprintf("J%d", k)
		g.heads[home][name] = "type " + name + ` implements J @key(fields: "id")`
		g.add(home, name, "id: ID!")
		g.add(home, name, "jn: Int")
		g.add(home, name, fmt.Sprintf("own%d: Int", k))
		if other := g.r.IntN(g.n); other != home && g.r.IntN(2) == 0 {
			g.heads[other][name] = "type " + name + ` @key(fields: "id")`
			g.add(other, name, "id: ID!")
			g.add(other, name, fmt.Sprintf("far%d: Int", k))
		}
	}
	for i := range g.n {
		if i == home || g.has(i, "J0") || g.has(i, "J1") || g.has(i, "J2") || g.r.IntN(2) == 0 {
			continue
		}
		g.heads[i]["J"] = `type J @key(fields: "id") @interfaceObject`
		g.add(i, "J", "id: ID!")
		g.add(i, "J", fmt.Sprintf("jo%d: Int", i))
		if g.r.IntN(2) == 0 {
			g.add(i, "J", "jn: Int @external")
			g.add(i, "J", fmt.Sprintf(`jr%d: Int @requires(fields: "jn")`, i))
		}
	}
}

// outputs lists what a field of a subgraph can lead to.
func (g *generator) outputs(i int) []string {
	var out []string
	for _, e := range g.entities {
		if g.has(i, e) {
			out = append(out, e)
		}
	}
	for _, name := range []string{"I", "J"} {
		if g.has(i, name) {
			out = append(out, name)
		}
	}
	if g.heads[i]["union"] != "" {
		out = append(out, "U")
	}
	return out
}

func (g *generator) typ(name string) string {
	switch g.r.IntN(4) {
	case 0:
		return "[" + name + "!]!"
	case 1:
		return "[" + name + "]"
	}
	return name
}

// fields gives the entities fields of all sorts.
func (g *generator) fields() {
	n := 0
	for _, e := range g.entities {
		for i := range g.n {
			if !g.has(i, e) {
				continue
			}
			for range 1 + g.r.IntN(4) {
				n++
				g.field(e, i, fmt.Sprintf("f%d", n))
			}
		}
	}
}

func (g *generator) field(e string, i int, name string) {
	bang := []string{"", "!"}[g.r.IntN(2)]
	others := g.others(e, i)
	switch kind := g.r.IntN(12); {
	case kind < 3 || len(others) == 0 && kind < 9:
		g.add(i, e, name+": Int"+bang)
	case kind == 3:
		g.add(i, e, name+"(n: Int = 0): Int"+bang)
	case kind == 4:
		g.add(i, e, name+": Int"+bang+" @shareable")
		g.add(others[0], e, name+": Int"+bang+" @shareable")
	case kind == 5:
		from := others[0]
		g.add(from, e, name+": Int"+bang)
		g.add(i, e, name+": Int"+bang+" @external")
		g.add(i, e, name+`r: Int`+bang+` @requires(fields: "`+name+`")`)
		if len(others) > 1 {
			g.add(others[1], e, name+"r: Int"+bang+" @external")
			g.add(others[1], e, name+`rr: Int @requires(fields: "`+name+`r")`)
		}
	case kind == 6:
		from := others[0]
		g.add(from, e, name+": Int"+bang)
		g.add(i, e, name+": Int"+bang+fmt.Sprintf(` @override(from: "%c")`, 'a'+from))
	case kind == 7:
		from := others[0]
		g.add(from, e, name+"(n: Int = 0): Int")
		g.add(i, e, name+"(n: Int = 0): Int @external")
		g.add(i, e, name+`p: Int @requires(fields: "`+name+`(n: 0)")`)
		g.add(i, e, name+`q: Int @requires(fields: "`+name+`(n: 1)")`)
	case kind == 8:
		// A requirement below another entity, known by its key on both sides.
		from := others[0]
		to := g.entities[g.r.IntN(len(g.entities))]
		if !g.known[i][to+".id"] || !g.known[from][to+".id"] || !g.has(i, to) {
			return
		}
		if !g.add(from, e, name+": "+to) {
			return
		}
		g.add(from, to, name+"v: Int")
		g.add(i, e, name+": "+to+" @external")
		g.add(i, to, name+"v: Int @external")
		g.add(i, e, name+`n: Int @requires(fields: "`+name+` { `+name+`v }")`)
	case kind == 9:
		// A provided field.
		to := g.entities[g.r.IntN(len(g.entities))]
		far := g.others(to, i)
		if !g.has(i, to) || len(far) == 0 {
			return
		}
		g.add(far[0], to, name+"x: Int @shareable")
		if g.add(i, to, name+"x: Int @external") {
			g.add(i, e, name+": "+g.typ(to)+` @provides(fields: "`+name+`x")`)
		}
	default:
		out := g.outputs(i)
		g.add(i, e, name+": "+g.typ(out[g.r.IntN(len(out))]))
	}
}

// others lists the other subgraphs that have an entity.
func (g *generator) others(e string, i int) []int {
	var out []int
	for j := range g.n {
		if j != i && g.has(j, e) {
			out = append(out, j)
		}
	}
	g.r.Shuffle(len(out), func(x, y int) { out[x], out[y] = out[y], out[x] })
	return out
}

// queries gives every subgraph a few root fields, some of them shared.
func (g *generator) queries() {
	n := 0
	for i := range g.n {
		for range 1 + g.r.IntN(2) {
			n++
			out := g.outputs(i)
			if len(out) == 0 {
				g.add(i, "Query", fmt.Sprintf("q%d: Int", n))
				continue
			}
			to := out[g.r.IntN(len(out))]
			typ := g.typ(to)
			shared := ""
			if j := g.r.IntN(g.n); j != i && g.r.IntN(4) == 0 && slices.Contains(g.outputs(j), to) {
				shared = " @shareable"
				g.add(j, "Query", fmt.Sprintf("q%d: %s%s", n, typ, shared))
			}
			g.add(i, "Query", fmt.Sprintf("q%d: %s%s", n, typ, shared))
		}
	}
}
