package mongo_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// value reads a document or an array in extended JSON.
func anyValue(t testing.TB, s string) any {
	t.Helper()
	var v struct{ V any }
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+s+`}`), false, &v); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return v.V
}

func TestUpdateOperators(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, before, filter, update, filters, want string }{
		{"$set", `{"_id":1,"a":1}`, `{}`, `{"$set":{"a":2,"c":3,"b":{"x":1}}}`, ``, `{"_id":1,"a":2,"b":{"x":1},"c":3}`},
		{"$set dotted", `{"_id":1,"a":{"b":1}}`, `{}`, `{"$set":{"a.c":2,"n.m":3}}`, ``, `{"_id":1,"a":{"b":1,"c":2},"n":{"m":3}}`},
		{"$set a position", `{"_id":1,"l":[1,2]}`, `{}`, `{"$set":{"l.1":9,"l.3":4}}`, ``, `{"_id":1,"l":[1,9,null,4]}`},
		{"$unset", `{"_id":1,"a":1,"b":{"c":1,"d":2}}`, `{}`, `{"$unset":{"a":"","b.c":"","zz.y":""}}`, ``, `{"_id":1,"b":{"d":2}}`},
		{"$unset an element", `{"_id":1,"l":[1,2]}`, `{}`, `{"$unset":{"l.0":""}}`, ``, `{"_id":1,"l":[null,2]}`},
		{"$inc", `{"_id":1,"a":1,"b":1.5}`, `{}`, `{"$inc":{"a":2,"b":1,"c":-4}}`, ``, `{"_id":1,"a":3,"b":2.5,"c":-4}`},
		{"$inc widens", `{"_id":1,"a":2147483647}`, `{}`, `{"$inc":{"a":1}}`, ``, `{"_id":1,"a":2147483648}`},
		{"$mul", `{"_id":1,"a":3}`, `{}`, `{"$mul":{"a":2,"b":5}}`, ``, `{"_id":1,"a":6,"b":0}`},
		{"$min", `{"_id":1,"a":3,"b":3}`, `{}`, `{"$min":{"a":2,"b":9,"c":1}}`, ``, `{"_id":1,"a":2,"b":3,"c":1}`},
		{"$max", `{"_id":1,"a":3,"b":3}`, `{}`, `{"$max":{"a":2,"b":9,"c":1}}`, ``, `{"_id":1,"a":3,"b":9,"c":1}`},
		{"$rename", `{"_id":1,"a":3,"b":{"c":4}}`, `{}`, `{"$rename":{"a":"z","b.c":"y.x","no":"w"}}`, ``, `{"_id":1,"b":{},"z":3,"y":{"x":4}}`},
		{"$setOnInsert does nothing here", `{"_id":1,"a":1}`, `{}`, `{"$setOnInsert":{"a":2},"$set":{"b":1}}`, ``, `{"_id":1,"a":1,"b":1}`},
		{"$push", `{"_id":1,"l":[1]}`, `{}`, `{"$push":{"l":[2],"m":1}}`, ``, `{"_id":1,"l":[1,[2]],"m":[1]}`},
		{"$push $each", `{"_id":1,"l":[1]}`, `{}`, `{"$push":{"l":{"$each":[2,3]}}}`, ``, `{"_id":1,"l":[1,2,3]}`},
		{"$push $slice", `{"_id":1,"l":[1,2]}`, `{}`, `{"$push":{"l":{"$each":[3,4],"$slice":-3}}}`, ``, `{"_id":1,"l":[2,3,4]}`},
		{"$push $slice from the front", `{"_id":1,"l":[1,2]}`, `{}`, `{"$push":{"l":{"$each":[3,4],"$slice":1}}}`, ``, `{"_id":1,"l":[1]}`},
		{"$push $position", `{"_id":1,"l":[1,2]}`, `{}`, `{"$push":{"l":{"$each":[9],"$position":1}}}`, ``, `{"_id":1,"l":[1,9,2]}`},
		{"$push negative $position", `{"_id":1,"l":[1,2]}`, `{}`, `{"$push":{"l":{"$each":[9],"$position":-1}}}`, ``, `{"_id":1,"l":[1,9,2]}`},
		{"$push $sort", `{"_id":1,"l":[3,1]}`, `{}`, `{"$push":{"l":{"$each":[2],"$sort":-1}}}`, ``, `{"_id":1,"l":[3,2,1]}`},
		{"$push $sort by a field, $slice", `{"_id":1,"l":[{"k":3},{"k":1}]}`, `{}`, `{"$push":{"l":{"$each":[{"k":2}],"$sort":{"k":1},"$slice":2}}}`, ``, `{"_id":1,"l":[{"k":1},{"k":2}]}`},
		{"$addToSet", `{"_id":1,"l":[1]}`, `{}`, `{"$addToSet":{"l":1,"m":{"x":1}}}`, ``, `{"_id":1,"l":[1],"m":[{"x":1}]}`},
		{"$addToSet $each", `{"_id":1,"l":[1]}`, `{}`, `{"$addToSet":{"l":{"$each":[1,2,2,3]}}}`, ``, `{"_id":1,"l":[1,2,3]}`},
		{"$pull a value", `{"_id":1,"l":[1,2,1]}`, `{}`, `{"$pull":{"l":1}}`, ``, `{"_id":1,"l":[2]}`},
		{"$pull by condition", `{"_id":1,"l":[1,5,9]}`, `{}`, `{"$pull":{"l":{"$gte":5}}}`, ``, `{"_id":1,"l":[1]}`},
		{"$pull documents", `{"_id":1,"l":[{"a":1,"b":2},{"a":2}]}`, `{}`, `{"$pull":{"l":{"a":1}}}`, ``, `{"_id":1,"l":[{"a":2}]}`},
		{"$pull documents by condition", `{"_id":1,"l":[{"a":1,"b":2},{"a":7}]}`, `{}`, `{"$pull":{"l":{"a":{"$gt":5}}}}`, ``, `{"_id":1,"l":[{"a":1,"b":2}]}`},
		{"$pull $in", `{"_id":1,"l":["a","b","c"]}`, `{}`, `{"$pull":{"l":{"$in":["a","c"]}}}`, ``, `{"_id":1,"l":["b"]}`},
		{"$pullAll", `{"_id":1,"l":[1,2,3,1]}`, `{}`, `{"$pullAll":{"l":[1,3]}}`, ``, `{"_id":1,"l":[2]}`},
		{"$pop", `{"_id":1,"l":[1,2,3],"m":[1,2]}`, `{}`, `{"$pop":{"l":1,"m":-1}}`, ``, `{"_id":1,"l":[1,2],"m":[2]}`},
		{"$bit", `{"_id":1,"a":12}`, `{}`, `{"$bit":{"a":{"and":10,"or":1}}}`, ``, `{"_id":1,"a":9}`},
		{"$", `{"_id":1,"l":[{"k":1,"v":0},{"k":2,"v":0}]}`, `{"l.k":2}`, `{"$set":{"l.$.v":5}}`, ``, `{"_id":1,"l":[{"k":1,"v":0},{"k":2,"v":5}]}`},
		{"$ after $elemMatch", `{"_id":1,"l":[{"k":1,"v":3},{"k":1,"v":9}]}`, `{"l":{"$elemMatch":{"k":1,"v":{"$gt":5}}}}`, `{"$inc":{"l.$.v":1}}`, ``, `{"_id":1,"l":[{"k":1,"v":3},{"k":1,"v":10}]}`},
		{"$ of a value", `{"_id":1,"l":[4,5,6]}`, `{"l":5}`, `{"$set":{"l.$":50}}`, ``, `{"_id":1,"l":[4,50,6]}`},
		{"$[]", `{"_id":1,"l":[{"v":1},{"v":2}]}`, `{}`, `{"$inc":{"l.$[].v":10}}`, ``, `{"_id":1,"l":[{"v":11},{"v":12}]}`},
		{"$[id]", `{"_id":1,"l":[{"k":1,"v":1},{"k":2,"v":2}]}`, `{}`, `{"$set":{"l.$[e].v":9}}`, `[{"e.k":{"$gte":2}}]`, `{"_id":1,"l":[{"k":1,"v":1},{"k":2,"v":9}]}`},
		{"$[id] of values", `{"_id":1,"l":[1,5,9]}`, `{}`, `{"$set":{"l.$[e]":0}}`, `[{"e":{"$gt":4}}]`, `{"_id":1,"l":[1,0,0]}`},
		{"nested $[id]", `{"_id":1,"l":[{"m":[1,2]},{"m":[2]}]}`, `{}`, `{"$inc":{"l.$[].m.$[e]":5}}`, `[{"e":2}]`, `{"_id":1,"l":[{"m":[1,7]},{"m":[7]}]}`},
		{"replacement", `{"_id":1,"a":1,"b":2}`, `{"a":1}`, `{"c":3}`, ``, `{"_id":1,"c":3}`},
		{"pipeline", `{"_id":1,"a":1,"b":2}`, `{}`, `[{"$set":{"s":{"$add":["$a","$b"]}}},{"$unset":"a"}]`, ``, `{"_id":1,"b":2,"s":3}`},
		{"pipeline $replaceWith", `{"_id":1,"n":{"x":1}}`, `{}`, `[{"$replaceWith":{"$mergeObjects":["$n",{"y":2}]}}]`, ``, `{"_id":1,"x":1,"y":2}`},
		{"pipeline $$NOW", `{"_id":1}`, `{}`, `[{"$set":{"t":{"$type":"$$NOW"}}}]`, ``, `{"_id":1,"t":"date"}`},
	}
	db := database(t)
	c := db.Collection("c")
	for _, tt := range tests {
		if err := c.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		load(t, c, tt.before)
		o := options.UpdateOne()
		if tt.filters != "" {
			o.SetArrayFilters(anyValue(t, tt.filters).(bson.A))
		}
		var err error
		u := anyValue(t, tt.update)
		if d, ok := u.(bson.D); ok && d[0].Key[0] != '$' {
			_, err = c.ReplaceOne(t.Context(), doc(t, tt.filter), d)
		} else {
			_, err = c.UpdateOne(t.Context(), doc(t, tt.filter), u, o)
		}
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := all(t, c, bson.D{}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestUpdateRefusals(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	const before = `{"_id":1,"a":"text","l":[1],"n":{"b":1}}`
	load(t, c, before)
	for _, tt := range []struct {
		update, filters string
		code            int
	}{
		{`{"$foo":{"a":1}}`, ``, 9}, {`{"$inc":{"a":1}}`, ``, 14}, {`{"$inc":{"z":"1"}}`, ``, 14}, {`{"$push":{"a":1}}`, ``, 2},
		{`{"$set":{"a.b":1}}`, ``, 28}, {`{"$set":{"a":1,"a.b":2}}`, ``, 40}, {`{"$set":{"a":1},"$inc":{"a":2}}`, ``, 40}, {`{"$set":{"_id":2}}`, ``, 66},
		{`{"$set":{"l.$":1}}`, ``, 2}, {`{"$set":{"l.$[x]":1}}`, ``, 2}, {`{"$set":{"l.0":1}}`, `[{"x":1}]`, 9}, {`{"$pop":{"l":2}}`, ``, 9},
		{`{"$bit":{"z":{"nand":1}}}`, ``, 2}, {`{"$currentDate":{"z":"date"}}`, ``, 2}, {`{"$push":{"l":{"$each":1}}}`, ``, 2}, {`{"$set":{"":1}}`, ``, 56},
		{`{"$rename":{"a":"a"}}`, ``, 2}, {`{"$set":{"$x":1}}`, ``, 52}, {`{"$addToSet":{"a":1}}`, ``, 2}, {`[{"$group":{"_id":1}}]`, ``, 72}, {`[{"$nope":1}]`, ``, 40324},
	} {
		o := options.UpdateOne()
		if tt.filters != "" {
			o.SetArrayFilters(anyValue(t, tt.filters).(bson.A))
		}
		_, err := c.UpdateOne(t.Context(), bson.D{}, anyValue(t, tt.update), o)
		if got := codeOf(t, err); got != tt.code {
			t.Errorf("%s: code %d, want %d (%v)", tt.update, got, tt.code, err)
		}
		if got := all(t, c, bson.D{}); got != before {
			t.Fatalf("%s changed the document: %s", tt.update, got)
		}
	}
}

func TestUpserts(t *testing.T) {
	t.Parallel()
	db := database(t)
	for _, tt := range []struct{ filter, update, want string }{
		{`{"_id":7}`, `{"$set":{"a":1}}`, `{"_id":7,"a":1}`},
		{`{"_id":7,"x":1,"y":{"$gt":3}}`, `{"$setOnInsert":{"a":1}}`, `{"_id":7,"x":1,"a":1}`},
		{`{"_id":7,"n.m":{"$eq":2}}`, `{"$inc":{"c":5}}`, `{"_id":7,"n":{"m":2},"c":5}`},
		{`{"$and":[{"_id":7},{"x":{"$in":[4]}}]}`, `{"$push":{"l":1}}`, `{"_id":7,"x":4,"l":[1]}`},
		{`{"_id":7}`, `{"b":2}`, `{"_id":7,"b":2}`},
		{`{"_id":7}`, `[{"$set":{"z":{"$add":[1,1]}}}]`, `{"_id":7,"z":2}`},
	} {
		c := db.Collection("c")
		if err := c.Drop(t.Context()); err != nil {
			t.Fatal(err)
		}
		var res *driver.UpdateResult
		var err error
		u := anyValue(t, tt.update)
		if d, ok := u.(bson.D); ok && d[0].Key[0] != '$' {
			res, err = c.ReplaceOne(t.Context(), doc(t, tt.filter), d, options.Replace().SetUpsert(true))
		} else {
			res, err = c.UpdateOne(t.Context(), doc(t, tt.filter), u, options.UpdateOne().SetUpsert(true))
		}
		if err != nil || res.UpsertedID != int32(7) || res.UpsertedCount != 1 || res.MatchedCount != 0 {
			t.Errorf("%s %s: %+v, %v", tt.filter, tt.update, res, err)
			continue
		}
		if got := all(t, c, bson.D{}); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.filter, tt.update, got, tt.want)
		}
	}
}

func TestWriteResults(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"g":1,"v":0}`, `{"_id":2,"g":1,"v":5}`, `{"_id":3,"g":2,"v":0}`)
	ctx := t.Context()
	many, err := c.UpdateMany(ctx, doc(t, `{"g":1}`), doc(t, `{"$set":{"v":5}}`))
	if err != nil || many.MatchedCount != 2 || many.ModifiedCount != 1 {
		t.Errorf("update of many: %+v, %v", many, err)
	}
	del, err := c.DeleteMany(ctx, doc(t, `{"g":1}`))
	if err != nil || del.DeletedCount != 2 {
		t.Errorf("delete of many: %+v, %v", del, err)
	}
	if del, err = c.DeleteOne(ctx, bson.D{}); err != nil || del.DeletedCount != 1 {
		t.Errorf("delete of one: %+v, %v", del, err)
	}
	if del, err = c.DeleteOne(ctx, bson.D{}); err != nil || del.DeletedCount != 0 {
		t.Errorf("delete of none: %+v, %v", del, err)
	}
	_, err = c.InsertMany(ctx, []any{doc(t, `{"_id":1}`), doc(t, `{"_id":1}`), doc(t, `{"_id":2}`)}, options.InsertMany().SetOrdered(false))
	bulk, ok := err.(driver.BulkWriteException)
	if !ok || len(bulk.WriteErrors) != 1 || bulk.WriteErrors[0].Index != 1 || bulk.WriteErrors[0].Code != 11000 {
		t.Errorf("unordered insert: %v", err)
	}
	if got := ids(t, all(t, c, bson.D{})); got != "1 2" {
		t.Errorf("unordered insert left %s", got)
	}
	_, err = c.InsertMany(ctx, []any{doc(t, `{"_id":3}`), doc(t, `{"_id":1}`), doc(t, `{"_id":4}`)})
	if bulk, ok = err.(driver.BulkWriteException); !ok || len(bulk.WriteErrors) != 1 {
		t.Errorf("ordered insert: %v", err)
	}
	if got := ids(t, all(t, c, bson.D{})); got != "1 2 3" {
		t.Errorf("ordered insert left %s", got)
	}
	res, err := c.BulkWrite(ctx, []driver.WriteModel{
		driver.NewInsertOneModel().SetDocument(doc(t, `{"_id":10,"v":1}`)),
		driver.NewUpdateOneModel().SetFilter(doc(t, `{"_id":10}`)).SetUpdate(doc(t, `{"$inc":{"v":1}}`)),
		driver.NewUpdateManyModel().SetFilter(bson.D{}).SetUpdate(doc(t, `{"$set":{"w":1}}`)),
		driver.NewReplaceOneModel().SetFilter(doc(t, `{"_id":1}`)).SetReplacement(doc(t, `{"r":1}`)),
		driver.NewUpdateOneModel().SetFilter(doc(t, `{"_id":11}`)).SetUpdate(doc(t, `{"$set":{"u":1}}`)).SetUpsert(true),
		driver.NewDeleteOneModel().SetFilter(doc(t, `{"_id":2}`)),
		driver.NewDeleteManyModel().SetFilter(doc(t, `{"_id":{"$gte":11}}`)),
	})
	if err != nil || res.InsertedCount != 1 || res.MatchedCount != 6 || res.ModifiedCount != 6 || res.UpsertedCount != 1 || res.DeletedCount != 2 {
		t.Errorf("bulk write: %+v, %v", res, err)
	}
}

func TestFindAndModify(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"p":3,"s":"new"}`, `{"_id":2,"p":9,"s":"new"}`, `{"_id":3,"p":5,"s":"new","l":[1,5]}`)
	ctx := t.Context()
	decode := func(r *driver.SingleResult) string {
		var d bson.D
		if err := r.Decode(&d); err != nil {
			return err.Error()
		}
		return text(t, d)
	}
	byPriority := bson.D{{Key: "p", Value: -1}}
	for _, tt := range []struct {
		name string
		got  *driver.SingleResult
		want string
	}{
		{"before", c.FindOneAndUpdate(ctx, doc(t, `{"s":"new"}`), doc(t, `{"$set":{"s":"taken"}}`), options.FindOneAndUpdate().SetSort(byPriority)), `{"_id":2,"p":9,"s":"new"}`},
		{"after, projected", c.FindOneAndUpdate(ctx, doc(t, `{"s":"new"}`), doc(t, `{"$inc":{"p":1}}`),
			options.FindOneAndUpdate().SetSort(byPriority).SetReturnDocument(options.After).SetProjection(bson.D{{Key: "p", Value: 1}})), `{"_id":3,"p":6}`},
		{"array filters", c.FindOneAndUpdate(ctx, doc(t, `{"_id":3}`), doc(t, `{"$set":{"l.$[e]":0}}`),
			options.FindOneAndUpdate().SetReturnDocument(options.After).SetArrayFilters([]any{doc(t, `{"e":{"$gt":2}}`)})), `{"_id":3,"p":6,"s":"new","l":[1,0]}`},
		{"nothing", c.FindOneAndUpdate(ctx, doc(t, `{"_id":99}`), doc(t, `{"$set":{"s":"x"}}`)), driver.ErrNoDocuments.Error()},
		{"upsert", c.FindOneAndUpdate(ctx, doc(t, `{"_id":4}`), doc(t, `{"$set":{"s":"x"}}`), options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)), `{"_id":4,"s":"x"}`},
		{"upsert, before", c.FindOneAndUpdate(ctx, doc(t, `{"_id":5}`), doc(t, `{"$set":{"s":"x"}}`), options.FindOneAndUpdate().SetUpsert(true)), driver.ErrNoDocuments.Error()},
		{"replace", c.FindOneAndReplace(ctx, doc(t, `{"_id":4}`), doc(t, `{"z":1}`), options.FindOneAndReplace().SetReturnDocument(options.After)), `{"_id":4,"z":1}`},
		{"delete", c.FindOneAndDelete(ctx, bson.D{}, options.FindOneAndDelete().SetSort(bson.D{{Key: "_id", Value: 1}})), `{"_id":1,"p":3,"s":"new"}`},
	} {
		if got := decode(tt.got); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	index(t, c, bson.D{{Key: "z", Value: 1}}, options.Index().SetUnique(true).SetSparse(true))
	err := c.FindOneAndUpdate(ctx, doc(t, `{"_id":2}`), doc(t, `{"$set":{"z":1}}`)).Err()
	if !driver.IsDuplicateKeyError(err) {
		t.Errorf("a duplicate: %v", err)
	}
}

func TestUnacknowledgedWritesArrive(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("c", options.Collection().SetWriteConcern(unacknowledged()))
	if _, err := c.InsertOne(t.Context(), doc(t, `{"_id":1}`)); err != nil {
		t.Fatal(err)
	}
	await(t, "the write", func() bool {
		n, err := db.Collection("c").CountDocuments(t.Context(), bson.D{})
		return err == nil && n == 1
	})
}
