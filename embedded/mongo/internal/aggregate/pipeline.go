package aggregate

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Row is a document on its way through a pipeline.
type Row struct {
	D     bson.D
	Score float64
	// Stored is the document that D is of, nil once it was changed.
	Stored *store.Document
	// Position is the array position that the filter matched, -1 for none.
	Position int
}

// Stream gives rows one at a time; ok is false at the end.
type Stream func() (row Row, ok bool, err error)

// Env is what a pipeline runs in.
type Env struct {
	Ctx context.Context
	Now time.Time
	// Find gives what matches a filter in another collection of the same database.
	Find func(collection string, f *query.Filter) (Stream, error)
}

func (e *Env) scope(r Row) *expr.Scope {
	return expr.NewScope(r.D).WithScore(r.Score).At(e.Now)
}

// Stage is a step of a pipeline.
type Stage struct {
	Name string
	run  func(env *Env, in Stream) Stream
	// What a planner may do instead of a leading stage.
	Match *query.Filter
	Sort  []store.SortKey
	// oneToOne stages may stand in an update.
	oneToOne bool
}

// Pipeline is a compiled pipeline.
type Pipeline []Stage

// maxStages bounds a pipeline, as in MongoDB.
const maxStages = 1000

// Compile reads a pipeline. What it does not know it refuses by name.
func Compile(a bson.A) (Pipeline, error) { return compile(a, false) }

func compile(a bson.A, inFacet bool) (Pipeline, error) {
	if len(a) > maxStages {
		return nil, fault.New(fault.Code(7749501), "Pipeline length must be no longer than %d stages", maxStages)
	}
	var out Pipeline
	for i, x := range a {
		d, ok := x.(bson.D)
		if !ok {
			return nil, fault.New(fault.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		if len(d) != 1 {
			return nil, fault.New(fault.Code(40323), "A pipeline stage specification object must contain exactly one field.")
		}
		s, err := stage(d[0])
		if err != nil {
			return nil, err
		}
		if s.Match != nil && s.Match.Text != nil && (i > 0 || inFacet) {
			return nil, fault.New(fault.Code(17313), "$match with $text is only allowed as the first pipeline stage")
		}
		if inFacet && d[0].Key == "$facet" {
			return nil, fault.New(fault.Code(40600), "$facet is not allowed to be used within a $facet stage")
		}
		s.Name = d[0].Key
		out = append(out, s)
	}
	return out, nil
}

// CompileUpdate reads a pipeline that stands for an update.
func CompileUpdate(a bson.A) (Pipeline, error) {
	p, err := Compile(a)
	if err != nil {
		return nil, err
	}
	for _, s := range p {
		if !s.oneToOne {
			return nil, fault.New(fault.InvalidOptions, "%s is not allowed to be used within an update", s.Name)
		}
	}
	return p, nil
}

// Apply runs an update's pipeline on one document.
func (p Pipeline) Apply(d bson.D, now time.Time) (bson.D, error) {
	given := false
	out := p.Run(&Env{Ctx: context.Background(), Now: now}, func() (Row, bool, error) {
		if given {
			return Row{}, false, nil
		}
		given = true
		return Row{D: d, Position: -1}, true, nil
	})
	r, _, err := out()
	return r.D, err
}

// Run runs the pipeline on a stream.
func (p Pipeline) Run(env *Env, in Stream) Stream {
	for _, s := range p {
		in = s.run(env, bounded(env.Ctx, in))
	}
	return in
}

// checkEvery is how many rows pass between two looks at the context.
const checkEvery = 256

// bounded ends a stream with its context.
func bounded(ctx context.Context, in Stream) Stream {
	n := 0
	return func() (Row, bool, error) {
		if n++; n%checkEvery == 0 && ctx.Err() != nil {
			return Row{}, false, store.TimedOut(ctx)
		}
		return in()
	}
}

func each(f func(env *Env, r Row) (bson.D, error)) func(*Env, Stream) Stream {
	return func(env *Env, in Stream) Stream {
		return func() (Row, bool, error) {
			r, ok, err := in()
			if !ok || err != nil {
				return Row{}, false, err
			}
			r.D, err = f(env, r)
			r.Stored = nil
			return r, err == nil, err
		}
	}
}

func stage(e bson.E) (Stage, error) {
	doc := func() (bson.D, error) {
		d, ok := e.Value.(bson.D)
		if !ok {
			return nil, fault.New(fault.Code(15959), "the %s stage needs an object, found %s", e.Key, value.TypeName(e.Value))
		}
		return d, nil
	}
	switch e.Key {
	case "$match":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		f, err := query.Compile(d)
		return Stage{Match: f, run: matching(f)}, err
	case "$project":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		p, err := CompileProjection(d, true)
		return Stage{oneToOne: true, run: each(func(env *Env, r Row) (bson.D, error) { return p.Apply(r.D, -1, env.scope(r)) })}, err
	case "$set", "$addFields":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		f, err := setter(d)
		return Stage{oneToOne: true, run: each(f)}, err
	case "$unset":
		return unset(e.Value)
	case "$replaceRoot", "$replaceWith":
		return replaceRoot(e)
	case "$group":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		return group(d)
	case "$sort":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		if len(d) == 0 {
			return Stage{}, fault.New(fault.Code(15976), "$sort stage must have at least one sort key")
		}
		keys, err := CompileSort(d)
		return Stage{Sort: keys, run: func(_ *Env, in Stream) Stream { return Sorted(in, keys) }}, err
	case "$skip", "$limit":
		n, ok := value.Whole(e.Value)
		if !ok || n < 0 || n == 0 && e.Key == "$limit" {
			return Stage{}, fault.New(fault.Code(15958), "the %s must be a positive whole number", strings.TrimPrefix(e.Key, "$"))
		}
		if e.Key == "$skip" {
			return Stage{run: func(_ *Env, in Stream) Stream { return Skip(in, n) }}, nil
		}
		return Stage{run: func(_ *Env, in Stream) Stream { return Limit(in, n) }}, nil
	case "$count":
		name, ok := e.Value.(string)
		if !ok || name == "" || strings.ContainsAny(name, "$.\x00") {
			return Stage{}, fault.New(fault.Code(40156), "the count field must be a non-empty string without '$' and '.'")
		}
		return Stage{run: func(_ *Env, in Stream) Stream { return counted(in, name) }}, nil
	case "$sortByCount":
		p, err := compile(bson.A{
			bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: e.Value}, {Key: "count", Value: bson.D{{Key: "$sum", Value: int32(1)}}}}}},
			bson.D{{Key: "$sort", Value: bson.D{{Key: "count", Value: int32(-1)}}}},
		}, false)
		return Stage{run: p.Run}, err
	case "$unwind":
		return unwind(e.Value)
	case "$lookup":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		return lookup(d)
	case "$facet":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		return facet(d)
	case "$sample":
		d, err := doc()
		if err != nil {
			return Stage{}, err
		}
		return sample(d)
	case "$bucket", "$bucketAuto", "$changeStream", "$collStats", "$currentOp", "$densify", "$documents", "$fill", "$geoNear", "$graphLookup",
		"$indexStats", "$listSessions", "$merge", "$out", "$planCacheStats", "$redact", "$search", "$setWindowFields", "$unionWith", "$vectorSearch":
		return Stage{}, fault.Unsupported("the pipeline stage " + e.Key)
	}
	return Stage{}, fault.New(fault.UnrecognizedStage, "Unrecognized pipeline stage name: '%s'", e.Key)
}

func matching(f *query.Filter) func(*Env, Stream) Stream {
	return func(_ *Env, in Stream) Stream {
		return func() (Row, bool, error) {
			for {
				r, ok, err := in()
				if !ok || err != nil {
					return Row{}, false, err
				}
				fits, err := f.Match(r.D)
				if fits || err != nil {
					return r, err == nil, err
				}
			}
		}
	}
}

// all reads a stream to its end.
func all(in Stream) ([]Row, error) {
	var rows []Row
	for {
		r, ok, err := in()
		if err != nil {
			return nil, err
		}
		if !ok {
			return rows, nil
		}
		if len(rows) == MaxSorted {
			return nil, fault.New(fault.ExceededMemoryLimit, "more than %d documents would have to be held in memory", MaxSorted)
		}
		rows = append(rows, r)
	}
}

func fromRows(rows []Row) Stream {
	return func() (Row, bool, error) {
		if len(rows) == 0 {
			return Row{}, false, nil
		}
		r := rows[0]
		rows = rows[1:]
		return r, true, nil
	}
}

// later makes a stream of what f gives, once it is asked for.
func later(f func() ([]Row, error)) Stream {
	var out Stream
	return func() (Row, bool, error) {
		if out == nil {
			rows, err := f()
			if err != nil {
				return Row{}, false, err
			}
			out = fromRows(rows)
		}
		return out()
	}
}

// Sorted gives a stream in order.
func Sorted(in Stream, keys []store.SortKey) Stream {
	return later(func() ([]Row, error) {
		rows, err := all(in)
		if err == nil {
			sortRows(rows, keys)
		}
		return rows, err
	})
}

// Skip leaves out the first n rows.
func Skip(in Stream, n int64) Stream {
	return func() (Row, bool, error) {
		for ; n > 0; n-- {
			if _, ok, err := in(); !ok || err != nil {
				return Row{}, false, err
			}
		}
		return in()
	}
}

// Limit ends a stream after n rows.
func Limit(in Stream, n int64) Stream {
	return func() (Row, bool, error) {
		if n == 0 {
			return Row{}, false, nil
		}
		n--
		return in()
	}
}

func counted(in Stream, name string) Stream {
	return later(func() ([]Row, error) {
		n := int64(0)
		for {
			_, ok, err := in()
			if err != nil {
				return nil, err
			}
			if !ok {
				break
			}
			n++
		}
		if n == 0 {
			return nil, nil
		}
		return []Row{{D: bson.D{{Key: name, Value: Count(n)}}, Position: -1}}, nil
	})
}

// Count gives a number as MongoDB counts: an int32 while it fits.
func Count(n int64) any {
	if n == int64(int32(n)) {
		return int32(n)
	}
	return n
}

func sample(d bson.D) (Stage, error) {
	size, _ := value.Get(d, "size")
	n, ok := value.Whole(size)
	if !ok || n < 1 || len(d) != 1 {
		return Stage{}, fault.New(fault.Code(28747), "$sample needs a positive size and nothing else")
	}
	return Stage{run: func(_ *Env, in Stream) Stream {
		return later(func() ([]Row, error) {
			rows, err := all(in)
			rand.Shuffle(len(rows), func(i, k int) { rows[i], rows[k] = rows[k], rows[i] })
			return rows[:min(n, int64(len(rows)))], err
		})
	}}, nil
}
