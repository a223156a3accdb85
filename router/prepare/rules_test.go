package prepare

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/supergraph"
)

// rulesSDL is a schema with something for each rule of validation.
const rulesSDL = `
	extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@shareable"])
	directive @onField(limit: Int! = 1, note: String) on FIELD
	directive @onQuery on QUERY
	directive @onMutation on MUTATION
	directive @onSubscription on SUBSCRIPTION
	directive @onFragments on FRAGMENT_DEFINITION | FRAGMENT_SPREAD | INLINE_FRAGMENT
	directive @onVariable(of: Int) on VARIABLE_DEFINITION
	directive @again(n: Int!) repeatable on FIELD
	type Query {
		shelf(first: Int! = 10, after: ID, order: Order): Shelf
		thing(id: ID!): Thing
		find(by: By!, any: Any): [Thing!]
		search(filter: Filter, ids: [ID!], grid: [[Int]], at: Float, exact: Boolean, text: String, any: Any, orders: [Order!]): Int
		readable: Readable
		rare: Rare
	}
	type Mutation { move(id: ID!, to: Int!): Book drop(id: ID!): Boolean }
	type Subscription { moved(shelf: ID): Book ticked: Int }
	scalar Any
	enum Order { TITLE YEAR }
	input By @oneOf { id: ID title: String box: Box }
	input Box { width: Int! height: Int! = 1 tags: [String!] }
	input Filter { min: Int max: Int = 9 required: Int! nested: Filter by: By order: Order any: Any }
	interface Readable { title: String pages: Int! }
	interface Rare { worth: Float }
	interface Signed implements Rare & Readable { worth: Float title: String pages: Int! by: String }
	type Book implements Readable { id: ID! title: String pages: Int! shelf: Shelf }
	type Map implements Rare { id: ID! worth: Float scale: Int! title: Int }
	type Shelf { id: ID! books: [Book!] things: [Thing] label(upper: Boolean): String }
	union Thing = Book | Map
`

func rulesPreparer(t *testing.T, options Options) *Preparer {
	t.Helper()
	return preparerOf(t, rulesSDL, func(o *Options) { *o = options })
}

// preparerOf returns a preparer for the supergraph of one subgraph.
func preparerOf(t *testing.T, sdl string, change ...func(*Options)) *Preparer {
	t.Helper()
	composed, errs := compose.Compose([]compose.Subgraph{{Name: "library", URL: "http://127.0.0.1", SDL: sdl}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	sg, err := supergraph.Parse(composed.SDL)
	if err != nil {
		t.Fatal(err)
	}
	var options Options
	for _, c := range change {
		c(&options)
	}
	p, err := New(sg, options)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ruleCases are operations for one rule of the specification.
type ruleCases struct {
	section string
	valid   []string
	invalid []string
}

// validationRules holds operations for each rule of section 5 of the GraphQL specification, September 2025: those that it
// accepts and those that it refuses. They are written from the rules' text, so that a library that loses a rule, or has it
// wrong, fails here.
func validationRules() []ruleCases {
	return []ruleCases{
		{
			"5.1.1 Executable definitions",
			[]string{`fragment F on Shelf { id } query Q { shelf { ...F } }`},
			[]string{`{ shelf { id } } type Extra { a: Int }`, `{ shelf { id } } extend type Book { a: Int }`, `schema { query: Query } { shelf { id } }`, `{ shelf { id } } directive @x on FIELD`},
		},
		{
			"5.2.1.1 Operation type existence", // the schema without mutations has its own test
			[]string{`mutation { drop(id: 1) }`},
			nil,
		},
		{
			"5.2.2.1 Operation name uniqueness",
			[]string{`query A { shelf { id } } query B { shelf { id } }`},
			[]string{`query A { shelf { id } } query A { shelf { label } }`, `query A { shelf { id } } mutation A { drop(id: 1) }`},
		},
		{
			"5.2.3.1 Lone anonymous operation",
			[]string{`{ shelf { id } }`},
			[]string{`query A { shelf { id } } { shelf { id } }`, `query A { shelf { id } } query { shelf { id } }`},
		},
		{
			"5.2.4.1 Single root field",
			[]string{
				`subscription { ticked }`, `subscription S { moved { id title } }`, `subscription { ticked ticked }`, `subscription { a: ticked ...F } fragment F on Subscription { a: ticked }`,
				`subscription { ... on Subscription { ... { ticked } } }`, `subscription ($no: Boolean!) { moved { id @skip(if: $no) title @include(if: false) } }`,
				`subscription { moved { ... @include(if: true) { id } } }`,
			},
			[]string{
				`subscription { ticked moved { id } }`, `subscription { a: ticked b: ticked }`, `subscription { ticked b: ticked }`,
				`subscription { ...F } fragment F on Subscription { a: ticked ...G } fragment G on Subscription { b: ticked }`, `subscription { ticked ... { moved { id } } }`,
				`subscription { __typename }`, `subscription { a: __typename }`, `subscription { ...F } fragment F on Subscription { __typename }`, `subscription { ticked __typename }`,
				`subscription ($v: Boolean!) { ticked @skip(if: $v) }`, `subscription ($v: Boolean!) { ticked @include(if: $v) }`, `subscription { ticked @skip(if: false) }`, `subscription { ticked @include(if: true) }`,
				`subscription { ticked @skip(if: true) }`, `subscription ($v: Boolean!) { ticked @skip(if: $v) moved @include(if: $v) { id } }`, `subscription { ... @include(if: true) { ticked } }`,
				`subscription { ...F @skip(if: false) } fragment F on Subscription { ticked }`, `subscription { ...F } fragment F on Subscription { ticked @include(if: true) }`,
				`subscription { ...F } fragment F on Subscription { ... { ... on Subscription @skip(if: false) { ticked } } }`, `subscription { ticked ticked @skip(if: true) }`,
				`query Q { shelf { id } } subscription S { a: ticked b: ticked }`, // whichever operation is asked for
				`subscription { __schema { description } }`,
			},
		},
		{
			"5.3.1 Field selections",
			[]string{`{ readable { title __typename ... on Book { id } } thing(id: 1) { __typename } __schema { description } }`, `mutation { __typename drop(id: 1) }`},
			[]string{`{ nothing }`, `{ shelf { id { x } title } }`, `{ readable { id } }`, `{ thing(id: 1) { id } }`, `{ ...F } fragment F on Query { shelf { isbn } }`, `{ shelf { __schema { description } } }`, `mutation { __schema { description } }`, `{ rare { ... on Signed { scale } } }`},
		},
		{
			"5.3.2 Field selection merging",
			[]string{
				`{ shelf { id id } a: shelf { id } }`, `{ search(filter: {required: 1, min: 2}) search(filter: {min: 2, required: 1}) }`, `{ thing(id: 1) { ... on Book { x: id } ... on Map { x: id } } }`,
				`{ search(text: "a") search(text: """a""") }`, `{ thing(id: 1) { ... on Book { t: __typename } ... on Map { t: __typename } } }`,
				`{ thing(id: 1) { ... on Book { t: pages } ... on Map { t: scale } } }`, `query ($a: Int!) { shelf(first: $a) { id } shelf(first: $a) { label } }`,
			},
			[]string{
				`{ shelf { x: id x: label } }`, `{ shelf(first: 1) { id } shelf(first: 2) { id } }`, `{ shelf { label(upper: true) label } }`, `{ thing(id: 1) { ... on Book { title } ... on Map { title } } }`,
				`{ thing(id: 1) { ... on Book { x: pages } ... on Map { x: worth } } }`, `{ search(filter: {required: 1}) search(filter: {required: 2}) }`, `{ search(ids: [1, 2]) search(ids: [2, 1]) }`,
				`{ a: shelf { id } ...F } fragment F on Query { a: readable { title } }`, `query ($a: Int!, $b: Int!) { shelf(first: $a) { id } shelf(first: $b) { id } }`, `{ search(text: "1") search(text: 1) }`,
				`{ thing(id: 1) { ... on Book { t: __typename } ... on Map { t: worth } } }`,
			},
		},
		{
			"5.3.3 Leaf field selections",
			[]string{`{ shelf { id books { pages } } }`, `{ search }`},
			[]string{`{ shelf }`, `{ shelf { id { a } } }`, `{ readable }`, `{ thing(id: 1) }`, `{ search { a } }`, `{ shelf { __typename { a } } }`},
		},
		{
			"5.4.1 Argument names",
			[]string{`{ shelf(after: "x") { label(upper: true) @onField(note: "n") } }`},
			[]string{`{ shelf(last: 1) { id } }`, `{ shelf { label(lower: true) } }`, `{ shelf { id @onField(no: 1) } }`, `{ shelf { id @skip(unless: true, if: true) } }`, `{ shelf { __typename(a: 1) } }`, `{ readable { title(upper: true) } }`},
		},
		{
			"5.4.2 Argument uniqueness",
			nil,
			[]string{`{ shelf(first: 1, first: 1) { id } }`, `{ shelf { id @skip(if: true, if: false) } }`, `{ shelf { id @again(n: 1, n: 1) } }`},
		},
		{
			"5.4.3 Required arguments",
			[]string{`{ shelf { id } thing(id: "x") { __typename } }`, `{ shelf { id @onField } }`},
			[]string{`{ thing { __typename } }`, `{ thing(id: null) { __typename } }`, `{ shelf(first: null) { id } }`, `{ shelf { id @skip } }`, `{ shelf { id @again } }`, `mutation { move(id: 1) { id } }`, `{ shelf { id @include(if: null) } }`},
		},
		{
			"5.5.1.1 Fragment name uniqueness",
			[]string{`{ shelf { ...A ...B } } fragment A on Shelf { id } fragment B on Shelf { id }`},
			[]string{`{ shelf { ...A } } fragment A on Shelf { id } fragment A on Shelf { label }`},
		},
		{
			"5.5.1.2 Fragment spread type existence",
			[]string{`{ readable { ... on Book { id } ... @include(if: true) { title } } }`},
			[]string{`{ readable { ... on Nowhere { id } } }`, `{ readable { ...F } } fragment F on Nowhere { id }`},
		},
		{
			"5.5.1.3 Fragments on object, interface or union types",
			[]string{`{ thing(id: 1) { ... on Readable { title } ... on Thing { __typename } } }`},
			[]string{`{ shelf { ... on ID { x } } }`, `{ shelf { ...F } } fragment F on Order { x }`, `{ shelf { ...F } } fragment F on Box { width }`},
		},
		{
			"5.5.1.4 Fragments must be used",
			[]string{`query A { shelf { id } } query B { shelf { ...F } } fragment F on Shelf { id }`},
			[]string{`{ shelf { id } } fragment F on Shelf { id }`, `{ shelf { id } } fragment F on Shelf { ...G } fragment G on Shelf { id }`},
		},
		{
			"5.5.2.1 Fragment spread target defined",
			nil,
			[]string{`{ shelf { ...F } }`, `{ shelf { ...F } } fragment F on Shelf { ...G }`, `{ shelf { ...f } } fragment F on Shelf { id }`},
		},
		{
			"5.5.2.2 Fragment spreads must not form cycles",
			[]string{`{ shelf { ...F } } fragment F on Shelf { id ...G ...G } fragment G on Shelf { id }`},
			[]string{`{ shelf { ...F } } fragment F on Shelf { ...F }`, `{ shelf { ...F } } fragment F on Shelf { books { ...G } } fragment G on Book { shelf { ...F } }`, `{ shelf { id } } fragment F on Shelf { ... { ...F } }`},
		},
		{
			"5.5.2.3 Fragment spread is possible",
			[]string{`{ readable { ... on Book { id } ... on Readable { title } } }`, `{ thing(id: 1) { ... on Readable { title } ... on Rare { worth } } }`, `{ rare { ... on Map { id } ... on Thing { __typename } } }`, `{ shelf { ... on Shelf { id } } }`},
			[]string{
				`{ readable { ... on Map { id } } }`, `{ shelf { ... on Book { id } } }`, `{ shelf { ...F } } fragment F on Thing { __typename }`, `{ readable { ...F } } fragment F on Map { id }`,
				`{ rare { ... on Readable { title } } }`, // Signed implements both, but no object does
				`{ rare { ... on Signed { by } } }`, `{ rare { ... on Book { id } } }`,
			},
		},
		{
			"5.6.1 Values of correct type",
			[]string{
				`{ shelf(first: 2147483647) { id } }`, `{ shelf(first: -2147483648) { id } }`, `{ search(at: 1) }`, `{ search(at: 99999999999999999999) }`, `{ search(at: 1.5e10) }`, `{ search(text: """block""") }`,
				`{ thing(id: 99999999999999999999) { __typename } }`, `{ search(ids: 1) }`, `{ search(ids: ["a", 2]) }`, `{ search(grid: [[1, null], null, [2]]) }`, `{ search(grid: [1, 2]) }`, `{ search(grid: 1) }`,
				`{ search(any: {a: [1, "x", null, {b: TITLE}]}) }`, `{ search(any: 1.5) }`, `{ shelf(order: TITLE) { id } }`, `{ search(orders: TITLE) }`, `{ search(text: null) }`, `{ search(filter: null) }`,
				`{ find(by: {id: 1}) { __typename } }`, `{ find(by: {box: {width: 1}}) { __typename } }`, `query ($a: ID!) { find(by: {id: $a}, any: {k: $a}) { __typename } }`, `query ($a: By!) { find(by: $a) { __typename } }`,
				`query ($a: Int = 3, $b: [ID!] = "x", $c: Filter = {required: 1, by: {title: "t"}}) { search(at: 1, ids: $b, filter: $c) shelf(first: $a) { id } }`,
			},
			[]string{
				`{ shelf(first: 2147483648) { id } }`, `{ shelf(first: -2147483649) { id } }`, `{ shelf(first: 1.0) { id } }`, `{ shelf(first: "1") { id } }`, `{ shelf(first: true) { id } }`, `{ shelf(first: ONE) { id } }`, `{ shelf(first: [1]) { id } }`, `{ shelf(first: {}) { id } }`,
				`{ search(at: "1") }`, `{ search(at: 1e999) }`, `{ search(text: 1) }`, `{ search(text: TITLE) }`, `{ search(text: {}) }`, `{ search(exact: 1) }`, `{ search(exact: "true") }`, `{ search(exact: {}) }`,
				`{ thing(id: 1.5) { __typename } }`, `{ thing(id: true) { __typename } }`, `{ thing(id: {}) { __typename } }`, `{ search(ids: [null]) }`, `{ search(ids: [[1]]) }`, `{ search(grid: [[1, "x"]]) }`, `{ search(grid: [[[1]]]) }`,
				`{ shelf(order: "TITLE") { id } }`, `{ shelf(order: LENGTH) { id } }`, `{ shelf(order: 1) { id } }`, `{ shelf(order: true) { id } }`, `{ shelf(order: {}) { id } }`, `{ shelf(order: [TITLE]) { id } }`, `{ search(orders: [null]) }`,
				`{ search(filter: 1) }`, `{ search(filter: "x") }`, `{ search(filter: [{required: 1}]) }`, `{ search(filter: TITLE) }`, `{ shelf { id @onField(limit: "x") } }`, `{ shelf { id @skip(if: 1) } }`, `{ shelf { id @onField(limit: 3000000000) } }`,
				`query ($a: Int = "x") { shelf(first: $a) { id } }`, `query ($a: Int! = null) { shelf(first: $a) { id } }`, `query ($a: [ID!] = [null]) { search(ids: $a) }`, `query ($a: Order = "TITLE") { shelf(order: $a) { id } }`, `query ($a: Filter = {}) { search(filter: $a) }`, `query ($a: Int = 2147483648) { shelf(first: $a) { id } }`,
				`{ find(by: {}) { __typename } }`, `{ find(by: {id: 1, title: "x"}) { __typename } }`, `{ find(by: {id: null}) { __typename } }`, `{ find(by: {id: 1, title: null}) { __typename } }`, `{ find(by: {box: {height: 1}}) { __typename } }`,
				`query ($a: ID!) { find(by: {id: $a, title: "x"}) { __typename } }`, `query ($a: By = {}) { search(filter: {required: 1, by: $a}) }`, `query ($a: By = {id: 1, title: "x"}) { search(filter: {required: 1, by: $a}) }`,
			},
		},
		{
			"5.6.2 Input object field names",
			[]string{`{ search(filter: {required: 1, nested: {required: 2}}) }`},
			[]string{`{ search(filter: {required: 1, least: 1}) }`, `{ search(filter: {required: 1, nested: {required: 2, x: 1}}) }`, `{ find(by: {name: "x"}) { __typename } }`},
		},
		{
			"5.6.3 Input object field uniqueness",
			nil,
			[]string{`{ search(filter: {required: 1, required: 1}) }`, `{ search(filter: {required: 1, nested: {required: 1, min: 1, min: 2}}) }`, `{ search(any: {a: 1, a: 2}) }`, `{ find(by: {id: 1, id: 2}) { __typename } }`},
		},
		{
			"5.6.4 Input object required fields",
			[]string{`{ search(filter: {required: 1}) }`, `{ find(by: {box: {width: 1}}) { __typename } }`},
			[]string{`{ search(filter: {}) }`, `{ search(filter: {required: null}) }`, `{ search(filter: {required: 1, nested: {min: 1}}) }`, `{ find(by: {box: {width: 1, height: null}}) { __typename } }`},
		},
		{
			"5.7.1 Directives are defined",
			[]string{`{ shelf { id @skip(if: false) @include(if: true) @onField @again(n: 1) } }`},
			[]string{`{ shelf { id @nothing } }`, `query @nothing { shelf { id } }`, `{ shelf { ... @nothing { id } } }`, `query ($a: Int = 1 @nothing) { shelf(first: $a) { id } }`, `{ shelf { ...F } } fragment F on Shelf @nothing { id }`, `{ shelf { id @shareable } }`},
		},
		{
			"5.7.2 Directives are in valid locations",
			[]string{`query Q($a: Int = 1 @onVariable(of: 2)) @onQuery { shelf(first: $a) { ... @onFragments { id @onField } ...F @onFragments } } fragment F on Shelf @onFragments { id }`, `mutation @onMutation { drop(id: 1) }`, `subscription @onSubscription { ticked }`},
			[]string{
				`query @skip(if: true) { shelf { id } }`, `query @onField { shelf { id } }`, `{ shelf { id @onQuery } }`, `{ shelf { ... @onField { id } } }`, `mutation @onQuery { drop(id: 1) }`, `subscription @onQuery { ticked }`, `query @onMutation { shelf { id } }`,
				`{ shelf { ...F @onField } } fragment F on Shelf { id }`, `{ shelf { ...F } } fragment F on Shelf @skip(if: true) { id }`, `query ($a: Int = 1 @onField) { shelf(first: $a) { id } }`, `{ shelf { id @deprecated } }`, `{ shelf { id @defer } }`, `query @defer { shelf { id } }`, `{ shelf { id @oneOf } }`, `{ shelf { id @specifiedBy(url: "x") } }`,
			},
		},
		{
			"5.7.3 Directives are unique per location",
			[]string{`{ shelf { id @again(n: 1) @again(n: 2) label @onField } }`, `query ($a: Boolean!) { shelf @include(if: $a) { id } shelf @include(if: $a) { id } }`},
			[]string{`{ shelf { id @onField @onField } }`, `{ shelf { id @skip(if: true) @skip(if: false) } }`, `query @onQuery @onQuery { shelf { id } }`, `{ shelf { ... @onFragments @onFragments { id } } }`, `query ($a: Int = 1 @onVariable @onVariable) { shelf(first: $a) { id } }`},
		},
		{
			"5.8.1 Variable uniqueness",
			[]string{`query A($a: Int!) { shelf(first: $a) { id } } query B($a: Int!) { shelf(first: $a) { id } }`},
			[]string{`query ($a: Int!, $a: Int!) { shelf(first: $a) { id } }`, `query ($a: Int!, $a: ID) { shelf(first: $a, after: $a) { id } }`},
		},
		{
			"5.8.2 Variables are input types",
			[]string{`query ($a: [Order!], $b: By!, $c: Any) { search(orders: $a, any: $c) find(by: $b) { __typename } }`},
			[]string{`query ($a: Book) { search(any: {of: $a}) }`, `query ($a: Book) { search(any: $a) }`, `query ($a: [Thing!]) { search(any: $a) }`, `query ($a: Readable!) { search(any: $a) }`, `query ($a: Nowhere) { search(any: $a) }`},
		},
		{
			"5.8.3 All variable uses defined",
			[]string{`query ($a: Int!) { ...F } fragment F on Query { shelf(first: $a) { id } }`},
			[]string{
				`{ shelf(first: $a) { id } }`, `query A($a: Int!) { shelf(first: $a) { id } } query B { shelf(first: $a) { id } }`, `{ ...F } fragment F on Query { shelf(first: $a) { id } }`, `query A($a: Int!) { ...F } query B { ...F } fragment F on Query { shelf(first: $a) { id } }`,
				`{ search(filter: {required: $a}) }`, `{ search(any: {deep: [$a]}) }`, `{ shelf { id @skip(if: $a) } }`, `{ search(ids: [1, $a]) }`, `query ($a: Int = $b, $b: Int) { shelf(first: $a) { id } search(filter: {required: 1, min: $b}) }`,
			},
		},
		{
			"5.8.4 All variables used",
			[]string{`query ($a: Any) { search(any: {deep: [$a]}) }`, `query ($a: Boolean!) { ...F @skip(if: $a) } fragment F on Query { search }`, `query ($a: Int!) { ...F } fragment F on Query { ...G } fragment G on Query { shelf(first: $a) { id } }`},
			[]string{`query ($a: Int) { search }`, `query A($a: Int!) { search } query B($a: Int!) { shelf(first: $a) { id } }`, `query ($a: Int!, $b: Int) { shelf(first: $a) { id } }`},
		},
		{
			"5.8.5 All variable usages are allowed",
			[]string{
				`query ($a: Int) { shelf(first: $a) { id } }`, `query ($a: Int! = 1) { shelf(first: $a) { id } }`, `query ($a: ID = "x") { thing(id: $a) { __typename } }`, `query ($a: [ID!]!) { search(ids: $a) }`, `query ($a: Int) { search(filter: {required: 1, max: $a}) }`,
				`query ($a: Int) { find(by: {box: {width: 1, height: $a}}) { __typename } }`, `query ($a: Int = 4) { search(filter: {required: $a}) }`, `query ($a: Int, $b: [Int]) { search(grid: [[$a], $b]) }`, `query ($a: [[Int!]!]!) { search(grid: $a) }`, `query ($a: Int) { shelf { id @onField(limit: $a) } }`,
				`query ($a: ID = 1) { find(by: {id: $a}) { __typename } }`,
			},
			[]string{
				`query ($a: ID) { thing(id: $a) { __typename } }`, `query ($a: ID = null) { thing(id: $a) { __typename } }`, `query ($a: String!) { thing(id: $a) { __typename } }`, `query ($a: ID!) { search(ids: $a) }`, `query ($a: ID) { search(ids: [$a]) }`, `query ($a: [ID]) { search(ids: $a) }`, `query ($a: [ID!]!) { thing(id: $a) { __typename } }`,
				`query ($a: Int) { search(filter: {required: $a}) }`, `query ($a: String) { search(at: $a) }`, `query ($a: Int) { search(at: $a) }`, `query ($a: String) { shelf(order: $a) { id } }`, `query ($a: Boolean) { shelf { id @skip(if: $a) } }`, `query ($a: Int!) { shelf { id @skip(if: $a) } }`, `query ($a: [Int]) { search(grid: [[1], [$a]]) }`,
				`query ($a: ID) { find(by: {id: $a}) { __typename } }`, `query ($a: By) { find(by: $a) { __typename } }`, `query ($a: Int!) { find(by: {title: $a}) { __typename } }`, `query ($a: Box) { find(by: {box: $a}) { __typename } }`, `query ($a: ID = null) { find(by: {id: $a}) { __typename } }`,
				`query ($a: ID) { ...F } fragment F on Query { thing(id: $a) { __typename } }`, `query A($a: ID!) { ...F } query B($a: ID) { ...F } fragment F on Query { thing(id: $a) { __typename } }`,
			},
		},
		{
			"Incremental delivery: @defer",
			[]string{
				`{ shelf { id ... @defer(label: "a") { label } ... @defer(label: "b") { books { id } } } }`, `{ ... @defer { shelf { id } } }`, `query ($v: Boolean) { shelf { ...F @defer(if: $v) } } fragment F on Shelf { id }`, `mutation { move(id: 1, to: 2) { id ... @defer { title } } }`,
				`subscription { moved { ... @defer(if: false) { id } } }`, `mutation { ... @defer(if: false) { drop(id: 1) } }`, `subscription ($v: Boolean!) { moved { ... @defer(if: $v) { id } } }`,
			},
			[]string{
				`{ shelf { ... @defer(label: "a") { id } ... @defer(label: "a") { label } } }`, `query ($l: String) { shelf { ... @defer(label: $l) { id } } }`, `mutation { ... @defer { drop(id: 1) } }`, `mutation { ...F @defer } fragment F on Mutation { drop(id: 1) }`,
				`subscription { moved { ... @defer { id } } }`, `subscription { ... @defer { ticked } }`, `{ shelf { ... @defer(if: null) { id } } }`, `{ shelf { ... @defer @defer { id } } }`, `{ shelf { ... @defer(if: 1) { id } } }`, `{ shelf { ... @defer(label: 7) { id } } }`,
			},
		},
	}
}

func TestValidationRules(t *testing.T) {
	t.Parallel()
	p := rulesPreparer(t, Options{})
	for _, rule := range validationRules() {
		t.Run(rule.section, func(t *testing.T) {
			t.Parallel()
			for _, query := range rule.valid {
				if got := prepareFirst(t, p, query); len(got.Errors) > 0 {
					t.Errorf("%s is refused: %v", query, got.Errors)
				}
			}
			for _, query := range rule.invalid {
				got := prepareFirst(t, p, query)
				if len(got.Errors) == 0 {
					t.Errorf("%s is accepted", query)
					continue
				}
				switch code := got.Errors[0].Extensions["code"]; code {
				case "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "DEFER_NOT_ALLOWED":
				default:
					t.Errorf("%s is refused with %v: %v", query, code, got.Errors)
				}
			}
		})
	}
}

// TestEveryRuleIsNeeded takes each rule away: some operation that the specification refuses must then pass, so that the
// loss of any shows in [TestValidationRules].
func TestEveryRuleIsNeeded(t *testing.T) {
	t.Parallel()
	schema := rulesPreparer(t, Options{}).sg.API()
	valid := func(set *rules.Rules, query string) bool {
		doc, err := parser.ParseQuery(&ast.Source{Input: query})
		return err == nil && len(validator.ValidateWithRules(schema, doc, set)) == 0
	}
	for name := range specifiedRules(true).GetInner() {
		switch name {
		case "KnownRootType", "MaxIntrospectionDepth": // their own tests have other schemas and operations
			continue
		case "UniqueVariableNames": // a second variable of a name is never used either
			continue
		}
		without := specifiedRules(true)
		without.RemoveRule(name)
		missed := false
		for _, c := range validationRules() {
			for _, query := range c.invalid {
				missed = missed || valid(without, query) && !valid(specifiedRules(true), query)
			}
		}
		if !missed {
			t.Errorf("no operation needs the rule %s", name)
		}
	}
}

// TestIntrospectionIsBounded holds the one rule that the specification does not have: lists of the schema inside each other
// grow without end.
func TestIntrospectionIsBounded(t *testing.T) {
	t.Parallel()
	p := rulesPreparer(t, Options{})
	if got := prepareFirst(t, p, `{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }`); len(got.Errors) == 0 {
		t.Error("fields of fields of fields are accepted")
	}
	if got := prepareFirst(t, p, `{ __schema { types { fields { type { fields { name } } } } } }`); len(got.Errors) > 0 {
		t.Error(got.Errors)
	}
}

// prepareFirst prepares a document's first operation.
func prepareFirst(t *testing.T, p *Preparer, query string) *Prepared {
	t.Helper()
	got, err := p.Prepare(context.Background(), []byte(query), []byte(firstName(query)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// firstName returns the name of the query A or Q of a document, "" where it has neither.
func firstName(query string) string {
	for _, name := range []string{"A", "Q"} {
		if at := strings.Index(query, "query "+name); at >= 0 && strings.ContainsRune(" (", rune(query[at+len("query A")])) {
			return name
		}
	}
	return ""
}

// TestOperationTypeExistence is section 5.2.1.1, which takes a schema without the operations.
func TestOperationTypeExistence(t *testing.T) {
	t.Parallel()
	p := preparerOf(t, `type Query { a: Int }`)
	for _, query := range []string{`mutation { a }`, `subscription { a }`, `mutation { __typename }`} {
		if got := prepareFirst(t, p, query); len(got.Errors) == 0 {
			t.Errorf("%s is accepted by a schema without the operation", query)
		}
	}
}

// TestSuggestionsAreSilentWithoutIntrospection holds that no refusal names what the schema has and the operation does not,
// where the schema may not be asked for.
func TestSuggestionsAreSilentWithoutIntrospection(t *testing.T) {
	t.Parallel()
	open, closed := rulesPreparer(t, Options{}), rulesPreparer(t, Options{NoIntrospection: true})
	misspelt := []string{
		`{ shelff { id } }`, `{ shelf { idd lable } }`, `{ readable { id } }`, `{ shelf(frist: 1) { id } }`, `{ shelf { id @onField(limt: 1) } }`, `{ shelf { ...F } } fragment F on Shelff { id }`, `{ shelf { ... on Shelff { id } } }`,
		`{ shelf(order: TITEL) { id } }`, `{ shelf(order: "TITLE") { id } }`, `{ search(filter: {required: 1, maxx: 1}) }`, `{ shelf }`, `{ shelf { id @onFeild } }`, `query ($a: Ordre) { shelf(order: $a) { id } }`, `{ shelf(first: TITLE) { id } }`,
	}
	suggested := 0
	for _, query := range misspelt {
		if strings.Contains(fmt.Sprint(prepareFirst(t, open, query).Errors), "Did you mean") {
			suggested++
		}
		got := prepareFirst(t, closed, query)
		if text := fmt.Sprint(got.Errors); len(got.Errors) == 0 || strings.Contains(strings.ToLower(text), "did you mean") {
			t.Errorf("%s: %s", query, text)
		}
	}
	if suggested < 8 {
		t.Errorf("%d of %d have suggestions with introspection", suggested, len(misspelt))
	}
}
