package differential_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// randomSubgraphs makes two to four subgraphs that share entities, with all that Federation has. Where something fails there
// are no contexts: what depends on a value that could not be had is not what it were if nothing had failed.
func randomSubgraphs(r *rand.Rand, f faults) *generator {
	g := &generator{r: r, keys: map[string][]string{}}
	for i := range 2 + r.IntN(3) {
		g.subs = append(g.subs, &draft{name: string(rune('a' + i)), first: g.chance(7), types: map[string]*typeDraft{}})
	}
	for i := range 1 + r.IntN(4) {
		g.entities = append(g.entities, fmt.Sprintf("E%d", i))
	}
	g.values()
	g.placeEntities()
	g.unions()
	g.interfaces()
	if g.chance(2) {
		g.covariants()
	}
	if g.chance(2) {
		g.namesakes()
	}
	if g.chance(3) {
		g.connections()
	}
	if g.chance(3) {
		g.interfaceObjects()
	}
	for _, e := range slices.Clone(g.entities) {
		for i := range g.subs {
			for n := 1 + g.r.IntN(4); n > 0 && g.get(i, e) != nil && g.get(i, e).kind == "type"; n-- {
				g.feature(e, i)
			}
		}
	}
	g.queries()
	for i, d := range g.subs {
		for _, name := range sortedKeys(d.types) {
			if t := d.types[name]; t.kind == "union" && g.get(i, "Query") != nil && g.chance(8) {
				t.members = append(t.members, "Query")
			}
		}
	}
	if g.chance(3) {
		g.mutations()
	}
	if g.chance(3) {
		g.subscriptions()
	}
	if !f.any() && g.chance(2) {
		for range 1 + g.r.IntN(2) {
			g.contexts()
		}
	}
	return g
}

// values makes types without keys that several subgraphs answer.
func (g *generator) values() {
	for v := range g.r.IntN(3) {
		typ, inner := g.pick("Int", "Int", "Int!"), v > 0 && g.chance(2)
		for i := range g.subs {
			if g.chance(3) {
				continue
			}
			g.value(i, fmt.Sprintf("V%d", v), typ)
			if inner {
				g.value(i, "V0", "Int")
				g.add(i, fmt.Sprintf("V%d", v), "inner", "", "V0", "@shareable")
			}
			if g.chance(15) {
				g.add(i, fmt.Sprintf("V%d", v), fmt.Sprintf("v%d%c", v, 'a'+i), "", "Int")
			}
		}
	}
}

func (g *generator) value(i int, name, typ string) {
	g.add(i, name, "vid", "", "ID!", "@shareable")
	g.add(i, name, "v1", "", typ, "@shareable")
}

// placeEntities gives every entity to some subgraphs, with the key id mostly, and others beside it.
func (g *generator) placeEntities() {
	for n, e := range g.entities {
		pool := []string{"sku", "num", "id sku", "tags", "org { vid }", "sku org { vid }"}
		if n > 0 {
			pool = append(pool, "ref { id }", "refs { id }", "id ref { id }")
		}
		g.keys[e] = []string{"id", pool[g.r.IntN(len(pool))], pool[g.r.IntN(len(pool))]}
		for i := range g.subs {
			if g.chance(4) {
				continue
			}
			g.define(i, "type", e)
			chosen := map[string]bool{}
			for range 1 + g.r.IntN(2) {
				if g.chance(7) {
					chosen[g.keys[e][1+g.r.IntN(2)]] = true
				} else {
					chosen["id"] = true
				}
			}
			for _, k := range sortedKeys(chosen) {
				g.key(i, e, k)
			}
			if len(g.get(i, e).fields) == 0 {
				delete(g.subs[i].types, e)
			}
		}
	}
}

// key gives an entity a key in a subgraph, with its fields.
func (g *generator) key(i int, e, key string) {
	t := g.get(i, e)
	other := g.entities[0]
	for _, name := range strings.Fields(strings.NewReplacer("{", " ", "}", " ").Replace(key)) {
		switch name {
		case "id":
			if !strings.HasPrefix(key, "ref") {
				g.add(i, e, "id", "", "ID!")
			}
		case "sku":
			g.add(i, e, "sku", "", "String!")
		case "num":
			g.add(i, e, "num", "", "Int!")
		case "tags":
			g.add(i, e, "tags", "", "[String!]!")
		case "org":
			g.value(i, "V0", "Int")
			g.add(i, e, "org", "", "V0!")
		case "ref", "refs":
			o := g.define(i, "type", other)
			if o.field("id") == nil {
				g.add(i, other, "id", "", "ID!")
				if g.chance(2) && !g.subs[i].first {
					o.directives = append(o.directives, `@key(fields: "id", resolvable: false)`)
				} else {
					o.directives = append(o.directives, `@key(fields: "id")`)
				}
			}
			g.add(i, e, name, "", map[string]string{"ref": other + "!", "refs": "[" + other + "!]!"}[name])
		}
	}
	resolvable := ""
	if g.chance(12) && !g.subs[i].first {
		resolvable = ", resolvable: false"
	}
	t.directives = append(t.directives, `@key(fields: "`+key+`"`+resolvable+`)`)
}

// unions makes unions with other members in each subgraph.
func (g *generator) unions() {
	for u := range g.r.IntN(3) {
		for i := range g.subs {
			var members []string
			for _, name := range g.outputs(i) {
				if g.get(i, name).kind == "type" && g.r.IntN(3) > 0 {
					members = append(members, name)
				}
			}
			if len(members) > 0 && g.r.IntN(3) > 0 {
				g.define(i, "union", fmt.Sprintf("U%d", u)).members = members
			}
		}
	}
}

// interfaces makes interfaces of entities and values, some of which implement another.
func (g *generator) interfaces() {
	for n := range g.r.IntN(4) {
		name := fmt.Sprintf("I%d", n)
		field, typ := g.fresh("f"), g.pick("Int", "Int!", "String", "[Int]")
		fields := []*fieldDraft{{field, g.pick("", "", "", "(n: Int = 0)"), strings.TrimSuffix(typ, "!"), nil}}
		everyone := append(slices.Clone(g.entities), "V0", "V1")
		if g.r.IntN(3) > 0 {
			fields = append(fields, &fieldDraft{"id", "", "ID!", nil})
			everyone = everyone[:len(everyone)-2]
		}
		if g.chance(3) {
			fields = append(fields, &fieldDraft{g.fresh("l"), "", g.wrap(name), nil})
		}
		above := n > 0 && g.chance(2)
		for i := range g.subs {
			if g.chance(3) {
				continue
			}
			var members []string
			for _, e := range everyone {
				if t := g.get(i, e); t != nil && t.kind == "type" && g.r.IntN(4) > 0 && (!above || slices.Contains(t.implements, "I0")) {
					members = append(members, e)
				}
			}
			if len(members) > 0 {
				g.implement(i, name, above && g.get(i, "I0") != nil, fields, typ, members)
			}
		}
	}
}

// implement gives a subgraph an interface, and the members that it has there.
func (g *generator) implement(i int, name string, above bool, fields []*fieldDraft, typ string, members []string) {
	t := g.define(i, "interface", name)
	if above {
		t.implements = append(t.implements, "I0")
		for _, f := range g.get(i, "I0").fields {
			own := *f
			t.fields = append(t.fields, &own)
		}
	}
	for _, f := range fields {
		if t.field(f.name) == nil && g.r.IntN(5) > 0 || len(t.fields) == 0 {
			own := *f
			t.fields = append(t.fields, &own)
		}
	}
	for _, e := range members {
		own := g.get(i, e)
		own.implements = append(own.implements, name)
		for n, f := range fields {
			if own.field(f.name) != nil || f.name == "id" && t.field("id") == nil {
				continue
			}
			if f.name == "id" {
				g.add(i, e, "id", "", "ID!", "@shareable")
				continue
			}
			out := f.typ
			if n == 0 {
				out = typ
			}
			if others := g.with(e, i); n == 0 && len(others) > 0 && own.has("@key") && g.chance(4) {
				// An implementation that requires something for the interface's field.
				need := g.fresh("f")
				g.add(others[0], e, need, "", "Int")
				g.add(i, e, need, "", "Int", "@external")
				g.add(i, e, f.name, f.args, out, "@shareable", `@requires(fields: "`+need+`")`)
				continue
			}
			g.add(i, e, f.name, f.args, out, "@shareable")
		}
	}
}

// interfaceObjects makes an interface with a key, its implementations in one subgraph, and interface objects in others.
func (g *generator) interfaceObjects() {
	home := g.r.IntN(len(g.subs))
	if g.subs[home].first {
		return
	}
	keys := []string{"id"}
	if g.chance(3) {
		keys = append(keys, "sku")
	}
	fields := func(i int, typ string, n int) {
		g.add(i, typ, "id", "", "ID!")
		if n > 1 {
			g.add(i, typ, "sku", "", "String!")
		}
	}
	directives := func() (out []string) {
		for _, k := range keys {
			out = append(out, `@key(fields: "`+k+`")`)
		}
		return out
	}
	j := g.define(home, "interface", "J")
	fields(home, "J", len(keys))
	g.add(home, "J", "jn", "", "Int")
	if g.chance(2) {
		g.add(home, "J", "jself", "", g.pick("J", "[J]", "[J!]!"))
	}
	j.directives = directives()
	for k := range 1 + g.r.IntN(3) {
		name := fmt.Sprintf("J%d", k)
		t := g.define(home, "type", name)
		t.directives, t.implements = directives(), []string{"J"}
		for _, f := range j.fields {
			typ := f.typ
			if f.name == "jself" && g.chance(2) {
				typ = g.narrow(typ, "J", g.pick("J", name))
			}
			g.add(home, name, f.name, f.args, typ)
		}
		g.add(home, name, fmt.Sprintf("own%d", k), "", "Int")
		if g.chance(10) {
			t.directives = append(t.directives, "@inaccessible")
		}
		g.entities = append(g.entities, name)
		if other := g.r.IntN(len(g.subs)); other != home && g.chance(2) {
			fields(other, name, len(keys))
			g.get(other, name).directives = directives()
			g.add(other, name, fmt.Sprintf("far%d", k), "", "Int")
		}
	}
	for i, sub := range g.subs {
		if i == home || sub.first || slices.ContainsFunc(sortedKeys(sub.types), func(n string) bool { return n[0] == 'J' }) || g.chance(3) {
			continue
		}
		used := 1 + g.r.IntN(len(keys))
		fields(i, "J", used)
		t := g.get(i, "J")
		t.directives = append(directives()[:used], "@interfaceObject")
		g.add(i, "J", fmt.Sprintf("jo%d", i), g.inputs(i, g.pick("", "", g.arguments())), g.scalar(i))
		outputs := g.outputs(i)
		g.add(i, "J", fmt.Sprintf("jl%d", i), "", g.wrap(outputs[g.r.IntN(len(outputs))]))
		if g.chance(2) {
			g.add(i, "J", "jn", "", "Int", "@external")
			g.add(i, "J", fmt.Sprintf("jr%d", i), "", "Int", `@requires(fields: "jn")`)
		}
		g.entities = append(g.entities, "J")
	}
}

// queries gives every subgraph a few root fields, some of them shared.
func (g *generator) queries() {
	for i := range g.subs {
		for range 1 + g.r.IntN(3) {
			name := g.fresh("q")
			out := g.outputs(i)
			if len(out) == 0 || g.chance(8) {
				g.add(i, "Query", name, "", g.scalar(i))
				continue
			}
			to := out[g.r.IntN(len(out))]
			typ := g.wrap(to)
			args := ""
			if g.chance(3) {
				args = g.inputs(i, g.arguments())
			}
			if j := g.r.IntN(len(g.subs)); j != i && g.chance(4) && g.narrowed("Query", name, i, j) {
				continue
			}
			if j := g.r.IntN(len(g.subs)); j != i && g.chance(3) && slices.Contains(g.outputs(j), to) {
				g.add(j, "Query", name, g.inputs(j, args), typ, "@shareable")
				g.add(i, "Query", name, args, typ, "@shareable")
				continue
			}
			g.add(i, "Query", name, args, typ, g.provides(i, to))
		}
	}
}

// mutations gives some subgraphs mutations, whose payloads lead to entities and back to the queries.
func (g *generator) mutations() {
	for i := range g.subs {
		if g.chance(2) {
			continue
		}
		for range 1 + g.r.IntN(2) {
			out := g.outputs(i)
			name := g.fresh("m")
			if len(out) == 0 || g.chance(4) {
				g.add(i, "Mutation", name, g.inputs(i, g.arguments()), "Int")
				continue
			}
			if g.chance(3) {
				g.add(i, "Mutation", name, "", out[g.r.IntN(len(out))])
				continue
			}
			payload := g.fresh("Payload")
			g.add(i, payload, "seq", "", "Int!")
			g.add(i, payload, "e", "", g.wrap(out[g.r.IntN(len(out))]))
			if g.chance(3) && g.get(i, "Query") != nil {
				g.add(i, payload, "q", "", "Query")
			}
			g.add(i, "Mutation", name, g.inputs(i, g.pick("", g.arguments())), payload)
		}
	}
}

// subscriptions gives some subgraphs subscriptions.
func (g *generator) subscriptions() {
	for i := range g.subs {
		out := g.outputs(i)
		if len(out) == 0 || g.chance(2) {
			continue
		}
		for range 1 + g.r.IntN(2) {
			to := out[g.r.IntN(len(out))]
			g.add(i, "Subscription", g.fresh("s"), g.inputs(i, g.pick("", g.arguments())), g.wrap(to), g.provides(i, to))
		}
	}
}

// contexts makes an entity of which a field takes an argument from an object above, which is of a type that sets a context,
// and ways from such types to the entity.
func (g *generator) contexts() {
	i := g.r.IntN(len(g.subs))
	if g.subs[i].first {
		return
	}
	name, read := g.fresh("C"), g.fresh("f")
	set := false
	for _, e := range slices.Clone(g.entities) {
		t := g.get(i, e)
		if t == nil || t.kind != "type" || t.has("@interfaceObject") || g.chance(2) {
			continue
		}
		others := g.with(e, i)
		if len(others) > 0 && t.has("@key") && g.chance(3) {
			g.add(others[0], e, read, "", "Int")
			g.add(i, e, read, "", "Int", "@external")
		} else {
			g.add(i, e, read, "", "Int")
		}
		t.directives = append(t.directives, `@context(name: "`+name+`")`)
		j := append(others, i)[g.r.IntN(len(others)+1)]
		g.contextual(j, name)
		if g.chance(3) {
			between := g.fresh("W")
			g.add(j, between, "c", "", g.wrap(name))
			g.add(j, e, g.fresh("f"), "", g.wrap(between))
		} else {
			g.add(j, e, g.fresh("f"), "", g.wrap(name))
		}
		set = true
	}
	if !set {
		return
	}
	g.contextual(i, name)
	out := g.scalar(i)
	if g.chance(4) {
		out = g.wrap(name)
	}
	g.add(i, name, g.fresh("f"), `(above: Int @fromContext(field: "$`+name+` { `+read+` }")`+g.pick("", "", ", n: Int = 0", ", s: String")+`)`, out)
	for range g.r.IntN(3) {
		j := g.r.IntN(len(g.subs))
		g.contextual(j, name)
		if below := g.entities[g.r.IntN(len(g.entities))]; g.chance(2) && g.get(j, below) != nil {
			g.add(j, name, g.fresh("f"), "", g.wrap(below))
			continue
		}
		g.add(j, name, g.fresh("f"), "", g.pick("Int", name, g.wrap(name)))
	}
}

// contextual gives a subgraph the entity of a context.
func (g *generator) contextual(i int, name string) {
	if g.get(i, name) == nil {
		g.add(i, name, "id", "", "ID!")
		t := g.get(i, name)
		t.directives = append(t.directives, `@key(fields: "id")`)
	}
}
