package differential_test

import (
	"fmt"
	"slices"
	"strings"
)

// narrow writes a wrapped type again with another name in it, and makes some of it non-null that is not.
func (g *generator) narrow(typ, from, to string) string {
	var b strings.Builder
	head, tail, _ := strings.Cut(typ, from)
	b.WriteString(head + to)
	for _, c := range tail + " " {
		if before := b.String(); c != '!' && !strings.HasSuffix(before, "!") && g.chance(4) {
			b.WriteByte('!')
		}
		if c != ' ' {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// width is one of the types that subgraphs may have for a field, with the name in it.
type width struct{ typ, name string }

// widths gives a type and up to two that are narrower, each narrower than the one before: to one of the types that an abstract type may be, and in what may be null.
func (g *generator) widths(typ, name string, to ...string) []width {
	out := []width{{typ, name}}
	if g.chance(2) {
		typ = g.narrow(typ, name, name)
		out = append(out, width{typ, name})
	}
	if len(to) > 0 && g.r.IntN(4) > 0 {
		member := to[g.r.IntN(len(to))]
		out = append(out, width{g.narrow(typ, name, member), member})
	}
	return out
}

// widthIn gives the type that a subgraph has for a field, "" where it knows none of them.
func (g *generator) widthIn(i int, of []width) string {
	var known []string
	for _, w := range of {
		if w.name == "Int" || w.name == "String" || g.get(i, w.name) != nil {
			known = append(known, w.typ)
		}
	}
	if len(known) == 0 {
		return ""
	}
	return known[g.r.IntN(len(known))]
}

// covariants makes interfaces of which a field leads to an object of the same interface: the implementing types narrow it, in
// each subgraph in their own way, so that the supergraph's type is wider than a subgraph's.
func (g *generator) covariants() {
	for n := range 1 + g.r.IntN(2) {
		name, same := fmt.Sprintf("K%d", n), g.pick("same", fmt.Sprintf("same%d", n))
		typ := g.wrap(name)
		everyone := append(slices.Clone(g.entities), "V0", "V1")
		of := map[string][]width{}
		for _, m := range everyone {
			of[m] = g.widths(typ, name, everyone...)
		}
		for i := range g.subs {
			if g.chance(4) {
				continue
			}
			var members []string
			for _, m := range everyone {
				if t := g.get(i, m); t != nil && t.kind == "type" && t.field(same) == nil && g.r.IntN(4) > 0 {
					members = append(members, m)
				}
			}
			if len(members) == 0 {
				continue
			}
			g.define(i, "interface", name).fields = []*fieldDraft{{same, "", typ, nil}}
			for _, m := range members {
				own := g.get(i, m)
				own.implements = append(own.implements, name)
				can := slices.DeleteFunc(slices.Clone(of[m]), func(w width) bool { return w.name != name && !slices.Contains(members, w.name) })
				g.add(i, m, same, "", g.widthIn(i, can), "@shareable")
			}
		}
	}
}

// connections makes the pattern of lists that are read in pages: an interface of connections over an interface of edges, and
// for each type of object a connection and an edge that narrow what the interfaces promise.
func (g *generator) connections() {
	list, cursor, of := g.pick("[Edge]", "[Edge!]", "[Edge]!", "[[Edge]]"), g.pick("String", "String", "String!"), g.chance(3)
	node := ""
	for i := range g.subs {
		nodes := g.outputs(i)
		if len(nodes) == 0 || g.chance(2) {
			continue
		}
		if node == "" {
			node = nodes[g.r.IntN(len(nodes))]
		}
		if g.get(i, node) == nil {
			continue
		}
		members := []string{node}
		if t := g.get(i, node); t.kind != "type" {
			members = g.members(i, t)
		}
		if len(members) == 0 {
			continue
		}
		g.define(i, "interface", "Edge").fields = []*fieldDraft{{"node", "", node, nil}, {"cursor", "", cursor, nil}}
		g.define(i, "interface", "Connection").fields = []*fieldDraft{{"edges", "", list, nil}}
		for _, m := range members {
			connection, edge := m+"Connection", m+"Edge"
			g.add(i, edge, "node", "", g.narrow(node, node, m), "@shareable")
			g.add(i, edge, "cursor", "", g.narrow(cursor, "String", "String"), "@shareable")
			g.add(i, connection, "edges", "", g.narrow(list, "Edge", edge), "@shareable")
			g.get(i, edge).implements = []string{"Edge"}
			g.get(i, connection).implements = []string{"Connection"}
			if of {
				g.add(i, connection, "of", "", m, "@shareable")
			}
		}
	}
}

// namesakes gives types fields of the same name. Either each has its own type, as the owner of a post and that of a photo;
// or all have one type in the supergraph, and what a subgraph promises more for one of them must not show.
func (g *generator) namesakes() {
	for n := range 1 + g.r.IntN(3) {
		name := fmt.Sprintf("fn%d", n)
		alike := g.chance(2)
		base, of := g.namesake()
		for _, typ := range append(slices.Clone(g.entities), "V0", "V1") {
			if !alike {
				base, of = g.namesake()
			}
			widths := g.widths(base, of.name, of.members...)
			for i := range g.subs {
				if t := g.get(i, typ); t == nil || t.kind != "type" || t.has("@interfaceObject") || typ[0] != 'V' && g.chance(2) {
					continue
				}
				if out := g.widthIn(i, widths); out != "" {
					g.add(i, typ, name, "", out, "@shareable")
				}
			}
		}
	}
}

// named is a type's name, with the types that it may be.
type named struct {
	name    string
	members []string
}

// namesake gives the type of a field, without anything non-null in it, and what is in it.
func (g *generator) namesake() (typ string, of named) {
	of.name = g.pick("Int", "Int", "String")
	if i := g.r.IntN(len(g.subs)); g.chance(2) {
		if out := g.outputs(i); len(out) > 0 {
			of.name = out[g.r.IntN(len(out))]
			if t := g.get(i, of.name); t.kind != "type" {
				of.members = g.members(i, t)
			}
		}
	}
	return strings.ReplaceAll(g.wrap(of.name), "!", ""), of
}

// narrowed gives two subgraphs a field of a type that one of them has narrower: a member of the union or the interface that
// the other has, with less that may be null. It reports whether there is such a type.
func (g *generator) narrowed(typ, name string, wide, narrow int, directives ...string) bool {
	var both []string
	for _, out := range g.outputs(wide) {
		if t := g.get(wide, out); t.kind == "type" && g.get(narrow, out) == nil {
			continue
		} else if t.kind != "type" && g.get(narrow, out) == nil && !slices.ContainsFunc(g.members(wide, t), func(m string) bool { return g.get(narrow, m) != nil }) {
			continue
		}
		both = append(both, out)
	}
	if len(both) == 0 {
		return false
	}
	out := both[g.r.IntN(len(both))]
	to := out
	if t := g.get(wide, out); t.kind != "type" {
		members := slices.DeleteFunc(slices.Clone(g.members(wide, t)), func(m string) bool { return g.get(narrow, m) == nil })
		if len(members) > 0 && (g.get(narrow, out) == nil || g.r.IntN(4) > 0) {
			to = members[g.r.IntN(len(members))]
		}
	}
	declared := g.wrap(out)
	if !g.add(wide, typ, name, "", declared, "@shareable") {
		return false
	}
	return g.add(narrow, typ, name, "", g.narrow(declared, out, to), append(directives, "@shareable")...)
}
