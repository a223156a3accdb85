package differential_test

import (
	"fmt"
	"slices"
	"strings"
)

// feature gives an entity of a subgraph a field of some sort.
func (g *generator) feature(e string, i int) {
	others := g.with(e, i)
	name := g.fresh("f")
	second := !g.subs[i].first
	switch kind := g.r.IntN(22); {
	case kind < 3 || len(others) == 0 && kind < 14:
		g.add(i, e, name, "", g.scalar(i))
	case kind == 3:
		g.add(i, e, name, g.inputs(i, g.arguments()), g.scalar(i))
	case kind == 4:
		typ := g.scalar(i, others[0])
		wide := typ
		if g.chance(3) {
			wide = strings.TrimSuffix(typ, "!")
		}
		g.add(i, e, name, "", wide, "@shareable")
		g.add(others[0], e, name, "", typ, "@shareable")
	case kind < 9:
		if needs := g.try(func() string { return g.needs(i, e, 0) }); needs != "" {
			g.add(i, e, name, "", g.scalar(i), `@requires(fields: "`+needs+`")`)
		}
	case kind == 9 && second && !g.get(i, e).has("@interfaceObject"):
		from := others[0]
		args := g.inputs(i, g.pick("", "", g.arguments()))
		typ := g.scalar(i, from)
		g.add(from, e, name, g.inputs(from, args), typ)
		g.add(i, e, name, args, typ, fmt.Sprintf(`@override(from: "%s"%s)`, g.subs[from].name, g.pick("", "", `, label: "percent(100)"`, `, label: "percent(0)"`, `, label: "moved"`)))
	case kind == 10 && second && !g.get(i, e).has("@interfaceObject"):
		// A composite field moves with all below it.
		from := others[0]
		both := slices.DeleteFunc(g.outputs(i), func(n string) bool { return !slices.Contains(g.outputs(from), n) })
		if len(both) > 0 {
			typ := g.wrap(both[g.r.IntN(len(both))])
			g.add(from, e, name, "", typ)
			g.add(i, e, name, "", typ, fmt.Sprintf(`@override(from: "%s"%s)`, g.subs[from].name, g.pick("", `, label: "other"`)))
		}
	case kind == 11 && second:
		g.add(i, e, name, "", g.scalar(i), "@inaccessible")
	case kind == 12:
		// A shared field that leads on.
		both := slices.DeleteFunc(g.outputs(i), func(n string) bool { return !slices.Contains(g.outputs(others[0]), n) })
		if len(both) > 0 {
			typ := g.wrap(both[g.r.IntN(len(both))])
			g.add(i, e, name, "", typ, "@shareable")
			g.add(others[0], e, name, "", typ, "@shareable")
		}
	case kind > 19 && len(others) > 0:
		g.narrowed(e, name, i, others[0])
	default:
		out := g.outputs(i)
		to := out[g.r.IntN(len(out))]
		args := ""
		if g.chance(5) {
			args = g.inputs(i, g.arguments())
		}
		needs := ""
		if g.chance(5) && len(others) > 0 {
			if needs = g.try(func() string { return g.needs(i, e, 1) }); needs != "" {
				needs = `@requires(fields: "` + needs + `")`
			}
		}
		g.add(i, e, name, args, g.wrap(to), g.provides(i, to), needs)
	}
}

// needs makes a requirement on a type of a subgraph, with what it takes elsewhere; "" where there is none to be had.
func (g *generator) needs(i int, typ string, depth int) string {
	t := g.get(i, typ)
	if t == nil || depth > 2 {
		return ""
	}
	if t.kind != "type" {
		return g.abstractNeeds(i, t, depth)
	}
	var parts []string
	for range 1 + g.r.IntN(2) {
		if part := g.need(i, typ, depth); part != "" && !slices.ContainsFunc(parts, func(p string) bool { return fieldOf(p) == fieldOf(part) }) {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// fieldOf gives the name of the field that a part of a requirement begins with.
func fieldOf(part string) string {
	return strings.FieldsFunc(part, func(c rune) bool { return c == ' ' || c == '(' })[0]
}

// abstractNeeds requires something of objects of an interface or a union.
func (g *generator) abstractNeeds(i int, t *typeDraft, depth int) string {
	var parts []string
	if g.chance(3) {
		parts = append(parts, "__typename")
	}
	if f := t.field("id"); f != nil && g.chance(2) {
		parts = append(parts, "id")
	}
	for _, name := range g.members(i, t) {
		if g.chance(3) {
			continue
		}
		if needs := g.try(func() string { return g.needs(i, name, depth+1) }); needs != "" {
			parts = append(parts, "... on "+name+" { "+needs+" }")
		}
	}
	return strings.Join(parts, " ")
}

// members lists the objects that an abstract type of a subgraph may be.
func (g *generator) members(i int, t *typeDraft) []string {
	if t.kind == "union" {
		return t.members
	}
	var out []string
	for _, name := range sortedKeys(g.subs[i].types) {
		if o := g.get(i, name); o.kind == "type" && slices.Contains(o.implements, t.name) {
			out = append(out, name)
		}
	}
	return out
}

// need makes one field of a requirement.
func (g *generator) need(i int, typ string, depth int) string {
	others := g.with(typ, i)
	if len(others) == 0 {
		return ""
	}
	from := others[0]
	if !g.get(i, typ).has("@key") && g.r.IntN(6) > 0 {
		return g.pick("vid", "v1")
	}
	name := g.fresh("f")
	switch kind := g.r.IntN(9); {
	case kind < 2:
		out := g.scalar(i, from)
		g.add(from, typ, name, "", out)
		g.add(i, typ, name, "", out, "@external")
		return name
	case kind == 2:
		args, given := "(n: Int = 0)", g.pick("(n: 1)", "(n: 2)", "")
		if g.chance(3) {
			args, given = "(in: In0)", g.pick("(in: {a: 1, b: [2]})", "(in: {c: P})")
		}
		g.add(from, typ, name, g.inputs(from, args), "Int")
		g.add(i, typ, name, g.inputs(i, args), "Int", "@external")
		return name + given
	case kind < 6:
		// What is there already: a field that requires something itself, or one that another requirement reads.
		var known []*fieldDraft
		for _, f := range g.get(from, typ).fields {
			external := slices.ContainsFunc(f.directives, func(d string) bool { return d == "@external" || strings.HasPrefix(d, "@override") })
			mine := g.get(i, typ).field(f.name)
			if !external && (strings.HasPrefix(f.name, "f") || strings.HasPrefix(f.name, "same")) && !strings.Contains(f.args, "!") && (mine == nil || slices.Contains(mine.directives, "@external")) {
				known = append(known, f)
			}
		}
		if len(known) == 0 {
			return ""
		}
		f := known[g.r.IntN(len(known))]
		to := strings.Trim(f.typ, "[]!")
		composite := g.get(from, to) != nil && slices.Contains([]string{"type", "interface", "union"}, g.get(from, to).kind)
		if composite {
			if g.get(i, to) == nil {
				return ""
			}
			below := g.try(func() string { return g.needs(i, to, depth+1) })
			if below == "" {
				return ""
			}
			g.add(i, typ, f.name, g.inputs(i, f.args), f.typ, "@external")
			return f.name + " { " + below + " }"
		}
		if g.get(i, to) == nil && !slices.Contains([]string{"Int", "String", "Float", "Boolean", "ID"}, to) {
			own := *g.get(from, to)
			g.subs[i].types[to] = &own
		}
		g.add(i, typ, f.name, g.inputs(i, f.args), f.typ, "@external")
		return f.name
	default:
		both := slices.DeleteFunc(g.outputs(i), func(n string) bool { return !slices.Contains(g.outputs(from), n) })
		if len(both) == 0 {
			return ""
		}
		to := both[g.r.IntN(len(both))]
		below := g.try(func() string { return g.needs(i, to, depth+1) })
		if below == "" {
			if below = "vid"; g.get(i, to).field(below) == nil {
				return ""
			}
		}
		out := g.wrap(to)
		g.add(from, typ, name, "", out)
		g.add(i, typ, name, "", out, "@external")
		return name + " { " + below + " }"
	}
}

// provides gives a field that leads to a type of a subgraph what it provides there, mostly nothing.
func (g *generator) provides(i int, to string) string {
	if g.r.IntN(4) > 0 {
		return ""
	}
	if set := g.try(func() string { return g.provided(i, to, 0) }); set != "" {
		return `@provides(fields: "` + set + `")`
	}
	return ""
}

func (g *generator) provided(i int, typ string, depth int) string {
	t := g.get(i, typ)
	if t == nil || depth > 2 {
		return ""
	}
	if t.kind != "type" {
		var parts []string
		for _, name := range g.members(i, t) {
			if g.chance(3) {
				continue
			}
			if set := g.try(func() string { return g.provided(i, name, depth+1) }); set != "" {
				parts = append(parts, "... on "+name+" { "+set+" }")
			}
		}
		return strings.Join(parts, " ")
	}
	others := g.with(typ, i)
	if len(others) == 0 || !t.has("@key") || t.has("@interfaceObject") {
		return ""
	}
	name := g.fresh("f")
	if g.chance(2) {
		out := g.scalar(i, others[0])
		g.add(others[0], typ, name, "", out, "@shareable")
		g.add(i, typ, name, "", out, "@external")
		return name
	}
	both := slices.DeleteFunc(g.outputs(i), func(n string) bool { return !slices.Contains(g.outputs(others[0]), n) })
	if len(both) == 0 {
		return ""
	}
	to := both[g.r.IntN(len(both))]
	below := g.provided(i, to, depth+1)
	if below == "" {
		return ""
	}
	out := g.wrap(to)
	g.add(others[0], typ, name, "", out, "@shareable")
	g.add(i, typ, name, "", out, "@external")
	return name + " { " + below + " }"
}
