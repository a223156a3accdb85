package mongo

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/aggregate"
	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// selection is what a command wants to find.
type selection struct {
	ns     string
	filter *query.Filter
	sort   []store.SortKey
	hint   *store.Hint
}

// plan chooses how to find a selection; nil when the collection does not exist.
func (sel selection) plan(v store.View) (*store.Plan, error) {
	c := v.Collection(sel.ns)
	if c == nil {
		return nil, nil
	}
	return c.Plan(sel.filter, sel.sort, sel.hint)
}

// stream finds a selection, in its order.
func (sel selection) stream(ctx *relay, p *store.Plan, stats *store.Stats) aggregate.Stream {
	if p == nil {
		return func() (aggregate.Row, bool, error) { return aggregate.Row{}, false, nil }
	}
	rows := p.Run(ctx, stats)
	var out aggregate.Stream = func() (aggregate.Row, bool, error) {
		f, ok, err := rows()
		if !ok || err != nil {
			return aggregate.Row{}, false, err
		}
		return aggregate.Row{D: f.D, Stored: f.Document, Score: f.Score, Position: f.Position}, true, nil
	}
	if !p.Sorted && len(sel.sort) > 0 {
		out = aggregate.Sorted(out, sel.sort)
	}
	return out
}

// findCommand is a find as it was read.
type findCommand struct {
	selection
	projection      *aggregate.Projection
	skip, limit     int64
	batch           int64
	single, forever bool
}

func readFind(r *request) (findCommand, error) {
	var f findCommand
	f.ns = r.namespace()
	filter, sort, projection := r.document("filter"), r.document("sort"), r.document("projection")
	f.hint = r.hint()
	f.skip, f.limit = r.args.number("skip", 0), r.args.number("limit", 0)
	f.batch = r.args.number("batchSize", firstBatch)
	f.single, f.forever = r.boolean("singleBatch", false), r.boolean("noCursorTimeout", false)
	r.permitted("allowDiskUse", "allowPartialResults")
	r.simple("collation", "let", "min", "max", "returnKey", "showRecordId", "tailable", "awaitData", "oplogReplay")
	if err := r.finish(); err != nil {
		return f, err
	}
	var err error
	if f.filter, err = query.Compile(filter); err != nil {
		return f, err
	}
	if f.sort, err = aggregate.CompileSort(sort); err != nil {
		return f, err
	}
	if len(projection) > 0 {
		f.projection, err = aggregate.CompileProjection(projection, false)
	}
	return f, err
}

func (f findCommand) results(r *request, p *store.Plan, ctx *relay, stats *store.Stats) aggregate.Stream {
	out := f.stream(ctx, p, stats)
	if f.skip > 0 {
		out = aggregate.Skip(out, f.skip)
	}
	if f.limit > 0 {
		out = aggregate.Limit(out, f.limit)
	}
	if f.projection == nil {
		return out
	}
	in := out
	return func() (aggregate.Row, bool, error) {
		row, ok, err := in()
		if !ok || err != nil {
			return aggregate.Row{}, false, err
		}
		row.D, err = f.projection.Apply(row.D, row.Position, expr.NewScope(row.D).WithScore(row.Score).At(r.now))
		row.Stored = nil
		return row, err == nil, err
	}
}

func find(r *request) (bson.D, error) {
	f, err := readFind(r)
	if err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	p, err := f.plan(v)
	if err != nil {
		return nil, err
	}
	ctx := &relay{r.ctx}
	return r.open(f.ns, f.results(r, p, ctx, &store.Stats{}), ctx, f.batch, f.single, f.forever)
}

type countCommand struct {
	selection
	skip, limit int64
	everything  bool
}

func readCount(r *request) (countCommand, error) {
	var c countCommand
	c.ns = r.namespace()
	q := r.document("query")
	c.everything = len(q) == 0
	c.hint = r.hint()
	c.skip = r.args.number("skip", 0)
	if v, ok := r.take("limit"); ok && v != nil {
		n, whole := value.Whole(v)
		if !whole {
			r.mismatch("limit", v, "long")
		}
		c.limit = max(n, -n)
	}
	r.simple("collation", "fields")
	if err := r.finish(); err != nil {
		return c, err
	}
	var err error
	c.filter, err = query.Compile(q)
	return c, err
}

func (c countCommand) count(r *request, v store.View, p *store.Plan, stats *store.Stats) (int64, error) {
	limit := c.limit
	if limit == 0 {
		limit = math.MaxInt64
	}
	n := int64(0)
	switch coll := v.Collection(c.ns); {
	case coll == nil:
	case c.everything && c.hint == nil:
		n = int64(coll.Len())
	default:
		rows := p.Run(r.ctx, stats)
		for n-c.skip < limit {
			_, ok, err := rows()
			if err != nil {
				return 0, err
			}
			if !ok {
				break
			}
			n++
		}
	}
	return min(max(0, n-c.skip), limit), nil
}

func count(r *request) (bson.D, error) {
	c, err := readCount(r)
	if err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	p, err := c.plan(v)
	if err != nil {
		return nil, err
	}
	n, err := c.count(r, v, p, &store.Stats{})
	return bson.D{{Key: "n", Value: aggregate.Count(n)}}, err
}

type distinctCommand struct {
	selection
	key value.Path
}

func readDistinct(r *request) (distinctCommand, error) {
	var c distinctCommand
	c.ns = r.namespace()
	key := r.text("key")
	if key == "" {
		r.fail(fault.New(fault.MissingField, "BSON field 'distinct.key' is missing but a required field"))
	}
	c.key = value.ParsePath(key)
	q := r.document("query")
	c.hint = r.hint()
	r.simple("collation")
	if err := r.finish(); err != nil {
		return c, err
	}
	var err error
	c.filter, err = query.Compile(q)
	return c, err
}

func (c distinctCommand) values(r *request, p *store.Plan, stats *store.Stats) (bson.A, error) {
	out := bson.A{}
	if p == nil {
		return out, nil
	}
	seen := map[string]struct{}{}
	size := 0
	rows := p.Run(r.ctx, stats)
	for {
		row, ok, err := rows()
		if err != nil {
			return nil, err
		}
		if !ok {
			return out, nil
		}
		value.Walk(row.D, c.key, func(v any, found bool, _ int) bool {
			if _, whole := v.(bson.A); whole || !found {
				return false
			}
			k := value.Key(v)
			if _, dup := seen[k]; !dup {
				seen[k] = struct{}{}
				size += len(k)
				out = append(out, v)
			}
			return false
		})
		if size > maxReply {
			return nil, fault.New(fault.Code(17217), "distinct too big, 16mb cap")
		}
	}
}

func distinct(r *request) (bson.D, error) {
	c, err := readDistinct(r)
	if err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	p, err := c.plan(v)
	if err != nil {
		return nil, err
	}
	values, err := c.values(r, p, &store.Stats{})
	return bson.D{{Key: "values", Value: values}}, err
}

type aggregation struct {
	selection
	rest  aggregate.Pipeline
	batch int64
}

func readAggregate(r *request) (a aggregation, explained bool, err error) {
	if _, isNumber := value.Whole(r.first); isNumber {
		return a, false, fault.Unsupported("aggregate on a database")
	}
	a.ns = r.namespace()
	pipeline := r.array("pipeline")
	explained = r.boolean("explain", false)
	cur, hasCursor := r.take("cursor")
	c, _ := cur.(bson.D)
	ca := newArgs("aggregate.cursor", c)
	a.batch = ca.number("batchSize", firstBatch)
	if err := ca.finish(); err != nil {
		r.fail(err)
	}
	a.hint = r.hint()
	r.permitted("allowDiskUse")
	r.simple("collation", "let", "bypassDocumentValidation")
	if err := r.finish(); err != nil {
		return a, false, err
	}
	if !hasCursor && !explained {
		return a, false, fault.New(fault.FailedToParse, "The 'cursor' option is required, except for aggregate with the explain argument")
	}
	p, err := aggregate.Compile(pipeline)
	if err != nil {
		return a, false, err
	}
	// A leading $match and the $sort behind it are the planner's.
	a.filter = &query.Filter{Root: &query.Node{Kind: query.And}}
	if len(p) > 0 && p[0].Match != nil {
		a.filter, p = p[0].Match, p[1:]
	}
	if len(p) > 0 && p[0].Sort != nil {
		a.sort, p = p[0].Sort, p[1:]
	}
	a.rest = p
	return a, explained, nil
}

func (a aggregation) results(r *request, v store.View, p *store.Plan, ctx *relay, stats *store.Stats) aggregate.Stream {
	env := &aggregate.Env{Ctx: ctx, Now: r.now, Find: func(collection string, f *query.Filter) (aggregate.Stream, error) {
		sel := selection{ns: r.db + "." + collection, filter: f}
		p, err := sel.plan(v)
		return sel.stream(ctx, p, stats), err
	}}
	return a.rest.Run(env, a.stream(ctx, p, stats))
}

func aggregateCommand(r *request) (bson.D, error) {
	a, explained, err := readAggregate(r)
	if err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	p, err := a.plan(v)
	if err != nil {
		return nil, err
	}
	if explained {
		return explanation(a.ns, p, nil, a.sort, nil, 0), nil
	}
	ctx := &relay{r.ctx}
	return r.open(a.ns, a.results(r, v, p, ctx, &store.Stats{}), ctx, a.batch, false, false)
}
