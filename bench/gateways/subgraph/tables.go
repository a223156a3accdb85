package subgraph

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"
)

// World is a set of subgraphs with what they hold.
type World struct {
	Subgraphs []Named
	// Whole holds everything in one graph: what it answers, a router must answer.
	Whole *Graph
	// Latency is how long each answer waits.
	Latency time.Duration
}

// Named is a subgraph of a world.
type Named struct {
	Name  string
	SDL   string
	Graph *Graph
}

// Tables holds entities by their type and key. The zero value is empty.
type Tables struct {
	keys map[string]string // the key field of each type
	rows map[string]map[string]*Row
}

// Row is an object whose fields' values are fixed.
type Row struct {
	typ    string
	values map[string]Value
	// slices holds, for the lists that an argument named first shortens, how many come without it.
	slices map[string]int
}

// NewRow returns an object of the type without fields.
func NewRow(typ string) *Row {
	return &Row{typ: typ, values: map[string]Value{}, slices: map[string]int{}}
}

// Set gives a field its value and returns the row.
func (r *Row) Set(field string, v Value) *Row {
	r.values[field] = v
	return r
}

// SetSliced gives a list field its value, of which the argument first takes some, and otherwise n.
func (r *Row) SetSliced(field string, v Value, n int) *Row {
	r.values[field], r.slices[field] = v, n
	return r
}

// Type implements [Object].
func (r *Row) Type() string { return r.typ }

// Field implements [Object].
func (r *Row) Field(name string, args Args) (Value, error) {
	v, ok := r.values[name]
	if !ok {
		return Value{}, unknown(name)
	}
	n, ok := r.slices[name]
	if !ok {
		return v, nil
	}
	if text := args["first"]; text != nil {
		if err := json.Unmarshal(text, &n); err != nil {
			return Value{}, fmt.Errorf("read first: %w", err)
		}
	}
	v.list = v.list[:max(0, min(n, len(v.list)))]
	return v, nil
}

// Add puts a row in its type's table, by the value of the field key, a string.
func (t *Tables) Add(key string, r *Row) {
	if t.keys == nil {
		t.keys, t.rows = map[string]string{}, map[string]map[string]*Row{}
	}
	if t.rows[r.typ] == nil {
		t.rows[r.typ] = map[string]*Row{}
	}
	t.keys[r.typ] = key
	t.rows[r.typ][unquote(json.RawMessage(r.values[key].leaf))] = r
}

// Entity returns the row that a representation stands for, and an error where there is none.
func (t *Tables) Entity(r Args) (Object, error) {
	typ := unquote(r["__typename"])
	if row := t.rows[typ][unquote(r[t.keys[typ]])]; row != nil {
		return row, nil
	}
	return nil, fmt.Errorf("a representation stands for nothing: %s", r)
}

// Computed is a field of one subgraph that follows from fields of others, which representations bring.
type Computed struct {
	// Type has the field.
	Type, Field string
	// Requires are the fields of others, all of them whole numbers.
	Requires []string
	// Of computes the field.
	Of func(required ...int) int
}

// entity returns [Tables.Entity] with the field computed from what the representation holds, and null where a part of it is
// missing.
func (c *Computed) entity(t *Tables) func(Args) (Object, error) {
	return func(r Args) (Object, error) {
		o, err := t.Entity(r)
		if err != nil {
			return nil, err
		}
		row, ok := o.(*Row)
		if !ok || row.typ != c.Type {
			return o, nil
		}
		known := NewRow(row.typ)
		maps.Copy(known.values, row.values)
		required := make([]int, len(c.Requires))
		known.values[c.Field] = Null()
		for i, name := range c.Requires {
			text := r[name]
			if text == nil || string(text) == "null" {
				return known, nil
			}
			if err := json.Unmarshal(text, &required[i]); err != nil {
				return nil, fmt.Errorf("read the %s of a representation: %w", name, err)
			}
		}
		known.values[c.Field] = Int(c.Of(required...))
		return known, nil
	}
}

// World returns subgraphs of the given schemas, by their names, which all know the tables' rows and only their own fields of
// them. The computed field, if there is one, is resolved where a schema has the directive @requires.
func (t *Tables) World(root *Row, schemas []Schema, computed *Computed) (*World, error) {
	out := &World{}
	var all []string
	for _, s := range schemas {
		fields, err := ReadFields(s.SDL)
		if err != nil {
			return nil, err
		}
		entity := t.Entity
		if computed != nil && strings.Contains(s.SDL, "@requires(") {
			entity = computed.entity(t)
		}
		out.Subgraphs = append(out.Subgraphs, Named{s.Name, s.SDL, &Graph{Query: root, Entity: entity, Fields: fields}})
		all = append(all, s.SDL)
	}
	fields, err := ReadFields(all...)
	if err != nil {
		return nil, err
	}
	out.Whole = &Graph{Query: root, Fields: fields}
	return out, nil
}

// Schema is the schema of a subgraph.
type Schema struct{ Name, SDL string }

func unquote(text json.RawMessage) string { return strings.Trim(string(text), `"`) }

func unknown(name string) error { return fmt.Errorf("nothing is known of the field %s", name) }
