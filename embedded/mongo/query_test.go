package mongo_test

import (
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// ids gives the _ids that a filter finds, in order.
func ids(t *testing.T, all string) string {
	t.Helper()
	var out []string
	for _, l := range strings.Split(all, "\n") {
		if l == "" {
			continue
		}
		id := strings.TrimPrefix(l, `{"_id":`)
		out = append(out, id[:strings.IndexAny(id, ",}")])
	}
	return strings.Join(out, " ")
}

var queryDocs = []string{
	`{"_id":1,"a":1,"s":"apple","t":["x","y"],"n":{"b":1,"c":"q"}}`,
	`{"_id":2,"a":2.5,"s":"Banana","t":["y"],"n":{"b":2},"items":[{"sku":"k1","q":5},{"sku":"k2","q":1}]}`,
	`{"_id":3,"a":{"$numberLong":"3"},"s":"cherry","t":[],"items":[{"sku":"k1","q":1},{"sku":"k3","q":9}]}`,
	`{"_id":4,"a":null,"s":"date","scores":[80,90]}`,
	`{"_id":5,"s":"elder.berry","scores":[75,85]}`,
	`{"_id":6,"a":"1","t":"x","nested":[[1,2],[3]]}`,
	`{"_id":7,"a":[1,7],"d":{"$date":"2026-01-01T00:00:00Z"}}`,
}

func TestQueryOperators(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, filter, want string }{
		{"nothing asked", `{}`, "1 2 3 4 5 6 7"},
		{"equal", `{"a":1}`, "1 7"},
		{"equal across number types", `{"a":3.0}`, "3"},
		{"equal to null or missing", `{"a":null}`, "4 5"},
		{"equal to a document", `{"n":{"b":1,"c":"q"}}`, "1"},
		{"equal to a document, other order", `{"n":{"c":"q","b":1}}`, ""},
		{"equal to an array", `{"t":["x","y"]}`, "1"},
		{"equal to an inner array", `{"nested":[1,2]}`, "6"},
		{"equal to an element", `{"t":"x"}`, "1 6"},
		{"dotted", `{"n.b":2}`, "2"},
		{"dotted through an array", `{"items.sku":"k1"}`, "2 3"},
		{"position", `{"items.1.sku":"k3"}`, "3"},
		{"position of a scalar", `{"t.0":"y"}`, "2"},
		{"dotted null", `{"items.z":null}`, "1 2 3 4 5 6 7"},
		{"$eq", `{"a":{"$eq":2.5}}`, "2"},
		{"$ne", `{"a":{"$ne":1}}`, "2 3 4 5 6"},
		{"$ne null", `{"a":{"$ne":null}}`, "1 2 3 6 7"},
		{"$gt", `{"a":{"$gt":1}}`, "2 3 7"},
		{"$gte", `{"a":{"$gte":2.5}}`, "2 3 7"},
		{"$lt", `{"a":{"$lt":2}}`, "1 7"},
		{"$lte", `{"a":{"$lte":2.5}}`, "1 2 7"},
		{"$gte null", `{"a":{"$gte":null}}`, "4 5"},
		{"$gt of strings", `{"s":{"$gt":"b"}}`, "3 4 5"},
		{"$gt and $lt on different elements", `{"a":{"$gt":5,"$lt":2}}`, "7"},
		{"$gt a date", `{"d":{"$gt":{"$date":"2025-01-01T00:00:00Z"}}}`, "7"},
		{"$gt MinKey", `{"a":{"$gt":{"$minKey":1}}}`, "1 2 3 4 5 6 7"},
		{"$in", `{"a":{"$in":[1,2.5,null]}}`, "1 2 4 5 7"},
		{"$in of arrays", `{"t":{"$in":[["y"],"x"]}}`, "1 2 6"},
		{"$in regex", `{"s":{"$in":[{"$regularExpression":{"pattern":"^b","options":"i"}},"apple"]}}`, "1 2"},
		{"$in nothing", `{"a":{"$in":[]}}`, ""},
		{"$nin", `{"a":{"$nin":[1,2.5]}}`, "3 4 5 6"},
		{"$and", `{"$and":[{"a":{"$gte":1}},{"t":"y"}]}`, "1 2"},
		{"$or", `{"$or":[{"a":2.5},{"s":"date"}]}`, "2 4"},
		{"$nor", `{"$nor":[{"a":{"$exists":true}},{"s":"date"}]}`, "5"},
		{"$not", `{"a":{"$not":{"$gt":1}}}`, "1 4 5 6"},
		{"$not regex", `{"s":{"$not":{"$regularExpression":{"pattern":"an","options":""}}}}`, "1 3 4 5 6 7"},
		{"$exists", `{"a":{"$exists":true}}`, "1 2 3 4 6 7"},
		{"$exists false", `{"a":{"$exists":false}}`, "5"},
		{"$exists nested", `{"items.q":{"$exists":true}}`, "2 3"},
		{"$type by alias", `{"a":{"$type":"string"}}`, "6"},
		{"$type by number", `{"a":{"$type":10}}`, "4"},
		{"$type number", `{"a":{"$type":"number"}}`, "1 2 3 7"},
		{"$type array", `{"t":{"$type":"array"}}`, "1 2 3"},
		{"$type of several", `{"a":{"$type":["string","long"]}}`, "3 6"},
		{"$all", `{"t":{"$all":["x","y"]}}`, "1"},
		{"$all with $elemMatch", `{"items":{"$all":[{"$elemMatch":{"sku":"k1","q":{"$gt":1}}}]}}`, "2"},
		{"$all of nothing", `{"t":{"$all":[]}}`, ""},
		{"$size", `{"t":{"$size":2}}`, "1"},
		{"$size 0", `{"t":{"$size":0}}`, "3"},
		{"$size counts the array only", `{"nested":{"$size":1}}`, ""},
		{"$elemMatch of documents", `{"items":{"$elemMatch":{"sku":"k1","q":{"$gte":5}}}}`, "2"},
		{"$elemMatch of values", `{"scores":{"$elemMatch":{"$gte":85,"$lt":90}}}`, "5"},
		{"$elemMatch with $or", `{"items":{"$elemMatch":{"$or":[{"q":9},{"q":5}]}}}`, "2 3"},
		{"$regex", `{"s":{"$regex":"^b","$options":"i"}}`, "2"},
		{"$regex multiline, dotall", `{"s":{"$regex":"ch.rry$","$options":"ms"}}`, "3"},
		{"regex as a value", `{"s":{"$regularExpression":{"pattern":"rr","options":""}}}`, "3 5"},
		{"$mod", `{"a":{"$mod":[2,1]}}`, "1 3 7"},
		{"$expr", `{"$expr":{"$gt":["$n.b",1]}}`, "2"},
		{"$expr with arithmetic", `{"$expr":{"$eq":[{"$add":["$n.b",1]},2]}}`, "1"},
		{"$comment", `{"a":2.5,"$comment":"why"}`, "2"},
		{"$jsonSchema", `{"$jsonSchema":{"required":["n"],"properties":{"n":{"bsonType":"object","required":["c"]}}}}`, "1"},
	}
	db := database(t)
	for _, indexed := range []bool{false, true} {
		c := db.Collection("plain")
		if indexed { // the same answers come from indexes
			c = db.Collection("indexed")
			for _, k := range []string{"a", "s", "t", "n.b", "items.sku", "scores", "d"} {
				index(t, c, bson.D{{Key: k, Value: 1}}, nil)
			}
		}
		load(t, c, queryDocs...)
		for _, tt := range tests {
			got := ids(t, all(t, c, doc(t, tt.filter), options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})))
			if got != tt.want {
				t.Errorf("%s (indexed %v): %s finds %q, want %q", tt.name, indexed, tt.filter, got, tt.want)
			}
			n, err := c.CountDocuments(t.Context(), doc(t, tt.filter))
			if err != nil || int(n) != len(strings.Fields(tt.want)) {
				t.Errorf("%s (indexed %v): counts %d, %v", tt.name, indexed, n, err)
			}
		}
	}
}

func TestQueryRefusals(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"a":1}`)
	for _, tt := range []struct {
		filter string
		code   int
	}{
		{`{"$foo":1}`, 2}, {`{"a":{"$foo":1}}`, 2}, {`{"$and":[]}`, 2}, {`{"$or":1}`, 2}, {`{"a":{"$in":1}}`, 2},
		{`{"a":{"$mod":[0,1]}}`, 2}, {`{"a":{"$size":-1}}`, 2}, {`{"a":{"$not":1}}`, 2}, {`{"a":{"$elemMatch":1}}`, 2},
		{`{"a":{"$regex":"("}}`, 51091}, {`{"a":{"$options":"i"}}`, 2}, {`{"a":{"$type":"nope"}}`, 2},
		{`{"$expr":{"$foo":1}}`, 168}, {`{"$text":{"$search":"x"}}`, 27}, {`{"$jsonSchema":{"nope":1}}`, 9},
	} {
		_, err := c.Find(t.Context(), doc(t, tt.filter))
		if got := codeOf(t, err); got != tt.code {
			t.Errorf("%s: code %d, want %d (%v)", tt.filter, got, tt.code, err)
		}
	}
}

func TestSortOrder(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, indexed := range []bool{false, true} {
		c := db.Collection("plain")
		if indexed {
			c = db.Collection("indexed")
			index(t, c, bson.D{{Key: "v", Value: 1}, {Key: "_id", Value: -1}}, nil)
		}
		load(t, c,
			`{"_id":1,"v":{"$maxKey":1}}`, `{"_id":2,"v":{"$date":"2026-01-01T00:00:00Z"}}`, `{"_id":3,"v":true}`, `{"_id":4,"v":false}`,
			`{"_id":5,"v":{"$oid":"000000000000000000000001"}}`, `{"_id":6,"v":{"$binary":{"base64":"AQ==","subType":"00"}}}`, `{"_id":7,"v":[]}`,
			`{"_id":8,"v":{"x":1}}`, `{"_id":9,"v":"b"}`, `{"_id":10,"v":"B"}`, `{"_id":11,"v":10}`, `{"_id":12,"v":9.5}`,
			`{"_id":13,"v":{"$numberLong":"9007199254740993"}}`, `{"_id":14,"v":9007199254740992.0}`, `{"_id":15,"v":{"$numberDouble":"NaN"}}`,
			`{"_id":16,"v":null}`, `{"_id":17}`, `{"_id":18,"v":{"$minKey":1}}`, `{"_id":19,"v":{"$numberDouble":"-Infinity"}}`, `{"_id":20,"v":-1}`,
			`{"_id":21,"v":{"$timestamp":{"t":1,"i":1}}}`, `{"_id":22,"v":{"$regularExpression":{"pattern":"a","options":""}}}`)
		want := "18 7 17 16 15 19 20 12 11 14 13 10 9 8 6 5 4 3 2 21 22 1"
		got := ids(t, all(t, c, bson.D{}, options.Find().SetSort(bson.D{{Key: "v", Value: 1}, {Key: "_id", Value: -1}})))
		if got != want {
			t.Errorf("ascending (indexed %v): %s\nwant %s", indexed, got, want)
		}
		words := strings.Fields(want)
		for i, k := 0, len(words)-1; i < k; i, k = i+1, k-1 {
			words[i], words[k] = words[k], words[i]
		}
		got = ids(t, all(t, c, bson.D{}, options.Find().SetSort(bson.D{{Key: "v", Value: -1}, {Key: "_id", Value: 1}})))
		if want := strings.Join(words, " "); got != want {
			t.Errorf("descending (indexed %v): %s\nwant %s", indexed, got, want)
		}
	}
}

func TestFindOptions(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	var docs []string
	for _, x := range []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"} {
		docs = append(docs, `{"_id":`+x+`,"g":`+x+`}`)
	}
	load(t, c, docs...)
	o := options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetSkip(2).SetLimit(5).SetBatchSize(2)
	if got := ids(t, all(t, c, bson.D{}, o)); got != "8 7 6 5 4" {
		t.Errorf("skip, limit and batches: %s", got)
	}
	if got := ids(t, all(t, c, bson.D{}, options.Find().SetBatchSize(3))); got != "1 2 3 4 5 6 7 8 9 10" {
		t.Errorf("batches: %s", got)
	}
	if got := ids(t, all(t, c, bson.D{}, options.Find().SetHint(bson.D{{Key: "$natural", Value: -1}}).SetLimit(2))); got != "10 9" {
		t.Errorf("$natural: %s", got)
	}
	if got := ids(t, all(t, c, bson.D{{Key: "g", Value: 3}}, options.Find().SetHint("_id_"))); got != "3" {
		t.Errorf("hint: %s", got)
	}
	_, err := c.Find(t.Context(), bson.D{}, options.Find().SetHint("nope"))
	if codeOf(t, err) != 2 {
		t.Errorf("an unknown hint: %v", err)
	}
	n, err := c.CountDocuments(t.Context(), bson.D{}, options.Count().SetSkip(3).SetLimit(4))
	if err != nil || n != 4 {
		t.Errorf("count with skip and limit: %d, %v", n, err)
	}
	if n, err = c.EstimatedDocumentCount(t.Context()); err != nil || n != 10 {
		t.Errorf("estimated count: %d, %v", n, err)
	}
}

func TestProjections(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"a":1,"b":{"c":2,"d":3},"l":[1,2,3,4],"items":[{"s":"x","q":1,"r":0},{"s":"y","q":2,"r":0},5]}`)
	for _, tt := range []struct{ filter, projection, want string }{
		{`{}`, `{"a":1}`, `{"_id":1,"a":1}`},
		{`{}`, `{"a":true,"_id":0}`, `{"a":1}`},
		{`{}`, `{"_id":1}`, `{"_id":1}`},
		{`{}`, `{"b.c":1,"_id":0}`, `{"b":{"c":2}}`},
		{`{}`, `{"b":{"c":1},"_id":0}`, `{"b":{"c":2}}`},
		{`{}`, `{"items.q":1,"_id":0}`, `{"items":[{"q":1},{"q":2}]}`},
		{`{}`, `{"items":0,"l":0,"b.d":0}`, `{"_id":1,"a":1,"b":{"c":2}}`},
		{`{}`, `{"items.q":0,"l":0,"b":0,"_id":0}`, `{"a":1,"items":[{"s":"x","r":0},{"s":"y","r":0},5]}`},
		{`{}`, `{"_id":0,"l":1,"zz":1}`, `{"l":[1,2,3,4]}`},
		{`{}`, `{"l":{"$slice":2},"items":0,"b":0}`, `{"_id":1,"a":1,"l":[1,2]}`},
		{`{}`, `{"l":{"$slice":-1},"a":1}`, `{"_id":1,"a":1,"l":[4]}`},
		{`{}`, `{"l":{"$slice":[1,2]},"items":0,"b":0}`, `{"_id":1,"a":1,"l":[2,3]}`},
		{`{}`, `{"items":{"$elemMatch":{"q":2}},"_id":0}`, `{"items":[{"s":"y","q":2,"r":0}]}`},
		{`{}`, `{"items":{"$elemMatch":{"q":9}}}`, `{"_id":1}`},
		{`{"items.s":"y"}`, `{"items.$":1}`, `{"_id":1,"items":[{"s":"y","q":2,"r":0}]}`},
		{`{"l":{"$gt":2}}`, `{"_id":0,"l.$":1}`, `{"l":[3]}`},
		{`{}`, `{"sum":{"$add":["$a","$b.c"]},"_id":0}`, `{"sum":3}`},
		{`{}`, `{"b.e":{"$literal":9},"b.c":1,"_id":0}`, `{"b":{"c":2,"e":9}}`},
		{`{}`, `{"x":"$a","_id":0}`, `{"x":1}`},
	} {
		got := all(t, c, doc(t, tt.filter), options.Find().SetProjection(doc(t, tt.projection)))
		if got != tt.want {
			t.Errorf("%s of %s: %s, want %s", tt.projection, tt.filter, got, tt.want)
		}
	}
	for _, tt := range []struct {
		projection string
		code       int
	}{{`{"a":1,"b":0}`, 31254}, {`{"b":1,"b.c":1}`, 31249}, {`{"a":{"$foo":1}}`, 168}} {
		_, err := c.Find(t.Context(), bson.D{}, options.Find().SetProjection(doc(t, tt.projection)))
		if codeOf(t, err) != tt.code {
			t.Errorf("%s: %v, want code %d", tt.projection, err, tt.code)
		}
	}
}

func TestDistinct(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"a":1,"t":["x","y"]}`, `{"_id":2,"a":1.0,"t":["y"]}`, `{"_id":3,"a":null}`, `{"_id":4,"n":{"b":5}}`)
	for _, tt := range []struct{ key, filter, want string }{
		{"a", `{}`, `[1,null]`}, {"t", `{}`, `["x","y"]`}, {"t", `{"_id":2}`, `["y"]`}, {"n.b", `{}`, `[5]`}, {"none", `{}`, `[]`},
	} {
		var got bson.A
		if err := c.Distinct(t.Context(), tt.key, doc(t, tt.filter)).Decode(&got); err != nil {
			t.Fatalf("distinct %s: %v", tt.key, err)
		}
		seen := map[string]bool{}
		var want bson.A
		if err := bson.UnmarshalExtJSON([]byte(`{"v":`+tt.want+`}`), false, &struct{ V *bson.A }{&want}); err != nil {
			t.Fatal(err)
		}
		for _, v := range got {
			seen[text(t, v)] = true
		}
		for _, v := range want {
			if !seen[text(t, v)] && text(t, v) != "1" {
				t.Errorf("distinct %s of %s: %v, want %s", tt.key, tt.filter, got, tt.want)
			}
		}
		if len(got) != len(want) {
			t.Errorf("distinct %s of %s: %v, want %s", tt.key, tt.filter, got, tt.want)
		}
	}
}

func TestCursors(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	var docs []any
	for i := range 1000 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "pad", Value: strings.Repeat("x", 40_000)}})
	}
	for ; len(docs) > 0; docs = docs[200:] {
		if _, err := c.InsertMany(t.Context(), docs[:200]); err != nil {
			t.Fatal(err)
		}
	}
	// 40 MB come in batches of 16 MiB at most.
	cur, err := c.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(10_000))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; cur.Next(t.Context()); n++ {
		if n == 0 {
			if _, err := c.DeleteMany(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$lt", Value: 5}}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if cur.Err() != nil || n < 995 {
		t.Errorf("%d documents, %v", n, cur.Err())
	}
	if cur, err = c.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(2)); err != nil {
		t.Fatal(err)
	}
	id := cur.ID()
	if err := cur.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = db.RunCommand(t.Context(), bson.D{{Key: "getMore", Value: id}, {Key: "collection", Value: "c"}}).Err()
	if codeOf(t, err) != 43 {
		t.Errorf("a cursor that was closed: %v", err)
	}
}
