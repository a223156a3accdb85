// Package cost estimates what an operation asks for before it is executed, and measures what an answer holds, by the
// directives @cost and @listSize (IBM's GraphQL Cost Directive Specification, in the form that Federation has from 2.9).
//
// The unit is one object of the response. A field that leads to objects weighs 1, a leaf 0, and an input object among the
// arguments 1, unless @cost says otherwise; a field of Mutation weighs 10 more. What a list's items weigh together is
// multiplied by the length of the list: what the slicing arguments of @listSize ask for, else its assumedSize, else what
// [Options] assume. Where objects of several types may stand, the dearest one counts.
package cost

import (
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/supergraph"
)

// Ceiling bounds every cost: what is dearer counts as this.
const Ceiling = 1e15

// What is counted where no @cost says otherwise.
const (
	objectWeight   = 1
	inputWeight    = 1
	mutationWeight = 10
)

// Options shape a model.
type Options struct {
	// ListSize is the length assumed of a list of which no @listSize says more.
	ListSize int
}

// Model is what the directives of a supergraph say of its costs. It is immutable.
type Model struct {
	schema   *ast.Schema
	options  Options
	types    map[string]float64 // the weights of objects, enums and scalars that @cost gives
	fields   map[string]map[string]*field
	inputs   map[string]*input
	possible map[string][]*ast.Definition // object types, by the type that they may stand for
	is       map[string]map[string]bool   // whether an object is of a type
}

// field is the cost of an output field.
type field struct {
	def       *ast.FieldDefinition
	weight    float64 // of one object, or of a leaf
	weighted  bool    // by a @cost of its own; else the weight of the type counts
	base      float64 // of asking for it, however long the list is
	list      *listSize
	assumed   float64 // the length of its list, where nothing else is known
	levels    int     // of lists: 2 for [[T]]
	arguments map[string]*argument
}

// listSize is a @listSize.
type listSize struct {
	assumed  float64 // below 0 for none
	slicing  [][]string
	sized    map[string]bool
	requires bool // exactly one of the slicing arguments
}

// argument is the cost of an argument, or of a field of an input object.
type argument struct {
	typ      *ast.Type
	fallback *ast.Value
	weight   float64
	weighted bool
}

// input is the cost of an input object.
type input struct {
	fields map[string]*argument
	free   bool // nothing in it costs anything
}

// New reads a supergraph. Its API must not change.
func New(sg *supergraph.Supergraph, o Options) *Model {
	m := &Model{
		schema: sg.API(), options: o, types: map[string]float64{}, fields: map[string]map[string]*field{}, inputs: map[string]*input{},
		possible: map[string][]*ast.Definition{}, is: map[string]map[string]bool{},
	}
	for _, t := range sg.Types() {
		if w, ok := weightOf(t.Directives); ok {
			m.types[t.Name] = max(0, w)
		}
	}
	for name, def := range m.schema.Types {
		switch def.Kind {
		case ast.Object, ast.Interface, ast.Union:
			m.possible[name] = m.schema.GetPossibleTypes(def)
			for _, p := range m.possible[name] {
				if m.is[p.Name] == nil {
					m.is[p.Name] = map[string]bool{}
				}
				m.is[p.Name][name] = true
			}
		}
	}
	for _, t := range sg.Types() {
		def := m.schema.Types[t.Name]
		if def == nil {
			continue
		}
		switch t.Kind {
		case supergraph.Object:
			m.fields[t.Name] = m.readFields(sg, t, def)
		case supergraph.InputObject:
			m.inputs[t.Name] = m.readInput(t, def)
		}
	}
	m.inputsFree()
	m.introspection()
	return m
}

func (m *Model) readFields(sg *supergraph.Supergraph, t *supergraph.Type, def *ast.Definition) map[string]*field {
	out := make(map[string]*field, len(def.Fields))
	for _, fd := range def.Fields {
		model := t.Field(fd.Name)
		if model == nil {
			continue
		}
		f := &field{def: fd, assumed: float64(m.options.ListSize), arguments: map[string]*argument{}}
		for typ := fd.Type; typ.Elem != nil; typ = typ.Elem {
			f.levels++
		}
		f.weight, f.weighted = weightOf(model.Directives)
		f.weight = max(0, f.weight) // below 0 it would make up for others
		if !f.weighted {
			f.weight = m.weightOfType(fd.Type.Name())
		}
		if def == m.schema.Mutation {
			f.base = mutationWeight
		}
		if f.list = listSizeOf(model.Directives); f.list == nil {
			f.list = inherited(sg, def, fd.Name)
		}
		for _, a := range fd.Arguments {
			for _, known := range model.Arguments {
				if known.Name == a.Name {
					f.arguments[a.Name] = m.readArgument(a.Type, a.DefaultValue, known.Directives)
				}
			}
		}
		out[fd.Name] = f
	}
	return out
}

// inherited returns the @listSize of the field of an interface that the object implements, nil for none.
func inherited(sg *supergraph.Supergraph, def *ast.Definition, name string) *listSize {
	for _, in := range def.Interfaces {
		if t := sg.Type(in); t != nil {
			if f := t.Field(name); f != nil {
				if l := listSizeOf(f.Directives); l != nil {
					return l
				}
			}
		}
	}
	return nil
}

// weightOfType returns what one value of an output type weighs. Of an abstract type that is 0: what stands there counts.
func (m *Model) weightOfType(name string) float64 {
	if w, ok := m.types[name]; ok {
		return w
	}
	if def := m.schema.Types[name]; def != nil && def.Kind == ast.Object {
		return objectWeight
	}
	return 0
}

func (m *Model) readArgument(typ *ast.Type, fallback *ast.Value, ds []supergraph.Directive) *argument {
	a := &argument{typ: typ, fallback: fallback}
	if a.weight, a.weighted = weightOf(ds); a.weighted {
		return a
	}
	if w, ok := m.types[typ.Name()]; ok {
		a.weight = w
	} else if def := m.schema.Types[typ.Name()]; def != nil && def.Kind == ast.InputObject {
		a.weight = inputWeight
	}
	return a
}

func (m *Model) readInput(t *supergraph.Type, def *ast.Definition) *input {
	in := &input{fields: map[string]*argument{}}
	for _, f := range def.Fields {
		if model := t.Field(f.Name); model != nil {
			in.fields[f.Name] = m.readArgument(f.Type, f.DefaultValue, model.Directives)
		}
	}
	return in
}

// inputsFree finds the input objects in which nothing weighs anything, so that their values need not be read.
func (m *Model) inputsFree() {
	for _, in := range m.inputs {
		in.free = true
	}
	for changed := true; changed; {
		changed = false
		for _, in := range m.inputs {
			if !in.free {
				continue
			}
			for _, a := range in.fields {
				if !m.free(a) {
					in.free, changed = false, true
					break
				}
			}
		}
	}
}

// free reports whether no value of an argument weighs anything.
func (m *Model) free(a *argument) bool {
	in := m.inputs[a.typ.Name()]
	return a.weight == 0 && (in == nil || in.free)
}

// spec is the specification of the two directives in a supergraph. Some composers keep them without linking it.
const spec = "https://specs.apollo.dev/cost"

func find(ds []supergraph.Directive, name string) *supergraph.Directive {
	for i := range ds {
		if ds[i].Name == name && (ds[i].Spec == spec || ds[i].Spec == "") {
			return &ds[i]
		}
	}
	return nil
}

// weightOf returns the weight of a @cost, and whether there is one. Federation writes an Int, IBM's specification a
// String with a number.
func weightOf(ds []supergraph.Directive) (float64, bool) {
	d := find(ds, "cost")
	if d == nil {
		return 0, false
	}
	v := d.Argument("weight")
	if v == nil {
		return 0, false
	}
	w, err := strconv.ParseFloat(strings.TrimSpace(v.Raw), 64)
	if err != nil && !math.IsInf(w, 0) || math.IsNaN(w) {
		return 0, false
	}
	return max(-Ceiling, min(w, Ceiling)), true
}

func listSizeOf(ds []supergraph.Directive) *listSize {
	d := find(ds, "listSize")
	if d == nil {
		return nil
	}
	l := &listSize{assumed: -1, requires: true}
	if v := d.Argument("assumedSize"); v != nil && v.Kind == ast.IntValue {
		if n, err := strconv.ParseFloat(v.Raw, 64); err == nil {
			l.assumed = min(n, Ceiling)
		}
	}
	for _, path := range texts(d.Argument("slicingArguments")) {
		l.slicing = append(l.slicing, strings.Split(path, "."))
	}
	for _, name := range texts(d.Argument("sizedFields")) {
		if l.sized == nil {
			l.sized = map[string]bool{}
		}
		l.sized[name] = true
	}
	if v := d.Argument("requireOneSlicingArgument"); v != nil && v.Kind == ast.BooleanValue {
		l.requires = v.Raw == "true"
	}
	return l
}

// texts returns the strings of a list, or of one value that stands for a list of it alone.
func texts(v *ast.Value) []string {
	if v == nil {
		return nil
	}
	if v.Kind == ast.StringValue || v.Kind == ast.BlockValue {
		return []string{v.Raw}
	}
	var out []string
	for _, c := range v.Children {
		out = append(out, c.Value.Raw)
	}
	return out
}

// bound keeps a cost between 0 and [Ceiling].
func bound(c float64) float64 { return max(0, min(c, Ceiling)) }
