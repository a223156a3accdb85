package differential_test

import (
	"encoding/json"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/lethe/lethe/router/supergraph"
)

// wrong is a value that is not of its type, as JSON: what a subgraph answers that does not keep to its own schema. Null is
// wrong where the type takes none. Nothing at all is a field that the answer lacks.
type wrong struct{ text string }

// omitted stands for a field that an answer lacks.
const omitted = omission(0)

type omission int

// null reports whether the value is no more than missing.
func (w wrong) null() bool { return w.text == "" || w.text == "null" }

// wrong completes a value as section 6.4.3 says: what cannot be coerced is null, with an error.
func (w *whole) wrong(e *executor, at position, v wrong) (done any, failed bool) {
	if v.null() {
		return nil, false
	}
	e.fail(at, v.text+" is no value of the type")
	return nil, true
}

// wrong answers with the value as it is.
func (a *answering) wrong(_ *executor, _ position, v wrong) (done any, failed bool) {
	if v.text == "" {
		return omitted, false
	}
	return json.RawMessage(v.text), false
}

// exact reports whether a field has the same type in every interface of its object: where an interface promises less, a
// router that was not asked which object it is does not know that null is none of its values.
func (u *universe) exact(t *supergraph.Type, field string, typ *ast.Type) bool {
	for _, i := range u.sg.Types() {
		if i.Kind != supergraph.Interface {
			continue
		}
		for _, p := range i.Possible {
			if f := i.Field(field); p == t && f != nil && f.Type.String() != typ.String() && u.leaf(typ) {
				return false
			}
		}
	}
	return true
}

func (u *universe) leaf(typ *ast.Type) bool {
	t := u.sg.Type(typ.Name())
	return t == nil || !t.IsComposite()
}

// spoil makes a value one that is not of its type, or an element of a list.
func (u *universe) spoil(typ *ast.Type, v any, h uint32) any {
	if list, ok := v.([]any); ok && typ.Elem != nil && len(list) > 0 && h%3 > 0 {
		h /= 3
		list[h%uint32(len(list))] = u.spoil(typ.Elem, list[h%uint32(len(list))], u.hash(h, "element"))
		return list
	}
	h /= 3
	var texts []string
	t := u.sg.Type(typ.Name())
	switch {
	case typ.Elem != nil:
		texts = []string{`"text"`, `7`, `{}`, `{"a":[1]}`, `true`}
	case t != nil && t.IsComposite():
		texts = []string{`"text"`, `7`, `[]`, `[{}]`, `true`, `["id"]`}
	case t != nil && t.Kind == supergraph.Enum:
		texts = []string{`"NOBODY"`, `7`, `true`, `{}`, `["X"]`, `""`}
	default:
		texts = map[string][]string{
			"Int":     {`"7"`, `1.5`, `true`, `{}`, `[1]`, `{"a":1}`},
			"Float":   {`"1.5"`, `false`, `{}`, `[1.5]`},
			"Boolean": {`0`, `"true"`, `[]`, `{"a":true}`},
			"String":  {`7`, `true`, `{}`, `["x"]`, `-1.5`},
			"ID":      {`true`, `{}`, `[1]`, `{"id":"1"}`},
		}[typ.Name()]
	}
	if typ.NonNull {
		texts = append(texts, "null", "")
	}
	if len(texts) == 0 {
		return v // a custom scalar's is never wrong
	}
	return wrong{texts[h%uint32(len(texts))]}
}

func (w *whole) disguise(thing) *string { return nil }

func (a *answering) disguise(o thing) *string { return a.u.disguised(o) }

// disguised gives what an object that stands where an abstract type is declared has for a __typename, nil for the truth.
func (u *universe) disguised(o thing) *string {
	if u.faults.types == 0 {
		return nil
	}
	h := u.hash("disguise", o)
	if h%u.faults.types > 0 {
		return nil
	}
	text := []string{`"Nobody"`, `null`, `7`, `""`, `{}`, `"Int"`, ""}[h/u.faults.types%7]
	return &text
}
