package mongo

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/update"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func unconnected(t testing.TB) *Server {
	t.Helper()
	kept, err := store.Open("", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return newServer(kept, slog.New(slog.DiscardHandler))
}

func encoded(t testing.TB, s string) []byte {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(s), false, &d); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	b, err := value.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// parsed reads a document in extended JSON: changes to a text stay a document far more often than changes to bytes.
func parsed(text string) (bson.D, bool) {
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(text), false, &d); err != nil {
		return nil, false
	}
	b, err := value.Encode(d)
	if err != nil {
		return nil, false
	}
	d, err = value.Decode(b)
	return d, err == nil
}

// commands are what the fuzzers begin with.
var commands = []string{
	`{"hello":1,"$db":"admin"}`,
	`{"insert":"c","documents":[{"_id":1,"a":[1,{"b":2}],"s":"text"}],"$db":"db"}`,
	`{"find":"c","filter":{"a":{"$gt":1},"$or":[{"s":{"$regex":"^t"}},{"a.b":{"$in":[1,2]}}]},"sort":{"a":-1},"projection":{"a":{"$slice":1}},"limit":3,"$db":"db"}`,
	`{"update":"c","updates":[{"q":{"a.b":2},"u":{"$push":{"a":{"$each":[1],"$slice":-2}},"$inc":{"a.$.b":1}},"upsert":true}],"$db":"db"}`,
	`{"update":"c","updates":[{"q":{},"u":[{"$set":{"x":{"$add":[1,"$y"]}}}],"multi":true}],"$db":"db"}`,
	`{"findAndModify":"c","query":{"_id":1},"update":{"$set":{"a.$[e]":0}},"arrayFilters":[{"e":1}],"new":true,"$db":"db"}`,
	`{"delete":"c","deletes":[{"q":{"s":{"$exists":true}},"limit":1}],"$db":"db"}`,
	`{"aggregate":"c","pipeline":[{"$match":{"a":1}},{"$unwind":"$a"},{"$group":{"_id":"$s","n":{"$sum":"$a"}}},{"$sort":{"n":1}}],"cursor":{},"$db":"db"}`,
	`{"aggregate":"c","pipeline":[{"$facet":{"x":[{"$count":"n"}]}},{"$project":{"y":{"$map":{"input":"$x","in":"$$this.n"}}}}],"cursor":{},"$db":"db"}`,
	`{"createIndexes":"c","indexes":[{"key":{"a":1,"s":-1},"name":"as","unique":true,"partialFilterExpression":{"a":{"$gt":0}}},{"key":{"s":"text"},"name":"t"}],"$db":"db"}`,
	`{"find":"c","filter":{"$text":{"$search":"text -other \"a phrase\""}},"$db":"db"}`,
	`{"explain":{"find":"c","filter":{"a":{"$elemMatch":{"b":{"$gte":1,"$lt":5}}}}},"$db":"db"}`,
	`{"create":"d","validator":{"$jsonSchema":{"required":["x"],"properties":{"x":{"bsonType":"int"}}}},"$db":"db"}`,
	`{"distinct":"c","key":"a.b","query":{"$expr":{"$eq":["$s","text"]}},"$db":"db"}`,
	`{"count":"c","query":{"a":{"$all":[1]}},"$db":"db"}`, `{"dropIndexes":"c","index":"*","$db":"db"}`, `{"listCollections":1,"$db":"db"}`, `{"getMore":{"$numberLong":"5"},"collection":"c","$db":"db"}`,
	`{"insert":"c","documents":[{}],"lsid":{"id":{"$binary":{"base64":"AAAAAAAAAAAAAAAAAAAAAA==","subType":"04"}}},"txnNumber":{"$numberLong":"1"},"autocommit":false,"startTransaction":true,"$db":"db"}`,
}

// FuzzWire sends any bytes as a client would. The server must answer or end the connection, and never panic.
func FuzzWire(f *testing.F) {
	for _, c := range commands {
		b := encoded(f, c)
		body := append([]byte{0, 0, 0, 0, 0}, b...)
		head := make([]byte, headerSize)
		head[0], head[1] = byte(headerSize+len(body)), byte((headerSize+len(body))>>8)
		head[12], head[13] = opMsg&0xff, opMsg>>8
		f.Add(append(head, body...))
	}
	f.Add([]byte("\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00\x00\x00admin.$cmd\x00\x00\x00\x00\x00\xff\xff\xff\xff\x13\x00\x00\x00\x10isMaster\x00\x01\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := unconnected(t)
		client, server := net.Pipe()
		var wg sync.WaitGroup
		wg.Go(func() { s.serve(server) })
		wg.Go(func() {
			if _, err := io.Copy(io.Discard, client); err != nil && !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("reading answers: %v", err)
			}
		})
		if err := client.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(client, bytes.NewReader(b)); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Fatalf("the server hangs: %v", err)
		}
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if s.panics.Load() > 0 {
			t.Fatal("a command panicked")
		}
	})
}

// FuzzCommand runs any document as a command on a server that has data and indexes.
func FuzzCommand(f *testing.F) {
	for _, c := range commands {
		f.Add(c)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := parsed(text)
		if !ok {
			return
		}
		s := unconnected(t)
		for _, c := range []string{commands[1], commands[9]} {
			setup, err := value.Decode(encoded(t, c))
			if err != nil {
				t.Fatal(err)
			}
			s.run(setup, 1)
		}
		d = append(d, bson.E{Key: "maxTimeMS", Value: int32(2000)})
		if _, err := value.Encode(s.run(d, 1)); err != nil {
			t.Logf("the answer cannot be written: %v", err)
		}
		if s.panics.Load() > 0 {
			t.Fatalf("%v panicked", d)
		}
	})
}

// FuzzFilter matches any filter against any documents, and finds the same ones with indexes as without.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`{"a":1}`, `{"a":{"$gt":1,"$lt":5}}`, `{"a":{"$in":[1,null,"x"]}}`, `{"$or":[{"a":1},{"b":{"$ne":2}}]}`, `{"a":{"$elemMatch":{"$gte":1,"$lt":3}}}`, `{"a.b":{"$exists":false}}`,
		`{"a":{"$regex":"^ab"}}`, `{"a":{"$type":"string"}}`, `{"a":{"$not":{"$gte":2}},"b":null}`, `{"a":{"$all":[1,2]},"b":{"$lte":3}}`, `{"a":{"$elemMatch":{"b":1,"c":2}}}`, `{"a":[1,2]}`, `{"a":{"$gte":{"$minKey":1}}}`,
	} {
		f.Add(s, uint64(7))
	}
	f.Fuzz(func(t *testing.T, text string, seed uint64) {
		d, ok := parsed(text)
		if !ok {
			return
		}
		if _, err := query.Compile(d); err == nil {
			twin(t, seed).compare(t, d)
		}
	})
}

// TestPlansFindTheSame makes many filters at random and finds the same documents with indexes as without.
func TestPlansFindTheSame(t *testing.T) {
	t.Parallel()
	for seed := range uint64(60) {
		p := twin(t, seed)
		rng := rand.New(rand.NewPCG(seed, 2))
		for range 60 {
			p.compare(t, arbitraryFilter(rng, 2))
		}
	}
}

// pair is a server with the same documents in two collections, one of which has indexes.
type pair struct {
	s    *Server
	seed uint64
}

func twin(t testing.TB, seed uint64) pair {
	p := pair{unconnected(t), seed}
	rng := rand.New(rand.NewPCG(seed, 1))
	var docs bson.A
	for i := range 40 {
		docs = append(docs, bson.D{{Key: "_id", Value: int32(i)}, {Key: "a", Value: arbitrary(rng, 3)}, {Key: "b", Value: arbitrary(rng, 2)}})
		if rng.IntN(4) == 0 {
			docs[i] = docs[i].(bson.D)[:2]
		}
	}
	index := func(name string, more bson.D, keys ...string) bson.D {
		key := bson.D{}
		for i, k := range keys {
			key = append(key, bson.E{Key: k, Value: int32(1 - 2*(i%2))})
		}
		return append(bson.D{{Key: "key", Value: key}, {Key: "name", Value: name}}, more...)
	}
	p.s.run(bson.D{{Key: "createIndexes", Value: "indexed"}, {Key: "$db", Value: "db"}, {Key: "indexes", Value: bson.A{
		index("a", nil, "a"), index("ab", nil, "a.b"), index("b_id", nil, "b", "_id"), index("ab_ac", bson.D{{Key: "sparse", Value: true}}, "a.b", "a.c"),
		index("a_b", bson.D{{Key: "partialFilterExpression", Value: bson.D{{Key: "b", Value: bson.D{{Key: "$gte", Value: int32(1)}}}}}}, "b", "a"), index("sparse", bson.D{{Key: "sparse", Value: true}}, "b"),
	}}}, 1)
	for _, c := range []string{"indexed", "plain"} {
		reply := p.s.run(bson.D{{Key: "insert", Value: c}, {Key: "$db", Value: "db"}, {Key: "documents", Value: docs}, {Key: "ordered", Value: false}}, 1)
		// What cannot be indexed, parallel arrays, is in neither.
		list, _ := value.Get(reply, "writeErrors")
		failed, _ := list.(bson.A)
		for _, e := range slices.Backward(failed) {
			at, _ := value.Get(e.(bson.D), "index")
			docs = slices.Delete(docs, int(at.(int32)), int(at.(int32))+1)
		}
	}
	return p
}

func (p pair) find(c string, filter, sort bson.D) string {
	reply := p.s.run(bson.D{
		{Key: "find", Value: c}, {Key: "$db", Value: "db"}, {Key: "filter", Value: filter}, {Key: "projection", Value: bson.D{{Key: "_id", Value: int32(1)}}},
		{Key: "sort", Value: sort}, {Key: "batchSize", Value: int32(100)},
	}, 1)
	cur, ok := value.Get(reply, "cursor")
	if !ok {
		return "failed"
	}
	first, _ := value.Get(cur.(bson.D), "firstBatch")
	out := ""
	for _, e := range first.(bson.A) {
		out += string(e.(value.Encoded))
	}
	return out
}

func (p pair) compare(t *testing.T, filter bson.D) {
	t.Helper()
	for _, sort := range []bson.D{{{Key: "b", Value: int32(-1)}, {Key: "_id", Value: int32(1)}}, {{Key: "a.b", Value: int32(1)}, {Key: "_id", Value: int32(1)}}, {{Key: "_id", Value: int32(-1)}}} {
		x, y := p.find("plain", filter, sort), p.find("indexed", filter, sort)
		if x != y && x != "failed" && y != "failed" {
			t.Errorf("%v sorted by %v with seed %d finds %d bytes without indexes and %d with them", filter, sort, p.seed, len(x), len(y))
		}
	}
}

func arbitraryFilter(rng *rand.Rand, depth int) bson.D {
	out := bson.D{}
	for range 1 + rng.IntN(3) {
		if depth > 0 && rng.IntN(5) == 0 {
			list := bson.A{}
			for range 1 + rng.IntN(2) {
				list = append(list, arbitraryFilter(rng, depth-1))
			}
			out = append(out, bson.E{Key: []string{"$and", "$or", "$nor"}[rng.IntN(3)], Value: list})
			continue
		}
		out = append(out, bson.E{Key: []string{"a", "b", "a.b", "a.c", "_id", "a.0", "a.b.c"}[rng.IntN(7)], Value: arbitraryCondition(rng, depth)})
	}
	return out
}

func arbitraryCondition(rng *rand.Rand, depth int) any {
	if rng.IntN(3) == 0 {
		return arbitrary(rng, 1)
	}
	out := bson.D{}
	for range 1 + rng.IntN(2) {
		switch op := []string{"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists", "$type", "$size", "$all", "$not", "$elemMatch", "$regex"}[rng.IntN(15)]; op {
		case "$in", "$nin", "$all":
			out = append(out, bson.E{Key: op, Value: bson.A{arbitrary(rng, 1), arbitrary(rng, 1)}})
		case "$exists":
			out = append(out, bson.E{Key: op, Value: rng.IntN(2) == 0})
		case "$type":
			out = append(out, bson.E{Key: op, Value: []string{"string", "int", "array", "null", "number"}[rng.IntN(5)]})
		case "$size":
			out = append(out, bson.E{Key: op, Value: int32(rng.IntN(3))})
		case "$regex":
			out = append(out, bson.E{Key: op, Value: []string{"^a", "b", "^ab", "^abc$"}[rng.IntN(4)]})
		case "$not":
			out = append(out, bson.E{Key: op, Value: bson.D{{Key: "$gt", Value: arbitrary(rng, 1)}}})
		case "$elemMatch":
			if depth == 0 || rng.IntN(2) == 0 {
				out = append(out, bson.E{Key: op, Value: bson.D{{Key: "$gte", Value: arbitrary(rng, 0)}, {Key: "$lt", Value: arbitrary(rng, 0)}}})
			} else {
				out = append(out, bson.E{Key: op, Value: bson.D{{Key: "b", Value: arbitraryCondition(rng, 0)}, {Key: "c", Value: arbitraryCondition(rng, 0)}}})
			}
		default:
			out = append(out, bson.E{Key: op, Value: arbitrary(rng, 1)})
		}
	}
	return out
}

// arbitrary makes a value of few kinds, so that filters often fit.
func arbitrary(rng *rand.Rand, depth int) any {
	switch n := rng.IntN(11); {
	case n < 3:
		return int32(rng.IntN(4))
	case n == 3:
		return float64(rng.IntN(8)) / 2
	case n == 4:
		return []string{"", "a", "ab", "abc", "x"}[rng.IntN(5)]
	case n == 5:
		return nil
	case n == 6:
		return rng.IntN(2) == 0
	case n < 9 && depth > 0:
		out := bson.A{}
		for range rng.IntN(4) {
			out = append(out, arbitrary(rng, depth-1))
		}
		return out
	case depth > 0:
		return bson.D{{Key: "b", Value: arbitrary(rng, depth-1)}, {Key: "c", Value: arbitrary(rng, depth-1)}}
	}
	return int64(rng.IntN(4))
}

// FuzzUpdate applies any update to any document; what comes out can be stored, and the document is as it was.
func FuzzUpdate(f *testing.F) {
	const before = `{"_id":1,"a":[1,{"b":2,"c":[3]}],"n":{"x":1},"s":"t"}`
	for _, s := range []string{
		`{"$set":{"a.1.b":5,"n.y":1}}`, `{"$push":{"a":{"$each":[1],"$sort":{"b":1},"$slice":2,"$position":1}}}`, `{"$pull":{"a":{"b":{"$gte":1}}}}`, `{"$inc":{"a.$[].b":1}}`,
		`{"$unset":{"n.x":1},"$rename":{"s":"z"}}`, `{"$addToSet":{"a":{"$each":[1,2]}}}`, `{"$pop":{"a":-1}}`, `{"$bit":{"n.x":{"or":6}}}`, `{"$mul":{"n.x":2},"$min":{"s":1}}`, `{"plain":1}`, `{"$currentDate":{"d":true}}`,
	} {
		f.Add(before, s, 0)
	}
	f.Fuzz(func(t *testing.T, document, operators string, position int) {
		d, ok := parsed(document)
		change, ok2 := parsed(operators)
		if !ok || !ok2 {
			return
		}
		var spec any = change
		if list, ok := value.Get(change, "pipeline"); ok {
			spec = list
		}
		compiled, err := update.Compile(spec, nil, time.Unix(0, 0))
		if err != nil {
			return
		}
		kept, err := value.Encode(d)
		if err != nil {
			t.Fatal(err)
		}
		out, err := compiled.Apply(d, position%8)
		if again, encodeErr := value.Encode(d); encodeErr != nil || value.Compare(d, mustDecode(t, kept)) != 0 {
			t.Fatalf("the document was changed: %x", again)
		}
		if err != nil {
			return
		}
		if _, err := value.Encode(out); err != nil {
			t.Fatalf("%v cannot be written: %v", out, err)
		}
		if _, err := compiled.Upsert(d); err != nil {
			return
		}
	})
}

func mustDecode(t *testing.T, b []byte) bson.D {
	t.Helper()
	d, err := value.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
