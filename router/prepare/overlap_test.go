package prepare

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

const overlapSDL = `
	type Query { node: Node! thing: Thing list: [Thing!] cat: Cat dog: Dog }
	interface Node { id: ID! name(long: Boolean, of: Of): String next: Node friends: [Node] }
	input Of { a: Int b: Int }
	type Cat implements Node { id: ID! name(long: Boolean, of: Of): String next: Node friends: [Node] lives: Int! size: Float cat: Cat kind: Kind }
	type Dog implements Node { id: ID! name(long: Boolean, of: Of): String next: Node friends: [Node] lives: String! size: Int cat: Dog kind: String }
	union Thing = Cat | Dog
	enum Kind { A }`

func checked(t *testing.T, schema *ast.Schema, query string) (valid, ours, theirs bool, text string) {
	t.Helper()
	doc, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if errs := validator.ValidateWithRules(schema, doc, specifiedRules(true)); len(errs) > 0 {
		return false, false, false, ""
	}
	errs, refused := checkOverlaps(schema, doc)
	if refused != nil {
		t.Fatalf("%s: refused", query)
	}
	again, err := parser.ParseQuery(&ast.Source{Input: query})
	if err != nil {
		t.Fatal(err)
	}
	other := validator.ValidateWithRules(schema, again, rules.NewRules(rules.OverlappingFieldsCanBeMergedRule))
	return true, len(errs) == 0, len(other) == 0, fmt.Sprint(errs, other)
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: overlapSDL})
	for query, want := range map[string]string{
		`{ cat { id id x: id x: id } }`:                                                      "",
		`{ cat { x: id x: name } }`:                                                          `Fields "x" conflict because "id" and "name" are different fields`,
		`{ cat { name(long: true) name(long: true) } }`:                                      "",
		`{ cat { name(long: true) name(long: false) } }`:                                     `Fields "name" conflict because they have differing arguments`,
		`{ cat { name name(long: false) } }`:                                                 `Fields "name" conflict because they have differing arguments`,
		`{ thing { ... on Cat { x: id } ... on Dog { x: name } } }`:                          `Fields "x" conflict because they return conflicting types "ID!" and "String"`,
		`{ thing { ... on Cat { x: size } ... on Dog { x: size } } }`:                        `Fields "x" conflict because they return conflicting types "Float" and "Int"`,
		`{ thing { ... on Cat { name(long: true) } ... on Dog { name } } }`:                  "",
		`{ node { ... on Cat { name(long: true) } name } }`:                                  `Fields "name" conflict because they have differing arguments`,
		`{ node { next { x: id } } ...f } fragment f on Query { node { next { x: name } } }`: `Fields "x" conflict because`,
		`{ thing { ... on Cat { cat { x: lives } } ... on Dog { cat { x: lives } } } }`:      `they return conflicting types "Int!" and "String!"`,
		`{ a: cat { ...f } b: cat { ...f } } fragment f on Cat { x: id x: name }`:            `Fields "x" conflict because`,
		`{ cat { kind } dog { kind } }`:                                                      "",
		`{ x: cat { id } x: dog { id } }`:                                                    `"cat" and "dog" are different fields`,
	} {
		valid, ours, theirs, text := checked(t, schema, query)
		if !valid || ours != theirs || ours != (want == "") || !strings.Contains(text, want) {
			t.Errorf("%s: valid %v, ours %v, theirs %v: %s", query, valid, ours, theirs, text)
		}
	}
}

// TestOverlapsAgainstPairs holds that the check agrees with gqlparser's, which compares pairs as the specification does,
// for random operations.
func TestOverlapsAgainstPairs(t *testing.T) {
	t.Parallel()
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: overlapSDL})
	compared, conflicts := 0, 0
	for seed := range uint64(3000) {
		g := &overlapGenerator{Rand: rand.New(rand.NewPCG(seed, 1)), schema: schema}
		query := g.document()
		valid, ours, theirs, text := checked(t, schema, query)
		if !valid {
			continue
		}
		compared++
		if !theirs {
			conflicts++
		}
		if ours != theirs {
			t.Fatalf("seed %d: ours %v, theirs %v\n%s\n%s", seed, ours, theirs, query, text)
		}
	}
	if compared < 1500 || conflicts < 250 || conflicts > compared-250 {
		t.Errorf("%d compared, %d of them with conflicts: the operations are too much alike", compared, conflicts)
	}
}

type overlapGenerator struct {
	*rand.Rand
	schema *ast.Schema
}

func (g *overlapGenerator) document() string {
	var b strings.Builder
	b.WriteString("query { ...f0 ")
	g.set(&b, g.schema.Query, 3)
	b.WriteString("}\nfragment f0 on Query { ... on Query { __typename ")
	g.set(&b, g.schema.Query, 3)
	b.WriteString("} ")
	g.set(&b, g.schema.Query, 2)
	b.WriteString("}")
	for i, name := range []string{"Cat", "Node"} {
		text := b.String()
		fmt.Fprintf(&b, "\nfragment f%d on %s { id ", i+1, name)
		g.set(&b, g.schema.Types[name], 1)
		b.WriteString("}")
		if !strings.Contains(text, fmt.Sprintf("...f%d ", i+1)) {
			b.Reset()
			b.WriteString(text)
		}
	}
	return b.String()
}

func (g *overlapGenerator) set(b *strings.Builder, def *ast.Definition, depth int) {
	for range 1 + g.IntN(3) {
		if g.IntN(4) == 0 && (def.Name == "Node" || def.Name == "Thing") {
			on := []string{"Cat", "Dog", "Node"}[g.IntN(3)]
			b.WriteString("... on " + on + " { __typename ")
			g.set(b, g.schema.Types[on], depth)
			b.WriteString("} ")
			continue
		}
		if g.IntN(6) == 0 && depth > 1 && (def.Name == "Node" || def.Name == "Cat" || def.Name == "Thing") {
			fmt.Fprintf(b, "...f%d ", 1+g.IntN(2))
			continue
		}
		if def.Kind == ast.Union {
			b.WriteString("__typename ")
			continue
		}
		f := def.Fields[g.IntN(len(def.Fields))]
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		typ := g.schema.Types[f.Type.Name()]
		if typ.IsCompositeType() && depth == 0 {
			continue
		}
		if g.IntN(6) == 0 {
			b.WriteString([]string{"x: ", "id: ", "next: "}[g.IntN(3)])
		}
		b.WriteString(f.Name)
		if f.Name == "name" {
			b.WriteString([]string{"", "", "", "(long: true)", "(long: false)", "(of: {a: 1, b: 2})"}[g.IntN(6)])
		}
		b.WriteString(" ")
		if typ.IsCompositeType() {
			b.WriteString("{ __typename ")
			g.set(b, typ, depth-1)
			b.WriteString("} ")
		}
	}
}
