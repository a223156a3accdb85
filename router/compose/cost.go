package compose

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// checkCosts checks @cost and @listSize (IBM's cost directive specification, as Federation 2.9 has it).
func (s *schema) checkCosts() []Error {
	var errs []Error
	for _, t := range s.order {
		if !t.hasFields() {
			continue
		}
		for _, f := range t.fields {
			if d := fed(f.applied, "cost"); d != nil && t.kind == ast.Interface {
				errs = append(errs, s.errorf(codeCostOnInterfaceField, d.pos, "@cost cannot be applied to interface %q", f.coordinate()))
			}
			if d := fed(f.applied, "listSize"); d != nil {
				errs = append(errs, s.checkListSize(f, d)...)
			}
		}
	}
	return errs
}

func (s *schema) checkListSize(f *fieldDef, d *directive) []Error {
	var errs []Error
	add := func(code, format string, args ...any) { errs = append(errs, s.errorf(code, d.pos, format, args...)) }
	sized := strings0(d.arg("sizedFields"))
	if len(sized) == 0 && f.typ.Elem == nil {
		add(codeListSizeOnNonList, "%q is not a list", f.coordinate())
	}
	if v := d.arg("assumedSize"); v != nil && v.Kind == ast.IntValue && v.Raw[0] == '-' {
		add(codeListSizeAssumed, "Assumed size of %q cannot be negative", f.coordinate())
	}
	for _, name := range strings0(d.arg("slicingArguments")) {
		a := f.arg(name)
		if a == nil {
			add(codeListSizeSlicingArgument, "Slicing argument %q is not an argument of %q", name, f.coordinate())
		} else if a.typ.Elem != nil || a.typ.NamedType != "Int" {
			add(codeListSizeSlicingArgument, "Slicing argument \"%s(%s:)\" must be Int or Int!", f.coordinate(), name)
		}
	}
	if len(sized) == 0 {
		return errs
	}
	parent := s.types[f.typ.Name()]
	if !parent.composite() {
		add(codeListSizeSizedField, "Sized fields cannot be used because %q is not a composite type", f.typ)
		return errs
	}
	for _, name := range sized {
		var field *fieldDef
		if parent.hasFields() {
			field = parent.field(name)
		}
		if field == nil {
			add(codeListSizeSizedField, "Sized field %q is not a field on type %q", name, parent.name)
		} else if field.typ.Elem == nil {
			add(codeListSizeOnNonList, "Sized field %q is not a list", field.coordinate())
		}
	}
	return errs
}

// strings0 gives the strings of a list literal, none when there is no list.
func strings0(v *ast.Value) []string {
	if v == nil {
		return nil
	}
	if isString(v) {
		return []string{v.Raw}
	}
	var out []string
	for _, c := range v.Children {
		if isString(c.Value) {
			out = append(out, c.Value.Raw)
		}
	}
	return out
}
