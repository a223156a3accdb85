package mongo_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// packet makes a message of the wire protocol.
func packet(op uint32, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	b = binary.LittleEndian.AppendUint32(b, 99)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, op)
	return append(b, body...)
}

func msg(t testing.TB, flags uint32, d bson.D) []byte {
	t.Helper()
	b, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return packet(2013, append(append(binary.LittleEndian.AppendUint32(nil, flags), 0), b...))
}

// exchange sends bytes and reads one answer; nil when the server ends the connection.
func exchange(t testing.TB, addr string, sent []byte) bson.M {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(sent); err != nil {
		t.Fatal(err)
	}
	var head [16]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return nil
	}
	body := make([]byte, binary.LittleEndian.Uint32(head[:])-16)
	if _, err := io.ReadFull(c, body); err != nil {
		t.Fatal(err)
	}
	if binary.LittleEndian.Uint32(head[8:]) != 99 {
		t.Errorf("the answer is to message %d", binary.LittleEndian.Uint32(head[8:]))
	}
	at := 5
	if binary.LittleEndian.Uint32(head[12:]) == 1 {
		at = 20
	}
	var m bson.M
	if err := bson.Unmarshal(body[at:], &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func command(t testing.TB, addr string, d bson.D) bson.M {
	t.Helper()
	return exchange(t, addr, msg(t, 0, d))
}

func TestMessages(t *testing.T) {
	t.Parallel()
	addr := start(t, "").Addr()
	ping := bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}
	if m := command(t, addr, ping); m["ok"] != 1.0 {
		t.Errorf("ping: %v", m)
	}
	summed := msg(t, 1, ping)
	binary.LittleEndian.PutUint32(summed, uint32(len(summed)+4))
	sum := crc32.Checksum(summed, crc32.MakeTable(crc32.Castagnoli))
	if m := exchange(t, addr, binary.LittleEndian.AppendUint32(bytes.Clone(summed), sum)); m["ok"] != 1.0 {
		t.Errorf("with a checksum: %v", m)
	}
	if m := exchange(t, addr, binary.LittleEndian.AppendUint32(bytes.Clone(summed), sum+1)); m != nil {
		t.Errorf("with a wrong checksum: %v", m)
	}
	// A message that wants no answer, and one behind it that does.
	silent := msg(t, 2, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{byID(1)}}, {Key: "$db", Value: "db"}, {Key: "writeConcern", Value: bson.D{{Key: "w", Value: 0}}}})
	counting := msg(t, 0, bson.D{{Key: "count", Value: "c"}, {Key: "$db", Value: "db"}})
	if m := exchange(t, addr, append(silent, counting...)); m["n"] != int32(1) {
		t.Errorf("after a silent insert: %v", m)
	}
	// A document sequence.
	one, err := bson.Marshal(byID(2))
	if err != nil {
		t.Fatal(err)
	}
	two, err := bson.Marshal(byID(3))
	if err != nil {
		t.Fatal(err)
	}
	section := append([]byte("documents\x00"), append(one, two...)...)
	inserting := msg(t, 0, bson.D{{Key: "insert", Value: "c"}, {Key: "$db", Value: "db"}})
	inserting = append(append(append(inserting, 1), binary.LittleEndian.AppendUint32(nil, uint32(len(section)+4))...), section...)
	binary.LittleEndian.PutUint32(inserting, uint32(len(inserting)))
	if m := exchange(t, addr, inserting); m["n"] != int32(2) {
		t.Errorf("a document sequence: %v", m)
	}
	legacy := func(name string) []byte {
		b, err := bson.Marshal(bson.D{{Key: name, Value: 1}})
		if err != nil {
			t.Fatal(err)
		}
		return packet(2004, append(append([]byte("\x00\x00\x00\x00admin.$cmd\x00"), 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), b...))
	}
	if m := exchange(t, addr, legacy("isMaster")); m["setName"] != "lethe" || m["maxWireVersion"] != int32(21) {
		t.Errorf("legacy hello: %v", m)
	}
	if m := exchange(t, addr, legacy("ping")); m["code"] != int32(352) {
		t.Errorf("legacy ping: %v", m)
	}
	for name, b := range map[string][]byte{
		"compressed":           packet(2012, make([]byte, 20)),
		"unknown operation":    packet(1234, nil),
		"too long":             append([]byte{0xff, 0xff, 0xff, 0x7f}, make([]byte, 12)...),
		"too short":            append([]byte{1, 0, 0, 0}, make([]byte, 12)...),
		"unknown flag":         msg(t, 8, ping),
		"a section of no kind": packet(2013, []byte{0, 0, 0, 0, 7, 5, 0, 0, 0, 0}),
	} {
		if m := exchange(t, addr, b); m != nil {
			t.Errorf("%s is answered: %v", name, m)
		}
	}
	deep := []byte{5, 0, 0, 0, 0}
	for range 300 {
		deep = append(append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(deep)+8)), 3, 'a', 0), deep...), 0)
	}
	if m := exchange(t, addr, packet(2013, append([]byte{0, 0, 0, 0, 0}, deep...))); m["code"] != int32(15) {
		t.Errorf("nested too deeply: %v", m)
	}
}

// TestRefusals asks for what the server has not; each is refused by its name.
func TestRefusals(t *testing.T) {
	t.Parallel()
	s := start(t, "")
	db := connect(t, s.URI()).Database("db")
	load(t, db.Collection("c"), `{"_id":1,"a":1}`)
	for _, tt := range []struct {
		command string
		code    int
		names   string
	}{
		{`{"nope":1}`, 59, "nope"}, {`{"mapReduce":"c"}`, 59, "mapReduce"}, {`{"currentOp":1}`, 59, "currentOp"}, {`{"saslStart":1}`, 59, "saslStart"},
		{`{"find":"c","nope":1}`, 40415, "find.nope"}, {`{"find":"c","min":{"a":1}}`, 238, "min"}, {`{"find":"c","max":{"a":1}}`, 238, "max"},
		{`{"find":"c","let":{"x":1}}`, 238, "let"}, {`{"find":"c","collation":{"locale":"de"}}`, 238, "collation"}, {`{"find":"c","tailable":true}`, 238, "tailable"},
		{`{"find":"c","returnKey":true}`, 238, "returnKey"}, {`{"find":"c","filter":1}`, 14, "filter"}, {`{"find":"c","skip":-1}`, 51024, "skip"}, {`{"find":1}`, 73, "db.1"},
		{`{"find":"c","filter":{"a":{"$near":[1,2]}}}`, 238, "$near"}, {`{"find":"c","filter":{"$where":"1"}}`, 238, "$where"}, {`{"find":"c","filter":{"a":{"$bitsAllSet":1}}}`, 238, "$bitsAllSet"},
		{`{"find":"c","filter":{"a":{"$regex":"x","$options":"x"}}}`, 238, "option x"}, {`{"find":"c","sort":{"a":{"$meta":"indexKey"}}}`, 2, "a"},
		{`{"aggregate":"c","pipeline":[{"$graphLookup":{}}],"cursor":{}}`, 238, "$graphLookup"}, {`{"aggregate":"c","pipeline":[{"$out":"x"}],"cursor":{}}`, 238, "$out"},
		{`{"aggregate":"c","pipeline":[{"$changeStream":{}}],"cursor":{}}`, 238, "$changeStream"}, {`{"aggregate":1,"pipeline":[],"cursor":{}}`, 238, "database"},
		{`{"aggregate":"c","pipeline":[{"$lookup":{"from":"d","as":"x","pipeline":[]}}],"cursor":{}}`, 238, "pipeline"}, {`{"aggregate":"c","pipeline":[]}`, 9, "cursor"},
		{`{"aggregate":"c","pipeline":[{"$group":{"_id":1,"x":{"$stdDevPop":"$a"}}}],"cursor":{}}`, 238, "$stdDevPop"},
		{`{"aggregate":"c","pipeline":[{"$set":{"x":{"$meta":"indexKey"}}}],"cursor":{}}`, 238, "indexKey"},
		{`{"update":"c","updates":[{"q":{},"u":{"$set":{"a":1}},"nope":1}]}`, 40415, "nope"}, {`{"update":"c","updates":[{"q":{},"u":{"$set":{"a":1}},"collation":{"locale":"de"}}]}`, 238, "collation"},
		{`{"update":"c","updates":[{"q":{},"u":{"a":1},"multi":true}]}`, 9, "multi"}, {`{"update":"c","updates":[]}`, 16, "batch"}, {`{"insert":"c","documents":[{"$a":1}]}`, 52, "$a"},
		{`{"insert":"c","documents":[{"_id":[1]}]}`, 53, "_id"}, {`{"insert":"c","documents":[{"a":1}],"bypassDocumentValidation":true}`, 238, "bypassDocumentValidation"},
		{`{"delete":"c","deletes":[{"q":{},"limit":2}]}`, 9, "limit"}, {`{"findAndModify":"c","query":{}}`, 9, "update"}, {`{"findAndModify":"c","remove":true,"new":true}`, 9, "new"},
		{`{"create":"x","capped":true,"size":5}`, 238, "capped"}, {`{"create":"x","viewOn":"c"}`, 238, "viewOn"}, {`{"create":"x","timeseries":{"timeField":"t"}}`, 238, "timeseries"}, {`{"create":"x","nope":1}`, 40415, "nope"},
		{`{"create":"x","validator":{"$jsonSchema":{"nope":1}}}`, 9, "nope"}, {`{"collMod":"none","validator":{}}`, 26, "none"},
		{`{"createIndexes":"c","indexes":[{"key":{"a":"2dsphere"},"name":"g"}]}`, 238, "2dsphere"}, {`{"createIndexes":"c","indexes":[{"key":{"a":"hashed"},"name":"h"}]}`, 238, "hashed"},
		{`{"createIndexes":"c","indexes":[{"key":{"$**":1},"name":"w"}]}`, 238, "wildcard"}, {`{"createIndexes":"c","indexes":[{"key":{"a":1},"name":"n","nope":1}]}`, 197, "nope"},
		{`{"createIndexes":"c","indexes":[{"key":{"a":1},"name":"n","collation":{"locale":"de"}}]}`, 238, "collation"}, {`{"createIndexes":"c","indexes":[{"key":{"a":"text"},"name":"t","default_language":"klingon"}]}`, 238, "klingon"},
		{`{"createIndexes":"c","indexes":[{"key":{"a":1},"name":"n","partialFilterExpression":{"a":{"$ne":1}}}]}`, 67, "partial"}, {`{"listIndexes":"none"}`, 26, "none"},
		{`{"getMore":{"$numberLong":"123"},"collection":"c"}`, 43, "123"}, {`{"explain":{"insert":"c","documents":[]}}`, 59, "insert"}, {`{"ping":1,"nope":1}`, 40415, "nope"},
		{`{"find":"c","readConcern":{"level":"nope"}}`, 9, "nope"}, {`{"insert":"c","documents":[{"a":1}],"writeConcern":{"w":3}}`, 100, "nodes"}, {`{"insert":"c","documents":[{"a":1}],"writeConcern":{"w":"dc1"}}`, 79, "dc1"},
		{`{"getParameter":1,"nope":1}`, 40415, "nope"}, {`{"commitTransaction":1}`, 125, "transaction"},
	} {
		err := db.RunCommand(t.Context(), doc(t, tt.command)).Err()
		if err == nil { // statements fail by themselves
			var reply struct {
				WriteErrors []struct {
					Code   int    `bson:"code"`
					ErrMsg string `bson:"errmsg"`
				} `bson:"writeErrors"`
			}
			if err := db.RunCommand(t.Context(), doc(t, tt.command)).Decode(&reply); err != nil || len(reply.WriteErrors) != 1 ||
				reply.WriteErrors[0].Code != tt.code || !strings.Contains(reply.WriteErrors[0].ErrMsg, tt.names) {
				t.Errorf("%s: %+v, want code %d naming %q", tt.command, reply, tt.code, tt.names)
			}
			continue
		}
		if got := codeOf(t, err); got != tt.code || !strings.Contains(err.Error(), tt.names) {
			t.Errorf("%s: %v, want code %d naming %q", tt.command, err, tt.code, tt.names)
		}
	}
	if got := all(t, db.Collection("c"), bson.D{}); got != `{"_id":1,"a":1}` {
		t.Errorf("what was refused has changed something: %s", got)
	}
	_, err := db.Collection("c").UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$inc", Value: bson.D{{Key: "a", Value: mustDecimal(t, "1.5")}}}})
	if codeOf(t, err) != 238 || !strings.Contains(err.Error(), "Decimal128") {
		t.Errorf("arithmetic on Decimal128: %v", err)
	}
	_, err = db.Collection("c").InsertOne(t.Context(), bson.D{{Key: "big", Value: strings.Repeat("x", 16<<20)}})
	if err == nil {
		t.Error("a document of more than 16 MiB is taken")
	}
}

func mustDecimal(t testing.TB, s string) bson.Decimal128 {
	t.Helper()
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDecimalsCompare(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, indexed := range []bool{false, true} {
		c := db.Collection("plain")
		if indexed {
			c = db.Collection("indexed")
			index(t, c, bson.D{{Key: "v", Value: 1}}, nil)
		}
		var docs []any
		for i, s := range []string{"0.1", "-2", "9007199254740993", "1E+3", "0.30", "NaN"} {
			docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "v", Value: mustDecimal(t, s)}})
		}
		docs = append(docs, bson.D{{Key: "_id", Value: 10}, {Key: "v", Value: 0.1}}, bson.D{{Key: "_id", Value: 11}, {Key: "v", Value: int64(9007199254740992)}}, bson.D{{Key: "_id", Value: 12}, {Key: "v", Value: 1000}})
		if _, err := c.InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, all(t, c, bson.D{}, options.Find().SetSort(bson.D{{Key: "v", Value: 1}, {Key: "_id", Value: 1}}))); got != "5 1 0 10 4 3 12 11 2" {
			t.Errorf("indexed %v: %s", indexed, got)
		}
		if got := ids(t, all(t, c, bson.D{{Key: "v", Value: mustDecimal(t, "0.3")}})); got != "4" {
			t.Errorf("indexed %v: equal to 0.3: %s", indexed, got)
		}
	}
}

// TestReplicaSet finds the server as a driver finds a replica set.
func TestReplicaSet(t *testing.T) {
	t.Parallel()
	c := connect(t, "mongodb://"+start(t, "").Addr()+"/?replicaSet=lethe&w=majority&readConcernLevel=majority").Database("db").Collection("c")
	load(t, c, `{"_id":1}`)
	if got := all(t, c, bson.D{}); got != `{"_id":1}` {
		t.Errorf("found %s", got)
	}
}

func TestIndexesAreModified(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	index(t, c, bson.D{{Key: "at", Value: 1}}, options.Index().SetExpireAfterSeconds(3600))
	modify := func(change bson.E) error {
		return db.RunCommand(t.Context(), bson.D{{Key: "collMod", Value: "c"}, {Key: "index", Value: bson.D{{Key: "name", Value: "at_1"}, change}}}).Err()
	}
	if err := modify(bson.E{Key: "expireAfterSeconds", Value: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InsertOne(t.Context(), bson.D{{Key: "at", Value: time.Now().Add(-time.Minute)}}); err != nil {
		t.Fatal(err)
	}
	await(t, "the expiry", func() bool {
		n, err := c.CountDocuments(t.Context(), bson.D{})
		return err == nil && n == 0
	})
	find := bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "at", Value: 1}}}}
	if stages, _ := plan(t, db, find); !stages["at_1"] {
		t.Errorf("plan %v", stages)
	}
	if err := modify(bson.E{Key: "hidden", Value: true}); err != nil {
		t.Fatal(err)
	}
	if stages, _ := plan(t, db, find); !stages["COLLSCAN"] {
		t.Errorf("plan with a hidden index %v", stages)
	}
}
