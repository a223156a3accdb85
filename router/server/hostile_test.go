package server_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/server"
)

// queryOf gives a request with a query.
func queryOf(t testing.TB, query string) string {
	t.Helper()
	b, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// each gives a text for every number below n, end to end.
func each(n int, format string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "#", fmt.Sprint(i)))
	}
	return b.String()
}

// bomb gives fragments of which each spreads the next twice, in a field each or side by side.
func bomb(n int, on, spread, last string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " fragment f%d on %s { %s }", i, on, strings.ReplaceAll(spread, "#", fmt.Sprint(i+1)))
	}
	fmt.Fprintf(&b, " fragment f%d on %s { %s }", n, on, last)
	return b.String()
}

// hostileShop is a graph in which every object leads to every other, so that operations can be as deep as they like.
func hostileShop(t *testing.T, demand string) *server.Server {
	t.Helper()
	const link = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"]) `
	composed, errs := compose.Compose([]compose.Subgraph{
		{Name: "a", URL: "http://127.0.0.1:1", SDL: link + `type Query { node: Node! one(id: ID, in: In): Node }
			type Node @key(fields: "id") { id: ID! left: Node right: Node all(first: Int, in: In): [Node!] } input In { in: In list: [[In]] text: String }`},
		{Name: "b", URL: "http://127.0.0.1:1", SDL: link + `type Node @key(fields: "id") { id: ID! up: Node down: Node name: String }`},
	})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	s, err := newServer(server.Options{
		Supergraph: composed.SDL, Log: slog.New(slog.DiscardHandler), Config: server.Config{Demand: server.DemandControl{Mode: demand}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestHostileRequests holds that requests made to cost much are refused with a code that says why, and that none has the
// router allocate out of proportion to what was sent. It runs alone: others' allocations would count.
func TestHostileRequests(t *testing.T) {
	enforced, off := hostileShop(t, "enforce"), hostileShop(t, "off")
	rep := strings.Repeat
	for _, c := range []struct{ name, body, code string }{
		{"a megabyte of tokens", queryOf(t, "{"+rep(" id", 340_000)+"}"), "QUERY_TOO_LARGE"},
		{"beyond the body's limit", queryOf(t, "{"+rep(" id", 400_000)+"}"), "PAYLOAD_TOO_LARGE"},
		{"200 kB of tokens", queryOf(t, "{"+rep(" id", 60_000)+"}"), "MAX_TOKENS_EXCEEDED"},
		{"comments", queryOf(t, rep("#\n", 90_000)+"{ __typename }"), "MAX_TOKENS_EXCEEDED"},
		{"a field very often", queryOf(t, "{ node {"+rep(" id", 14_000)+"} }"), "SUBGRAPH_UNAVAILABLE"},
		{"objects very often", queryOf(t, "{ node {"+rep(" left { right { id } }", 1_600)+"} }"), "SUBGRAPH_UNAVAILABLE"},
		{"arguments that differ", queryOf(t, "{ node {"+each(1_500, " all(first: #) { id }")+"} }"), "GRAPHQL_VALIDATION_FAILED"},
		{"aliases", queryOf(t, "{ node {"+each(3_000, " a#: id")+"} }"), "MAX_ALIASES_EXCEEDED"},
		{"aliases through fragments", queryOf(t, "{ node { ...f0 } }"+bomb(40, "Node", "a: left { ...f# } b: right { ...f# }", "id")), "MAX_ALIASES_EXCEEDED"},
		{"root fields", queryOf(t, "{"+each(1_500, " node { id }")+"}"), "MAX_ROOT_FIELDS_EXCEEDED"},
		{"root fields through fragments", queryOf(t, "{ ...f0 }"+bomb(60, "Query", "...f# ...f#", "node { id }")), "MAX_ROOT_FIELDS_EXCEEDED"},
		{"spreads side by side", queryOf(t, "{ ...f0 }"+bomb(10, "Query", rep("...f# ", 300), "node { id }")), "MAX_ROOT_FIELDS_EXCEEDED"},
		{"spreads of spreads", queryOf(t, "{ node { ...f0 } }"+bomb(60, "Node", "...f# ...f#", "id")), "SUBGRAPH_UNAVAILABLE"},
		{"fields that double", queryOf(t, "{ node { ...f0 } }"+bomb(40, "Node", "left { ...f# } right { ...f# }", "id")), "OPERATION_TOO_EXPENSIVE, else OPERATION_TOO_COMPLEX"},
		{"fields that double over subgraphs", queryOf(t, "{ node { ...f0 } }"+bomb(40, "Node", "left { ...f# } up { ...f# }", "name")), "OPERATION_TOO_EXPENSIVE, else OPERATION_TOO_COMPLEX"},
		{"many fragments", queryOf(t, "{ node {"+each(700, " ...f#")+" } }"+each(700, " fragment f# on Node { id name left { id } }")), "SUBGRAPH_UNAVAILABLE"},
		{"a cycle", queryOf(t, "{ node { ...a } } fragment a on Node { left { ...b } } fragment b on Node { right { ...a } }"), "GRAPHQL_VALIDATION_FAILED"},
		{"a long cycle", queryOf(t, "{ node { ...f0 } }"+bomb(1_400, "Node", "...f#", "...f0")), "GRAPHQL_VALIDATION_FAILED"},
		{"deep", queryOf(t, "{ node "+rep("{ left ", 60)+"{ id }"+rep(" }", 60)+" }"), "MAX_DEPTH_EXCEEDED"},
		{"very deep", queryOf(t, rep("{ node", 5_000)+rep("}", 5_000)), "MAX_DEPTH_EXCEEDED"},
		{"deep in nothing", queryOf(t, "{"+rep(" ... {", 3_000)+"__typename"+rep("}", 3_000)+"}"), "MAX_DEPTH_EXCEEDED"},
		{"a deep literal", queryOf(t, "{ one(in: {list: "+rep("[", 5_000)+rep("]", 5_000)+"}) { id } }"), "MAX_DEPTH_EXCEEDED"},
		{"a deep type", queryOf(t, "query($a: "+rep("[", 7_000)+"In"+rep("]", 7_000)+") { node { id } }"), "MAX_DEPTH_EXCEEDED"},
		{"directives", queryOf(t, "{ node "+rep("@include(if: true) ", 1_500)+"{ id } }"), "MAX_DIRECTIVES_EXCEEDED"},
		{"directives on variables", queryOf(t, "query($a: Int "+rep("@x ", 7_000)+") { node { id } }"), "MAX_DIRECTIVES_EXCEEDED"},
		{"directives on another operation", queryOf(t, "query a { node { id } } query b { node "+rep("@x ", 7_000)+"{ id } }"), "OPERATION_NAME_NEEDED"},
		{"conditions", queryOf(t, "query("+each(150, "$v#: Boolean! ")+") { node {"+each(150, " id @include(if: $v#)")+"} }"), "OPERATION_TOO_COMPLEX"},
		{"unknown fields", queryOf(t, "{ node {"+each(9_000, " lift#")+"} }"), "GRAPHQL_VALIDATION_FAILED"},
		{"unknown arguments", queryOf(t, "{ one("+each(4_000, " id#: 1")+") { id } }"), "GRAPHQL_VALIDATION_FAILED"},
		{"a huge name", queryOf(t, "{ "+rep("a", 190_000)+" }"), "GRAPHQL_VALIDATION_FAILED"},
		{"operations", queryOf(t, each(2_500, " query q# { __typename }")), "OPERATION_NAME_NEEDED"},
		{"unused fragments", queryOf(t, "{ __typename }"+each(2_000, " fragment q# on Query { __typename }")), "GRAPHQL_VALIDATION_FAILED"},
		{"unused variables", queryOf(t, "query("+each(3_000, " $q#: Int")+") { __typename }"), "GRAPHQL_VALIDATION_FAILED"},
		{"introspection that doubles", queryOf(t, "{ __schema { types {"+rep(" fields { type {", 8)+" name"+rep(" } }", 8)+" } } }"), "GRAPHQL_VALIDATION_FAILED"},
		{"introspection again and again", queryOf(t, "{"+each(50, " a#: __schema { types { name fields { name } } }")+"}"), "MAX_INTROSPECTION_EXCEEDED"},
		{"deep JSON", rep("[", 500_000), "BAD_REQUEST"},
		{"deep JSON in variables", `{"query":"query($a: In) { one(in: $a) { id } }","variables":{"a":` + rep(`{"in":`, 100_000) + `1`, "BAD_REQUEST"},
		{"deep variables", `{"query":"query($a: In) { one(in: $a) { id } }","variables":{"a":` + rep(`{"in":`, 150) + "null" + rep("}", 150) + `}}`, "BAD_USER_INPUT"},
		{"deep lists in variables", `{"query":"query($a: In) { one(in: $a) { id } }","variables":{"a":{"list":` + rep(`[`, 150) + rep("]", 150) + `}}}`, "BAD_USER_INPUT"},
		{"a huge variable", `{"query":"query($a: ID) { one(id: $a) { id } }","variables":{"a":"` + rep("x", 1_000_000) + `"}}`, "SUBGRAPH_UNAVAILABLE"},
		{"a variable given often", `{"query":"query($a: ID) { one(id: $a) { id } }","variables":{"a":1` + rep(`,"a":1`, 150_000) + `}}`, "SUBGRAPH_UNAVAILABLE"},
		{"members", `{"query":"{ __typename "` + rep(`,"a":1`, 150_000) + `}`, "GRAPHQL_PARSE_FAILED"},
		{"a batch of very many", "[" + rep("{},", 300_000) + "{}]", "BATCH_TOO_LARGE"},
	} {
		want := c.code
		if first, without, ok := strings.Cut(c.code, ", else "); ok {
			t.Run(c.name+", without demand control", func(t *testing.T) { hostile(t, off, c.body, without) })
			want = first
		}
		t.Run(c.name, func(t *testing.T) { hostile(t, enforced, c.body, want) })
	}
}

// hostile sends a request that must be refused with a code, for a little memory.
func hostile(t *testing.T, s *server.Server, body, code string) {
	t.Helper()
	r, rec := post(body), httptest.NewRecorder()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s.ServeHTTP(rec, r)
	runtime.ReadMemStats(&after)
	var got struct {
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || len(got.Errors) == 0 {
		t.Fatalf("%v: %.300s", err, rec.Body)
	}
	if got := got.Errors[0].Extensions.Code; got != code {
		t.Errorf("%s, want %s: %.300s", got, code, rec.Body)
	}
	if rec.Body.Len() > 20_000 {
		t.Errorf("an answer of %d bytes", rec.Body.Len())
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 40<<20 {
		t.Errorf("%d MB were allocated for %d kB", taken>>20, len(body)>>10)
	} else {
		t.Logf("%d kB were allocated for %d kB", taken>>10, len(body)>>10)
	}
}
