package mongo_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
)

func pipeline(t testing.TB, c *driver.Collection, stages string) (string, error) {
	t.Helper()
	cur, err := c.Aggregate(t.Context(), anyValue(t, stages))
	if err != nil {
		return "", err
	}
	var docs []bson.D
	if err := cur.All(t.Context(), &docs); err != nil {
		return "", err
	}
	return lines(t, docs), nil
}

func TestStages(t *testing.T) {
	t.Parallel()
	db := database(t)
	c := db.Collection("orders")
	load(t, c,
		`{"_id":1,"who":"ann","total":10,"tags":["a","b"],"at":{"m":1}}`,
		`{"_id":2,"who":"bob","total":5,"tags":[],"at":{"m":2}}`,
		`{"_id":3,"who":"ann","total":7.5,"tags":["b"],"at":{"m":1}}`,
		`{"_id":4,"who":"cid","tags":null}`)
	load(t, db.Collection("people"), `{"_id":"ann","age":30}`, `{"_id":"bob","age":40}`)
	for _, tt := range []struct{ name, stages, want string }{
		{"$match", `[{"$match":{"who":"ann"}},{"$project":{"total":1}}]`, "{\"_id\":1,\"total\":10}\n{\"_id\":3,\"total\":7.5}"},
		{"$sort, $skip, $limit", `[{"$sort":{"total":-1}},{"$skip":1},{"$limit":2},{"$project":{"_id":1}}]`, "{\"_id\":3}\n{\"_id\":2}"},
		{"$project computed", `[{"$match":{"_id":1}},{"$project":{"_id":0,"x":{"$concat":["$who","!"]},"m":"$at.m","n":{"o":"$total"}}}]`, `{"x":"ann!","m":1,"n":{"o":10}}`},
		{"$project excluding", `[{"$match":{"_id":2}},{"$project":{"tags":0,"at.m":0}}]`, `{"_id":2,"who":"bob","total":5,"at":{}}`},
		{"$set", `[{"$match":{"_id":2}},{"$set":{"at.n":"$total","k":{"z":1}}},{"$unset":["tags","who"]}]`, `{"_id":2,"total":5,"at":{"m":2,"n":5},"k":{"z":1}}`},
		{"$addFields removes", `[{"$match":{"_id":4}},{"$addFields":{"who":"$$REMOVE"}}]`, `{"_id":4,"tags":null}`},
		{"$group", `[{"$group":{"_id":"$who","n":{"$sum":1},"sum":{"$sum":"$total"},"avg":{"$avg":"$total"},"min":{"$min":"$total"},"max":{"$max":"$total"}}},{"$sort":{"_id":1}}]`,
			"{\"_id\":\"ann\",\"n\":2,\"sum\":17.5,\"avg\":8.75,\"min\":7.5,\"max\":10}\n{\"_id\":\"bob\",\"n\":1,\"sum\":5,\"avg\":5.0,\"min\":5,\"max\":5}\n{\"_id\":\"cid\",\"n\":1,\"sum\":0,\"avg\":null,\"min\":null,\"max\":null}"},
		{"$group of all", `[{"$sort":{"_id":1}},{"$group":{"_id":null,"f":{"$first":"$who"},"l":{"$last":"$who"},"p":{"$push":"$total"},"c":{"$count":{}}}}]`,
			`{"_id":null,"f":"ann","l":"cid","p":[10,5,7.5],"c":4}`},
		{"$group $addToSet", `[{"$match":{"who":"ann"}},{"$group":{"_id":"$at","w":{"$addToSet":"$who"}}}]`, `{"_id":{"m":1},"w":["ann"]}`},
		{"$group $mergeObjects", `[{"$match":{"_id":{"$lte":2}}},{"$sort":{"_id":1}},{"$group":{"_id":1,"m":{"$mergeObjects":"$at"}}}]`, `{"_id":1,"m":{"m":2}}`},
		{"$unwind", `[{"$unwind":"$tags"},{"$project":{"tags":1}}]`, "{\"_id\":1,\"tags\":\"a\"}\n{\"_id\":1,\"tags\":\"b\"}\n{\"_id\":3,\"tags\":\"b\"}"},
		{"$unwind keeping", `[{"$unwind":{"path":"$tags","preserveNullAndEmptyArrays":true,"includeArrayIndex":"i"}},{"$match":{"_id":{"$gte":2}}},{"$project":{"tags":1,"i":1}}]`,
			"{\"_id\":2,\"i\":null}\n{\"_id\":3,\"tags\":\"b\",\"i\":0}\n{\"_id\":4,\"tags\":null,\"i\":null}"},
		{"$count", `[{"$match":{"who":"ann"}},{"$count":"n"}]`, `{"n":2}`},
		{"$count of nothing", `[{"$match":{"who":"zed"}},{"$count":"n"}]`, ``},
		{"$sortByCount", `[{"$match":{"who":{"$ne":"cid"}}},{"$sortByCount":"$who"}]`, "{\"_id\":\"ann\",\"count\":2}\n{\"_id\":\"bob\",\"count\":1}"},
		{"$lookup", `[{"$match":{"_id":{"$in":[2,4]}}},{"$lookup":{"from":"people","localField":"who","foreignField":"_id","as":"p"}},{"$project":{"p":1}}]`,
			"{\"_id\":2,\"p\":[{\"_id\":\"bob\",\"age\":40}]}\n{\"_id\":4,\"p\":[]}"},
		{"$facet", `[{"$facet":{"n":[{"$count":"n"}],"top":[{"$sort":{"total":-1}},{"$limit":1},{"$project":{"_id":1}}]}}]`, `{"n":[{"n":4}],"top":[{"_id":1}]}`},
		{"$replaceRoot", `[{"$match":{"_id":1}},{"$replaceRoot":{"newRoot":"$at"}}]`, `{"m":1}`},
		{"$replaceWith", `[{"$match":{"_id":1}},{"$replaceWith":{"w":"$who"}}]`, `{"w":"ann"}`},
		{"$sample", `[{"$sample":{"size":10}},{"$count":"n"}]`, `{"n":4}`},
		{"$match $expr late", `[{"$set":{"d":{"$multiply":["$total",2]}}},{"$match":{"$expr":{"$gt":["$d",15]}}},{"$project":{"d":1}}]`, "{\"_id\":1,\"d\":20}"},
		{"empty pipeline", `[{"$match":{"_id":4}}]`, `{"_id":4,"who":"cid","tags":null}`},
	} {
		got, err := pipeline(t, c, tt.stages)
		if err != nil || got != tt.want {
			t.Errorf("%s: %s\ngives %s, %v\nwant  %s", tt.name, tt.stages, got, err, tt.want)
		}
	}
}

func TestStageRefusals(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"a":"x","l":[1]}`)
	for _, tt := range []struct {
		stages string
		code   int
	}{
		{`[{"$nope":1}]`, 40324}, {`[{"$match":{},"$sort":{"a":1}}]`, 40323}, {`[{"$group":{"n":{"$sum":1}}}]`, 15955}, {`[{"$group":{"_id":1,"n":{"$nope":1}}}]`, 15952},
		{`[{"$limit":0}]`, 15958}, {`[{"$project":{"a":{"$nope":1}}}]`, 168}, {`[{"$unwind":"l"}]`, 28818}, {`[{"$count":""}]`, 40156}, {`[{"$sort":{}}]`, 15976},
		{`[{"$replaceRoot":{"newRoot":"$a"}}]`, 40228}, {`[{"$facet":{"x":[{"$facet":{"y":[]}}]}}]`, 40600}, {`[{"$set":{"x":{"$add":["$a",1]}}}]`, 14},
		{`[{"$set":{"x":{"$divide":[1,0]}}}]`, 2}, {`[{"$set":{"x":"$$nope"}}]`, 17276}, {`[{"$match":{}},{"$match":{"$text":{"$search":"x"}}}]`, 17313},
	} {
		_, err := pipeline(t, c, tt.stages)
		if got := codeOf(t, err); got != tt.code {
			t.Errorf("%s: code %d, want %d (%v)", tt.stages, got, tt.code, err)
		}
	}
}

func TestExpressions(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	load(t, c, `{"_id":1,"a":7,"b":2,"f":2.5,"s":"Héllo World","l":[3,1,2],"d":{"$date":"2026-03-05T06:07:08.009Z"},"o":{"x":1,"y":2},"docs":[{"k":"a","v":1},{"k":"b","v":2}],"z":null,"t":true}`)
	for _, tt := range []struct{ expr, want string }{
		{`{"$add":["$a","$b",1]}`, `10`}, {`{"$add":["$d",1000]}`, `{"$date":"2026-03-05T06:07:09.009Z"}`}, {`{"$add":["$a","$z"]}`, `null`},
		{`{"$subtract":["$a","$b"]}`, `5`}, {`{"$subtract":["$d","$d"]}`, `0`}, {`{"$multiply":["$a","$f"]}`, `17.5`}, {`{"$divide":["$a","$b"]}`, `3.5`},
		{`{"$mod":["$a","$b"]}`, `1`}, {`{"$abs":{"$subtract":["$b","$a"]}}`, `5`}, {`{"$ceil":"$f"}`, `3.0`}, {`{"$floor":"$f"}`, `2.0`}, {`{"$round":["$f",0]}`, `2.0`},
		{`{"$trunc":"$f"}`, `2.0`}, {`{"$round":[1234.567,2]}`, `1234.57`}, {`{"$pow":["$b",3]}`, `8`}, {`{"$sqrt":9}`, `3.0`},
		{`{"$eq":["$a",7.0]}`, `true`}, {`{"$ne":["$a",7]}`, `false`}, {`{"$gt":["$a","$b"]}`, `true`}, {`{"$gte":["$b",2]}`, `true`}, {`{"$lt":["$a","$b"]}`, `false`},
		{`{"$lte":["$a",7]}`, `true`}, {`{"$cmp":["$b","$a"]}`, `-1`}, {`{"$eq":["$none",null]}`, `false`},
		{`{"$and":["$t",1]}`, `true`}, {`{"$or":[0,null]}`, `false`}, {`{"$not":["$t"]}`, `false`}, {`{"$and":[]}`, `true`},
		{`{"$cond":["$t","y","n"]}`, `"y"`}, {`{"$cond":{"if":{"$gt":["$a",10]},"then":1,"else":2}}`, `2`}, {`{"$ifNull":["$z","$none","d"]}`, `"d"`},
		{`{"$switch":{"branches":[{"case":{"$eq":["$a",1]},"then":"one"},{"case":"$t","then":"yes"}],"default":"no"}}`, `"yes"`},
		{`{"$concat":["x","$s"]}`, `"xHéllo World"`}, {`{"$concat":["x","$z"]}`, `null`}, {`{"$toLower":"ABC"}`, `"abc"`}, {`{"$toUpper":"abc"}`, `"ABC"`},
		{`{"$strLenCP":"$s"}`, `11`}, {`{"$strLenBytes":"$s"}`, `12`}, {`{"$substrCP":["$s",1,4]}`, `"éllo"`}, {`{"$split":["a,b",","]}`, `["a","b"]`}, {`{"$trim":{"input":"  x "}}`, `"x"`},
		{`{"$ltrim":{"input":"xxa","chars":"x"}}`, `"a"`}, {`{"$indexOfCP":["$s","World"]}`, `6`}, {`{"$regexMatch":{"input":"$s","regex":"WORLD","options":"i"}}`, `true`},
		{`{"$replaceAll":{"input":"aXbX","find":"X","replacement":"-"}}`, `"a-b-"`}, {`{"$replaceOne":{"input":"aXbX","find":"X","replacement":"-"}}`, `"a-bX"`}, {`{"$strcasecmp":["a","B"]}`, `-1`},
		{`{"$size":"$l"}`, `3`}, {`{"$arrayElemAt":["$l",-1]}`, `2`}, {`{"$first":"$l"}`, `3`}, {`{"$last":"$l"}`, `2`}, {`{"$in":[2,"$l"]}`, `true`}, {`{"$isArray":["$l"]}`, `true`},
		{`{"$filter":{"input":"$l","as":"x","cond":{"$gt":["$$x",1]}}}`, `[3,2]`}, {`{"$filter":{"input":"$l","cond":{"$gt":["$$this",0]},"limit":1}}`, `[3]`},
		{`{"$map":{"input":"$docs","as":"x","in":{"$multiply":["$$x.v",10]}}}`, `[10,20]`}, {`{"$reduce":{"input":"$l","initialValue":0,"in":{"$add":["$$value","$$this"]}}}`, `6`},
		{`{"$concatArrays":["$l",[9]]}`, `[3,1,2,9]`}, {`{"$slice":["$l",2]}`, `[3,1]`}, {`{"$slice":["$l",1,5]}`, `[1,2]`}, {`{"$slice":["$l",-1]}`, `[2]`}, {`{"$reverseArray":"$l"}`, `[2,1,3]`},
		{`{"$range":[0,6,2]}`, `[0,2,4]`}, {`{"$indexOfArray":["$l",2]}`, `2`}, {`{"$sortArray":{"input":"$l","sortBy":1}}`, `[1,2,3]`}, {`{"$sortArray":{"input":"$docs","sortBy":{"v":-1}}}`, `[{"k":"b","v":2},{"k":"a","v":1}]`},
		{`{"$setIsSubset":[[1],"$l"]}`, `true`}, {`{"$setEquals":[[1,2,3],"$l"]}`, `true`}, {`{"$size":{"$setUnion":["$l",[9,1]]}}`, `4`}, {`{"$setIntersection":[[9,1],"$l"]}`, `[1]`}, {`{"$setDifference":[[9,1],"$l"]}`, `[9]`},
		{`{"$sum":"$l"}`, `6`}, {`{"$avg":"$l"}`, `2.0`}, {`{"$min":"$l"}`, `1`}, {`{"$max":["$a","$b"]}`, `7`}, {`{"$anyElementTrue":[[0,1]]}`, `true`}, {`{"$allElementsTrue":[[0,1]]}`, `false`},
		{`{"$objectToArray":"$o"}`, `[{"k":"x","v":1},{"k":"y","v":2}]`}, {`{"$arrayToObject":"$docs"}`, `{"a":1,"b":2}`}, {`{"$arrayToObject":{"$literal":[["p",1]]}}`, `{"p":1}`},
		{`{"$mergeObjects":["$o",{"y":5}]}`, `{"x":1,"y":5}`}, {`{"$getField":{"field":"x","input":"$o"}}`, `1`}, {`{"$literal":"$a"}`, `"$a"`}, {`{"$type":"$none"}`, `"missing"`}, {`{"$type":"$f"}`, `"double"`},
		{`{"$isNumber":"$a"}`, `true`}, {`{"$toString":"$a"}`, `"7"`}, {`{"$toInt":"42"}`, `42`}, {`{"$toLong":3.7}`, `3`}, {`{"$toDouble":"2.5"}`, `2.5`}, {`{"$toBool":0}`, `false`},
		{`{"$toDate":"2026-01-01T00:00:00Z"}`, `{"$date":"2026-01-01T00:00:00Z"}`}, {`{"$year":"$d"}`, `2026`}, {`{"$month":"$d"}`, `3`}, {`{"$dayOfMonth":"$d"}`, `5`}, {`{"$hour":"$d"}`, `6`},
		{`{"$dayOfWeek":"$d"}`, `5`}, {`{"$millisecond":"$d"}`, `9`}, {`{"$dateToString":{"date":"$d"}}`, `"2026-03-05T06:07:08.009Z"`}, {`{"$dateToString":{"date":"$d","format":"%Y/%m/%d %H:%M"}}`, `"2026/03/05 06:07"`},
		{`{"$dateToString":{"date":"$z","onNull":"never"}}`, `"never"`}, {`{"$dateAdd":{"startDate":"$d","unit":"day","amount":2}}`, `{"$date":"2026-03-07T06:07:08.009Z"}`},
		{`{"$dateSubtract":{"startDate":"$d","unit":"month","amount":1}}`, `{"$date":"2026-02-05T06:07:08.009Z"}`}, {`{"$dateTrunc":{"date":"$d","unit":"day"}}`, `{"$date":"2026-03-05T00:00:00Z"}`},
		{`{"$let":{"vars":{"x":"$a"},"in":{"$add":["$$x",1]}}}`, `8`}, {`["$a","$none",{"q":"$none"}]`, `[7,null,{}]`}, {`"$docs.k"`, `["a","b"]`}, {`"$$ROOT.a"`, `7`},
	} {
		got, err := pipeline(t, c, `[{"$project":{"_id":0,"v":`+tt.expr+`}}]`)
		if want := `{"v":` + tt.want + `}`; err != nil || got != want {
			t.Errorf("%s gives %s, %v; want %s", tt.expr, got, err, want)
		}
	}
}
