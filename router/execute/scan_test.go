package execute

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

// itemShape is { items { id name tag } }, with a slot for an entity.
func itemShape() *shape {
	item := &shape{size: 4, fields: []shapeField{shapeFieldOf("id", 0, nil), shapeFieldOf("name", 1, nil), shapeFieldOf("tag", 2, &shape{size: 1})}}
	return &shape{size: 1, fields: []shapeField{shapeFieldOf("items", 0, item)}}
}

// typedShape is the same where the values have types, and the items a __typename.
func typedShape() *shape {
	sh := itemShape()
	item := sh.fields[0].child
	item.fields[0].expect(leafTypeOf("Int", 0))
	item.fields[1].expect(enumTypeOf("Colour", []string{"RED", "NAVY_BLUE"}, 0))
	item.fields = append(item.fields, shapeFieldOf("of", item.size, nil), shapeFieldOf("list", item.size+1, nil))
	item.fields[3].expect(enumTypeOf("__typename", []string{"Item"}, 0))
	item.fields[4].expect(leafTypeOf("Float", 1))
	item.types = []typeField{{slot: item.size, must: true}}
	item.size += 2
	return sh
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
		"a leaf in place of an object": {`{"data":{"items":7}}`, true, "", object},
		"data that is a leaf":          {`{"data":7}`, false, "", absent},
		"data twice":                   {`{"data":{},"d\u0061ta":{}}`, false, "", absent},
		"errors twice":                 {`{"data":{},"errors":[{}],"errors":[]}`, false, "", absent},
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

// FuzzExpected holds that an answer means the same whether it is written as it is expected or with white space between all of
// its tokens, which takes the other way through the scanner.
func FuzzExpected(f *testing.F) {
	for _, items := range []string{
		`{"id":1,"name":"a","tag":{}},{"id":2,"name":null,"tag":null}`, `{"id":-1.5e3,"name":"\u0041 é","tag":{"x":[1,"]"]}},{"name":true,"id":false}`,
		`{"id":"12345678","name":"a name that is longer than a block is, so that it is looked at by more than one of them","tag":{}}`,
		`{"id":01,"name":"a`, `{"id":"a","name":nul}`, `{"id":tru,"name":"` + "\x01" + `"}`, `{"id":12x}`, `{"id": 1,"name": null,"tag": {}}`, `{"id":null,"name":[{}, 2 ]}`,
		`{"id":12,"name":"RED","tag":{},"of":"Item","list":[1,2.5,"x",null]}`, `{"id":1.5,"name":"NAVY_BL\u0055E","tag":{},"of":"It\u0065m","list":7},{"id":3000000000,"name":"red","of":"Nobody"}`,
		`""`, `{"id":1,"tag":[ 7 ]}`, `{"tag":"x","id":{}}`,
	} {
		f.Add([]byte(items))
	}
	f.Fuzz(func(t *testing.T, items []byte) {
		for _, sh := range []*shape{itemShape(), typedShape()} {
			holdSpread(t, sh, slices.Concat([]byte(`{"data":{"items":[`), items, []byte(`]}}`)))
		}
	})
}

// holdSpread holds that an answer means the same with white space.
func holdSpread(t *testing.T, sh *shape, body []byte) {
	t.Helper()
	spaced := spread(body)
	var one, two scanner
	a, b := answer{body: body}, answer{body: spaced}
	_, err := a.scan(sh, &one)
	_, err2 := b.scan(sh, &two)
	if (err == nil) != (err2 == nil) {
		t.Fatalf("%s: %v, with white space %v", body, err, err2)
	}
	if err != nil {
		return
	}
	if len(a.slots) != len(b.slots) {
		t.Fatalf("%s: %d slots, with white space %d", body, len(a.slots), len(b.slots))
	}
	for i, v := range a.slots {
		w := b.slots[i]
		if v.kind == wrong && v.n == noType && w.kind == wrong && w.n == noType {
			continue
		}
		text := v.kind == leaf || v.kind == wrong || v.kind == faulty // else a place among the slots
		if v.kind != w.kind || !text && v != w {
			t.Fatalf("%s: slot %d holds %v, with white space %v", body, i, v, w)
		}
		if !text {
			continue
		}
		first, second := a.body[v.off:v.off+v.n], b.body[w.off:w.off+w.n]
		if compact(t, first) != compact(t, second) || len(bytes.TrimSpace(first)) < len(first) || len(bytes.TrimSpace(second)) < len(second) {
			t.Fatalf("%s: slot %d is %q, with white space %q", body, i, first, second)
		}
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return b.String()
}

// spread puts a blank on either side of all brackets, commas and colons.
func spread(text []byte) []byte {
	var out []byte
	inside := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inside && c == '\\' && i+1 < len(text):
			out = append(out, c, text[i+1])
			i++
		case c == '"':
			inside = !inside
			out = append(out, c)
		case !inside && bytes.IndexByte([]byte("{}[],:"), c) >= 0:
			out = append(out, ' ', c, ' ')
		default:
			out = append(out, c)
		}
	}
	return out
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

// TestScanTakesRepeatedObjectsForOne holds that an object which stands in an answer again is read once, by its bytes alone.
func TestScanTakesRepeatedObjectsForOne(t *testing.T) {
	t.Parallel()
	inner := &shape{size: 2, fields: []shapeField{shapeFieldOf("id", 0, nil), shapeFieldOf("name", 1, nil)}, list: 1}
	outer := &shape{size: 2, fields: []shapeField{shapeFieldOf("n", 0, nil), shapeFieldOf("by", 1, inner)}}
	root := &shape{size: 1, fields: []shapeField{shapeFieldOf("list", 0, outer)}}
	number := 0
	root.remember(&number, nil)
	if number != 2 {
		t.Fatalf("%d shapes are remembered", number)
	}
	const a, b = `{"id":"1","name":"somebody whose name is long"}`, `{"id":"1","more":1,"name":"somebody whose name is long"}`
	const c, d = `{"name":"somebody whose name is long","id":"1"}`, `{"id":"1","name":"somebody whose namE is long"}`
	var text []byte
	for i, by := range []string{a, b, a, c, a, d, a, d, c, b} {
		text = fmt.Appendf(text, `,{"n":%d,"by":%s}`, i, by)
	}
	var ans answer
	ans.body = append(append([]byte(`{"data":{"list":[`), text[1:]...), `]}}`...)
	var s scanner
	for range 2 {
		if _, err := ans.scan(root, &s); err != nil {
			t.Fatal(err)
		}
		var objects []uint32
		for i := range uint32(10) {
			o := ans.slots[ans.slots[ans.slots[ans.root.off].off+i].off+1]
			if id := ans.slots[o.off]; o.kind != object || string(ans.body[id.off:id.off+id.n]) != `"1"` {
				t.Errorf("%d: %+v %+v", i, o, id)
			}
			objects = append(objects, o.off)
		}
		for i, first := range []int{0, 1, 0, 3, 0, 5, 0, 5, 3, 1} {
			if (objects[i] == objects[first]) != true || first == i && slices.Contains(objects[:i], objects[i]) {
				t.Errorf("the objects stand at %d", objects)
				break
			}
		}
		if len(ans.lists[0]) != 4 {
			t.Errorf("%d objects are noted, want 4", len(ans.lists[0]))
		}
	}
}
