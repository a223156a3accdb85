package compose

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// maxFieldSetTokens bounds one field set.
const maxFieldSetTokens = 50_000

// selection is a part of a field set: a field, or an inline fragment.
type selection struct {
	parent     *typeDef
	field      *fieldDef // nil for __typename and for fragments
	typename   bool
	on         *typeDef // of a fragment: its condition, nil when it has none
	name       string
	alias      string
	args       ast.ArgumentList
	sub        []*selection
	directives ast.DirectiveList
}

// fragment tells whether the selection is an inline fragment.
func (n *selection) fragment() bool { return n.field == nil && !n.typename }

// fieldSetError says why a field set is invalid; code is "" where the directive's own code is meant.
type fieldSetError struct{ code, message string }

// parseFieldSet reads a field set and finds its fields on the type parent. It stops at the first error. visit is
// called for each field and may refuse it.
func (s *schema) parseFieldSet(parent *typeDef, text string, visit func(*fieldDef) *fieldSetError) ([]*selection, *fieldSetError) {
	return s.readFieldSet(parent, text, visit, true)
}

// readFieldSet is parseFieldSet; unless it is strict it looks at no arguments and directives, and allows objects without
// a selection.
func (s *schema) readFieldSet(parent *typeDef, text string, visit func(*fieldDef) *fieldSetError, strict bool) ([]*selection, *fieldSetError) {
	if !strings.HasPrefix(strings.TrimSpace(text), "{") {
		text = "{" + text + "}"
	}
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: text}, maxFieldSetTokens)
	if err != nil {
		return nil, &fieldSetError{message: "Syntax Error: " + strings.TrimPrefix(err.Error(), "input:")}
	}
	if len(doc.Operations) != 1 || len(doc.Fragments) > 0 || doc.Operations[0].Operation != ast.Query {
		return nil, &fieldSetError{message: "it must be one selection set"}
	}
	r := &fieldSetReader{s: s, visit: visit, strict: strict}
	set, problem := r.selections(parent, doc.Operations[0].SelectionSet)
	if problem == nil {
		problem = r.empty
	}
	return set, problem
}

// fieldsOf gives the fields of a field set, up to the first that is wrong with it.
func (s *schema) fieldsOf(parent *typeDef, text string) []*fieldDef {
	var out []*fieldDef
	s.readFieldSet(parent, text, func(f *fieldDef) *fieldSetError {
		out = append(out, f)
		return nil
	}, false)
	return out
}

// fieldSetReader finds the fields of one field set.
type fieldSetReader struct {
	s      *schema
	visit  func(*fieldDef) *fieldSetError
	strict bool
	// empty is about the first object without a selection; it is told when nothing else is wrong.
	empty *fieldSetError
}

func (r *fieldSetReader) selections(parent *typeDef, set ast.SelectionSet) ([]*selection, *fieldSetError) {
	if len(set) == 0 {
		return nil, &fieldSetError{message: "Syntax Error: Expected Name, found \"}\"."}
	}
	var out []*selection
	for _, item := range set {
		switch item := item.(type) {
		case *ast.FragmentSpread:
			return nil, &fieldSetError{message: sprintf("Cannot find fragment name %q (no fragments were provided)", item.Name)}
		case *ast.InlineFragment:
			n := &selection{parent: parent, directives: item.Directives}
			under := parent
			if item.TypeCondition != "" {
				under = r.s.types[item.TypeCondition]
				if under == nil || !under.composite() {
					return nil, &fieldSetError{message: sprintf("Unknown type %q in an inline fragment", item.TypeCondition)}
				}
				n.on = under
			}
			if err := r.s.knownDirectives(item.Directives); err != nil && r.strict {
				return nil, err
			}
			var err *fieldSetError
			if n.sub, err = r.selections(under, item.SelectionSet); err != nil {
				return nil, err
			}
			out = append(out, n)
		case *ast.Field:
			n, err := r.field(parent, item)
			if err != nil {
				return nil, err
			}
			out = append(out, n)
		}
	}
	return out, nil
}

func (r *fieldSetReader) field(parent *typeDef, item *ast.Field) (*selection, *fieldSetError) {
	n := &selection{parent: parent, name: item.Name, args: item.Arguments, directives: item.Directives}
	if item.Alias != item.Name {
		n.alias = item.Alias
	}
	if err := r.s.knownDirectives(item.Directives); err != nil && r.strict {
		return nil, err
	}
	if item.Name == "__typename" {
		n.typename = true
		if len(item.SelectionSet) > 0 {
			return nil, &fieldSetError{message: "__typename has no subfields"}
		}
		return n, nil
	}
	f := parent.field(item.Name)
	if f == nil || !parent.hasFields() {
		return nil, &fieldSetError{message: sprintf("Cannot query field %q on type %q (if the field is defined in another subgraph, you need to add it to this subgraph with @external).", item.Name, parent.name)}
	}
	n.field = f
	if r.visit != nil {
		if err := r.visit(f); err != nil {
			return nil, err
		}
	}
	if r.strict {
		if err := r.s.checkArguments(f, item.Arguments); err != nil {
			return nil, err
		}
	}
	t := r.s.types[f.typ.Name()]
	if !t.composite() {
		if len(item.SelectionSet) > 0 {
			return nil, &fieldSetError{message: sprintf("Field %q has no subfields, as its type is %s", f.coordinate(), f.typ)}
		}
		return n, nil
	}
	if len(item.SelectionSet) == 0 {
		if r.strict && r.empty == nil {
			r.empty = &fieldSetError{message: sprintf("Invalid empty selection set for field %q of non-leaf type %s", f.coordinate(), f.typ)}
		}
		return n, nil
	}
	var err *fieldSetError
	n.sub, err = r.selections(t, item.SelectionSet)
	return n, err
}

func (s *schema) knownDirectives(list ast.DirectiveList) *fieldSetError {
	for _, d := range list {
		if s.directives[d.Name] == nil {
			return &fieldSetError{message: sprintf("Unknown directive \"@%s\"", d.Name)}
		}
	}
	return nil
}

func (s *schema) checkArguments(f *fieldDef, args ast.ArgumentList) *fieldSetError {
	for _, a := range args {
		def := f.arg(a.Name)
		if def == nil {
			return &fieldSetError{message: sprintf("Unknown argument %q found in value: %q has no argument named %q", a.Name, f.coordinate(), a.Name)}
		}
		if !s.validValue(a.Value, def.typ) {
			return &fieldSetError{message: sprintf("Invalid value %s for argument \"%s(%s:)\" of type %s", printValue(a.Value), f.coordinate(), a.Name, def.typ)}
		}
	}
	for _, a := range f.args {
		if required(a.typ, a.value) && args.ForName(a.name) == nil {
			return &fieldSetError{message: sprintf("Missing mandatory value for argument %q of field %q", a.name, f.coordinate())}
		}
	}
	return nil
}

// eachField calls f for all fields of a field set, from the outside in.
func eachField(set []*selection, f func(*selection)) {
	for _, n := range set {
		if n.field != nil {
			f(n)
		}
		eachField(n.sub, f)
	}
}

// printFieldSet writes a field set on one line.
func printFieldSet(set []*selection) string {
	var b strings.Builder
	for i, n := range set {
		if i > 0 {
			b.WriteByte(' ')
		}
		switch {
		case n.fragment():
			b.WriteString("...")
			if n.on != nil {
				b.WriteString(" on " + n.on.name)
			}
		default:
			if n.alias != "" {
				b.WriteString(n.alias + ": ")
			}
			b.WriteString(n.name)
			if len(n.args) > 0 {
				b.WriteByte('(')
				for j, a := range n.args {
					if j > 0 {
						b.WriteString(", ")
					}
					b.WriteString(a.Name + ": " + printValue(a.Value))
				}
				b.WriteByte(')')
			}
		}
		if len(n.sub) > 0 {
			b.WriteString(" { " + printFieldSet(n.sub) + " }")
		}
	}
	return b.String()
}

// fieldSetRules are what distinguishes @key, @requires and @provides.
type fieldSetRules struct {
	directive string // as Federation calls it
	prefix    string // of the codes
	// leafExternal demands that the leaves are external, or below something external.
	leafExternal bool
	allowArgs    bool
	visit        func(*fieldDef) *fieldSetError
}

// checkFieldSet checks one application of a directive with a field set. where names the place in messages.
func (s *schema) checkFieldSet(r fieldSetRules, d *directive, target *typeDef, where string) ([]*selection, []Error) {
	shown := "@" + d.name
	if v := d.arg("fields"); v != nil {
		shown += "(fields: " + printValue(v) + ")"
	}
	errorf := func(code, format string, args ...any) Error {
		return s.errorf(code, d.pos, "On %s, for %s: %s", where, shown, sprintf(format, args...))
	}
	v := d.arg("fields")
	if v == nil || !isString(v) {
		return nil, []Error{errorf(r.prefix+"_INVALID_FIELDS_TYPE", "Invalid value for argument \"fields\": must be a string.")}
	}
	set, err := s.parseFieldSet(target, v.Raw, r.visit)
	if err != nil {
		code := err.code
		if code == "" {
			code = r.prefix + "_INVALID_FIELDS"
		}
		return nil, []Error{errorf(code, "%s", err.message)}
	}
	if alias := firstAlias(set); alias != nil {
		return nil, []Error{errorf(r.prefix+"_INVALID_FIELDS", "Cannot use alias %q for %q: aliases are not supported in @%s", alias.alias, alias.name, d.name)}
	}
	var errs []Error
	var walk func(set []*selection, external bool)
	walk = func(set []*selection, external bool) {
		for _, n := range set {
			if len(n.directives) > 0 {
				errs = append(errs, errorf(r.prefix+"_DIRECTIVE_IN_FIELDS_ARG", "cannot have directive applications in the @%s(fields:) argument but found @%s.", d.name, n.directives[0].Name))
			}
			if n.fragment() {
				walk(n.sub, external)
				continue
			}
			below := external
			if n.field != nil {
				below = external || s.external(n.field)
				if !below && n.parent.kind == ast.Interface && len(n.sub) > 0 {
					for _, o := range s.possible(n.parent) {
						f := o.field(n.name)
						below = below || f != nil && s.external(f)
					}
				}
				if len(n.field.args) > 0 && !r.allowArgs {
					errs = append(errs, errorf(r.prefix+"_FIELDS_HAS_ARGS", "field %s cannot be included because it has arguments (fields with argument are not allowed in @%s)", n.field.coordinate(), d.name))
				}
			}
			if len(n.sub) > 0 {
				walk(n.sub, below)
			} else if r.leafExternal && !below {
				errs = append(errs, errorf(r.prefix+"_FIELDS_MISSING_EXTERNAL", "field \"%s.%s\" should not be part of a @%s since it is already provided by this subgraph (it is not marked @external)", n.parent.name, n.name, d.name))
			}
		}
	}
	walk(set, false)
	return set, errs
}

func firstAlias(set []*selection) *selection {
	for _, n := range set {
		if n.alias != "" {
			return n
		}
		if a := firstAlias(n.sub); a != nil {
			return a
		}
	}
	return nil
}

// canonical writes a field set so that equal sets are written equally whatever their order.
func canonical(set []*selection) string {
	parts := map[string]bool{}
	for _, n := range set {
		p := n.name
		if n.fragment() {
			p = "..."
			if n.on != nil {
				p += n.on.name
			}
		}
		if len(n.sub) > 0 {
			p += "{" + canonical(n.sub) + "}"
		}
		parts[p] = true
	}
	return strings.Join(sortedKeys(parts), " ")
}
