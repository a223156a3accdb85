package cost_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/router/cost"
	"github.com/lethe/lethe/router/supergraph"
)

// compileUnchecked compiles an operation without validating it, which for some takes as long as its expansion.
func compileUnchecked(t testing.TB, m *cost.Model, query string) *cost.Program {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Compile(doc, doc.Operations[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// oracle makes an operation at random together with an answer to it of which it counts every object, with lists exactly
// as long as the directives say: so the estimate and the measure must both be what it counted.
type oracle struct {
	*rand.Rand
	schema    *ast.Schema
	variables map[string]string
	types     []string
	aliases   int
}

// selected is a selection set with an answer to it for one object, and what the answer's objects weigh.
type selected struct {
	text, answer string
	cost         float64
}

func (o *oracle) weight(typ string) float64 { return map[string]float64{"Heavy": 5}[typ] }

// object returns a selection of an object type and its answer.
func (o *oracle) object(typ string, depth int) selected {
	fields, answers, sum := []string{"__typename"}, []string{`"__typename":"` + typ + `"`}, 0.0
	for range 1 + o.IntN(3) {
		f := o.field(typ, depth)
		if f.text == "" {
			continue
		}
		fields = append(fields, f.text)
		if f.answer != "" {
			answers = append(answers, f.answer)
		}
		sum += f.cost
	}
	return selected{"{ " + strings.Join(fields, " ") + " }", "{" + strings.Join(answers, ",") + "}", sum}
}

// variable returns a value, or a variable that has it.
func (o *oracle) variable(typ, value string) string {
	if o.IntN(2) == 0 {
		return value
	}
	name := fmt.Sprintf("v%d", len(o.variables))
	o.variables[name] = value
	o.types = append(o.types, "$"+name+": "+typ)
	return "$" + name
}

func (o *oracle) field(typ string, depth int) selected {
	o.aliases++
	key := fmt.Sprintf("k%d", o.aliases)
	defs := o.schema.Types[typ].Fields
	def := defs[o.IntN(len(defs))]
	if strings.HasPrefix(def.Name, "__") {
		return selected{}
	}
	leaf := o.schema.Types[def.Type.Name()].IsLeafType()
	if depth == 0 && !leaf {
		return selected{}
	}
	out := selected{text: key + ": " + def.Name}
	length, sized := 1, 0
	switch typ + "." + def.Name {
	case "Query.items":
		length = o.IntN(4)
		out.text += "(first: " + o.variable("Int", fmt.Sprint(length)) + ")"
	case "Query.one":
		length = o.IntN(4)
		out.text += "(last: " + o.variable("Int", fmt.Sprint(length)) + ")"
	case "Query.defaulted":
		length = 4
	case "Query.assumed":
		length = 50
	case "Query.item", "Query.node":
		out.text += "(id: 1)"
	case "Query.page", "Query.strictPage":
		sized = o.IntN(4)
		out.text += "(first: " + o.variable("Int", fmt.Sprint(sized)) + ")"
	case "Item.children":
		length = 2
	case "Heavy.children":
		length = 4
	case "Query.found":
		length = 3
		if o.IntN(2) == 0 {
			out.text += "(filter: " + o.variable("Filter", `{words: ["x", "y"]}`) + ")"
			out.cost = 5
		}
	case "Query.grid", "Query.plain", "Item.tags", "Item.colours":
		length = 10
	case "Query.named":
		if o.IntN(2) == 0 {
			out.text += "(loud: " + o.variable("Boolean", "true") + ")"
			out.cost = 4
		}
	case "Item.reviews", "Page.edges", "Page.nodes":
		return selected{}
	}
	skipped := false
	if o.IntN(4) == 0 {
		skipped = o.IntN(2) == 0
		out.text += " @skip(if: " + o.variable("Boolean!", fmt.Sprint(skipped)) + ")"
	}
	var one selected
	switch {
	case leaf:
		one.answer = `"text: {\"[,]\\"`
		if def.Name == "dear" {
			one.cost = 9
		}
		if def.Name == "colours" {
			one.cost = 3
		}
	case def.Type.Name() == "Page":
		one = o.page(sized, depth-1)
		one.cost++
	default:
		one = o.composite(def.Type.Name(), depth-1)
		if def.Name == "named" {
			one.cost += 5 // in place of 1
		}
		out.text += " "
	}
	out.text += one.text
	list := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	answer := one.answer
	if def.Type.Elem != nil {
		answer = list(one.answer, length)
		if def.Type.Elem.Elem != nil {
			answer, length = list(answer, 10), length*10
		}
	}
	if skipped {
		return selected{text: out.text}
	}
	out.cost += float64(length) * one.cost
	out.answer = `"` + key + `": ` + answer
	return out
}

// page is a page of a connection whose lists are as long as its field says.
func (o *oracle) page(n, depth int) selected {
	item := o.object("Item", max(0, depth))
	answer := strings.TrimSuffix(strings.Repeat(item.answer+",", n), ",")
	return selected{" { total nodes " + item.text + " }", `{"total":3,"nodes":[` + answer + `]}`, float64(n) * (1 + item.cost)}
}

// composite returns what stands in an object, of the dearest of the types that may.
func (o *oracle) composite(typ string, depth int) selected {
	def := o.schema.Types[typ]
	if def.Kind == ast.Object {
		out := o.object(typ, depth)
		out.cost += max(1, o.weight(typ))
		return out
	}
	var best selected
	text := "{ __typename"
	for _, p := range o.schema.GetPossibleTypes(def) {
		one := o.object(p.Name, depth)
		one.cost += max(1, o.weight(p.Name))
		text += " ... on " + p.Name + " " + one.text
		if one.cost > best.cost {
			best = one
		}
	}
	best.text = text + " }"
	return best
}

// TestRandomOperations compares estimates and measures with an oracle that counts as it makes the operation.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	sg := readStore(t)
	m := cost.New(sg, cost.Options{ListSize: 10})
	for seed := range uint64(3000) {
		o := &oracle{Rand: rand.New(rand.NewPCG(seed, 9)), schema: sg.API(), variables: map[string]string{}}
		root := o.object("Query", 3)
		query := "query"
		if len(o.types) > 0 {
			query += "(" + strings.Join(o.types, ", ") + ")"
		}
		query += root.text
		given := map[string]string{}
		for name, v := range o.variables {
			given[name] = strings.Replace(v, "words:", `"words":`, 1)
		}
		check(t, sg, m, query, given, `{"data":`+root.answer+`,"extensions":{"k1":[{}]}}`, root.cost, seed)
		if t.Failed() {
			return
		}
	}
}

func check(t *testing.T, sg *supergraph.Supergraph, m *cost.Model, query string, given map[string]string, answer string, want float64, seed uint64) {
	t.Helper()
	if !json.Valid([]byte(answer)) {
		t.Fatalf("seed %d: the test's answer is no JSON: %s", seed, answer)
	}
	p := compile(t, sg, m, query)
	vars := values(t, sg, query, given)
	if got, err := p.Estimate(vars); err != nil || got != want {
		t.Errorf("seed %d: %s %v is estimated at %v, %v; want %v", seed, query, given, got, err, want)
	}
	meter := p.Meter(vars)
	for i := 0; i < len(answer); {
		n := min(len(answer)-i, 1+int(seed%97))
		_, _ = meter.Write([]byte(answer[i : i+n]))
		i += n
	}
	if got := meter.Cost(); got != want {
		t.Errorf("seed %d: %s %v is measured at %v, want %v, of %s", seed, query, given, got, want, answer)
	}
}
