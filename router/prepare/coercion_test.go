package prepare

import (
	"strings"
	"testing"
)

// TestVariablesAreCoerced holds how the values that a request gives become those of an operation (GraphQL specification,
// September 2025, sections 6.1.2, 3.5, 3.9, 3.10 and 3.11). A case says what $v becomes, "none" where it stays unset, or,
// after "!", a part of the error.
func TestVariablesAreCoerced(t *testing.T) {
	t.Parallel()
	p := rulesPreparer(t, Options{})
	for typ, cases := range map[string][][2]string{
		"Int": {
			{`{}`, "none"}, {`{"v":null}`, "null"}, {`{"v":0}`, "0"}, {`{"v":-0}`, "0"}, {`{"v":2147483647}`, "2147483647"}, {`{"v":-2147483648}`, "-2147483648"}, {`{"v":1.0}`, "1"}, {`{"v":1e2}`, "100"},
			{`{"v":2147483648}`, "!32 bits"}, {`{"v":-2147483649}`, "!32 bits"}, {`{"v":1.5}`, "!32 bits"}, {`{"v":"1"}`, "!32 bits"}, {`{"v":true}`, "!32 bits"}, {`{"v":[1]}`, "!32 bits"}, {`{"v":{}}`, "!32 bits"}, {`{"V":1}`, "none"},
		},
		"Int!":      {{`{"v":1}`, "1"}, {`{}`, "!was not given"}, {`{"v":null}`, "!not null"}, {`null`, "!was not given"}, {``, "!was not given"}},
		"Int = 3":   {{`{}`, "3"}, {`{"v":null}`, "null"}, {`{"v":4}`, "4"}},
		"Int! = 3":  {{`{}`, "3"}, {`{"v":null}`, "!not null"}, {`{"v":4}`, "4"}},
		"Float":     {{`{"v":1}`, "1"}, {`{"v":1.5}`, "1.5"}, {`{"v":-1e10}`, "-1e10"}, {`{"v":1e999}`, "!too large"}, {`{"v":"1.5"}`, "!a number"}, {`{"v":true}`, "!a number"}, {`{"v":NaN}`, "!JSON object"}},
		"String":    {{`{"v":""}`, `""`}, {`{"v":"\u00e9\n"}`, `"\u00e9\n"`}, {`{"v":1}`, "!a string"}, {`{"v":true}`, "!a string"}, {`{"v":["a"]}`, "!a string"}, {`{"v":{}}`, "!a string"}},
		"Boolean":   {{`{"v":true}`, "true"}, {`{"v":false}`, "false"}, {`{"v":0}`, "!true or false"}, {`{"v":"true"}`, "!true or false"}},
		"ID":        {{`{"v":"a"}`, `"a"`}, {`{"v":7}`, `"7"`}, {`{"v":-7}`, `"-7"`}, {`{"v":99999999999999999999}`, `"99999999999999999999"`}, {`{"v":1.5}`, "!whole number"}, {`{"v":true}`, "!whole number"}, {`{"v":{}}`, "!whole number"}},
		"Order":     {{`{"v":"TITLE"}`, `"TITLE"`}, {`{"v":"\u0054ITLE"}`, `"TITLE"`}, {`{"v":"title"}`, "!one of the values"}, {`{"v":1}`, "!one of the values"}, {`{"v":true}`, "!one of the values"}, {`{"v":{"TITLE":1}}`, "!one of the values"}},
		"Any":       {{`{"v":{"a":[1,"x",null]}}`, `{"a":[1,"x",null]}`}, {`{"v":7}`, "7"}, {`{"v":null}`, "null"}},
		"[Int]":     {{`{"v":[1,null,2]}`, "[1,null,2]"}, {`{"v":1}`, "[1]"}, {`{"v":null}`, "null"}, {`{"v":[]}`, "[]"}, {`{"v":[1,"b"]}`, "!$v[1]"}, {`{"v":[[1]]}`, "!$v[0]"}, {`{"v":"x"}`, "!32 bits"}},
		"[Int!]":    {{`{"v":[1,null]}`, "!$v[1]"}, {`{"v":null}`, "null"}, {`{"v":3}`, "[3]"}},
		"[Int]!":    {{`{"v":null}`, "!not null"}, {`{"v":[null]}`, "[null]"}},
		"[[Int]]":   {{`{"v":[[1],[2,3]]}`, "[[1],[2,3]]"}, {`{"v":[1,2,3]}`, "[[1],[2],[3]]"}, {`{"v":[1,[2,3],4]}`, "[[1],[2,3],[4]]"}, {`{"v":[null,[null]]}`, "[null,[null]]"}, {`{"v":5}`, "[[5]]"}, {`{"v":null}`, "null"}},
		"[ID] = 5":  {{`{}`, `["5"]`}, {`{"v":null}`, "null"}},
		"[Order!]":  {{`{"v":"YEAR"}`, `["YEAR"]`}, {`{"v":["YEAR","X"]}`, "!$v[1]"}},
		"By":        {{`{"v":{"id":1}}`, `{"id":"1"}`}, {`{"v":{"title":"x"}}`, `{"title":"x"}`}, {`{"v":null}`, "null"}, {`{"v":{}}`, "!exactly one"}, {`{"v":{"id":1,"title":"x"}}`, "!exactly one"}, {`{"v":{"id":null}}`, "!exactly one"}, {`{"v":{"id":1,"title":null}}`, "!exactly one"}, {`{"v":{"other":1}}`, "!no field"}, {`{"v":{"box":{"width":2}}}`, `{"box":{"width":2,"height":1}}`}, {`{"v":"x"}`, "!an object"}, {`{"v":[{"id":1}]}`, "!an object"}},
		"Box":       {{`{"v":{"width":1}}`, `{"width":1,"height":1}`}, {`{"v":{"width":1,"height":2,"tags":"x"}}`, `{"width":1,"height":2,"tags":["x"]}`}, {`{"v":{}}`, "!$v.width"}, {`{"v":{"width":null}}`, "!$v.width"}, {`{"v":{"width":1,"height":null}}`, "!$v.height"}, {`{"v":{"width":1,"depth":1}}`, `!no field "depth"`}, {`{"v":{"width":1,"width":2}}`, "!twice"}, {`{"v":{"width":"1"}}`, "!$v.width"}, {`{"v":{"width":1,"tags":[1]}}`, "!$v.tags[0]"}},
		"Filter":    {{`{"v":{"required":1}}`, `{"required":1,"max":9}`}, {`{"v":{"required":1,"max":null}}`, `{"required":1,"max":null}`}, {`{"v":{"required":1,"nested":{"min":1}}}`, "!$v.nested.required"}, {`{"v":{"required":1,"by":{}}}`, "!$v.by"}, {`{"v":{"required":1,"nested":{"required":2,"by":{"id":3}}}}`, `{"required":1,"nested":{"required":2,"by":{"id":"3"},"max":9},"max":9}`}},
		"[Filter!]": {{`{"v":{"required":1}}`, `[{"required":1,"max":9}]`}, {`{"v":[{"required":1},{"required":null}]}`, "!$v[1].required"}},
		`Filter = {required: 1, by: {box: {width: 2}}, order: YEAR}`: {{`{}`, `{"required":1,"by":{"box":{"width":2,"height":1}},"order":"YEAR","max":9}`}},
	} {
		// Inside a custom scalar a variable of any type may stand.
		got, err := p.Prepare(t.Context(), []byte("query ($v: "+typ+") { search(any: {v: $v}) }"), nil)
		if err != nil || got.Program == nil {
			t.Fatal(typ, err, got.Errors)
		}
		for _, c := range cases {
			var values Values
			errs := got.Coerce(&values, []byte(c[0]))
			want, failing := strings.CutPrefix(c[1], "!")
			switch {
			case failing != (len(errs) > 0):
				t.Errorf("%s %s: %s %v, want %s", typ, c[0], values.JSON, errs, c[1])
			case failing:
				if !strings.Contains(errs[0].Message, want) || errs[0].Extensions["code"] != "BAD_USER_INPUT" {
					t.Errorf("%s %s: %v, want %s", typ, c[0], errs[0], want)
				}
			case want == "none":
				if values.JSON[0] != nil {
					t.Errorf("%s %s: %s, want none", typ, c[0], values.JSON[0])
				}
			case string(values.JSON[0]) != want:
				t.Errorf("%s %s: %s, want %s", typ, c[0], values.JSON[0], want)
			}
		}
	}
}

// TestDefaultsThatLeadToThemselves holds that a schema whose defaults have no end does not make preparing endless.
func TestDefaultsThatLeadToThemselves(t *testing.T) {
	t.Parallel()
	p := preparerOf(t, `type Query { a(in: In): Int } input In { in: In = {} n: Int = 1 }`)
	got, err := p.Prepare(t.Context(), []byte(`query ($v: In = {}) { a(in: $v) }`), nil)
	if err != nil || got.Program == nil {
		t.Fatal(err, got.Errors)
	}
	var values Values
	if errs := got.Coerce(&values, []byte(`{"v":{"n":2}}`)); len(errs) > 0 || !strings.HasPrefix(string(values.JSON[0]), `{"n":2,"in":{`) {
		t.Errorf("%s %v", values.JSON[0], errs)
	}
}
