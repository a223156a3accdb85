package subgraph

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// Sizes of a made-up world.
const (
	defaultLength = 3  // of a list that is asked for without an argument first
	population    = 60 // how many objects there are of a type that has an id
)

// madeUp is a world of which nothing is known but the schemas: every value follows from the type, the id and the field that
// it is asked of, so that all subgraphs tell the same.
type madeUp struct {
	fields   map[string]map[string]*ast.FieldDefinition
	enums    map[string]string   // the first value
	possible map[string][]string // of interfaces and unions
}

// made is an object of a made-up world.
type made struct {
	world   *madeUp
	typ, id string
	length  int // of the lists below: what the field that led here was asked for, or 0
}

// MakeUp makes a world up for subgraphs whose entities have the key id. The graphs of the subgraphs given are not read.
func MakeUp(subgraphs []Named) (*World, error) {
	w := &madeUp{fields: map[string]map[string]*ast.FieldDefinition{}, enums: map[string]string{}, possible: map[string][]string{}}
	out := &World{}
	var all []string
	for _, n := range subgraphs {
		doc, err := parser.ParseSchema(&ast.Source{Name: n.Name, Input: n.SDL})
		if err != nil {
			return nil, fmt.Errorf("parse a schema: %w", err)
		}
		w.add(doc)
		fields, err := ReadFields(n.SDL)
		if err != nil {
			return nil, err
		}
		n.Graph = &Graph{Query: &made{world: w, typ: "Query"}, Entity: w.entity, Fields: fields, Implements: w.possible}
		out.Subgraphs = append(out.Subgraphs, n)
		all = append(all, n.SDL)
	}
	fields, err := ReadFields(all...)
	if err != nil {
		return nil, err
	}
	out.Whole = &Graph{Query: &made{world: w, typ: "Query"}, Fields: fields, Implements: w.possible}
	return out, nil
}

func (w *madeUp) add(doc *ast.SchemaDocument) {
	for _, d := range slices.Concat(doc.Definitions, doc.Extensions) {
		switch d.Kind {
		case ast.Enum:
			if len(d.EnumValues) > 0 && w.enums[d.Name] == "" {
				w.enums[d.Name] = d.EnumValues[0].Name
			}
		case ast.Union:
			w.stands(d.Name, d.Types...)
		case ast.Object, ast.Interface:
			if w.fields[d.Name] == nil {
				w.fields[d.Name] = map[string]*ast.FieldDefinition{}
			}
			for _, f := range d.Fields {
				w.fields[d.Name][f.Name] = f
			}
			if d.Kind == ast.Object {
				for _, name := range d.Interfaces {
					w.stands(name, d.Name)
				}
			}
		case ast.Scalar, ast.InputObject:
		}
	}
}

func (w *madeUp) stands(abstract string, types ...string) {
	set := map[string]bool{}
	for _, t := range slices.Concat(w.possible[abstract], types) {
		set[t] = true
	}
	w.possible[abstract] = slices.Sorted(maps.Keys(set))
}

// entity gives what a representation stands for.
func (w *madeUp) entity(r Args) (Object, error) {
	typ, id := unquote(r["__typename"]), unquote(r["id"])
	if w.fields[typ] == nil || id == "" {
		return nil, fmt.Errorf("a representation stands for nothing: %s", r)
	}
	return &made{world: w, typ: typ, id: id}, nil
}

// Type implements [Object].
func (m *made) Type() string { return m.typ }

// Field implements [Object].
func (m *made) Field(name string, args Args) (Value, error) {
	f := m.world.fields[m.typ][name]
	if f == nil {
		return Value{}, unknown(name)
	}
	length := 0
	if text := args["first"]; text != nil {
		if err := json.Unmarshal(text, &length); err != nil {
			return Value{}, fmt.Errorf("read first: %w", err)
		}
	}
	typ := f.Type.Name()
	isObject := m.world.fields[typ] != nil || len(m.world.possible[typ]) > 0
	switch {
	case f.Type.Elem != nil && isObject:
		n := m.length
		if n == 0 {
			n = defaultLength
		}
		list := make([]Object, 0, n)
		for i := range n {
			list = append(list, m.child(typ, name, i, 0))
		}
		return List(list), nil
	case isObject:
		return One(m.child(typ, name, 0, length)), nil
	}
	leaf := m.leaf(typ, name)
	if f.Type.Elem != nil {
		leaf = "[" + leaf + "]"
	}
	return JSON(leaf), nil
}

// child gives an object that a field leads to.
func (m *made) child(typ, name string, i, length int) *made {
	if list := m.world.possible[typ]; len(list) > 0 {
		typ = list[0]
	}
	id := fmt.Sprintf("%s-%s-%d", m.id, name, i)
	if m.world.fields[typ]["id"] != nil {
		id = fmt.Sprintf("%s-%d", typ, number64(m.typ, m.id, name, fmt.Sprint(i))%population)
	}
	return &made{world: m.world, typ: typ, id: id, length: length}
}

// leaf makes up a scalar or the value of an enum.
func (m *made) leaf(typ, name string) string {
	n := number64(m.typ, m.id, name)
	if v := m.world.enums[typ]; v != "" {
		return quote(v)
	}
	switch typ {
	case "Int":
		return fmt.Sprint(n % 1000)
	case "Float":
		return fmt.Sprintf("%d.5", n%1000)
	case "Boolean":
		return fmt.Sprint(n%2 == 0)
	}
	if name == "id" {
		return quote(m.id)
	}
	return quote(fmt.Sprintf("the %s of %s, which is %d", name, m.id, n%1_000_000))
}

func number64(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		_, _ = h.Write([]byte(p + "\x00")) // it never fails
	}
	return h.Sum64()
}
