package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/routertest"
	"github.com/lethe/lethe/router/supergraph"
)

// The subgraphs of things, of which b knows facts of every kind.
const (
	thingsSDL = `type Query { thing: Thing things: [Thing!] } type Thing @key(fields: "id") { id: ID! }`
	factsSDL  = `type Query { facts: Facts many: [Holder] } type Mutation { facts: Facts } type Subscription { facts: Facts }
		type Thing @key(fields: "id") { id: ID! facts: Facts }
		type Holder { name: String facts: Facts }
		type Facts { int: Int float: Float text: String flag: Boolean id: ID colour: Colour any: Any must: Int! ints: [Int] rows: [[Int!]]
			texts: [String!] colours: [Colour] anys: [Any] child: Child children: [Child] grid: [[Child!]] node: Node nodes: [Node] pet: Pet
			needed: Child! }
		type Child { v: Int w: [ID!] }
		scalar Any
		enum Colour { RED GREEN NAVY_BLUE HIDDEN @inaccessible }
		interface Node { name: String }
		type Dog implements Node { name: String age: Int }
		type Cat implements Node { name: String lives: Int! }
		type Ghost implements Node @inaccessible { name: String }
		union Pet = Dog | Cat | Ghost`
	factsSet = `int float text flag id colour any must ints rows texts colours anys child { v w } children { v } grid { v }
		node { __typename name ... on Dog { age } ... on Cat { lives } } nodes { __typename ... on Dog { age } ... on Cat { name } } pet { __typename ... on Dog { name } } needed { v }`
	goodFacts = `{"int":1,"float":1.5,"text":"a text","flag":true,"id":"1","colour":"RED","any":{"x":[1]},"must":3,"ints":[1,2],"rows":[[1],[]],
		"texts":["a"],"colours":["GREEN"],"anys":[1,"x"],"child":{"v":1,"w":["a"]},"children":[{"v":1},{"v":2}],"grid":[[{"v":1}]],
		"node":{"__typename":"Dog","name":"Rex","age":3},"nodes":[{"__typename":"Cat","name":"Tom","lives":9}],"pet":{"__typename":"Dog","name":"Rex"},"needed":{"v":1}}`
)

// pool is what a subgraph may answer in place of anything. What is empty is left out.
var pool = []string{
	``, `null`, `0`, `-0`, `7`, `1.0`, `1e2`, `1.5`, `1e-3`, `2147483647`, `-2147483648`, `2147483648`, `3000000000`, `-2147483649`, `1e9`, `1e10`, `1e400`, `-1e400`,
	`123456789012345678901234567890`, `true`, `false`, `""`, `"1"`, `"text"`, `"a text of some more letters"`, `"RED"`, `"NAVY_BLUE"`, `"HIDDEN"`, `"NOPE"`, `"red"`, `"R\u0045D"`, `"\ud834\udd1e é"`,
	`[]`, `[1]`, `[null]`, `[1,null,"x",2.5,3000000000]`, `["RED",null,"HIDDEN",7,"NOPE"]`, `[[1]]`, `[[1,null],[],null,[2]]`, `[[[1]]]`, `[1,[2]]`, `{}`, `{"a":1}`, `[{}]`,
	`{"v":1}`, `{"v":"x"}`, `{"v":1,"w":[1,null]}`, `{"v":1,"w":{}}`, `{"v":1,"v":2}`, `{"\u0076":4}`, `[{"v":1},2,null,[{"v":3}],{"v":true},"x"]`, `[[{"v":1}],{"v":2},[null],null]`,
	`{"__typename":"Dog","name":"x","age":"old"}`, `{"name":"x","__typename":"Dog"}`, `{"__typename":"Cat","name":"x"}`, `{"__typename":"Nobody","name":"x"}`, `{"__typename":"Ghost","name":"x"}`,
	`{"__typename":"Child","v":1}`, `{"__typename":7}`, `{"__typename":null,"name":"x"}`, `{"__typename":"","name":"x"}`, `{"name":"x","age":1}`, `{"__typename":["Dog"]}`, `{"__typename":"D\u006fg","name":"y","age":1}`,
	`[{"__typename":"Dog","age":1},{"__typename":"Nobody"},{"name":"x"},7,null,{"__typename":"Cat","name":"y"}]`,
	`[` + strings.Repeat(`"x",`, 20) + `1]`, strings.Repeat("[", 150) + strings.Repeat("]", 150),
}

// setting is a place of an operation at which facts are asked for.
type setting struct {
	name, query string
	// answer is what the subgraph b answers where the facts are as given.
	answer func(facts string) string
	// paths are where the facts stand in the response, and whole what its data are.
	paths [][]any
	whole func(facts any) any
	form  int // of deferred parts
	from  int // bytes from which the response comes in pieces
}

func settings() []setting {
	set := `{ ` + factsSet + ` }`
	single := func(facts any) any { return map[string]any{"facts": facts} }
	root := func(facts string) string { return `{"data":{"facts":` + facts + `}}` }
	entity := func(facts string) string { return `{"data":{"_entities":[{"facts":` + facts + `}]}}` }
	two := func(facts string) string {
		return `{"data":{"_entities":[{"facts":` + facts + `},{"facts":` + facts + `}]}}`
	}
	things := [][]any{{"things", 0, "facts"}, {"things", 1, "facts"}, {"things", 2, "facts"}}
	thing := func(facts any) any { return map[string]any{"thing": map[string]any{"id": "1", "facts": facts}} }
	list := func(facts any) any { return []any{single(facts), single(facts), single(facts)} }
	return []setting{
		{name: "root", query: `{ facts ` + set + ` }`, answer: root, paths: [][]any{{"facts"}}, whole: single},
		{name: "root, in pieces", query: `{ facts ` + set + ` }`, answer: root, paths: [][]any{{"facts"}}, whole: single, from: 1},
		{name: "mutation", query: `mutation { facts ` + set + ` }`, answer: root, paths: [][]any{{"facts"}}, whole: single},
		{name: "event", query: `subscription { facts ` + set + ` }`, answer: root, paths: [][]any{{"facts"}}, whole: single},
		{name: "entity", query: `{ thing { id facts ` + set + ` } }`, answer: entity, paths: [][]any{{"thing", "facts"}}, whole: thing},
		{name: "entities", query: `{ things { facts ` + set + ` } }`, answer: two, paths: things, whole: func(facts any) any { return map[string]any{"things": list(facts)} }},
		{name: "deferred", query: `{ thing { id ... @defer { facts ` + set + ` } } }`, answer: entity, paths: [][]any{{"thing", "facts"}}, whole: thing},
		{name: "deferred, announced", query: `{ thing { id ... @defer { facts ` + set + ` } } }`, answer: entity, paths: [][]any{{"thing", "facts"}}, whole: thing, form: 1},
		{
			name: "several lists of entities", query: `{ thing { id facts ` + set + ` } things { facts ` + set + ` } }`,
			answer: func(facts string) string {
				return `{"data":{"_e0":[{"facts":` + facts + `}],"_e1":[{"facts":` + facts + `},{"facts":` + facts + `}]}}`
			},
			paths: append([][]any{{"thing", "facts"}}, things...),
			whole: func(facts any) any {
				return map[string]any{"thing": map[string]any{"id": "1", "facts": facts}, "things": list(facts)}
			},
		},
		{
			name: "repeated", query: `{ many { name facts ` + set + ` } }`,
			answer: func(facts string) string {
				one := `{"name":"a name that stands here again","facts":` + facts + `}`
				return `{"data":{"many":[` + one + `,` + one + `,null,` + one + `]}}`
			},
			paths: [][]any{{"many", 0, "facts"}, {"many", 1, "facts"}, {"many", 3, "facts"}},
			whole: func(facts any) any {
				one := map[string]any{"name": "a name that stands here again", "facts": facts}
				return map[string]any{"many": []any{one, one, nil, one}}
			},
		},
	}
}

// world is a supergraph with what its operations may be.
type world struct {
	sdl string
	api *ast.Schema
}

func factsWorld(t testing.TB) *world {
	t.Helper()
	const link = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible"])` + "\n"
	result, errs := compose.Compose([]compose.Subgraph{{Name: "a", URL: "http://a", SDL: link + thingsSDL}, {Name: "b", URL: "http://b", SDL: link + factsSDL}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	sg, err := supergraph.Parse(result.SDL)
	if err != nil {
		t.Fatal(err)
	}
	return &world{result.SDL, sg.API()}
}

// completed completes the facts of a text, as far as it is JSON.
func (w *world) completed(t testing.TB, text string) (any, []routertest.Fault) {
	t.Helper()
	doc, errs := gqlparser.LoadQueryWithRules(w.api, `{ facts { `+factsSet+` } }`, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	field, _ := doc.Operations[0].SelectionSet[0].(*ast.Field)
	c := routertest.Completion{Schema: w.api}
	value, _ := c.Value(w.api.Query.Fields.ForName("facts").Type, field.SelectionSet, decode(t, text), nil)
	return value, c.Faults
}

func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var out any
	if err := d.Decode(&out); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	if _, err := d.Token(); err != io.EOF { //nolint:errorlint // it is never wrapped
		t.Fatalf("%s: more follows", text)
	}
	return out
}

// sent is a whole response.
type sent struct {
	data   any
	errors []sentError
}

type sentError struct {
	Message    string
	Path       []any
	Extensions map[string]any
}

// asking is a program with subgraphs whose answers change.
type asking struct {
	setting
	program  *execute.Program
	answers  answers
	executor *execute.Executor
}

func (w *world) asking(t testing.TB, s setting) *asking {
	t.Helper()
	a := answers{"a": []byte(thingsAnswer)}
	e := execute.New(a, execute.Options{Log: slog.New(slog.DiscardHandler), StreamFrom: s.from})
	return &asking{s, compileFor(t, w.sdl, s.query, true), a, e}
}

// answered gives what is sent where the subgraph b answers with a body, parts put together.
func (s *asking) answered(t testing.TB, body string) sent {
	t.Helper()
	s.answers["b"] = []byte(body)
	program, e := s.program, s.executor
	var to stream
	var out sent
	take := func(payload []byte) {
		var p struct {
			Data        json.RawMessage
			Errors      []sentError
			Pending     []struct{ Path []any }
			Incremental []struct {
				Path   []any
				Data   json.RawMessage
				Errors []sentError
			}
			Completed []struct{ Errors []sentError }
		}
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&p); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		out.errors = append(out.errors, p.Errors...)
		if p.Data != nil {
			out.data = decode(t, string(p.Data))
		}
		for _, part := range p.Incremental {
			out.errors = append(out.errors, part.Errors...)
			if o, ok := out.data.(map[string]any)["thing"].(map[string]any); ok {
				putTogether(o, decode(t, string(part.Data)))
			}
		}
		for _, c := range p.Completed {
			out.errors = append(out.errors, c.Errors...)
		}
	}
	switch {
	case program.Incremental():
		if _, err := e.ExecuteIncremental(context.Background(), program, execute.Request{}, execute.Form(s.form), func(p []byte, _ bool) error {
			take(p)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	case s.name == "event":
		got, _ := e.Event(context.Background(), program, execute.Request{}, s.answers["b"], nil)
		take(got)
	case s.from > 0:
		got, outcome := e.Execute(context.Background(), program, execute.Request{Stream: &to}, nil)
		if outcome.Streamed {
			got = to.text
		}
		take(got)
	default:
		got, _ := e.Execute(context.Background(), program, execute.Request{}, nil)
		take(got)
	}
	return out
}

// thingsAnswer is what the subgraph a answers, whatever it is asked.
const thingsAnswer = `{"data":{"thing":{"__typename":"Thing","id":"1"},"things":[{"__typename":"Thing","id":"1"},{"__typename":"Thing","id":"2"},{"__typename":"Thing","id":"1"}]}}`

// TestValuesAreCompleted puts every value in the place of every field, at every place of an operation, and holds the response
// against the specification: the same data, and one error for each fault.
func TestValuesAreCompleted(t *testing.T) {
	t.Parallel()
	w := factsWorld(t)
	good, _ := decode(t, goodFacts).(map[string]any)
	for _, s := range settings() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			a := w.asking(t, s)
			w.holds(t, a, goodFacts)
			for _, value := range pool {
				if value != "" {
					w.holds(t, a, value)
				}
				for field := range good {
					w.holds(t, a, replaced(t, good, field, value))
				}
			}
		})
	}
}

// replaced gives an object with another value in a field, or without it, in the order of the keys.
func replaced(t testing.TB, object map[string]any, field, value string) string {
	t.Helper()
	var out []string
	for key, v := range object {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if key == field {
			text = []byte(value)
		}
		if len(text) > 0 {
			out = append(out, fmt.Sprintf("%q:%s", key, text))
		}
	}
	slices.Sort(out)
	return "{" + strings.Join(out, ",") + "}"
}

// holds holds a response against what the specification makes of the facts in it.
func (w *world) holds(t testing.TB, s *asking, facts string) {
	t.Helper()
	want, faults := w.completed(t, facts)
	got := s.answered(t, s.answer(facts))
	if t.Failed() {
		return // one tells enough
	}
	if !reflect.DeepEqual(got.data, s.whole(want)) {
		t.Errorf("%s: %s\ngot  %s\nwant %s", s.name, facts, text(got.data), text(s.whole(want)))
		return
	}
	var places [][]any
	for _, at := range s.paths {
		for _, f := range faults {
			places = append(places, append(slices.Clone(at), f.Path...))
		}
	}
	if why := explained(got, places, faults); why != "" {
		t.Errorf("%s: %s: %s\ngot  %s\nerrors %v\nfaults %v", s.name, facts, why, text(got.data), got.errors, faults)
	}
}

// FuzzCompletion holds that whatever a subgraph answers, the response is JSON whose data are of the operation's types, that the
// data are what the specification makes of the answer, and that what was lost has an error.
func FuzzCompletion(f *testing.F) {
	w := factsWorld(f)
	f.Add([]byte(`{"data":{"facts":` + goodFacts + `}}`))
	for _, value := range pool {
		f.Add([]byte(`{"data":{"facts":{"must":1,"needed":{"v":1},"int":` + value + `,"node":` + value + `,"grid":` + value + `,"colours":` + value + `}}}`))
		f.Add([]byte(`{"data":{"facts":` + value + `},"errors":` + value + `}`))
		f.Add([]byte(`{"errors":[{"message":"m","path":["facts",` + value + `]}],"data":` + value + `}`))
	}
	var all []*asking
	for _, s := range settings() {
		if strings.HasPrefix(s.name, "root") || s.name == "event" {
			all = append(all, w.asking(f, s))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var answer map[string]any
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		broken := d.Decode(&answer) != nil || !json.Valid(body) || !utf8.Valid(body)
		data, isObject := answer["data"].(map[string]any)
		var first sent
		for i := range all {
			got := all[i].answered(t, string(body))
			if i == 0 {
				first = got
			} else if !reflect.DeepEqual(got.data, first.data) {
				t.Fatalf("%s: got %s, and by %s %s", body, text(got.data), all[i].name, text(first.data))
			}
			facts, _ := got.data.(map[string]any)
			if facts == nil {
				t.Fatalf("%s: data are %s", body, text(got.data))
			}
			w.fits(t, facts["facts"])
			if facts["facts"] == nil && len(got.errors) == 0 && (broken || !isObject || data["facts"] != nil) {
				t.Fatalf("%s: data are lost without an error", body)
			}
			if broken || !isObject || facts["facts"] == nil || strings.Contains(string(body), "\\u") {
				continue
			}
			want, faults := w.completed(t, text(data["facts"]))
			if !reflect.DeepEqual(facts["facts"], want) {
				t.Fatalf("%s\ngot  %s\nwant %s", body, text(facts["facts"]), text(want))
			}
			if len(faults) > 0 && len(got.errors) == 0 {
				t.Fatalf("%s: %v, and no error", body, faults)
			}
		}
	})
}

// fits holds that the facts of a response are of the API's types.
func (w *world) fits(t *testing.T, facts any) {
	t.Helper()
	again, faults := w.completed(t, text(facts))
	if len(faults) > 0 || !reflect.DeepEqual(again, facts) {
		t.Fatalf("the response has %s: %v", text(facts), faults)
	}
}

func text(v any) string {
	out, _ := json.Marshal(v)
	return string(out)
}

// explained reports what is not right with a response's errors: there has to be exactly one at each place, but for those below
// something that is null for another of them.
func explained(got sent, places [][]any, faults []routertest.Fault) string {
	at := map[string]int{}
	for _, e := range got.errors {
		path := text(e.Path)
		if at[path]++; at[path] > 1 {
			return "two errors at " + path
		}
		if !slices.ContainsFunc(places, func(p []any) bool { return text(p) == path }) {
			return "an error at " + path
		}
		if e.Message == "" || e.Extensions["code"] == nil {
			return "an error without a message, or without a code"
		}
	}
	for _, p := range places {
		if at[text(p)] > 0 || slices.ContainsFunc(got.errors, func(e sentError) bool { return shareNull(got.data, p, e.Path) }) {
			continue
		}
		return "no error at " + text(p)
	}
	return ""
}

// shareNull reports whether two paths lead through the same null, or one above it.
func shareNull(data any, a, b []any) bool {
	for i := 0; i < len(a) && i < len(b) && text(a[i]) == text(b[i]); i++ {
		switch d := data.(type) {
		case map[string]any:
			data = d[a[i].(string)]
		case []any:
			n, _ := a[i].(int)
			data = d[n]
		}
		if data == nil {
			return true
		}
	}
	return false
}
