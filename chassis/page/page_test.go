package page_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/chassis/graphqlserver"
	"github.com/lethe/lethe/chassis/page"
)

var things = page.List{Name: "things/NAME", Filter: map[string]string{"brand": "x"}}

func badInput(err error) bool {
	var known *graphqlserver.Error
	return errors.As(err, &known) && known.Code == "BAD_USER_INPUT"
}

func pointer[T any](v T) *T { return &v }

func TestCursor(t *testing.T) {
	t.Parallel()
	for _, key := range []page.Key{{"a", "id_1"}, {int64(-1), "id"}, {int64(math.MaxInt64), ""}, {2.5, "x"}, {"ü\x00\"", int64(0), "z"}} {
		got, err := things.Open("after", things.Cursor(key))
		if err != nil || !reflect.DeepEqual(got, key) {
			t.Errorf("%v comes back as %v, %v", key, got, err)
		}
	}
	other := func(name string, filter any) string {
		return page.List{Name: name, Filter: filter}.Cursor(page.Key{"a"})
	}
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	tag := func(key string) string {
		var c struct {
			L string `json:"l"`
		}
		text, err := base64.RawURLEncoding.DecodeString(things.Cursor(page.Key{"a"}))
		if err != nil || json.Unmarshal(text, &c) != nil {
			t.Fatal(err)
		}
		return raw(`{"v":1,"l":"` + c.L + `","k":` + key + `}`)
	}
	if _, err := things.Open("after", tag(`["a"]`)); err != nil {
		t.Fatalf("a cursor as it is made: %v", err)
	}
	for name, cursor := range map[string]string{
		"of another order":       other("things/PRICE", things.Filter),
		"of another filter":      other(things.Name, map[string]string{"brand": "y"}),
		"what is no base64":      "!",
		"what is no JSON":        raw("x"),
		"of another version":     strings.Replace(tag(`["a"]`), raw(`{"v":1`), raw(`{"v":2`), 1),
		"without a key":          tag(`[]`),
		"with a long key":        tag(`[1,2,3,4,5,6,7,8,9]`),
		"with an object in it":   tag(`[{"$gt":""}]`),
		"with a list in it":      tag(`[["a"]]`),
		"with true in it":        tag(`[true]`),
		"longer than it ever is": things.Cursor(page.Key{strings.Repeat("x", 3000)}),
	} {
		if key, err := things.Open("after", cursor); !badInput(err) || !strings.Contains(err.Error(), "`after`") {
			t.Errorf("a cursor %s: %v, %v", name, key, err)
		}
	}
}

func TestWindow(t *testing.T) {
	t.Parallel()
	cursor := things.Cursor(page.Key{"b", "id"})
	for _, c := range []struct {
		args     page.Args
		limit    int
		backward bool
	}{
		{page.Args{}, page.Default, false},
		{page.Args{First: pointer(0)}, 0, false},
		{page.Args{First: pointer(page.Max), After: &cursor}, page.Max, false},
		{page.Args{Last: pointer(7), Before: &cursor}, 7, true},
	} {
		w, err := things.Window(c.args)
		if err != nil || w.Limit != c.limit || w.Backward != c.backward || (w.From != nil) != (c.args.After != nil) || (w.To != nil) != (c.args.Before != nil) {
			t.Errorf("%+v gives %+v, %v", c.args, w, err)
		}
	}
	for _, a := range []page.Args{
		{First: pointer(1), Last: pointer(1)}, {First: pointer(-1)}, {Last: pointer(-1)}, {First: pointer(page.Max + 1)}, {Last: pointer(page.Max + 1)},
		{After: pointer("x")}, {Before: pointer("")},
	} {
		if w, err := things.Window(a); !badInput(err) {
			t.Errorf("%+v gives %+v, %v", a, w, err)
		}
	}
}

// TestCut cuts pages of ten letters, from every place in both directions.
func TestCut(t *testing.T) {
	t.Parallel()
	letters := strings.Split("abcdefghij", "")
	key := func(s string) page.Key { return page.Key{s} }
	for size := 1; size <= 11; size++ {
		for from := -1; from < len(letters); from++ {
			a := page.Args{First: &size}
			if from >= 0 {
				a.After = pointer(things.Cursor(key(letters[from])))
			}
			w, err := things.Window(a)
			if err != nil {
				t.Fatal(err)
			}
			rest := letters[from+1:]
			p := page.Cut(things, w, append([]string(nil), rest[:min(len(rest), size+1)]...), key)
			if want := rest[:min(len(rest), size)]; strings.Join(p.Items, "") != strings.Join(want, "") || p.Info.HasNextPage != (len(rest) > size) || p.Info.HasPreviousPage != (from >= 0) || len(p.Cursors) != len(want) {
				t.Errorf("%d after %d: %+v", size, from, p)
			}
			if (p.Info.StartCursor == nil) != (len(rest) == 0) {
				t.Errorf("%d after %d begins at %v", size, from, p.Info.StartCursor)
			}
			// The same from the end: what a store reads backwards comes in the list's order.
			b := page.Args{Last: &size}
			if from >= 0 {
				b.Before = pointer(things.Cursor(key(letters[len(letters)-1-from])))
			}
			if w, err = things.Window(b); err != nil {
				t.Fatal(err)
			}
			var backwards []string
			for i := len(letters) - 2 - from; i >= 0 && len(backwards) <= size; i-- {
				backwards = append(backwards, letters[i])
			}
			p = page.Cut(things, w, backwards, key)
			before := letters[:len(letters)-1-from]
			if want := before[max(0, len(before)-size):]; strings.Join(p.Items, "") != strings.Join(want, "") || p.Info.HasPreviousPage != (len(before) > size) || p.Info.HasNextPage != (from >= 0) {
				t.Errorf("%d before %d from the end: %+v", size, from, p)
			}
		}
	}
}

// TestFilter writes a window as MongoDB reads it: the comparison of all sort keys at once, and a bound for the index.
func TestFilter(t *testing.T) {
	t.Parallel()
	order := []page.Order{{Field: "price", Descending: true}, {Field: "_id"}}
	from, to := page.Key{int64(9), "x"}, page.Key{int64(3), "y"}
	w := page.Window{Limit: 1, From: &from, To: &to}
	text, err := bson.MarshalExtJSON(bson.D{{Key: "filter", Value: w.Filter(order)}, {Key: "sort", Value: w.Sort(order)}}, false, false)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"filter":[{"price":{"$lte":9},"$or":[{"price":{"$lt":9}},{"price":9,"_id":{"$gt":"x"}}]},` +
		`{"price":{"$gte":3},"$or":[{"price":{"$gt":3}},{"price":3,"_id":{"$lt":"y"}}]}],"sort":{"price":-1,"_id":1}}`
	if string(text) != want {
		t.Errorf("it is\n%s, want\n%s", text, want)
	}
	w.Backward = true
	if text, err = bson.MarshalExtJSON(w.Sort(order), false, false); err != nil || string(text) != `{"price":1,"_id":-1}` {
		t.Errorf("backwards it is sorted by %s, %v", text, err)
	}
	if got := (page.Window{}).Filter(order); len(got) != 0 {
		t.Errorf("the whole list has the conditions %v", got)
	}
}

// FuzzOpen opens any text as a cursor: what is taken is a key of texts and numbers, and comes back from the cursor made of it.
func FuzzOpen(f *testing.F) {
	f.Add(things.Cursor(page.Key{"a", int64(1), 2.5}))
	f.Add("")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"v":1,"l":"x","k":[1e400]}`)))
	f.Fuzz(func(t *testing.T, text string) {
		key, err := things.Open("after", text)
		if err != nil {
			if !badInput(err) || key != nil {
				t.Errorf("%q: %v, %v", text, key, err)
			}
			return
		}
		again, err := things.Open("after", things.Cursor(key))
		if err != nil || !reflect.DeepEqual(key, again) {
			t.Errorf("%q is %v and comes back as %v, %v", text, key, again, err)
		}
	})
}

// FuzzKey makes cursors of any keys: they come back as they were.
func FuzzKey(f *testing.F) {
	f.Add("a", int64(1))
	f.Fuzz(func(t *testing.T, s string, n int64) {
		key := page.Key{s, n}
		if len(things.Cursor(key)) > 2048 || !utf8.ValidString(s) {
			return // no store gives such a key
		}
		got, err := things.Open("after", things.Cursor(key))
		if err != nil || !reflect.DeepEqual(got, key) {
			t.Errorf("%v comes back as %v, %v", key, got, err)
		}
	})
}
