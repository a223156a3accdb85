package differential_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// writer writes a random operation that is nearly always valid.
type writer struct {
	r         *rand.Rand
	api       *ast.Schema
	budget    int
	variables []string // definitions
	given     []string // names, of those that may be given
	types     map[string]*ast.Type
	fallback  map[string]bool // those with a default
	fragments []string
	known     map[string]string // fragments by name, and the types that they are on
	n         int
	silent    bool // where anything else can be asked, nobody asks for a __typename
}

// operation is a random operation with the values to run it with.
type operation struct {
	text      string
	variables []map[string]any
}

func randomOperation(r *rand.Rand, api *ast.Schema) operation {
	w := &writer{r: r, api: api, budget: 8 + r.IntN(30), types: map[string]*ast.Type{}, fallback: map[string]bool{}, known: map[string]string{}}
	w.silent = w.r.IntN(3) > 0
	root, kind := api.Query, "query"
	if api.Mutation != nil && r.IntN(3) == 0 {
		root, kind = api.Mutation, "mutation"
	}
	return w.operation(kind, w.selection(root, 0))
}

// randomSubscription gives an operation on the root type of subscriptions, of which it asks one field.
func randomSubscription(r *rand.Rand, api *ast.Schema) operation {
	w := &writer{r: r, api: api, budget: 8 + r.IntN(30), types: map[string]*ast.Type{}, fallback: map[string]bool{}, known: map[string]string{}}
	w.silent = w.r.IntN(3) > 0
	f := api.Subscription.Fields[r.IntN(len(api.Subscription.Fields))]
	return w.operation("subscription", "{ "+w.head(api.Subscription, f).text+w.below(f.Type, 0)+" }")
}

// operation puts an operation together, and chooses values for its variables.
func (w *writer) operation(kind, body string) operation {
	for i := range w.fragments {
		body += "\n" + w.fragments[i]
	}
	head := kind
	if w.r.IntN(2) == 0 {
		head += " Op"
	}
	if len(w.variables) > 0 {
		head += "(" + strings.Join(w.variables, ", ") + ")"
	}
	op := operation{text: head + " " + body}
	settings := 1
	if len(w.variables) > 0 {
		settings = 3
	}
	for range settings {
		values := map[string]any{}
		for _, name := range w.given {
			if t := w.types[name]; t.NonNull && !w.fallback[name] || w.r.IntN(4) > 0 {
				values[name] = w.json(t, 0)
			}
		}
		op.variables = append(op.variables, values)
	}
	return op
}

func (w *writer) chance(one int) bool { return w.r.IntN(one) == 0 }

// condition writes @skip or @include now and then.
func (w *writer) condition() string {
	if w.r.IntN(9) > 0 {
		return ""
	}
	on := []string{"true", "false"}[w.r.IntN(2)]
	if w.r.IntN(6) > 0 {
		on = "$" + w.boolean()
	}
	out := " @" + []string{"skip", "include"}[w.r.IntN(2)] + "(if: " + on + ")"
	if w.chance(6) {
		out += " @" + map[bool]string{true: "include", false: "skip"}[strings.HasPrefix(out, " @skip")] + "(if: $" + w.boolean() + ")"
	}
	return out
}

func (w *writer) boolean() string {
	name := []string{"x", "y", "z"}[w.r.IntN(3)]
	if w.types[name] == nil {
		def := "$" + name + ": Boolean!"
		w.types[name] = ast.NonNullNamedType("Boolean", nil)
		if name == "z" {
			def += " = true"
			w.fallback[name] = true
		}
		w.variables, w.given = append(w.variables, def), append(w.given, name)
	}
	return name
}

// head is a field as it is written, without its conditions and what is selected of it.
type head struct {
	name string // the field's
	text string
}

// selection writes a selection set on a type.
func (w *writer) selection(t *ast.Definition, depth int) string {
	var b strings.Builder
	b.WriteString("{")
	wrote := false
	var heads []head
	for range 1 + w.r.IntN(4) {
		w.budget--
		text := ""
		switch {
		case len(heads) > 0 && w.chance(8):
			text = w.again(t, heads[w.r.IntN(len(heads))], depth)
		case depth < 8 && t.IsAbstractType() && w.chance(2), depth < 8 && w.chance(10):
			text = w.fragment(t, depth)
		case depth == 0 && t == w.api.Query && w.chance(12):
			text = w.introspection()
		default:
			var h head
			if h, text = w.field(t, depth); h.text != "" {
				heads = append(heads, h)
			}
		}
		if text != "" {
			b.WriteString(" " + text)
			wrote = true
		}
	}
	switch {
	case !wrote && w.silent:
		b.WriteString(" " + w.least(t))
	case !wrote || !w.silent && w.chance(4):
		b.WriteString(" __typename" + w.condition())
	}
	b.WriteString(" }")
	return b.String()
}

// again writes a field again under the same key: under another condition, of one of the types that the object may be, with
// something else selected.
func (w *writer) again(t *ast.Definition, h head, depth int) string {
	on := t
	if possible := w.api.GetPossibleTypes(t); t.IsAbstractType() && len(possible) > 0 && w.chance(2) {
		on = possible[w.r.IntN(len(possible))]
	}
	f := on.Fields.ForName(h.name)
	if f == nil || w.api.Types[f.Type.Name()].IsCompositeType() && (depth > 7 || w.budget < 0) {
		return ""
	}
	text := h.text + w.condition() + w.below(f.Type, depth)
	switch {
	case on != t:
		return "... on " + on.Name + w.condition() + " { " + text + " }"
	case w.chance(3):
		return "..." + w.condition() + " { " + text + " }"
	}
	return text
}

// least gives the least that can be asked of a type, its name only where there is nothing else.
func (w *writer) least(t *ast.Definition) string {
	for _, f := range t.Fields {
		required := slices.ContainsFunc(f.Arguments, func(a *ast.ArgumentDefinition) bool { return a.Type.NonNull && a.DefaultValue == nil })
		if !strings.HasPrefix(f.Name, "__") && !required && !w.api.Types[f.Type.Name()].IsCompositeType() {
			return f.Name
		}
	}
	if possible := w.api.GetPossibleTypes(t); t.IsAbstractType() && len(possible) > 0 {
		on := possible[w.r.IntN(len(possible))]
		return "... on " + on.Name + " { " + w.least(on) + " }"
	}
	return "__typename"
}

func (w *writer) introspection() string {
	names := []string{"Query", "E0", "V0", "I0", "U0", "Nobody"}
	return []string{"__schema { queryType { name } }", fmt.Sprintf("t%d: __type(name: %q) { kind name fields { name __typename } }", w.r.IntN(9), names[w.r.IntN(len(names))])}[w.r.IntN(2)]
}

// fragment writes an inline fragment or a spread.
func (w *writer) fragment(t *ast.Definition, depth int) string {
	on := t
	possible := w.api.GetPossibleTypes(t)
	if len(possible) > 0 && w.r.IntN(4) > 0 {
		on = possible[w.r.IntN(len(possible))]
		if w.chance(3) {
			if above := w.api.GetImplements(on); len(above) > 0 {
				on = above[w.r.IntN(len(above))]
			}
		}
	}
	if w.chance(3) {
		if w.chance(3) {
			for name, known := range w.known {
				if known == on.Name {
					return "..." + name + w.condition()
				}
			}
		}
		w.n++
		name := fmt.Sprintf("F%d", w.n)
		text := "fragment " + name + " on " + on.Name + " " + w.selection(on, depth+1)
		w.fragments = append(w.fragments, text)
		w.known[name] = on.Name
		return "..." + name + w.condition()
	}
	condition := "on " + on.Name
	if on == t && w.chance(2) {
		condition = ""
	}
	return "..." + condition + w.condition() + " " + w.selection(on, depth+1)
}

// field writes a field of a type, and gives what it begins with; "" where nothing can be asked any more.
func (w *writer) field(t *ast.Definition, depth int) (h head, text string) {
	var fields []*ast.FieldDefinition
	for _, f := range t.Fields {
		if !strings.HasPrefix(f.Name, "__") {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return head{}, w.least(t)
	}
	f := fields[w.r.IntN(len(fields))]
	if w.api.Types[f.Type.Name()].IsCompositeType() && (depth > 7 || w.budget < 0) {
		return head{}, ""
	}
	if !w.silent && w.chance(25) {
		return head{}, []string{"z1", "id", "tn"}[w.r.IntN(3)] + ": __typename"
	}
	h = w.head(t, f)
	text = h.text
	if t != w.api.Mutation || strings.Contains(text, ": ") {
		text += w.condition()
	}
	return h, text + w.below(f.Type, depth)
}

// head writes a field's key, name and arguments.
func (w *writer) head(t *ast.Definition, f *ast.FieldDefinition) head {
	text := f.Name
	switch {
	case t == w.api.Mutation && w.r.IntN(6) > 0:
		w.n++
		text = fmt.Sprintf("m%d: %s", w.n, text)
	case w.chance(14):
		text = []string{"id", "sku", "z1", "z2", "ref"}[w.r.IntN(5)] + ": " + text
	case w.chance(9):
		text = f.Name + "x: " + text
	case len(f.Arguments) > 0 && w.r.IntN(6) > 0:
		w.n++
		text = fmt.Sprintf("%s_%d: %s", f.Name, w.n, text)
	}
	var args []string
	for _, a := range f.Arguments {
		if a.Type.NonNull && a.DefaultValue == nil || w.chance(2) {
			args = append(args, a.Name+": "+w.argument(a.Type))
		}
	}
	if len(args) > 0 {
		text += "(" + strings.Join(args, ", ") + ")"
	}
	return head{f.Name, text}
}

// below writes what is selected of a field of a type; "" for a leaf.
func (w *writer) below(t *ast.Type, depth int) string {
	if out := w.api.Types[t.Name()]; out.IsCompositeType() {
		return " " + w.selection(out, depth+1)
	}
	return ""
}

// argument writes a value, a variable, or a value with a variable in it.
func (w *writer) argument(t *ast.Type) string {
	if w.chance(2) {
		return w.literal(t, 0)
	}
	return w.variable(t)
}

func (w *writer) variable(t *ast.Type) string {
	for _, name := range w.given {
		if w.types[name].String() == t.String() && w.chance(2) {
			return "$" + name
		}
	}
	w.n++
	name := fmt.Sprintf("v%d", w.n)
	def := "$" + name + ": " + t.String()
	if !t.NonNull && w.chance(3) {
		def += " = " + w.constant(t)
	}
	w.variables, w.given, w.types[name] = append(w.variables, def), append(w.given, name), t
	return "$" + name
}

func (w *writer) constant(t *ast.Type) string {
	return w.literal(t, 10)
}

func (w *writer) literal(t *ast.Type, depth int) string {
	if !t.NonNull && w.chance(8) {
		return "null"
	}
	if depth > 0 && depth < 3 && w.chance(5) {
		return w.variable(t)
	}
	if t.Elem != nil {
		if w.chance(5) && !t.Elem.NonNull {
			return w.literal(t.Elem, depth+1)
		}
		var parts []string
		for range w.r.IntN(3) {
			parts = append(parts, w.literal(t.Elem, depth+1))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	switch def := w.api.Types[t.Name()]; {
	case def.Kind == ast.Enum:
		return def.EnumValues[w.r.IntN(len(def.EnumValues))].Name
	case def.Kind == ast.InputObject:
		var parts []string
		for _, f := range def.Fields {
			if f.Type.NonNull || w.r.IntN(3) == 0 && depth%10 < 3 {
				parts = append(parts, f.Name+": "+w.literal(f.Type, depth+1))
			}
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	switch t.Name() {
	case "Int":
		return fmt.Sprint(w.r.IntN(4))
	case "Float":
		return []string{"1.5", "2", "1e2"}[w.r.IntN(3)]
	case "Boolean":
		return []string{"true", "false"}[w.r.IntN(2)]
	case "ID":
		return []string{`"a"`, "7"}[w.r.IntN(2)]
	}
	return []string{`"a"`, `"q\"\\\u00e9\n"`, `"""block "text" here"""`}[w.r.IntN(3)]
}

// json gives a value for a variable.
func (w *writer) json(t *ast.Type, depth int) any {
	if !t.NonNull && w.chance(6) {
		return nil
	}
	if t.Elem != nil {
		if w.chance(5) && depth == 0 {
			return w.json(t.Elem, depth+1)
		}
		out := []any{}
		for range w.r.IntN(3) {
			out = append(out, w.json(t.Elem, depth+1))
		}
		return out
	}
	switch def := w.api.Types[t.Name()]; {
	case def.Kind == ast.Enum:
		return def.EnumValues[w.r.IntN(len(def.EnumValues))].Name
	case def.Kind == ast.InputObject:
		out := map[string]any{}
		for _, f := range def.Fields {
			if f.Type.NonNull || w.r.IntN(3) == 0 && depth < 3 {
				out[f.Name] = w.json(f.Type, depth+1)
			}
		}
		return out
	}
	switch t.Name() {
	case "Int":
		return w.r.IntN(4)
	case "Float":
		return []any{1.5, 2}[w.r.IntN(2)]
	case "Boolean":
		return w.chance(2)
	case "ID":
		return []any{"a", 7}[w.r.IntN(2)]
	}
	return []string{"a", "q\"\\\u00e9\n<"}[w.r.IntN(2)]
}
