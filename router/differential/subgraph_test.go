package differential_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/supergraph"
)

// service is a subgraph over a universe. It is strict: what it is asked beside its schema, an external field that nothing
// provides, a field that was overridden away and a representation that is not true are violations, which no router that
// plans right commits.
type service struct {
	name   string
	graph  supergraph.GraphID
	schema *ast.Schema
	u      *universe
	// What the federation directives say, by type or type.field.
	keys     map[string][]ast.SelectionSet // by which it is entered
	known    map[string][]ast.SelectionSet // and those that it only refers by
	requires map[string]ast.SelectionSet
	provides map[string]ast.SelectionSet
	external map[string]bool
	objects  map[string]bool // interface objects
	asked    map[string]*ast.QueryDocument
}

// newService reads a subgraph's SDL: the directives of federation are noted and taken out, and what is left is plain GraphQL.
func newService(sub compose.Subgraph, u *universe) (*service, error) {
	doc, err := parser.ParseSchema(&ast.Source{Name: sub.Name, Input: sub.SDL})
	if err != nil {
		return nil, err
	}
	s := &service{name: sub.Name, graph: u.graphs[sub.Name], u: u, keys: map[string][]ast.SelectionSet{}, known: map[string][]ast.SelectionSet{}, requires: map[string]ast.SelectionSet{},
		provides: map[string]ast.SelectionSet{}, external: map[string]bool{}, objects: map[string]bool{}, asked: map[string]*ast.QueryDocument{}}
	plain := &ast.SchemaDocument{}
	byName := map[string]*ast.Definition{}
	for _, def := range append(doc.Definitions, doc.Extensions...) {
		s.note(def)
		if old := byName[def.Name]; old != nil {
			old.Fields = append(old.Fields, def.Fields...)
			old.Types = append(old.Types, def.Types...)
			old.Interfaces = append(old.Interfaces, def.Interfaces...)
			old.EnumValues = append(old.EnumValues, def.EnumValues...)
			continue
		}
		byName[def.Name] = def
		plain.Definitions = append(plain.Definitions, def)
	}
	for place := range s.requires {
		// A key that is not resolvable is still the way back to a field that requires something.
		if name, _, _ := strings.Cut(place, "."); len(s.keys[name]) == 0 {
			s.keys[name] = s.known[name]
		}
	}
	s.addEntities(plain, byName)
	prelude, err := parser.ParseSchema(validator.Prelude)
	if err != nil {
		return nil, err
	}
	prelude.Merge(plain)
	s.schema, err = validator.ValidateSchemaDocument(prelude)
	return s, err
}

// note remembers the federation directives of a definition and takes all directives out.
func (s *service) note(def *ast.Definition) {
	for _, d := range def.Directives {
		switch d.Name {
		case "key":
			if a := d.Arguments.ForName("resolvable"); a == nil || a.Value.Raw == "true" {
				s.keys[def.Name] = append(s.keys[def.Name], fieldSet(d))
			}
			s.known[def.Name] = append(s.known[def.Name], fieldSet(d))
		case "interfaceObject":
			s.objects[def.Name] = true
		case "external":
			for _, f := range def.Fields {
				s.external[def.Name+"."+f.Name] = true
			}
		}
	}
	def.Directives = nil
	for _, f := range def.Fields {
		place := def.Name + "." + f.Name
		for _, d := range f.Directives {
			switch d.Name {
			case "external":
				s.external[place] = true
			case "requires":
				s.requires[place] = fieldSet(d)
			case "provides":
				s.provides[place] = fieldSet(d)
			}
		}
		f.Directives = nil
		for _, a := range f.Arguments {
			a.Directives = nil
		}
	}
	for _, v := range def.EnumValues {
		v.Directives = nil
	}
}

func fieldSet(d *ast.Directive) ast.SelectionSet {
	doc, err := parser.ParseQuery(&ast.Source{Input: "{" + d.Arguments.ForName("fields").Value.Raw + "}"})
	if err != nil {
		return nil
	}
	return doc.Operations[0].SelectionSet
}

// addEntities gives a schema the field _entities and what belongs to it.
func (s *service) addEntities(doc *ast.SchemaDocument, byName map[string]*ast.Definition) {
	at := &ast.Position{Src: &ast.Source{}}
	query := byName["Query"]
	if query == nil {
		query = &ast.Definition{Kind: ast.Object, Name: "Query", Position: at}
		doc.Definitions = append(doc.Definitions, query)
	}
	query.Fields = append(query.Fields, &ast.FieldDefinition{Name: "_service", Position: at, Type: ast.NonNullNamedType("String", at)})
	union := &ast.Definition{Kind: ast.Union, Name: "_Entity", Position: at}
	for _, def := range doc.Definitions {
		keyed := len(s.keys[def.Name]) > 0
		for _, i := range def.Interfaces {
			keyed = keyed || len(s.keys[i]) > 0
		}
		if def.Kind == ast.Object && keyed {
			union.Types = append(union.Types, def.Name)
		}
	}
	if len(union.Types) == 0 {
		return
	}
	doc.Definitions = append(doc.Definitions, union, &ast.Definition{Kind: ast.Scalar, Name: "_Any", Position: at})
	query.Fields = append(query.Fields, &ast.FieldDefinition{
		Name: "_entities", Position: at, Type: ast.NonNullListType(ast.NamedType("_Entity", at), at),
		Arguments: ast.ArgumentDefinitionList{{Name: "representations", Position: at, Type: ast.NonNullListType(ast.NonNullNamedType("_Any", at), at)}},
	})
}

// services are all subgraphs of a supergraph, called without a network.
type services struct {
	mu         sync.Mutex
	byName     map[string]*service
	state      *state
	labels     map[string]bool
	violations []error
	absent     map[thing]bool // what a subgraph did not know
	calls      []string       // what was asked, for the report
	told       []string       // the messages of the errors that were answered
}

func (s *services) reset(labels map[string]bool) {
	s.state, s.labels, s.violations, s.calls, s.told, s.absent = &state{}, labels, nil, nil, nil, map[thing]bool{}
}

// missed reports whether a subgraph did not know one of the objects on a way: a null is what it answers then, without an
// error, and what is below is never reached.
func (s *services) missed(way []thing) bool {
	return slices.ContainsFunc(way, func(o thing) bool { return s.absent[o] })
}

// Call implements [execute.Caller].
func (s *services) Call(_ context.Context, call execute.Call, into []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, call.Subgraph+" "+string(call.Body))
	sub := s.byName[call.Subgraph]
	out, errs, err := s.answer(sub, call.Body)
	if err != nil {
		s.violations = append(s.violations, fmt.Errorf("subgraph %s: %w\n%s", call.Subgraph, err, call.Body))
		return into, err
	}
	out, errs, err = sub.u.fail(call.Body, out, errs)
	s.told = append(s.told, errs...)
	if err == nil {
		s.calls[len(s.calls)-1] += "\n  answers " + string(out[:min(len(out), 1000)])
	}
	return append(into, out...), err
}

// answer answers a request, and gives the messages of the errors in the answer.
func (s *services) answer(sub *service, body []byte) (response []byte, told []string, err error) {
	var request struct {
		Query     string
		Variables map[string]any
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return nil, nil, err
	}
	doc := sub.asked[request.Query]
	if doc == nil {
		parsed, errs := gqlparser.LoadQueryWithRules(sub.schema, request.Query, referenceRules())
		if len(errs) > 0 {
			return nil, nil, errs
		}
		if err := canMerge(sub.schema, parsed); err != nil {
			return nil, nil, err
		}
		doc = parsed
		sub.asked[request.Query] = doc
	}
	op := doc.Operations[0]
	var checked struct{ Variables map[string]any }
	if err := json.Unmarshal(body, &checked); err != nil {
		return nil, nil, err
	}
	if _, err := validator.VariableValues(sub.schema, op, checked.Variables); err != nil {
		return nil, nil, err
	}
	a := &answering{service: sub, services: s}
	e := &executor{schema: sub.schema, doc: doc, resolver: a}
	a.executor = e
	e.variables(op, request.Variables)
	data := e.run(op, thing{"Query", 0})
	if len(a.violations) > 0 {
		return nil, nil, errors.Join(a.violations...)
	}
	for _, e := range e.errors {
		told = append(told, e.Message)
	}
	response, err = json.Marshal(answered{data, sub.u.stray(sub.name, body, e.errors, &told)})
	if nothing(data) {
		told = nil // what goes wrong with a request of which @skip and @include leave nothing concerns nobody
	}
	return response, told, err
}

// nothing reports whether objects have no fields at all.
func nothing(data any) bool {
	switch v := data.(type) {
	case *object:
		return v != nil && !slices.ContainsFunc(v.values, func(v any) bool { return !nothing(v) })
	case []any:
		return len(v) > 0 && !slices.ContainsFunc(v, func(v any) bool { return !nothing(v) })
	}
	return false
}

// answered is a subgraph's response.
type answered struct {
	Data   any   `json:"data"`
	Errors []any `json:"errors,omitempty"`
}

// answering is a service while it answers one request.
type answering struct {
	*service
	services   *services
	executor   *executor
	violations []error
}

func (a *answering) violate(at position, format string, args ...any) any {
	a.violations = append(a.violations, fmt.Errorf("at %v: %s", at.path, fmt.Sprintf(format, args...)))
	return nil
}

func (a *answering) typeOf(at position, abstract *ast.Definition) string {
	if abstract.Name == "_Entity" {
		if def := a.schema.Types[at.entered]; def.Kind == ast.Object {
			return at.entered
		}
		return at.is.typ
	}
	if a.u.canBe(a.graph, abstract.Name, at.is.typ) {
		return at.is.typ
	}
	return ""
}

func (a *answering) resolve(at position, def *ast.Definition, field *ast.FieldDefinition, args map[string]any) any {
	switch field.Name {
	case "_entities":
		return a.entities(at, args["representations"].([]any))
	case "_service":
		return a.violate(at, "nobody asks _service of a router")
	}
	place := def.Name + "." + field.Name
	given, below := a.provided(at, field.Name)
	if a.external[place] && !given && !inKeys(a.known[def.Name], field.Name) {
		return a.violate(at, "%s is external and nothing provides it", place)
	}
	if f := a.u.sg.Type(def.Name).Field(field.Name); f != nil && !given {
		if src := f.Source(a.graph); src != nil {
			if src.Overridden || src.Label != "" && a.services.labels[src.Label] != src.LabelActive {
				return a.violate(at, "%s is overridden away", place)
			}
		}
	}
	if set := a.requires[place]; set != nil && !given && a.needs(def.Name, field.Name) {
		if err := a.true(at.is, at.sent, set, def); err != nil {
			if a.u.faults.lossy() && at.sent != nil {
				return failure(place + ": " + err.Error())
			}
			return a.violate(at, "%s: %v", place, err)
		}
	}
	is := a.services.state.root(def.Name, at.is)
	if set := a.provides[place]; set != nil {
		below = append(below, set)
	}
	return delegated{a.u.truth(is, field.Name, args), position{provided: below}}
}

// needs tells whether composition kept what a field requires: of Federation 1 it drops what the subgraph resolves itself.
func (a *answering) needs(typ, field string) bool {
	f := a.u.sg.Type(typ).Field(field)
	return f == nil || f.Source(a.graph) == nil || len(f.Source(a.graph).Requires) > 0
}

// provided tells whether what provides the object provides a field of it, and what it provides below the field.
func (a *answering) provided(at position, name string) (given bool, below []ast.SelectionSet) {
	var walk func(set ast.SelectionSet)
	walk = func(set ast.SelectionSet) {
		for _, sel := range set {
			switch sel := sel.(type) {
			case *ast.Field:
				if sel.Name == name {
					given = true
					if len(sel.SelectionSet) > 0 {
						below = append(below, sel.SelectionSet)
					}
				}
			case *ast.InlineFragment:
				if a.is(at.is, sel.TypeCondition) {
					walk(sel.SelectionSet)
				}
			}
		}
	}
	for _, set := range at.provided {
		walk(set)
	}
	return given, below
}

// is tells whether a type condition holds for an object.
func (a *answering) is(o thing, condition string) bool {
	return condition == "" || condition == o.typ || a.u.canBe(a.graph, condition, o.typ)
}

func inKeys(keys []ast.SelectionSet, name string) bool {
	for _, k := range keys {
		for _, sel := range k {
			if f, ok := sel.(*ast.Field); ok && f.Name == name {
				return true
			}
		}
	}
	return false
}

// true reports whether what a representation sends is so, and all of a field set is sent.
func (a *answering) true(o thing, sent map[string]any, set ast.SelectionSet, def *ast.Definition) error {
	if sent == nil {
		return errors.New("a field that requires something is asked of an object that no representation led to")
	}
	for _, sel := range set {
		switch sel := sel.(type) {
		case *ast.InlineFragment:
			if !a.is(o, sel.TypeCondition) {
				continue
			}
			on := def
			if sel.TypeCondition != "" {
				on = a.schema.Types[sel.TypeCondition]
			}
			if err := a.true(o, sent, sel.SelectionSet, on); err != nil {
				return err
			}
		case *ast.Field:
			if sel.Name == "__typename" {
				continue
			}
			fd := def.Fields.ForName(sel.Name)
			v, ok := sent[sel.Name]
			if !ok {
				return fmt.Errorf("%s.%s is not sent", o, sel.Name)
			}
			is := a.u.truth(o, sel.Name, a.executor.arguments(fd, sel))
			if err := a.trueValue(is, v, sel, fd.Type); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *answering) trueValue(is, sent any, sel *ast.Field, typ *ast.Type) error {
	switch v := is.(type) {
	case thing:
		o, ok := sent.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is sent as %v and is %v", sel.Name, sent, is)
		}
		def := a.schema.Types[typ.Name()]
		name, ok := o["__typename"]
		if !ok && def.IsAbstractType() {
			return fmt.Errorf("%s is sent without its __typename", sel.Name)
		}
		if ok && name != v.typ && name != def.Name {
			return fmt.Errorf("%s is sent as a %s and is %v", sel.Name, name, is)
		}
		return a.true(v, o, sel.SelectionSet, def)
	case []any:
		list, ok := sent.([]any)
		if !ok || len(list) != len(v) {
			return fmt.Errorf("%s is sent as %v and is %v", sel.Name, sent, is)
		}
		for i := range v {
			if err := a.trueValue(v[i], list[i], sel, typ.Elem); err != nil {
				return err
			}
		}
		return nil
	}
	want, _ := json.Marshal(is)
	have, _ := json.Marshal(sent)
	if !bytes.Equal(want, have) {
		return fmt.Errorf("%s is sent as %s and is %s", sel.Name, have, want)
	}
	return nil
}

// entities finds the objects that representations stand for.
func (a *answering) entities(at position, reps []any) any {
	out := []any{}
	for _, r := range reps {
		rep, _ := r.(map[string]any)
		name, _ := rep["__typename"].(string)
		if def := a.schema.Types[name]; def == nil {
			return a.violate(at, "no type %q", name)
		}
		o, err := a.find(name, rep)
		if err != nil {
			text, _ := json.Marshal(rep)
			return a.violate(at, "%s: %v", text, err)
		}
		if n := a.u.faults.entities; n > 0 && a.u.hash("absent", a.name, o)%n == 0 {
			a.services.absent[o] = true
			out = append(out, nil)
			continue
		}
		out = append(out, delegated{o, position{sent: rep, entered: name}})
	}
	return out
}

// find gives the object of a type, or of an interface, that a representation means.
func (a *answering) find(name string, rep map[string]any) (thing, error) {
	var reasons []string
	for _, key := range a.keys[name] {
		for _, p := range a.u.sg.Type(name).Possible {
			for n := range uint32(population) {
				o := thing{p.Name, n}
				err := a.true(o, rep, key, a.schema.Types[name])
				if err == nil {
					return o, nil
				}
				reasons = append(reasons, err.Error())
			}
		}
	}
	slices.Sort(reasons)
	return thing{}, errors.New("it holds no key: " + strings.Join(slices.Compact(reasons), "; "))
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
