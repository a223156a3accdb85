package execute_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/execute"
)

// noting notes what subgraphs are asked.
type noting struct {
	answers
	mu    sync.Mutex
	asked []string
}

func (n *noting) Call(ctx context.Context, call execute.Call, into []byte) ([]byte, error) {
	n.mu.Lock()
	n.asked = append(n.asked, call.Subgraph+" "+string(call.Body))
	n.mu.Unlock()
	return n.answers.Call(ctx, call, into)
}

// TestInputsThatDoNotFit holds that what one subgraph answered wrongly is not passed on to another, and that the fields for which
// it was needed have an error, though nobody asked for what was wrong.
func TestInputsThatDoNotFit(t *testing.T) {
	t.Parallel()
	const link = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@external", "@requires"])` + "\n"
	var subgraphs []compose.Subgraph
	for name, sdl := range map[string]string{
		"a": `type Query { parcels: [Parcel] } type Parcel @key(fields: "id") { id: ID! weight: Int sizes: [Int!] kind: Kind box: Box } enum Kind { SMALL LARGE } type Box { lids: [Lid!] } type Lid { n: Int }`,
		"b": `type Parcel @key(fields: "id") { id: ID! weight: Int @external sizes: [Int!] @external kind: Kind @external box: Box @external
			fee: Int @requires(fields: "weight sizes kind box { lids { n } }") slow: Int @requires(fields: "weight sizes kind box { lids { n } }") } enum Kind { SMALL LARGE } type Box { lids: [Lid!] @external } type Lid { n: Int @external }`,
	} {
		subgraphs = append(subgraphs, compose.Subgraph{Name: name, URL: "http://" + name, SDL: link + sdl})
	}
	program := compileComposed(t, subgraphs, `{ parcels { fee slow } }`, false)
	const good = `{"__typename":"Parcel","id":"1","weight":2,"sizes":[1],"kind":"SMALL","box":{"lids":[{"n":1}]}}`
	for from, to := range map[string]string{
		`"id":"1"`: `"id":{}`, `"id":"1",`: ``, `"weight":2`: `"weight":"2"`, `"weight":2,`: ``, `"sizes":[1]`: `"sizes":[1,"x"]`, `[1]`: `7`, `"SMALL"`: `"NOPE"`,
		`"n":1`: `"n":1.5`, `{"n":1}`: `[{"n":1}]`, `[{"n":1}]`: `{"n":1}`, `{"lids":[{"n":1}]}`: `"box"`,
	} {
		bad := strings.Replace(good, from, to, 1)
		if bad == good {
			t.Fatal(from)
		}
		n := &noting{answers: answers{
			"a": []byte(`{"data":{"parcels":[` + strings.Replace(good, `"id":"1"`, `"id":"0"`, 1) + `,` + bad + `]}}`), "b": []byte(`{"data":{"_entities":[{"fee":5,"slow":6}]}}`),
		}}
		e := execute.New(n, execute.Options{Log: slog.New(slog.DiscardHandler)})
		out, _ := e.Execute(context.Background(), program, execute.Request{}, nil)
		var got struct {
			Data   json.RawMessage
			Errors []sentError
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Fatal(err)
		}
		if want := `{"parcels":[{"fee":5,"slow":6},{"fee":null,"slow":null}]}`; string(got.Data) != want {
			t.Errorf("%s: got %s, want %s; asked %q", bad, out, want, n.asked)
		}
		if len(got.Errors) != 1 || text(got.Errors[0].Path) != `["parcels",1,"fee"]` || got.Errors[0].Extensions["code"] != "SUBGRAPH_INVALID_RESPONSE" {
			t.Errorf("%s: errors %v", bad, got.Errors)
		}
		if len(n.asked) != 2 || !strings.Contains(n.asked[1], `"representations":[{"__typename":"Parcel","id":"0"`) || strings.Contains(n.asked[1], `},{"__typename`) {
			t.Errorf("%s: asked %q", bad, n.asked)
		}
	}
}
