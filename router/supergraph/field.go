package supergraph

import (
	"fmt"
	"slices"
	"sort"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

func (r *reader) readField(t *Type, def *ast.FieldDefinition, owner GraphID) (*Field, error) {
	f := &Field{Name: def.Name, Type: def.Type}
	for _, a := range def.Arguments {
		arg := &Argument{Name: a.Name, Type: a.Type, Default: a.DefaultValue}
		for _, d := range a.Directives {
			arg.Directives, arg.Inaccessible = r.apply(arg.Directives, arg.Inaccessible, d)
		}
		f.Arguments = append(f.Arguments, arg)
	}
	joined := false
	overrides := map[GraphID]override{}
	for _, d := range def.Directives {
		if local := r.join(d); local == "" {
			f.Directives, f.Inaccessible = r.apply(f.Directives, f.Inaccessible, d)
			continue
		} else if local != "field" {
			continue
		}
		joined = true
		if stringArgument(d, "graph") == "" {
			continue
		}
		s, from, err := r.readSource(def, d)
		if err != nil {
			return nil, err
		}
		if f.Source(s.Graph) != nil {
			return nil, fmt.Errorf("it has two @join__field for the subgraph %s", r.sg.subgraphs[s.Graph].Name)
		}
		if t.Membership(s.Graph) == nil {
			return nil, fmt.Errorf("it has a @join__field for the subgraph %s, which has no @join__type on the type", r.sg.subgraphs[s.Graph].Name)
		}
		if from != nil {
			if g, ok := r.graphs[from.from]; ok {
				overrides[g] = override{by: s.Graph, label: from.label}
			}
			s.Label, s.LabelActive = from.label, true
		}
		f.Sources = append(f.Sources, *s)
	}
	if !joined {
		f.Sources = r.impliedSources(t, def, owner)
	} else if r.first {
		// Join 0.1 names the owner alone even for the fields of keys, which all subgraphs have that have the key.
		for _, m := range t.In {
			if f.Source(m.Graph) == nil && keyMentions(m.Keys, def.Name) {
				f.Sources = append(f.Sources, Source{Graph: m.Graph, Type: def.Type})
			}
		}
	}
	for i := range f.Sources {
		s := &f.Sources[i]
		if o, ok := overrides[s.Graph]; ok && o.by != s.Graph {
			if o.label == "" {
				s.Overridden = true
			} else {
				s.Label, s.LabelActive = o.label, false
			}
		}
	}
	sort.SliceStable(f.Sources, func(i, j int) bool { return f.Sources[i].Graph < f.Sources[j].Graph })
	return f, nil
}

// override is one side of an @override: from names the subgraph that loses the field, by is the one that takes it.
type override struct {
	from  string
	by    GraphID
	label string
}

// impliedSources gives the sources of a field without any @join__field: every subgraph that knows the type resolves
// it, but in join 0.1 an entity's fields belong to its owner and the fields of its keys to all.
func (r *reader) impliedSources(t *Type, def *ast.FieldDefinition, owner GraphID) []Source {
	var out []Source
	for _, m := range t.In {
		if owner >= 0 && m.Graph != owner && !keyMentions(m.Keys, def.Name) {
			continue
		}
		out = append(out, Source{Graph: m.Graph, Type: def.Type})
	}
	return out
}

func keyMentions(keys []Key, field string) bool {
	for _, k := range keys {
		for _, s := range k.Fields {
			if s.Field == field {
				return true
			}
		}
	}
	return false
}

func (r *reader) readSource(def *ast.FieldDefinition, d *ast.Directive) (*Source, *override, error) {
	g, err := r.graph(d)
	if err != nil {
		return nil, nil, err
	}
	name := r.sg.subgraphs[g].Name
	s := &Source{Graph: g, Type: def.Type, External: boolArgument(d, "external")}
	if typ := stringArgument(d, "type"); typ != "" {
		if s.Type, err = parseType(typ); err != nil {
			return nil, nil, fmt.Errorf("type %q in the subgraph %s: %w", typ, name, err)
		}
	}
	if set := stringArgument(d, "requires"); set != "" {
		if s.Requires, err = ParseFieldSet(set); err != nil {
			return nil, nil, fmt.Errorf("requires in the subgraph %s: %w", name, err)
		}
	}
	if set := stringArgument(d, "provides"); set != "" {
		if s.Provides, err = ParseFieldSet(set); err != nil {
			return nil, nil, fmt.Errorf("provides in the subgraph %s: %w", name, err)
		}
	}
	s.Overridden = boolArgument(d, "usedOverridden") && stringArgument(d, "overrideLabel") == ""
	if s.Contexts, err = readContextArguments(d); err != nil {
		return nil, nil, fmt.Errorf("contextArguments in the subgraph %s: %w", name, err)
	}
	var from *override
	if o := stringArgument(d, "override"); o != "" {
		from = &override{from: o, label: stringArgument(d, "overrideLabel")}
	}
	return s, from, nil
}

func readContextArguments(d *ast.Directive) ([]ContextArgument, error) {
	a := d.Arguments.ForName("contextArguments")
	if a == nil || a.Value == nil {
		return nil, nil
	}
	var out []ContextArgument
	for _, item := range a.Value.Children {
		if item.Value == nil {
			continue
		}
		var c ContextArgument
		for _, field := range item.Value.Children {
			if field.Value == nil {
				continue
			}
			var err error
			switch field.Name {
			case "name":
				c.Name = field.Value.Raw
			case "type":
				c.Type = field.Value.Raw
			case "context":
				c.Context = field.Value.Raw
			case "selection":
				c.Selection, err = ParseFieldSet(field.Value.Raw)
			}
			if err != nil {
				return nil, err
			}
		}
		if c.Name == "" || c.Context == "" || len(c.Selection) == 0 {
			return nil, fmt.Errorf("each needs a name, a context and a selection")
		}
		out = append(out, c)
	}
	return out, nil
}

// parseType reads a type reference such as "[ID!]!".
func parseType(text string) (*ast.Type, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: "type reference", Input: "type T { f: " + text + "\n}"})
	if err != nil {
		return nil, fmt.Errorf("not a type reference: %w", err)
	}
	if len(doc.Definitions) != 1 || len(doc.Definitions[0].Fields) != 1 {
		return nil, fmt.Errorf("not a type reference")
	}
	return doc.Definitions[0].Fields[0].Type, nil
}

// link resolves what refers to other types: possible types, and that every named type exists.
func (r *reader) link() error {
	builtin := map[string]bool{"Int": true, "Float": true, "String": true, "Boolean": true, "ID": true}
	possible := map[string]map[string]bool{}
	add := func(abstract, object string) {
		if possible[abstract] == nil {
			possible[abstract] = map[string]bool{}
		}
		possible[abstract][object] = true
	}
	for _, t := range r.sg.order {
		for _, f := range t.Fields {
			if name := f.Type.Name(); r.sg.types[name] == nil && !builtin[name] {
				return fmt.Errorf("field %s.%s has the type %s, which is not defined", t.Name, f.Name, name)
			}
			for _, s := range f.Sources {
				if name := s.Type.Name(); r.sg.types[name] == nil && !builtin[name] {
					return fmt.Errorf("field %s.%s has the type %s in the subgraph %s, which is not defined", t.Name, f.Name, name, r.sg.subgraphs[s.Graph].Name)
				}
			}
		}
		for _, i := range t.Implements {
			if it := r.sg.types[i.Interface]; it == nil || it.Kind != Interface {
				return fmt.Errorf("type %s implements %q, which is not an interface", t.Name, i.Interface)
			}
			if t.Kind == Object {
				add(i.Interface, t.Name)
			}
		}
		for _, m := range t.Members {
			if o := r.sg.types[m.Type]; o == nil || o.Kind != Object {
				return fmt.Errorf("union %s has the member %q, which is not an object type", t.Name, m.Type)
			}
			add(t.Name, m.Type)
		}
	}
	for _, t := range r.sg.order {
		if t.Kind == Object {
			t.Possible = []*Type{t}
			continue
		}
		for name := range possible[t.Name] {
			t.Possible = append(t.Possible, r.sg.types[name])
		}
		sort.Slice(t.Possible, func(i, j int) bool { return t.Possible[i].Name < t.Possible[j].Name })
	}
	return nil
}

// settleFieldSets writes the field sets of subgraphs over the supergraph's types.
func (r *reader) settleFieldSets() {
	for _, t := range r.sg.order {
		for i := range t.In {
			m := &t.In[i]
			for k := range m.Keys {
				m.Keys[k].Fields = m.Keys[k].Fields.over(r.sg, t, m.Graph)
			}
		}
		for _, f := range t.Fields {
			for i := range f.Sources {
				s := &f.Sources[i]
				s.Requires = s.Requires.over(r.sg, t, s.Graph)
				if below := r.sg.types[s.Type.Name()]; below != nil {
					s.Provides = s.Provides.over(r.sg, below, s.Graph)
				}
				for c := range s.Contexts {
					r.settleContext(&s.Contexts[c], s.Graph)
				}
			}
		}
	}
}

// settleContext does so for what a subgraph reads of the types that set a context.
func (r *reader) settleContext(c *ContextArgument, g GraphID) {
	for _, t := range r.sg.order {
		if slices.Contains(t.Contexts, c.Context) {
			c.Selection = c.Selection.over(r.sg, t, g)
		}
	}
}

// markProvided adds the fields that @provides names as external ones of the subgraph that provides them: later versions of the join
// specification say so themselves, 0.1 does not.
func (r *reader) markProvided() {
	var mark func(t *Type, set FieldSet, g GraphID)
	mark = func(t *Type, set FieldSet, g GraphID) {
		for _, sel := range set {
			if sel.Field == "" {
				if on := r.sg.types[sel.On]; on != nil {
					mark(on, sel.Selections, g)
				}
				continue
			}
			f := t.byName[sel.Field]
			if f == nil {
				continue
			}
			if f.Source(g) == nil && t.Membership(g) != nil {
				f.Sources = append(f.Sources, Source{Graph: g, Type: f.Type, External: true})
				sort.SliceStable(f.Sources, func(i, j int) bool { return f.Sources[i].Graph < f.Sources[j].Graph })
			}
			if below := r.sg.types[f.Type.Name()]; below != nil {
				mark(below, sel.Selections, g)
			}
		}
	}
	for _, t := range r.sg.order {
		for _, f := range t.Fields {
			for _, s := range f.Sources {
				if below := r.sg.types[s.Type.Name()]; below != nil {
					mark(below, s.Provides, s.Graph)
				}
			}
		}
	}
}

// checkFieldSets verifies all keys, requires, provides and context selections against the types.
func (r *reader) checkFieldSets() error {
	for _, t := range r.sg.order {
		for _, m := range t.In {
			for _, k := range m.Keys {
				if !t.IsComposite() {
					return fmt.Errorf("type %s has a key and is no composite type", t.Name)
				}
				if err := k.Fields.check(r.sg, t); err != nil {
					return fmt.Errorf("key %q of %s in the subgraph %s: %w", k.Fields, t.Name, r.sg.subgraphs[m.Graph].Name, err)
				}
			}
		}
		for _, f := range t.Fields {
			for _, s := range f.Sources {
				if err := s.Requires.check(r.sg, t); err != nil {
					return fmt.Errorf("%s.%s: requires %q in the subgraph %s: %w", t.Name, f.Name, s.Requires, r.sg.subgraphs[s.Graph].Name, err)
				}
				if len(s.Provides) == 0 {
					continue
				}
				out := r.sg.types[s.Type.Name()]
				if out == nil || !out.IsComposite() {
					return fmt.Errorf("%s.%s: provides %q in the subgraph %s on a field that is no object", t.Name, f.Name, s.Provides, r.sg.subgraphs[s.Graph].Name)
				}
				if err := s.Provides.check(r.sg, out); err != nil {
					return fmt.Errorf("%s.%s: provides %q in the subgraph %s: %w", t.Name, f.Name, s.Provides, r.sg.subgraphs[s.Graph].Name, err)
				}
			}
		}
	}
	return nil
}
