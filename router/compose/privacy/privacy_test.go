package privacy_test

import (
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/compose/privacy"
	"github.com/lethe/lethe/schema"
)

// TestOwnSchemas composes the schemas of Lethe.
func TestOwnSchemas(t *testing.T) {
	t.Parallel()
	var subgraphs []compose.Subgraph
	for _, s := range schema.Subgraphs() {
		subgraphs = append(subgraphs, compose.Subgraph{Name: s.Name, URL: "http://" + s.Name + "/graphql", SDL: s.SDL})
	}
	result, errs := compose.Compose(subgraphs, compose.WithValidation(privacy.Validation()))
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	if !strings.Contains(result.SDL, `@link(url: "https://lethe.dev/privacy/v1.0"`) {
		t.Error("the supergraph does not link the specification")
	}
}

const header = `extend schema
  @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@external", "@composeDirective"])
  @link(url: "https://lethe.dev/privacy/v1.0", import: ["@dataSubject", "@belongsToSubject", "@personal", "@notPersonal"])
  @composeDirective(name: "@dataSubject") @composeDirective(name: "@belongsToSubject")
  @composeDirective(name: "@personal") @composeDirective(name: "@notPersonal")
directive @dataSubject(key: String! = "id") on OBJECT
directive @belongsToSubject(path: String!) on OBJECT
directive @personal(category: PersonalDataCategory!, onErasure: ErasureAction!, rule: String, with: String) on FIELD_DEFINITION
directive @notPersonal(because: String!) on FIELD_DEFINITION | OBJECT
enum PersonalDataCategory { IDENTIFIER CONTACT FREE_TEXT }
enum ErasureAction { DELETE UNSET GENERALISE RETAIN }
`

const customer = `type Query { c: Customer }
type Customer @key(fields: "id") @dataSubject {
  id: ID! @personal(category: IDENTIFIER, onErasure: DELETE)
`

func TestRules(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, sdl string
		codes     []string // each with the word that its message must hold
	}{
		{"annotated", customer + `}`, nil},
		{"unannotated", customer + ` phone: String }`, []string{"PERSONAL_DATA_UNANNOTATED Customer.phone"}},
		{"unannotated enum list", customer + ` kinds: [Kind!] } enum Kind { A }`, []string{"PERSONAL_DATA_UNANNOTATED Customer.kinds"}},
		{"both", customer + ` phone: String @personal(category: CONTACT, onErasure: UNSET) @notPersonal(because: "x") }`, []string{"PERSONAL_DATA_ANNOTATED_TWICE Customer.phone"}},
		{"retain without rule", customer + ` tax: String @personal(category: IDENTIFIER, onErasure: RETAIN) }`, []string{"PERSONAL_DATA_RULE_MISSING Customer.tax"}},
		{"retain with rule", customer + ` tax: String @personal(category: IDENTIFIER, onErasure: RETAIN, rule: "invoices") }`, nil},
		{"generalise without function", customer + ` zip: String @personal(category: CONTACT, onErasure: GENERALISE) }`, []string{"PERSONAL_DATA_FUNCTION_MISSING Customer.zip"}},
		{"free text kept", customer + ` note: String @personal(category: FREE_TEXT, onErasure: RETAIN, rule: "r") }`, []string{"PERSONAL_DATA_FREE_TEXT_KEPT Customer.note"}},
		{"unset non-null", customer + ` zip: String! @personal(category: CONTACT, onErasure: UNSET) }`, []string{"PERSONAL_DATA_UNSET_NON_NULL Customer.zip"}},
		{"value object", customer + ` addresses: [Address!]! } type Address { city: String }`, []string{"PERSONAL_DATA_UNANNOTATED Address.city"}},
		{"value object below another", customer + ` a: A } type A { b: B } type B { city: String a: A }`, []string{"PERSONAL_DATA_UNANNOTATED B.city"}},
		{"value object of an answer too", customer + ` a: Address } type Address { city: String } type Mutation { m: P } type P { address: Address userErrors: [E!] } type E { message: String }`, []string{"PERSONAL_DATA_UNANNOTATED Address.city"}},
		{"value object taken out", customer + ` a: A } type A @notPersonal(because: "x") { city: String }`, nil},
		{"shared value object", customer + ` spent: Money } type Money { amount: String } type Product @key(fields: "id") { id: ID! price: Money }`, nil},
		{"page of value objects", customer + ` addresses: Page } type Page { edges: [Edge] pageInfo: PageInfo totalCount: Int } type Edge { cursor: String node: Address } type Address { city: String } type PageInfo { hasNextPage: Boolean }`, []string{"PERSONAL_DATA_UNANNOTATED Address.city"}},
		{"wrapper of subjects", customer + `} type Mutation { m: Payload } type Payload { customer: Customer userErrors: [E!] } type E { message: String }`, nil},
		{"owner missing", customer + `} type Order @key(fields: "id") { id: ID! customer: Customer }`, []string{"PERSONAL_DATA_OWNER_MISSING Order"}},
		{"owner", customer + `} type Order @key(fields: "id") @belongsToSubject(path: "customer.id") { id: ID! @notPersonal(because: "opaque") customer: Customer total: Int }`, []string{"PERSONAL_DATA_UNANNOTATED Order.total"}},
		{"owner denied", customer + `} type Order @key(fields: "id") @notPersonal(because: "x") { id: ID! customer: Customer }`, nil},
		{"path unknown", customer + `} type Order @belongsToSubject(path: "buyer.id") { customer: Customer }`, []string{"PERSONAL_DATA_PATH_INVALID buyer"}},
		{"path to something else", customer + ` n: Int @notPersonal(because: "x") } type Order @belongsToSubject(path: "customer.n") { customer: Customer }`, []string{"PERSONAL_DATA_PATH_INVALID customer.n"}},
		{"key unknown", `type Query { c: C } type C @dataSubject(key: "nr") { id: ID! @notPersonal(because: "x") }`, []string{"PERSONAL_DATA_PATH_INVALID nr"}},
		{"nobody's", `type Query { c: C } type C { id: ID! @personal(category: CONTACT, onErasure: DELETE) }`, []string{"PERSONAL_DATA_WITHOUT_SUBJECT C.id"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, errs := compose.Compose([]compose.Subgraph{{Name: "people", SDL: header + c.sdl}}, compose.WithValidation(privacy.Validation()))
			if len(errs) != len(c.codes) {
				t.Fatalf("%d errors, want %d:\n%s", len(errs), len(c.codes), compose.FormatText(errs))
			}
			for i, want := range c.codes {
				code, word, _ := strings.Cut(want, " ")
				if errs[i].Code != code || !strings.Contains(errs[i].Message, word) {
					t.Errorf("got %s, want %s with %q", errs[i], code, word)
				}
				if len(errs[i].Subgraphs) != 1 || errs[i].Subgraphs[0] != "people" {
					t.Errorf("subgraphs %v", errs[i].Subgraphs)
				}
			}
		})
	}
}

// TestOtherSubgraph adds a field from a second subgraph, which has not thought of privacy, or not composed it.
func TestOtherSubgraph(t *testing.T) {
	t.Parallel()
	first := compose.Subgraph{Name: "people", SDL: header + customer + `}`}
	fed := `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key"]) `
	for _, c := range []struct{ name, sdl, code string }{
		{"not linked", fed + `type Customer @key(fields: "id") { id: ID! points: Int }`, privacy.CodeUnannotated},
		{"not composed", fed + `@link(url: "https://lethe.dev/privacy/v1.0", import: ["@notPersonal"]) directive @notPersonal(because: String!) on FIELD_DEFINITION
			type Customer @key(fields: "id") { id: ID! points: Int @notPersonal(because: "x") }`, privacy.CodeNotComposed},
	} {
		_, errs := compose.Compose([]compose.Subgraph{first, {Name: "loyalty", SDL: c.sdl}}, compose.WithValidation(privacy.Validation()))
		if len(errs) == 0 || errs[0].Code != c.code || strings.Join(errs[0].Subgraphs, " ") != "loyalty" {
			t.Errorf("%s: %v", c.name, errs)
		}
	}
}

// TestUnlinked leaves supergraphs alone that do not link the specification.
func TestUnlinked(t *testing.T) {
	t.Parallel()
	_, errs := compose.Compose([]compose.Subgraph{{Name: "a", SDL: `directive @personal on FIELD_DEFINITION type Query { a: Int @personal }`}}, compose.WithValidation(privacy.Validation()))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
}
