package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// Merged is the merged schema as a [Validation] sees it.
type Merged struct {
	m     *merger
	types []*MergedType
	named map[string]*MergedType
}

// MergedType is an object, interface or union type of the merged schema.
type MergedType struct {
	Name   string
	Kind   ast.DefinitionKind
	Fields []*MergedField
	// Members are the objects that a union or an interface may be; none for objects.
	Members []*MergedType
	// Subgraphs that have the type, in order.
	Subgraphs  []string
	Directives []MergedDirective
	// Root tells that the type is a root type.
	Root bool
	// Entity tells that some subgraph gives the type a key.
	Entity bool
	// Locations are where the subgraphs declare the type.
	Locations []Location
}

// MergedField is a field of an object or interface type.
type MergedField struct {
	Name string
	// Leaf tells that the field has no subfields, that is, its type is a scalar or an enum.
	Leaf bool
	// Type is the composite type of a field that is no leaf.
	Type *MergedType
	// List tells that the field gives a list.
	List bool
	// NonNull tells that the field is never null.
	NonNull    bool
	Subgraphs  []string
	Locations  []Location
	Directives []MergedDirective
}

// MergedDirective is an applied directive of the linked specification that is looked at, under its name there.
type MergedDirective struct {
	// Spec is the identity of the specification.
	Spec string
	// Name is the directive's name in its specification, without "@".
	Name      string
	Arguments map[string]*ast.Value
}

// newMerged prepares the merged schema for validations.
func newMerged(m *merger) *Merged {
	g := &Merged{m: m, named: map[string]*MergedType{}}
	for _, t := range m.out.order {
		if t.builtIn || !t.composite() {
			continue
		}
		n := &MergedType{Name: t.name, Kind: t.kind, Root: m.isRootName(t.name), Directives: g.directives(t.applied), Subgraphs: m.names(m.having(t.name))}
		for i, s := range m.sources[t.name] {
			if s == nil {
				continue
			}
			n.Entity = n.Entity || fed(s.applied, "key") != nil
			if l, ok := m.schemas[i].location(s.pos); ok {
				n.Locations = append(n.Locations, l)
			}
		}
		g.types = append(g.types, n)
		g.named[t.name] = n
	}
	for _, n := range g.types {
		t := m.out.types[n.Name]
		for _, f := range t.fields {
			field := &MergedField{Name: f.name, Type: g.named[f.typ.Name()], List: f.typ.Elem != nil, NonNull: f.typ.NonNull, Directives: g.directives(f.applied)}
			field.Leaf = field.Type == nil
			for i, s := range m.fields[f.coordinate()] {
				if s == nil {
					continue
				}
				field.Subgraphs = append(field.Subgraphs, m.schemas[i].name)
				if l, ok := m.schemas[i].location(s.pos); ok {
					field.Locations = append(field.Locations, l)
				}
			}
			n.Fields = append(n.Fields, field)
		}
		if t.kind != ast.Object {
			for _, o := range m.out.possible(t) {
				n.Members = append(n.Members, g.named[o.name])
			}
		}
	}
	return g
}

func (m *merger) names(list []int) []string {
	var out []string
	for _, i := range list {
		out = append(out, m.schemas[i].name)
	}
	return out
}

// directives gives the applications of linked specifications' directives.
func (g *Merged) directives(applied []*directive) []MergedDirective {
	var out []MergedDirective
	for _, d := range applied {
		for _, f := range g.m.features {
			for _, i := range f.imports {
				if i.as != "@"+d.name {
					continue
				}
				n := MergedDirective{Spec: f.identity, Name: i.name[1:], Arguments: map[string]*ast.Value{}}
				for _, a := range d.args {
					n.Arguments[a.name] = a.value
				}
				out = append(out, n)
			}
		}
	}
	return out
}

// Types gives the composite types, in the order of the subgraphs.
func (g *Merged) Types() []*MergedType { return g.types }

// Type gives a composite type by name, nil when there is none.
func (g *Merged) Type(name string) *MergedType { return g.named[name] }

// Links tells whether some subgraph links the specification, whether or not it composes its directives.
func (g *Merged) Links(identity string) bool {
	for _, s := range g.m.schemas {
		if s.linkTo(identity) != nil {
			return true
		}
	}
	return false
}

// Composes tells whether the supergraph carries a directive (without "@") of a specification.
func (g *Merged) Composes(identity, name string) bool {
	for _, f := range g.m.features {
		if f.identity != identity {
			continue
		}
		for _, i := range f.imports {
			if i.name == "@"+name {
				return true
			}
		}
	}
	return false
}

// Uncomposed is a directive of a linked specification that a subgraph applies and does not ask to be composed.
type Uncomposed struct{ Subgraph, Directive string }

// Uncomposed lists the directives of a specification that some subgraph applies without @composeDirective, so that they
// do not reach the supergraph.
func (g *Merged) Uncomposed(identity string) []Uncomposed {
	var out []Uncomposed
	for i, s := range g.m.schemas {
		if s.linkTo(identity) == nil {
			continue
		}
		seen := map[string]bool{}
		s.eachApplied(func(_ ast.DirectiveLocation, _ string, applied *[]*directive) {
			for _, d := range *applied {
				l, _ := s.element("@" + d.name)
				if l == nil || l.identity != identity || g.m.carried[i][d.name] != nil || seen[d.name] {
					continue
				}
				seen[d.name] = true
				out = append(out, Uncomposed{s.name, d.name})
			}
		})
	}
	return out
}

// Directive gives the application of a directive of a specification, nil when there is none.
func Directive(list []MergedDirective, spec, name string) *MergedDirective {
	for i := range list {
		if list[i].Spec == spec && list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}
