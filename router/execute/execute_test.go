package execute_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/execute"
	"github.com/lethe/lethe/router/plan"
	"github.com/lethe/lethe/router/supergraph"
)

// answers are what subgraphs answer, whatever they are asked.
type answers map[string][]byte

func (a answers) Call(_ context.Context, call execute.Call, into []byte) ([]byte, error) {
	return append(into, a[call.Subgraph]...), nil
}

func compile(t testing.TB, query string) *execute.Program {
	t.Helper()
	sdl, err := os.ReadFile("../server/testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	return compileFor(t, string(sdl), query, false)
}

// compileFor gives the program of a query to a supergraph; deferred is what labels of @defer are taken for.
func compileFor(t testing.TB, sdl, query string, deferred bool) *execute.Program {
	t.Helper()
	sg, err := supergraph.Parse(sdl)
	if err != nil {
		t.Fatal(err)
	}
	planner, err := plan.NewPlanner(sg)
	if err != nil {
		t.Fatal(err)
	}
	doc, errs := gqlparser.LoadQueryWithRules(sg.API(), query, rules.NewDefaultRules())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	p, err := planner.PlanFor(doc, "", plan.Options{Defer: func(string) bool { return deferred }})
	if err != nil {
		t.Fatal(err)
	}
	program, err := execute.Compile(sg, p, doc.Operations[0].VariableDefinitions)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// shop answers for n products, each with stock and three reviews by a few authors.
func shop(n int) answers {
	var products, stock, reviews, people bytes.Buffer
	for i := range n {
		comma := ","
		if i == 0 {
			comma = ""
		}
		fmt.Fprintf(&products, `%s{"__typename":"Product","id":"p%d","name":"A product with a name of some length","price":%d}`, comma, i, i)
		fmt.Fprintf(&stock, `%s{"stock":%d,"shipping":%d}`, comma, i, i)
		fmt.Fprintf(&reviews, `%s{"reviews":[{"id":"r1","body":"good","author":{"__typename":"User","id":"u1"}},{"id":"r2","body":"bad","author":{"__typename":"User","id":"u2"}},{"id":"r3","body":null,"author":null}]}`, comma)
	}
	people.WriteString(`{"name":"Ada"},{"name":"Grace"}`)
	return answers{
		"products": fmt.Appendf(nil, `{"data":{"products":[%s]}}`, products.String()),
		"stock":    fmt.Appendf(nil, `{"data":{"_entities":[%s]}}`, stock.String()),
		"reviews":  fmt.Appendf(nil, `{"data":{"_entities":[%s]}}`, reviews.String()),
		"people":   fmt.Appendf(nil, `{"data":{"_entities":[%s]}}`, people.String()),
	}
}

const pageQuery = `{ products { id name price stock shipping reviews { id body author { id name } } } }`

func BenchmarkExecute(b *testing.B) {
	program := compile(b, pageQuery)
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("%d products", n), func(b *testing.B) {
			e := execute.New(shop(n), execute.Options{Log: slog.New(slog.DiscardHandler)})
			var out []byte
			b.ReportAllocs()
			for b.Loop() {
				out, _ = e.Execute(context.Background(), program, execute.Request{}, out[:0])
			}
			b.SetBytes(int64(len(out)))
		})
	}
}
