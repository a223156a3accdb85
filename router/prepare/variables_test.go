package prepare

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// FuzzCoerce reads variables of many types: what is taken is JSON, and is taken again as it is.
func FuzzCoerce(f *testing.F) {
	schema := gqlparser.MustLoadSchema(&ast.Source{Input: `
		type Query { a(i: Int, f: Float, s: String, b: Boolean, id: ID, e: E, l: [[Int!]], in: In, any: Any): Int }
		enum E { A B }
		scalar Any
		input In { s: String! = "x" n: [In!] e: E = B one: One any: Any d: Int = 7 }
		input One @oneOf { a: Int b: String }
		directive @oneOf on INPUT_OBJECT`})
	doc, err := parser.ParseQuery(&ast.Source{Input: `query($i: Int, $f: Float! = 1.5, $s: String, $b: Boolean, $id: ID, $e: E, $l: [[Int!]], $in: In, $any: Any) {
		a(i: $i, f: $f, s: $s, b: $b, id: $id, e: $e, l: $l, in: $in, any: $any) }`})
	if err != nil {
		f.Fatal(err)
	}
	variables, wrong := compileVariables(newInputs(schema), doc.Operations[0])
	if wrong != nil {
		f.Fatal(wrong)
	}
	p := &Prepared{inputs: newInputs(schema), variables: variables}
	f.Add([]byte(`{"i":1e0,"f":2,"s":"\u00e9","b":true,"id":7,"e":"A","l":[[1],null,2],"in":{"n":{"one":{"a":1}}},"any":{"a":[1,"x",null]}}`))
	f.Add([]byte(`{"\u0069":null,"f":-0.5e-3,"in":{"s":"","d":null},"id":"x","l":3}`))
	f.Add([]byte(`{"in":{"one":{"a":1,"b":"x"}}}`))
	f.Add([]byte(`{"in":{"in":1}}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var values, again Values
		if errs := p.Coerce(&values, raw); len(errs) > 0 {
			for _, err := range errs {
				if err.Message == "" || len(err.Message) > 2000 || err.Extensions["code"] != "BAD_USER_INPUT" {
					t.Fatalf("%q: %v", raw, err)
				}
			}
			return
		}
		text := []byte{'{'}
		for i, v := range values.JSON {
			if v == nil {
				continue
			}
			if !json.Valid(v) {
				t.Fatalf("%q: $%s is %q", raw, p.variables[i].name, v)
			}
			if len(text) > 1 {
				text = append(text, ',')
			}
			text = append(append(append(text, '"'), p.variables[i].name...), `":`...)
			text = append(text, v...)
		}
		text = append(text, '}')
		if errs := p.Coerce(&again, text); len(errs) > 0 || !slices.EqualFunc(values.JSON, again.JSON, bytes.Equal) {
			t.Fatalf("%q became %q, and that %q: %v", raw, values.JSON, again.JSON, errs)
		}
	})
}
