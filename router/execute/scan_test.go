package execute

import (
	"encoding/json"
	"testing"
)

// itemShape is { items { id name tag } }, with a slot for an entity.
func itemShape() *shape {
	item := &shape{size: 4, fields: []shapeField{shapeFieldOf("id", 0, nil), shapeFieldOf("name", 1, nil), shapeFieldOf("tag", 2, &shape{size: 1})}}
	return &shape{size: 1, fields: []shapeField{shapeFieldOf("items", 0, item)}}
}

func TestScan(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body string
		ok   bool
		errs string
		root kind
	}{
		"as asked":                     {`{"data":{"items":[{"id":1,"name":"a","tag":{}},{"id":2,"name":null,"tag":null}]}}`, true, "", object},
		"other order":                  {`{"extensions":{"x":[1,{}]},"data":{"items":[{"name":"a","more":[[]],"id":1}]}}`, true, "", object},
		"null data":                    {` { "data" : null , "errors" : [ { "message" : "m" } ] } `, true, `[ { "message" : "m" } ]`, null},
		"errors alone":                 {`{"errors":[{}]}`, true, `[{}]`, absent},
		"empty errors":                 {`{"data":{},"errors":[]}`, true, "", object},
		"lists of lists":               {`{"data":{"items":[[{"id":1}],[null]]}}`, true, "", object},
		"a leaf in place of an object": {`{"data":{"items":7}}`, false, "", absent},
		"data that is a list":          {`{"data":[]}`, false, "", absent},
		"cut off":                      {`{"data":{"items":[{"id":1`, false, "", absent},
		"two documents":                {`{"data":{}}{}`, false, "", absent},
		"not an object":                {`[]`, false, "", absent},
		"nothing":                      {``, false, "", absent},
		"a page of HTML":               {`<html></html>`, false, "", absent},
	} {
		var s scanner
		a := answer{body: []byte(c.body)}
		errs, err := a.scan(itemShape(), &s)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.ok && (string(errs) != c.errs || a.root.kind != c.root) {
			t.Errorf("%s: errors %q, root %d", name, errs, a.root.kind)
		}
	}
}

func TestScanKeepsPlaces(t *testing.T) {
	t.Parallel()
	var s scanner
	a := answer{body: []byte(`{"data":{"items":[{"id":"x","name":"é\n"},{"name":12.50,"id":[1, 2]}]}}`)}
	if _, err := a.scan(itemShape(), &s); err != nil {
		t.Fatal(err)
	}
	items := a.slots[a.root.off]
	for i, want := range [][2]string{{`"x"`, `"é\n"`}, {`[1, 2]`, `12.50`}} {
		at := a.slots[items.off+uint32(i)]
		for j, text := range want {
			v := a.slots[int(at.off)+j]
			if got := string(a.body[v.off : v.off+v.n]); got != text {
				t.Errorf("item %d, field %d: %s, want %s", i, j, got, text)
			}
		}
		if v := a.slots[at.off+3]; v.kind != absent {
			t.Errorf("the slot for an entity holds %d", v.kind)
		}
	}
}

// FuzzScan holds that every slot of an answer that was taken stands for JSON within it.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"data":{"items":[{"id":1,"name":"a","tag":{}}]},"errors":[{"message":"m"}]}`))
	f.Add([]byte(`{"data":{"items":[[{"id":{"a":[1]}}],null]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var s scanner
		a := answer{body: body}
		errs, err := a.scan(itemShape(), &s)
		if err != nil {
			return
		}
		if len(errs) > 0 && !json.Valid(errs) {
			t.Fatalf("%q: errors %q", body, errs)
		}
		if !json.Valid(body) {
			t.Fatalf("%q was taken", body)
		}
		for _, v := range a.slots {
			switch v.kind {
			case leaf:
				if !json.Valid(body[v.off : v.off+v.n]) {
					t.Fatalf("%q: leaf %q", body, body[v.off:v.off+v.n])
				}
			case object, list:
				if int(v.off+v.n) > len(a.slots) {
					t.Fatalf("%q: a place beyond the slots", body)
				}
			}
		}
	})
}

func TestRepresentationsAreInterned(t *testing.T) {
	t.Parallel()
	var rs representations
	for round := range 2 {
		for i := range 1000 {
			key := []byte{byte('a' + i%7), byte('a' + i%11)}
			got, known := rs.find(key)
			if int(got) != i%77 || known != (i >= 77) {
				t.Fatalf("round %d: representation %d has index %d, known %v", round, i, got, known)
			}
			if !known {
				rs.text = append(rs.text, key...)
				rs.add()
			}
		}
		if len(rs.ends) != 77 || len(rs.text) != 2*77 {
			t.Fatalf("%d kept, %d bytes", len(rs.ends), len(rs.text))
		}
		rs.reset()
	}
}
