package compose

import (
	"regexp"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

var (
	contextNameRE = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*$`)
	contextRefRE  = regexp.MustCompile(`(?s)^\s*\$\s*([A-Za-z_][A-Za-z0-9_]*)(\s*\S.*)$`)
)

// splitContext splits "$name { selection }". ok is false when it names no context or selects nothing.
func splitContext(text string) (name, sel string, ok bool) {
	m := contextRefRE.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}

// contextSetters gives the types that set each context, in the order of the schema.
func (s *schema) contextSetters() map[string][]*typeDef {
	out := map[string][]*typeDef{}
	for _, t := range s.order {
		for _, d := range fedApplied(t.applied, "context") {
			n := d.str("name")
			if list := out[n]; len(list) == 0 || list[len(list)-1] != t {
				out[n] = append(list, t)
			}
		}
	}
	return out
}

// contextual gives the value of an argument's @fromContext.
func contextual(a *argDef) (string, bool) {
	d := fed(a.applied, "fromContext")
	if d == nil {
		return "", false
	}
	return d.str("field"), true
}

// contextUses marks the fields that contexts select as used.
func (s *schema) contextUses() {
	setters := s.contextSetters()
	for _, t := range s.order {
		for _, f := range t.fields {
			for _, a := range f.args {
				text, ok := contextual(a)
				if !ok {
					continue
				}
				name, sel, ok := splitContext(text)
				if !ok {
					continue
				}
				for _, setter := range setters[name] {
					set, err := s.parseFieldSet(setter, sel, nil)
					if err != nil {
						continue
					}
					eachField(set, func(n *selection) {
						s.used[n.field] = true
						if n.parent.kind == ast.Interface {
							for _, o := range s.possible(n.parent) {
								if f := o.field(n.name); f != nil {
									s.used[f] = true
								}
							}
						}
					})
				}
			}
		}
	}
}

// checkContexts checks @context and @fromContext.
func (s *schema) checkContexts() []Error {
	var errs []Error
	for _, t := range s.order {
		for _, d := range fedApplied(t.applied, "context") {
			name := d.str("name")
			switch {
			case strings.Contains(name, "_"):
				errs = append(errs, s.errorf(codeContextNameInvalid, d.pos, "Context name %q may not contain an underscore.", name))
			case !contextNameRE.MatchString(name):
				errs = append(errs, s.errorf(codeContextNameInvalid, d.pos, "Context name %q is invalid. It should have only alphanumeric characters and begin with a letter.", name))
			}
		}
	}
	setters := s.contextSetters()
	for _, def := range s.dirOrder {
		for _, a := range def.args {
			if _, ok := contextual(a); ok {
				errs = append(errs, s.errorf(codeContextNotSet, a.pos, "@fromContext argument cannot be used on a directive definition \"@%s(%s:)\".", def.name, a.name))
			}
		}
	}
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			for _, a := range f.args {
				if text, ok := contextual(a); ok {
					errs = append(errs, s.checkFromContext(f, a, text, setters)...)
				}
			}
		}
	}
	return errs
}

func (s *schema) checkFromContext(f *fieldDef, a *argDef, text string, setters map[string][]*typeDef) []Error {
	coordinate := f.coordinate() + "(" + a.name + ":)"
	one := func(code, format string, args ...any) []Error { return []Error{s.errorf(code, a.pos, format, args...)} }
	if f.parent.kind != ast.Object {
		return one(codeContextNotSet, "@fromContext argument cannot be used on a field that exists on an abstract type %q.", coordinate)
	}
	var errs []Error
	for _, i := range f.parent.interfaces {
		if it := s.types[i.name]; it != nil && it.field(f.name) != nil {
			errs = append(errs, one(codeContextNotSet, "@fromContext argument cannot be used on a field implementing an interface field %q.", i.name+"."+f.name)...)
		}
	}
	if a.value != nil {
		errs = append(errs, one(codeContextNotSet, "@fromContext arguments may not have a default value: %q.", coordinate)...)
	}
	name, sel, ok := splitContext(text)
	if !ok {
		return append(errs, one(codeNoContextInSelection, "@fromContext argument does not reference a context %q.", text)...)
	}
	if len(setters[name]) == 0 {
		errs = append(errs, one(codeContextNotSet, "Context %q is used at location %q but is never set.", name, coordinate)...)
	} else if problem := s.contextSelection(sel, a.typ, setters[name]); problem != "" {
		errs = append(errs, one(codeContextInvalidSelection, "Context %q is used in %q but the selection is invalid: %s", name, coordinate, problem)...)
	}
	resolvable := false
	for _, k := range fedApplied(f.parent.applied, "key") {
		resolvable = resolvable || isResolvable(k)
	}
	if !resolvable {
		errs = append(errs, one(codeContextNoResolvableKey, "Object %q has no resolvable key but has a field with a contextual argument.", f.parent.name)...)
	}
	return errs
}

// contextSelection checks the selection of a @fromContext: for every type that sets the context it must lead to exactly one
// field, whose value the argument accepts.
func (s *schema) contextSelection(sel string, arg *ast.Type, setters []*typeDef) string {
	if !strings.HasPrefix(strings.TrimSpace(sel), "{") {
		sel = "{" + sel + "}"
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: sel}, maxFieldSetTokens)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "input:")
	}
	if len(doc.Operations) != 1 || len(doc.Fragments) > 0 {
		return "it must be one selection set"
	}
	set := doc.Operations[0].SelectionSet
	conditions := map[string]ast.SelectionSet{}
	plain := 0
	for _, item := range set {
		switch item := item.(type) {
		case *ast.InlineFragment:
			if item.TypeCondition == "" {
				return "inline fragments must have type conditions"
			}
			conditions[item.TypeCondition] = append(conditions[item.TypeCondition], item.SelectionSet...)
		default:
			plain++
		}
	}
	if plain > 0 && len(conditions) > 0 || plain > 1 {
		return "multiple selections are made"
	}
	used := map[string]bool{}
	for _, setter := range setters {
		chosen := set
		if len(conditions) > 0 {
			chosen = nil
			for _, name := range sortedKeys(conditions) {
				if t := s.types[name]; t != nil && s.overlaps(t, setter) {
					chosen = append(chosen, conditions[name]...)
					used[name] = true
					setter = t
				}
			}
			if len(chosen) == 0 {
				return sprintf("no type condition matches the location %q", setter.name)
			}
		}
		if problem := s.contextLeaf(setter, chosen, arg); problem != "" {
			return problem
		}
	}
	for _, name := range sortedKeys(conditions) {
		if !used[name] {
			return sprintf("type condition %q is never used.", name)
		}
	}
	return ""
}

// overlaps tells whether an object can be of both types.
func (s *schema) overlaps(a, b *typeDef) bool {
	for _, x := range s.possible(a) {
		for _, y := range s.possible(b) {
			if x == y {
				return true
			}
		}
	}
	return a == b
}

func (s *schema) contextLeaf(on *typeDef, set ast.SelectionSet, arg *ast.Type) string {
	r := &fieldSetReader{s: s, strict: true}
	parsed, err := r.selections(on, set)
	if err == nil {
		err = r.empty
	}
	if err != nil {
		return sprintf("it is invalid for type %s. Error: %s", on.name, err.message)
	}
	list := false
	nullable := false
	for {
		if len(parsed) != 1 || parsed[0].fragment() {
			if len(parsed) == 1 && len(parsed[0].directives) == 0 {
				parsed = parsed[0].sub
				continue
			}
			return "multiple selections are made"
		}
		n := parsed[0]
		if n.alias != "" {
			return "aliases are not allowed in the selection"
		}
		if len(n.directives) > 0 {
			return "directives are not allowed in the selection"
		}
		typ := ast.NonNullNamedType("String", nil)
		if n.field != nil {
			typ = n.field.typ
		}
		if len(n.sub) == 0 {
			if nullable && typ.NonNull {
				c := *typ
				c.NonNull = false
				typ = &c
			}
			if list {
				typ = ast.ListType(typ, nil)
			}
			if !assignable(arg, typ) {
				return sprintf("the type of the selection %q does not match the expected type %q", typ, arg)
			}
			return ""
		}
		nullable = nullable || !typ.NonNull
		list = list || typ.Elem != nil
		parsed = n.sub
	}
}

// assignable tells whether a value of type have may be passed where want is asked for.
func assignable(want, have *ast.Type) bool {
	if want.NonNull && !have.NonNull {
		return false
	}
	if (want.Elem == nil) != (have.Elem == nil) {
		return false
	}
	if want.Elem != nil {
		return assignable(want.Elem, have.Elem)
	}
	return want.NamedType == have.NamedType
}
