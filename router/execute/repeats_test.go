package execute_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
)

// The subgraphs of a library, whose answers repeat themselves: a few makers and people stand in many places.
var library = map[string]string{
	"catalogue": `type Query { things: [Thing] products: [Product!] lists: [[Product]] }
		interface Thing { id: ID! maker: Maker }
		type Product implements Thing @key(fields: "id") { id: ID! name: String maker: Maker }
		type Book implements Thing @key(fields: "id") { id: ID! title: String maker: Maker }
		type Maker @key(fields: "id") { id: ID! }`,
	"makers": `type Maker @key(fields: "id") { id: ID! name: String! country: Country countries: [Country!] motto(lang: String!): String }
		enum Country { NZ UK @inaccessible }`,
	"reviews": `type Product @key(fields: "id") { id: ID! reviews: [Review] }
		type Review { id: ID! body: String author: User! }
		type User @key(fields: "id") { id: ID! wrote: [Review] }`,
	"people": `type User @key(fields: "id") { id: ID! name: String! friends: [User] nick: String }`,
}

// shelves answers for the library: what a root query is answered by subgraph, and entities by type and ID.
type shelves struct {
	root     map[string]string
	entities map[string]string // "subgraph Type:id"
	broken   string            // a subgraph
	failing  string            // an entity in whose place an error stands
	apart    bool              // no two objects are written alike, so that nothing repeats

	mu    sync.Mutex // fetches call side by side
	asked []string
}

var (
	isWord  = regexp.MustCompile(`"representations\d*":\[`)
	opening = regexp.MustCompile(`\{`)
)

// Call implements execute.Caller. What is not asked is there too, and has to be skipped.
func (s *shelves) Call(_ context.Context, call execute.Call, into []byte) ([]byte, error) {
	if call.Subgraph == s.broken {
		return into, &execute.Failure{Code: execute.CodeUnavailable, Message: "is not available"}
	}
	var body struct {
		Query     string
		Variables map[string]json.RawMessage
	}
	if err := json.Unmarshal(call.Body, &body); err != nil {
		return into, err
	}
	answer := `{"data":{` + s.root[call.Subgraph] + `}}`
	if isWord.Match(call.Body) {
		var data, errs []string
		for _, name := range []string{"representations", "representations0", "representations1", "representations2", "representations3"} {
			var reps []struct {
				Typename string `json:"__typename"`
				ID       string `json:"id"`
			}
			if body.Variables[name] == nil {
				continue
			}
			if err := json.Unmarshal(body.Variables[name], &reps); err != nil {
				return into, err
			}
			key := strings.Replace(name, "representations", "_e", 1)
			if key == "_e" {
				key = "_entities"
			}
			var list []string
			for i, r := range reps {
				id := fmt.Sprintf("%s:%s", r.Typename, r.ID)
				s.mu.Lock()
				s.asked = append(s.asked, call.Subgraph+" "+id)
				s.mu.Unlock()
				entity := s.entities[call.Subgraph+" "+id]
				if strings.Contains(body.Query, `lang:"b"`) {
					entity = strings.ReplaceAll(entity, "in a", "in b")
				}
				if id == s.failing {
					entity, errs = "null", append(errs, fmt.Sprintf(`{"message":"no %s","path":[%q,%d]}`, id, key, i))
				}
				list = append(list, entity)
			}
			data = append(data, fmt.Sprintf(`%q:[%s]`, key, strings.Join(list, ",")))
		}
		answer = `{"data":{` + strings.Join(data, ",") + `},"errors":[` + strings.Join(errs, ",") + `]}`
	}
	if s.apart {
		n := 0
		answer = opening.ReplaceAllStringFunc(answer, func(open string) string {
			n++
			return open + strings.Repeat(" ", n)
		})
	}
	return append(into, answer...), nil
}

func newShelves() *shelves {
	const a, b, c = `{"__typename":"User","id":"a"}`, `{"__typename":"User","id":"b"}`, `{"__typename":"User","id":"c"}`
	review := func(id, author string) string {
		return `{"id":"` + id + `","body":"what they thought of it","author":` + author + `}`
	}
	wrote := func(user string, reviews ...string) string {
		return strings.TrimSuffix(user, "}") + `,"wrote":[` + strings.Join(reviews, ",") + `]}`
	}
	x, y := wrote(a, review("1", a), review("2", b)), wrote(b, review("3", c), review("1", a))
	reviews := `{"reviews":[` + review("1", x) + `,` + review("3", y) + `,` + review("1", x) + `,null,` + review("4", wrote(c)) + `,` + review("5", y) + `]}`
	const maker, other = `{"__typename":"Maker","id":"m","name":"a maker with a name"}`, `{"__typename":"Maker","id":"o","name":"another with a name"}`
	product := func(id, maker string) string {
		return `{"__typename":"Product","id":"` + id + `","name":"a product with a name","maker":` + maker + `}`
	}
	book := func(id, maker string) string {
		return `{"__typename":"Book","id":"` + id + `","title":"a book with a title","maker":` + maker + `}`
	}
	products := strings.Join([]string{product("p", maker), product("q", other), product("p", maker), product("r", maker)}, ",")
	return &shelves{
		root: map[string]string{
			"catalogue": `"things":[` + strings.Join([]string{product("p", maker), book("b", maker), book("c", other), product("q", other), book("b", maker), product("p", maker)}, ",") +
				`],"products":[` + products + `],"lists":[[` + products + `],null,[` + product("q", other) + `,null],[],[` + products + `]]`,
		},
		entities: map[string]string{
			"catalogue Product:p": product("p", maker), "catalogue Product:q": product("q", other), "catalogue Product:r": product("r", maker),
			"makers Maker:m":    `{"name":"the first maker of all","country":"NZ","countries":["NZ","UK"],"motto":"in a"}`,
			"makers Maker:o":    `{"name":"the second maker of all","country":"UK","countries":["NZ"],"motto":"in a, too"}`,
			"reviews Product:p": reviews, "reviews Product:q": reviews, "reviews Product:r": `{"reviews":[` + review("3", y) + `]}`,
			"reviews User:a": x, "reviews User:b": y, "reviews User:c": wrote(c, review("2", b)),
			"people User:a": `{"name":"Ada, whose name is long","friends":[` + b + `,` + c + `],"nick":"A"}`,
			"people User:b": `{"name":"Bob, whose name is long","friends":[` + a + `,` + c + `,` + a + `],"nick":null}`,
			"people User:c": `{"name":"Cyd, whose name is long","friends":null,"nick":"C"}`,
		},
	}
}

func libraryProgram(t *testing.T, query string) *execute.Program {
	t.Helper()
	const link = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@inaccessible"])` + "\n"
	var subgraphs []compose.Subgraph
	for _, name := range []string{"catalogue", "makers", "reviews", "people"} {
		subgraphs = append(subgraphs, compose.Subgraph{Name: name, URL: "http://" + name, SDL: link + library[name]})
	}
	return compileComposed(t, subgraphs, query, true)
}

// TestRepeatedObjects holds that answers which repeat themselves, and of which the router reads and writes each object once,
// come to what they are when no two objects are written alike.
func TestRepeatedObjects(t *testing.T) {
	t.Parallel()
	faults := map[string]func(*shelves){
		"well":        func(*shelves) {},
		"down":        func(s *shelves) { s.broken = "people" },
		"makers down": func(s *shelves) { s.broken = "makers" },
		"failing":     func(s *shelves) { s.failing = "User:b" },
		"null where none may be": func(s *shelves) {
			s.entities["people User:a"] = `{"name":null,"friends":[{"__typename":"User","id":"b"},{"__typename":"User","id":"a"}],"nick":"A"}`
		},
		"null in the middle": func(s *shelves) {
			for key, text := range s.entities {
				s.entities[key] = strings.ReplaceAll(text, `"id":"3"`, `"id":null`)
			}
		},
		"null in the catalogue": func(s *shelves) {
			s.root["catalogue"] = strings.ReplaceAll(s.root["catalogue"], `"id":"q"`, `"id":null`)
		},
		"nothing of a maker": func(s *shelves) { s.entities["makers Maker:o"] = "null" },
		"no object":          func(s *shelves) { s.entities["people User:b"] = `"a text"` },
	}
	for _, query := range []string{
		`{ products { id reviews { id body author { id } } } }`,
		`{ products { reviews { author { nick wrote { body } } id } } }`,
		`{ products { reviews { author { name wrote { body author { name friends { name } } } } } } }`,
		`query($no: Boolean!) { products { id @skip(if: $no) maker { of: name id @include(if: $no) } reviews { what: body author { name @skip(if: $no) nick id } } } }`,
		`{ things { id maker { name country } } products { maker { country name countries } } }`,
		`{ things { __typename ... on Product { name maker { name } } ... on Book { title maker { id } } } }`,
		`{ things { ... on Product { maker { m: motto(lang: "a") } } ... on Book { maker { m: motto(lang: "b") } } } }`,
		`{ things { ... on Product { reviews { author { name } } maker { id m: motto(lang: "a") } } ... on Book { maker { m: motto(lang: "b") n: name } } } }`,
		`{ lists { id maker { name } reviews { author { friends { friends { friends { name nick } } } } } } }`,
		`{ a: products { reviews { id author { nick } } } b: products { reviews { body author { name } } reviews { author { id } } } }`,
		`{ products { maker { countries } } lists { maker { countries name } } }`,
		`{ products { id reviews { id ...@defer { body author { name } } } ...@defer { maker { name } } } }`,
	} {
		program := libraryProgram(t, query)
		for fault, apply := range faults {
			for _, no := range []string{"false", "true"} {
				var told [2]string
				for i := range told {
					s := newShelves()
					apply(s)
					s.apart = i == 1
					told[i] = respond(t, s, program, no)
				}
				if told[0] != told[1] {
					t.Errorf("%s, %s, $no %s\ngot  %s\nwant %s", query, fault, no, told[0], told[1])
				}
			}
			if fault == "well" && !strings.Contains(query, "countries") {
				if out := respond(t, newShelves(), program, "false"); strings.Contains(out, `"errors"`) {
					t.Errorf("%s: %s", query, out)
				}
			}
		}
	}
}

// respond runs a program and gives what it sends, see [inOrder].
func respond(t *testing.T, s *shelves, program *execute.Program, no string) string {
	t.Helper()
	var out []string
	e := execute.New(s, execute.Options{Log: slog.New(slog.DiscardHandler)})
	req := execute.Request{Variables: [][]byte{[]byte(no)}}
	for range 2 { // the second time with buffers that were used
		out = out[:0]
		_, err := e.ExecuteIncremental(context.Background(), program, req, execute.Form2022, func(payload []byte, _ bool) error {
			if !json.Valid(payload) {
				return errors.New("not JSON: " + string(payload))
			}
			out = append(out, string(payload))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return inOrder(out...)
}

// TestRepeatedObjectsInPieces holds that a response of which the beginning was sent already is what it is when it is sent
// whole, though what was sent cannot be copied.
func TestRepeatedObjectsInPieces(t *testing.T) {
	t.Parallel()
	program := libraryProgram(t, `{ lists { id maker { name } reviews { author { friends { friends { name nick } } } id } } }`)
	for name, change := range map[string]func(*shelves){
		"well": func(*shelves) {},
		"null where none may be": func(s *shelves) {
			for key, text := range s.entities {
				s.entities[key] = strings.ReplaceAll(text, `"id":"3"`, `"id":null`)
			}
		},
	} {
		s := newShelves()
		change(s)
		want := respond(t, s, program, "false")
		for _, from := range []int{1, 50, 300, 1000, 3000} {
			e := execute.New(s, execute.Options{Log: slog.New(slog.DiscardHandler), StreamFrom: from})
			for range 2 {
				var to stream
				out, outcome := e.Execute(context.Background(), program, execute.Request{Stream: &to}, nil)
				if outcome.Err != nil {
					t.Fatal(outcome.Err)
				}
				if outcome.Streamed {
					out = to.text
				}
				if got := inOrder(string(out)); got != want || outcome.Streamed && to.length != len(to.text) {
					t.Errorf("%s, in pieces of %d, %d bytes announced\ngot  %s\nwant %s", name, from, to.length, got, want)
				}
			}
		}
	}
}

// inOrder gives the lines of a payload, or of several, in an order that tells nothing of when parts were ready, or at which
// of an entity's places an error was told first.
func inOrder(payloads ...string) string {
	var out []string
	for _, text := range payloads {
		text, _, _ = strings.Cut(text, `,"hasNext":`)
		text = strings.TrimSuffix(strings.TrimPrefix(text, `{"incremental":[`), "]")
		for _, mark := range []string{`{"data":`, `{"message":`} {
			text = strings.ReplaceAll(text, ","+mark, "\n"+mark)
		}
		out = append(out, strings.Split(strings.Replace(text, `,"errors":[`, "\n", 1), "\n")...)
	}
	slices.Sort(out)
	return strings.Join(out, "\n")
}

// TestRepeatedObjectsAreAskedForOnce holds that what a subgraph repeats is one object to the fetches that follow, and that
// the response has it at each place.
func TestRepeatedObjectsAreAskedForOnce(t *testing.T) {
	t.Parallel()
	s := newShelves()
	got := respond(t, s, libraryProgram(t, `{ products { id maker { name } } }`), "false")
	const p, r = `{"id":"p","maker":{"name":"the first maker of all"}}`, `{"id":"r","maker":{"name":"the first maker of all"}}`
	if want := `{"data":{"products":[` + p + `,{"id":"q","maker":{"name":"the second maker of all"}},` + p + `,` + r + `]}}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if want := []string{"makers Maker:m", "makers Maker:o", "makers Maker:m", "makers Maker:o"}; !slices.Equal(s.asked, want) {
		t.Errorf("asked for %q in two requests, want %q", s.asked, want)
	}
}
