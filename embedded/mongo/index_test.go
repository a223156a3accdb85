package mongo_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// plan explains a command and gives the names of its stages' indexes, "COLLSCAN" where there is none, and "SORT" when
// the server must sort.
func plan(t testing.TB, db *driver.Database, cmd bson.D) (stages map[string]bool, stats bson.M) {
	t.Helper()
	var out struct {
		QueryPlanner struct {
			WinningPlan bson.M `bson:"winningPlan"`
		} `bson:"queryPlanner"`
		ExecutionStats bson.M `bson:"executionStats"`
	}
	err := db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: cmd}, {Key: "verbosity", Value: "executionStats"}}).Decode(&out)
	if err != nil {
		t.Fatalf("explaining %v: %v", cmd, err)
	}
	stages = map[string]bool{}
	var visit func(v any)
	visit = func(v any) {
		switch x := v.(type) {
		case bson.M:
			for k, e := range x {
				if s, ok := e.(string); ok && (k == "stage" || k == "indexName") {
					stages[s] = true
				}
				visit(e)
			}
		case bson.D:
			for _, e := range x {
				if s, ok := e.Value.(string); ok && (e.Key == "stage" || e.Key == "indexName") {
					stages[s] = true
				}
				visit(e.Value)
			}
		case bson.A:
			for _, e := range x {
				visit(e)
			}
		}
	}
	visit(out.QueryPlanner.WinningPlan)
	return stages, out.ExecutionStats
}

func TestIndexesServeReads(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	var docs []any
	for i := range 500 {
		docs = append(docs, bson.D{
			{Key: "_id", Value: i}, {Key: "a", Value: i % 50}, {Key: "b", Value: i}, {Key: "s", Value: fmt.Sprintf("name %03d", i)},
			{Key: "tags", Value: bson.A{i % 10, i%10 + 100}}, {Key: "items", Value: bson.A{bson.D{{Key: "sku", Value: i % 20}, {Key: "q", Value: i}}}},
			{Key: "at", Value: time.Unix(int64(i), 0)},
		})
		if i%100 == 0 {
			docs[i] = append(docs[i].(bson.D), bson.E{Key: "rare", Value: i}, bson.E{Key: "open", Value: true})
		}
	}
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	index(t, c, bson.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}, nil)
	index(t, c, bson.D{{Key: "s", Value: 1}}, options.Index().SetUnique(true))
	index(t, c, bson.D{{Key: "tags", Value: 1}}, nil)
	index(t, c, bson.D{{Key: "items.sku", Value: 1}, {Key: "items.q", Value: 1}}, nil)
	index(t, c, bson.D{{Key: "rare", Value: 1}}, options.Index().SetSparse(true))
	index(t, c, bson.D{{Key: "at", Value: -1}}, options.Index().SetPartialFilterExpression(bson.D{{Key: "open", Value: true}}))
	for _, tt := range []struct {
		name, filter, sort, uses string
		sorts                    bool
		found, examined          int
	}{
		{"_id", `{"_id":7}`, `{}`, "_id_", false, 1, 1},
		{"_id $in", `{"_id":{"$in":[7,9]}}`, `{}`, "_id_", false, 2, 2},
		{"equality", `{"a":3}`, `{}`, "a_1_b_-1", false, 10, 10},
		{"equality and range", `{"a":3,"b":{"$gte":100,"$lt":300}}`, `{}`, "a_1_b_-1", false, 4, 4},
		{"equality and sort", `{"a":3}`, `{"b":-1}`, "a_1_b_-1", false, 10, 10},
		{"equality and sort backwards", `{"a":3}`, `{"b":1}`, "a_1_b_-1", false, 10, 10},
		{"sort alone", `{}`, `{"a":1,"b":-1}`, "a_1_b_-1", false, 500, 500},
		{"sort alone backwards", `{}`, `{"a":-1,"b":1}`, "a_1_b_-1", false, 500, 500},
		{"sort not of the index", `{"a":3}`, `{"s":1}`, "a_1_b_-1", true, 10, 10},
		{"range", `{"s":{"$gte":"name 490"}}`, `{"s":1}`, "s_1", false, 10, 10},
		{"prefix", `{"s":{"$regex":"^name 12"}}`, `{}`, "s_1", false, 10, 10},
		{"multikey", `{"tags":3}`, `{}`, "tags_1", false, 50, 50},
		{"multikey $all", `{"tags":{"$all":[3,103]}}`, `{}`, "tags_1", false, 50, 50},
		{"multikey $elemMatch", `{"items":{"$elemMatch":{"sku":3,"q":{"$lt":100}}}}`, `{}`, "items.sku_1_items.q_1", false, 5, 25},
		{"sparse", `{"rare":{"$gte":200}}`, `{}`, "rare_1", false, 3, 3},
		{"sparse for null", `{"rare":null}`, `{}`, "COLLSCAN", false, 495, 500},
		{"partial", `{"open":true,"at":{"$gt":{"$date":{"$numberLong":"150000"}}}}`, `{"at":-1}`, "at_-1", false, 3, 3},
		{"outside of the partial filter", `{"at":{"$gt":{"$date":{"$numberLong":"498000"}}}}`, `{}`, "COLLSCAN", false, 1, 500},
		{"$or", `{"$or":[{"a":3,"b":3},{"s":"name 007"}]}`, `{}`, "OR", false, 2, 2},
		{"nothing fits", `{"b":3}`, `{}`, "COLLSCAN", false, 1, 500},
	} {
		stages, stats := plan(t, db, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: doc(t, tt.filter)}, {Key: "sort", Value: doc(t, tt.sort)}})
		if !stages[tt.uses] || stages["SORT"] != tt.sorts {
			t.Errorf("%s: %s sorted by %s: plan %v, want %s", tt.name, tt.filter, tt.sort, stages, tt.uses)
		}
		if realServer() == "" && (stats["nReturned"] != int32(tt.found) || stats["totalDocsExamined"] != int32(tt.examined)) {
			t.Errorf("%s: found %v, examined %v, want %d, %d", tt.name, stats["nReturned"], stats["totalDocsExamined"], tt.found, tt.examined)
		}
	}
	for _, cmd := range []bson.D{
		{{Key: "count", Value: "c"}, {Key: "query", Value: bson.D{{Key: "a", Value: 3}}}},
		{{Key: "aggregate", Value: "c"}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "a", Value: 3}}}}}}, {Key: "cursor", Value: bson.D{}}},
		{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "a", Value: 3}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "z", Value: 1}}}}}}}}},
		{{Key: "delete", Value: "c"}, {Key: "deletes", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "a", Value: 3}}}, {Key: "limit", Value: 1}}}}},
		{{Key: "findAndModify", Value: "c"}, {Key: "query", Value: bson.D{{Key: "a", Value: 3}}}, {Key: "update", Value: bson.D{{Key: "$set", Value: bson.D{{Key: "z", Value: 1}}}}}},
		{{Key: "distinct", Value: "c"}, {Key: "key", Value: "b"}, {Key: "query", Value: bson.D{{Key: "a", Value: 3}}}},
	} {
		if stages, _ := plan(t, db, cmd); !stages["a_1_b_-1"] {
			t.Errorf("%s: plan %v", cmd[0].Key, stages)
		}
	}
	if got, _ := c.CountDocuments(t.Context(), bson.D{{Key: "z", Value: 1}}); got != 0 {
		t.Errorf("explain changed %d documents", got)
	}
}

func TestUniqueIndexes(t *testing.T) {
	t.Parallel()
	db := database(t)
	unique := func() *options.IndexOptionsBuilder { return options.Index().SetUnique(true) }
	for _, tt := range []struct {
		name    string
		keys    bson.D
		options *options.IndexOptionsBuilder
		docs    []string // the last one is refused, unless ok
		ok      bool
	}{
		{"single", bson.D{{Key: "a", Value: 1}}, unique(), []string{`{"a":1}`, `{"a":1.0}`}, false},
		{"descending", bson.D{{Key: "a", Value: -1}}, unique(), []string{`{"a":1}`, `{"a":1}`}, false},
		{"missing is null", bson.D{{Key: "a", Value: 1}}, unique(), []string{`{"b":1}`, `{"a":null}`}, false},
		{"compound", bson.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}, unique(), []string{`{"a":1,"b":1}`, `{"a":1,"b":2}`, `{"a":1,"b":1}`}, false},
		{"compound differs", bson.D{{Key: "a", Value: 1}, {Key: "b", Value: -1}}, unique(), []string{`{"a":1,"b":1}`, `{"a":1,"b":2}`}, true},
		{"sparse", bson.D{{Key: "a", Value: 1}}, unique().SetSparse(true), []string{`{"b":1}`, `{"b":2}`}, true},
		{"partial", bson.D{{Key: "a", Value: 1}}, unique().SetPartialFilterExpression(bson.D{{Key: "open", Value: true}}), []string{`{"a":1,"open":true}`, `{"a":1,"open":true}`}, false},
		{"outside of partial", bson.D{{Key: "a", Value: 1}}, unique().SetPartialFilterExpression(bson.D{{Key: "open", Value: true}}), []string{`{"a":1,"open":true}`, `{"a":1}`, `{"a":1}`}, true},
		{"multikey", bson.D{{Key: "a", Value: 1}}, unique(), []string{`{"a":[1,2]}`, `{"a":[2,3]}`}, false},
		{"within one document", bson.D{{Key: "a", Value: 1}}, unique(), []string{`{"a":[2,2]}`}, true},
		{"elements of one array together", bson.D{{Key: "l.a", Value: 1}, {Key: "l.b", Value: 1}}, unique(), []string{`{"l":[{"a":1,"b":1},{"a":2,"b":2}]}`, `{"l":[{"a":1,"b":2}]}`}, true},
	} {
		c := db.Collection(tt.name)
		index(t, c, tt.keys, tt.options)
		for i, s := range tt.docs {
			_, err := c.InsertOne(t.Context(), doc(t, s))
			refused := driver.IsDuplicateKeyError(err)
			if err != nil && !refused || refused != (i == len(tt.docs)-1 && !tt.ok) {
				t.Errorf("%s: inserting %s: %v", tt.name, s, err)
			}
		}
	}
	c := db.Collection("update")
	index(t, c, bson.D{{Key: "email", Value: 1}, {Key: "k", Value: -1}}, unique())
	load(t, c, `{"_id":1,"email":"a","k":1}`, `{"_id":2,"email":"b","k":1}`)
	_, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 2}}, bson.D{{Key: "$set", Value: bson.D{{Key: "email", Value: "a"}}}})
	we, ok := err.(driver.WriteException)
	if !ok || len(we.WriteErrors) != 1 || we.WriteErrors[0].Code != 11000 {
		t.Fatalf("a duplicate by update: %v", err)
	}
	var raw struct {
		KeyPattern bson.D `bson:"keyPattern"`
		KeyValue   bson.D `bson:"keyValue"`
	}
	if err := bson.Unmarshal(we.WriteErrors[0].Raw, &raw); err != nil {
		t.Fatal(err)
	}
	if got := text(t, raw.KeyPattern) + text(t, raw.KeyValue); got != `{"email":1,"k":-1}{"email":"a","k":1}` {
		t.Errorf("keyPattern and keyValue: %s", got)
	}
	_, err = db.Collection("single").Indexes().CreateOne(t.Context(), driver.IndexModel{Keys: bson.D{{Key: "zz", Value: 1}}, Options: unique()})
	if err != nil {
		t.Errorf("one document has no duplicates: %v", err)
	}
	load(t, db.Collection("full"), `{"x":1}`, `{"x":1}`)
	_, err = db.Collection("full").Indexes().CreateOne(t.Context(), driver.IndexModel{Keys: bson.D{{Key: "x", Value: 1}}, Options: unique()})
	if codeOf(t, err) != 11000 {
		t.Errorf("a unique index over duplicates: %v", err)
	}
}

func TestIndexCommands(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	ctx := t.Context()
	create := func(keys bson.D, o *options.IndexOptionsBuilder) int {
		_, err := c.Indexes().CreateOne(ctx, driver.IndexModel{Keys: keys, Options: o})
		return codeOf(t, err)
	}
	a := bson.D{{Key: "a", Value: 1}}
	for _, tt := range []struct {
		name string
		keys bson.D
		o    *options.IndexOptionsBuilder
		code int
	}{
		{"new", a, options.Index(), 0},
		{"the same again", a, options.Index(), 0},
		{"another name", a, options.Index().SetName("other"), 85},
		{"the same name for another key", bson.D{{Key: "b", Value: 1}}, options.Index().SetName("a_1"), 86},
		{"the same name, unique", a, options.Index().SetUnique(true), 86},
		{"the same name, expiring", a, options.Index().SetExpireAfterSeconds(5), 85},
		{"expiring compound", bson.D{{Key: "x", Value: 1}, {Key: "y", Value: 1}}, options.Index().SetExpireAfterSeconds(5), 67},
		{"no direction", bson.D{{Key: "x", Value: 0}}, options.Index(), 67},
		{"_id", bson.D{{Key: "_id", Value: 1}}, options.Index(), 0},
	} {
		if got := create(tt.keys, tt.o); got != tt.code {
			t.Errorf("%s: code %d, want %d", tt.name, got, tt.code)
		}
	}
	specs, err := c.Indexes().ListSpecifications(ctx)
	if err != nil || len(specs) != 2 || specs[0].Name != "_id_" || specs[1].Name != "a_1" {
		t.Errorf("list: %v, %v", specs, err)
	}
	if code := codeOf(t, c.Indexes().DropOne(ctx, "nope")); code != 27 {
		t.Errorf("dropping what is not there: %d", code)
	}
	if code := codeOf(t, c.Indexes().DropOne(ctx, "_id_")); code != 72 {
		t.Errorf("dropping _id_: %d", code)
	}
	if err := c.Indexes().DropWithKey(ctx, a); err != nil {
		t.Errorf("dropping by key: %v", err)
	}
	if code := codeOf(t, db.Collection("missing").Indexes().DropOne(ctx, "x_1")); code != 26 {
		t.Errorf("dropping in what is not there: %d", code)
	}
	index(t, c, bson.D{{Key: "p", Value: 1}, {Key: "q", Value: 1}}, nil)
	_, err = c.InsertOne(ctx, doc(t, `{"p":[1],"q":[2]}`))
	if codeOf(t, err) != 171 {
		t.Errorf("parallel arrays: %v", err)
	}
	if err := c.Indexes().DropAll(ctx); err != nil {
		t.Errorf("dropping all: %v", err)
	}
}

func TestDocumentsExpire(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	index(t, c, bson.D{{Key: "at", Value: 1}}, options.Index().SetExpireAfterSeconds(1))
	past, future := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if _, err := c.InsertMany(t.Context(), []any{
		bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: past}}, bson.D{{Key: "_id", Value: 2}, {Key: "at", Value: future}}, bson.D{{Key: "_id", Value: 3}},
		bson.D{{Key: "_id", Value: 4}, {Key: "at", Value: bson.A{future, past}}}, bson.D{{Key: "_id", Value: 5}, {Key: "at", Value: "text"}},
	}); err != nil {
		t.Fatal(err)
	}
	await(t, "the expiry", func() bool {
		n, err := c.CountDocuments(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: bson.A{1, 4}}}}})
		return err == nil && n == 0
	})
	if got := ids(t, all(t, c, bson.D{})); got != "2 3 5" {
		t.Errorf("left: %s", got)
	}
}

func TestTextSearch(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	load(t, c,
		`{"_id":1,"name":"Running shoes","text":"Light shoes for the runner who runs every day."}`,
		`{"_id":2,"name":"Coffee mug","text":"A mug for coffee, tea and everything else."}`,
		`{"_id":3,"name":"Café table","text":"A round table. Coffee not included."}`,
		`{"_id":4,"name":"Trail runner","text":"A shoe with grip."}`,
		`{"_id":5,"name":"Tea pot","tags":["ceramic","coffee"]}`)
	_, err := c.Indexes().CreateOne(t.Context(), driver.IndexModel{
		Keys:    bson.D{{Key: "name", Value: "text"}, {Key: "text", Value: "text"}, {Key: "tags", Value: "text"}},
		Options: options.Index().SetName("search").SetWeights(bson.D{{Key: "name", Value: 10}, {Key: "text", Value: 2}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	score := bson.D{{Key: "score", Value: bson.D{{Key: "$meta", Value: "textScore"}}}}
	for _, tt := range []struct{ search, want string }{
		{"coffee", "2 3 5"}, {"COFFEE", "2 3 5"}, {"run", "1"}, {"running", "1"}, {"shoe", "1 4"}, {"runners", "1 4"}, {"the and", ""}, {"coffee shoes", "2 1 4 3 5"},
		{`"round table"`, "3"}, {`coffee -tea`, "3"}, {`coffee -"not included"`, "2 5"}, {"cafe", "3"}, {"ceramics", "5"}, {"nothing-here-zzz", ""}, {"", ""},
	} {
		filter := bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: tt.search}}}}
		got := ids(t, all(t, c, filter, options.Find().SetSort(append(score, bson.E{Key: "_id", Value: 1})).SetProjection(bson.D{{Key: "_id", Value: 1}})))
		if tt.search == "coffee shoes" { // the order of scores is checked by itself
			if len(got) != len(tt.want) {
				t.Errorf("%q: %s", tt.search, got)
			}
			continue
		}
		if sorted(got) != sorted(tt.want) {
			t.Errorf("%q: %s, want %s", tt.search, got, tt.want)
		}
	}
	var docs []struct {
		ID    int `bson:"_id"`
		Score float64
	}
	cur, err := c.Find(t.Context(), bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: "coffee"}}}}, options.Find().SetProjection(score).SetSort(score))
	if err == nil {
		err = cur.All(t.Context(), &docs)
	}
	// name "Coffee mug": 10 * 0.75; text "mug coffee tea everything else", 5 terms: 2 * 0.6. text of 3, "round table coffee
	// included", 4 terms: 2 * 0.625. tags: one word.
	if err != nil || len(docs) != 3 || docs[0].ID != 2 || docs[1].ID != 3 || docs[2].ID != 5 ||
		fmt.Sprintf("%.3f %.3f %.3f", docs[0].Score, docs[1].Score, docs[2].Score) != "8.700 1.250 1.000" {
		t.Errorf("scores: %+v, %v", docs, err)
	}
	got, err := pipeline(t, c, `[{"$match":{"$text":{"$search":"coffee"},"_id":{"$lt":5}}},{"$sort":{"score":{"$meta":"textScore"}}},{"$project":{"_id":1}}]`)
	if err != nil || got != "{\"_id\":2}\n{\"_id\":3}" {
		t.Errorf("aggregation: %s, %v", got, err)
	}
	if n, err := c.CountDocuments(t.Context(), bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: "coffee"}}}}); err != nil || n != 3 {
		t.Errorf("count: %d, %v", n, err)
	}
	if _, err := c.UpdateOne(t.Context(), bson.D{{Key: "_id", Value: 5}}, bson.D{{Key: "$set", Value: bson.D{{Key: "tags", Value: bson.A{"plain"}}}}}); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, all(t, c, bson.D{{Key: "$text", Value: bson.D{{Key: "$search", Value: "ceramic"}}}})); got != "" {
		t.Errorf("the index did not follow an update: %s", got)
	}
}

func sorted(s string) string {
	var n [100]int
	for _, c := range s {
		n[int(c)%100]++
	}
	return fmt.Sprint(n)
}

func TestCatalogueCommands(t *testing.T) {
	t.Parallel()
	db := database(t)
	ctx := t.Context()
	rules := bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"n"}}, {Key: "properties", Value: bson.D{{Key: "n", Value: bson.D{{Key: "bsonType", Value: "int"}, {Key: "minimum", Value: 0}}}}}}}}
	if err := db.CreateCollection(ctx, "c", options.CreateCollection().SetValidator(rules)); err != nil {
		t.Fatal(err)
	}
	if code := codeOf(t, db.CreateCollection(ctx, "c", options.CreateCollection().SetValidator(bson.D{{Key: "x", Value: 1}}))); code != 48 {
		t.Errorf("creating it again: %d", code)
	}
	c := db.Collection("c")
	_, err := c.InsertOne(ctx, bson.D{{Key: "n", Value: -1}})
	if codeOf(t, err) != 121 {
		t.Errorf("an invalid document: %v", err)
	}
	load(t, c, `{"_id":1,"n":1}`)
	_, err = c.UpdateOne(ctx, bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "n", Value: "x"}}}})
	if codeOf(t, err) != 121 {
		t.Errorf("an invalid update: %v", err)
	}
	if err := db.RunCommand(ctx, bson.D{{Key: "collMod", Value: "c"}, {Key: "validator", Value: bson.D{}}}).Err(); err != nil {
		t.Errorf("collMod: %v", err)
	}
	if _, err = c.InsertOne(ctx, bson.D{{Key: "n", Value: -1}}); err != nil {
		t.Errorf("without a validator: %v", err)
	}
	load(t, db.Collection("d"), `{"_id":1}`)
	names, err := db.ListCollectionNames(ctx, bson.D{})
	if err != nil || len(names) != 2 {
		t.Errorf("collections: %v, %v", names, err)
	}
	if names, err = db.ListCollectionNames(ctx, bson.D{{Key: "name", Value: "d"}}); err != nil || len(names) != 1 {
		t.Errorf("filtered collections: %v, %v", names, err)
	}
	dbs, err := db.Client().ListDatabaseNames(ctx, bson.D{{Key: "name", Value: db.Name()}})
	if err != nil || len(dbs) != 1 {
		t.Errorf("databases: %v, %v", dbs, err)
	}
	admin := db.Client().Database("admin")
	rename := bson.D{{Key: "renameCollection", Value: db.Name() + ".d"}, {Key: "to", Value: db.Name() + ".e"}}
	if err := admin.RunCommand(ctx, rename).Err(); err != nil {
		t.Errorf("rename: %v", err)
	}
	if got := ids(t, all(t, db.Collection("e"), bson.D{})); got != "1" {
		t.Errorf("renamed: %s", got)
	}
	if code := codeOf(t, admin.RunCommand(ctx, rename).Err()); code != 26 {
		t.Errorf("renaming what is not there: %d", code)
	}
	if err := db.Collection("e").Drop(ctx); err != nil {
		t.Errorf("drop: %v", err)
	}
	if err := db.Drop(ctx); err != nil {
		t.Errorf("dropping the database: %v", err)
	}
	if names, err = db.ListCollectionNames(ctx, bson.D{}); err != nil || len(names) != 0 {
		t.Errorf("after the drop: %v, %v", names, err)
	}
}

func TestSchemaKeywords(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"v":5}`, `{"_id":2,"v":"abc"}`, `{"_id":3,"v":[1,2,2]}`, `{"_id":4,"v":{"a":1,"b":"x"}}`, `{"_id":5,"v":null}`, `{"_id":6}`)
	for _, tt := range []struct{ schema, want string }{
		{`{"bsonType":"int"}`, "1 6"}, {`{"type":"string"}`, "2 6"}, {`{"bsonType":["array","null"]}`, "3 5 6"}, {`{"enum":[5,"abc"]}`, "1 2 6"},
		{`{"minimum":5}`, "1 2 3 4 5 6"}, {`{"minimum":5,"exclusiveMinimum":true}`, "2 3 4 5 6"}, {`{"maximum":4}`, "2 3 4 5 6"}, {`{"multipleOf":2}`, "2 3 4 5 6"},
		{`{"minLength":4}`, "1 3 4 5 6"}, {`{"maxLength":2}`, "1 3 4 5 6"}, {`{"pattern":"^a"}`, "1 2 3 4 5 6"}, {`{"minItems":4}`, "1 2 4 5 6"}, {`{"uniqueItems":true}`, "1 2 4 5 6"},
		{`{"items":{"minimum":2}}`, "1 2 4 5 6"}, {`{"required":["a","z"]}`, "1 2 3 5 6"}, {`{"properties":{"a":{"minimum":2}}}`, "1 2 3 5 6"}, {`{"additionalProperties":false,"properties":{"a":{}}}`, "1 2 3 5 6"},
		{`{"patternProperties":{"^a":{"bsonType":"string"}}}`, "1 2 3 5 6"}, {`{"minProperties":3}`, "1 2 3 5 6"}, {`{"anyOf":[{"bsonType":"int"},{"bsonType":"string"}]}`, "1 2 6"},
		{`{"allOf":[{"bsonType":"int"},{"minimum":9}]}`, "6"}, {`{"oneOf":[{"bsonType":"int"},{"minimum":1}]}`, "2 3 4 5 6"}, {`{"not":{"bsonType":"int"}}`, "2 3 4 5 6"},
		{`{"title":"t","description":"d"}`, "1 2 3 4 5 6"},
	} {
		got := ids(t, all(t, c, doc(t, `{"$jsonSchema":{"properties":{"v":`+tt.schema+`}}}`), options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})))
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.schema, got, tt.want)
		}
	}
}

func TestMaxTime(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c")
	var docs []any
	for i := range 3000 {
		docs = append(docs, bson.D{{Key: "_id", Value: i}, {Key: "l", Value: bson.A{1, 2, 3, 4, 5, 6, 7, 8}}})
	}
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	cmd := bson.D{{Key: "aggregate", Value: "c"}, {Key: "cursor", Value: bson.D{}}, {Key: "maxTimeMS", Value: 1}, {Key: "pipeline", Value: bson.A{
		bson.D{{Key: "$unwind", Value: "$l"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "m", Value: bson.D{{Key: "$range", Value: bson.A{0, 3000}}}}}}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "m", Value: bson.D{{Key: "$size", Value: "$m"}}}}}}, bson.D{{Key: "$match", Value: bson.D{{Key: "m", Value: 1}}}},
	}}}
	err := db.RunCommand(t.Context(), cmd).Err()
	if codeOf(t, err) != 50 {
		t.Errorf("a slow command: %v", err)
	}
	if err := db.Client().Ping(context.WithoutCancel(t.Context()), nil); err != nil {
		t.Errorf("the server after it: %v", err)
	}
}
