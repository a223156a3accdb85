package compose

import "testing"

// FuzzCompose composes two subgraphs of any text: it must end in a supergraph that can be read, or in errors that are about
// the subgraphs.
func FuzzCompose(f *testing.F) {
	link := `extend schema @link(url: "https://specs.apollo.dev/federation/v2.9", import: ["@key", "@shareable", "@requires", "@external", "@provides", "@override", "@inaccessible", "@interfaceObject", "@context", "@fromContext", "@cost", "@listSize", "@requiresScopes", "@composeDirective"]) `
	for _, s := range [][2]string{
		{`type Query { a: Int }`, `type Query { b: Int }`},
		{`type Query { t: T } type T @key(fields: "id") { id: ID! x: Int }`, `extend type T @key(fields: "id") { id: ID! @external x: Int @external y: Int @requires(fields: "x") }`},
		{link + `type Query { i: I } interface I @key(fields: "id") { id: ID! } type T implements I @key(fields: "id") { id: ID! }`, link + `type I @key(fields: "id") @interfaceObject { id: ID! x: Int }`},
		{link + `type Query { u(e: E = A): U } union U = A | B type A @shareable { x: Int } type B { y: E } enum E { A B @inaccessible }`, link + `type A @shareable { x: Int } enum E { A }`},
		{link + `type Query { t: T } type T @key(fields: "id") @context(name: "c") { id: ID! u: U p: String } type U @key(fields: "id") { id: ID! f(x: String @fromContext(field: "$c { p }")): Int }`, link + `type U @key(fields: "id") { id: ID! g: Int @override(from: "a", label: "percent(1)") }`},
		{link + `type Query { l(f: Int, i: In): [Int] @listSize(slicingArguments: ["f"]) @cost(weight: 2) } input In { a: [In!] = [{}] s: String = "" }`, link + `type Query { s: Int @requiresScopes(scopes: [["a"], ["b", "c"]]) } input In { a: [In!] }`},
		{`schema @link(url: "https://specs.apollo.dev/link/v1.0") @link(url: "https://specs.apollo.dev/federation/v2.3", import: [{name: "@key", as: "@k"}]) { query: Q } type Q { a: T } type T @k(fields: "a { b { ...on C { d } } }") { a: A } type A { b: B } interface B { c: Int } type C implements B { c: Int d: Int }`, `scalar S`},
	} {
		f.Add(s[0], s[1])
	}
	for _, set := range composable(f) {
		if len(set) == 2 {
			f.Add(set[0].SDL, set[1].SDL)
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 10_000 {
			return
		}
		if problem := readBack(Compose([]Subgraph{{Name: "a", SDL: a}, {Name: "b", SDL: b}})); problem != "" {
			t.Fatalf("%s\n%s\n%s", problem, a, b)
		}
	})
}
