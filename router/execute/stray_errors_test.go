package execute_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Paths that lead nowhere, or that are none. X stands for the path of the facts in the subgraph's answer.
var strayPaths = []string{
	``, `null`, `[]`, `{}`, `7`, `"facts"`, `["nowhere"]`, `["input","acceptorId"]`, `[null]`, `[null,"facts"]`, `[{}]`, `[1.5]`, `[-1]`, `[0]`, `[3,4]`, `[true]`, `[["facts"]]`, `[""]`,
	`["_entities"]`, `["_entities",0]`, `["_entities",3]`, `["_entities",-1,"facts"]`, `["_entities","0"]`, `["_entities",99999999999999999999,"facts"]`, `["_entities",0,"nowhere"]`, `["_e0",7]`, `["_e9",0,"facts"]`,
	`[X]`, `[X,"nowhere"]`, `[X,0]`, `[X,"int"]`, `[X,"int",0]`, `[X,"int","x"]`, `[X,"any","x",0]`, `[X,"ints"]`, `[X,"ints",1]`, `[X,"ints",7]`, `[X,"ints",-1]`, `[X,"ints",0,0]`, `[X,"ints","x"]`,
	`[X,"rows",0,0]`, `[X,"rows",0,5]`, `[X,"children",1,"v"]`, `[X,"children",9,"v"]`, `[X,"children","v"]`, `[X,"children",0]`, `[X,"grid",0,0,"v"]`, `[X,"grid",0,"v"]`, `[X,"grid",0,0,0,"v"]`,
	`[X,"child",null,"v"]`, `[X,"child",0,"v"]`, `[X,"child","v","deeper"]`, `[X,"node","name"]`, `[X,"node","lives"]`, `[X,"pet","__typename"]`, `[X,"\u0069nt"]`,
}

// at gives the path of the facts in the answer of a setting's subgraph b.
func (s *setting) at() string {
	switch s.name {
	case "entity", "entities", "deferred", "deferred, announced":
		return `"_entities",0,"facts"`
	case "several lists of entities":
		return `"_e1",0,"facts"`
	case "repeated":
		return `"many",1,"facts"`
	}
	return `"facts"`
}

// TestNoErrorIsLost holds that an error of a subgraph reaches the client, whatever its path is, with its message and its
// extensions, at a place that the response has; and that it takes no data with it.
func TestNoErrorIsLost(t *testing.T) {
	t.Parallel()
	w := factsWorld(t)
	for _, s := range settings() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			a := w.asking(t, s)
			whole := s.answer(goodFacts)
			good := a.answered(t, whole)
			for _, path := range strayPaths {
				path = strings.ReplaceAll(path, "X", s.at())
				if path != "" {
					path = `,"path":` + path
				}
				errs := fmt.Sprintf(`"errors":[{"message":"one \u00e9"%s,"extensions":{"code":"MINE","more":[1]},"locations":[]}]`, path)
				for _, body := range []string{
					strings.TrimSuffix(whole, "}") + `,` + errs + `}`, `{` + errs + `,` + whole[1:],
					`{"data":null,` + errs + `}`, `{` + errs + `}`, `{` + errs + `,"data":{}}`, `{"extensions":{},` + errs + `,"data":null}`,
				} {
					got := a.answered(t, body)
					holdTold(t, body, got)
					if strings.Contains(body, goodFacts) && !reflect.DeepEqual(got.data, good.data) {
						t.Errorf("%s\ngot  %s\nwant %s", body, text(got.data), text(good.data))
					}
				}
			}
		})
	}
}

// holdTold holds that a response has the error of [TestNoErrorIsLost].
func holdTold(t *testing.T, body string, got sent) {
	t.Helper()
	told := 0
	for _, e := range got.errors {
		if why := unplaced(got.data, e.Path); why != "" || len(e.Path) == 0 {
			t.Errorf("%s: an error at %s, where %s", body, text(e.Path), why)
		}
		if e.Message == "one é" && e.Extensions["code"] == "MINE" && text(e.Extensions["more"]) == "[1]" {
			told++
		}
	}
	if told == 0 {
		t.Errorf("%s: the error is lost\nerrors %v", body, got.errors)
	}
}

// unplaced reports where a path leaves a response's data, but below null.
func unplaced(data any, path []any) string {
	for i, e := range path {
		switch d := data.(type) {
		case nil:
			return ""
		case map[string]any:
			key, isKey := e.(string)
			v, there := d[key]
			if !isKey || !there {
				return fmt.Sprintf("nothing is at %d", i)
			}
			data = v
		case []any:
			n, isNumber := e.(json.Number)
			at, err := n.Int64()
			if !isNumber || err != nil || at < 0 || int(at) >= len(d) {
				return fmt.Sprintf("nothing is at %d", i)
			}
			data = d[at]
		default:
			return fmt.Sprintf("a leaf is above %d", i)
		}
	}
	return ""
}

// TestAnswersWithoutData holds that an answer which has no data, or errors that are none, comes with an error and not with
// null alone.
func TestAnswersWithoutData(t *testing.T) {
	t.Parallel()
	w := factsWorld(t)
	for _, s := range settings() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			a := w.asking(t, s)
			for _, body := range []string{
				``, `{}`, `{"data":null}`, `{"data":{}}`, `{"data":[]}`, `{"data":"text"}`, `{"data":7}`, `{"data":null,"errors":[]}`, `{"data":null,"errors":null}`, `{"data":null,"errors":[ ]}`,
				`{"errors":{}}`, `{"errors":"boom"}`, `{"errors":7}`, `{"errors":true}`, `{"errors":[null]}`, `{"errors":["boom",7]}`, `{"errors":[{}]}`, `{"errors":[{"message":7}]}`,
				`{"errors":[{"message":""}]}`, `{"errors":[[]]}`, `{"data":null,"errors":[{"message":"m","extensions":7}]}`, `{"data":{"facts":[],"_entities":{},"_e0":7,"_e1":[]},"errors":[]}`,
				`{"data":{"_entities":[],"_e0":[],"_e1":[]}}`, `{"data":{"_entities":null,"_e0":null,"_e1":null}}`, `{"data":{"facts":{}},"data":{}}`, `{"errors":[{"message":"m"}],"errors":[]}`,
				`[]`, `null`, `"text"`, `<html></html>`, `{"data":{"facts":null}`, "{\"data\":{\"facts\":\"\xff\"}}", strings.Repeat(`{"data":`, 500) + `1` + strings.Repeat(`}`, 500),
			} {
				got := a.answered(t, body)
				if len(got.errors) == 0 {
					t.Errorf("%s: %s without an error", body, text(got.data))
				}
				for _, e := range got.errors {
					if e.Message == "" || strings.Contains(e.Message, "boom") || e.Extensions["code"] == nil || unplaced(got.data, e.Path) != "" {
						t.Errorf("%s: error %v at %v, %v", body, e.Message, e.Path, e.Extensions)
					}
				}
			}
		})
	}
}

// TestErrorsAreBounded holds that many faults are told of by a bounded number of errors, of which the last has the number of
// the others.
func TestErrorsAreBounded(t *testing.T) {
	t.Parallel()
	w := factsWorld(t)
	const many = 5000
	wrong := `{"must":1,"needed":{"v":1},"children":[` + strings.Repeat(`{"v":"x"},`, many-1) + `{"v":true}],"ints":[` + strings.Repeat(`"x",`, many-1) + `7]}`
	for _, s := range settings() {
		if s.name != "root" && s.name != "root, in pieces" && s.name != "deferred" {
			continue
		}
		a := w.asking(t, s)
		got := a.answered(t, s.answer(wrong))
		_, faults := w.completed(t, wrong)
		holdCounted(t, got, len(faults))
		errs := `"errors":[` + strings.Repeat(`{"message":"m"},`, many-1) + `{"message":"n"}]`
		holdCounted(t, a.answered(t, strings.TrimSuffix(s.answer(goodFacts), "}")+`,`+errs+`}`), many)
	}
}

// holdCounted holds that a response has a bounded number of errors, which stand for so many.
func holdCounted(t *testing.T, got sent, all int) {
	t.Helper()
	i := slices.IndexFunc(got.errors, func(e sentError) bool { return e.Extensions["code"] == "ERRORS_LEFT_OUT" })
	if i < 0 || len(got.errors) > 1001 {
		t.Fatalf("%d errors for %d faults", len(got.errors), all)
	}
	out, _ := got.errors[i].Extensions["count"].(json.Number).Int64()
	if int(out)+len(got.errors)-1 != all {
		t.Errorf("%d errors and %d left out, want %d", len(got.errors)-1, out, all)
	}
}
