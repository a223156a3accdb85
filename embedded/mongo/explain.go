package mongo

import (
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/aggregate"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// explain says how a command would find what it is about, and what that costs: in MongoDB's form, as far as it applies.
func explain(r *request) (bson.D, error) {
	d, ok := r.first.(bson.D)
	if !ok || len(d) == 0 {
		return nil, fault.New(fault.FailedToParse, "explain needs a command")
	}
	verbosity := r.text("verbosity")
	switch verbosity {
	case "":
		verbosity = "allPlansExecution"
	case "queryPlanner", "executionStats", "allPlansExecution":
	default:
		return nil, fault.New(fault.BadValue, "verbosity string must be one of {'queryPlanner', 'executionStats', 'allPlansExecution'}")
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	inner := *r
	inner.args = newArgs(d[0].Key, d)
	inner.name = d[0].Key
	inner.first, _ = inner.take(d[0].Key)
	inner.permitted("comment", "$db", "readConcern", "writeConcern", "maxTimeMS", "lsid", "$clusterTime", "$readPreference")
	x, err := inner.explained()
	if err != nil {
		return nil, err
	}
	p, err := x.plan(r.s.store.View())
	if err != nil {
		return nil, err
	}
	if verbosity == "queryPlanner" || p == nil {
		return explanation(x.ns, p, x.wrap, x.sort, nil, 0), nil
	}
	stats := &store.Stats{}
	began := time.Now()
	if x.run != nil {
		if err := x.run(p, stats); err != nil {
			return nil, err
		}
	}
	return explanation(x.ns, p, x.wrap, x.sort, stats, time.Since(began)), nil
}

// explainable is what explain needs of a command.
type explainable struct {
	selection
	// wrap puts the command's own stage around the plan's.
	wrap func(bson.D) bson.D
	run  func(p *store.Plan, stats *store.Stats) error
}

func around(stage string) func(bson.D) bson.D {
	return func(d bson.D) bson.D { return bson.D{{Key: "stage", Value: stage}, {Key: "inputStage", Value: d}} }
}

// exhaust reads a stream to its end.
func exhaust(s aggregate.Stream) error {
	for {
		if _, ok, err := s(); !ok || err != nil {
			return err
		}
	}
}

func (r *request) explained() (x explainable, err error) {
	ctx := &relay{r.ctx}
	// A write is explained by what it would find; it changes nothing.
	search := func(p *store.Plan, stats *store.Stats) error {
		rows := p.Run(ctx, stats)
		for {
			if _, ok, err := rows(); !ok || err != nil {
				return err
			}
		}
	}
	switch r.name {
	case "find":
		f, err := readFind(r)
		return explainable{f.selection, nil, func(p *store.Plan, stats *store.Stats) error { return exhaust(f.results(r, p, ctx, stats)) }}, err
	case "count":
		c, err := readCount(r)
		return explainable{c.selection, around("COUNT"), func(p *store.Plan, stats *store.Stats) error {
			_, err := c.count(r, r.s.store.View(), p, stats)
			return err
		}}, err
	case "distinct":
		c, err := readDistinct(r)
		return explainable{c.selection, nil, func(p *store.Plan, stats *store.Stats) error {
			_, err := c.values(r, p, stats)
			return err
		}}, err
	case "aggregate":
		if _, has := value.Get(r.d, "cursor"); !has {
			r.args = newArgs("aggregate", append(r.d[:len(r.d):len(r.d)], bson.E{Key: "cursor", Value: bson.D{}}))
			r.take("aggregate")
			r.permitted("comment", "$db", "readConcern", "maxTimeMS", "lsid", "$clusterTime", "$readPreference")
		}
		a, _, err := readAggregate(r)
		return explainable{a.selection, nil, func(p *store.Plan, stats *store.Stats) error {
			return exhaust(a.results(r, r.s.store.View(), p, ctx, stats))
		}}, err
	case "update", "delete":
		ns := r.namespace()
		list := r.documents(map[string]string{"update": "updates", "delete": "deletes"}[r.name])
		r.boolean("ordered", true)
		r.simple("let", "bypassDocumentValidation")
		if err := r.finish(); err != nil {
			return x, err
		}
		if len(list) != 1 {
			return x, fault.New(fault.InvalidLength, "explain takes one statement")
		}
		if r.name == "update" {
			u, err := r.readUpdate(ns, list[0])
			return explainable{u.selection, around("UPDATE"), search}, err
		}
		s, err := readDelete(ns, list[0])
		return explainable{s.selection, around("DELETE"), search}, err
	case "findAndModify":
		ns := r.namespace()
		q, sort := r.document("query"), r.document("sort")
		hint := r.hint()
		r.permitted("update", "remove", "new", "upsert", "fields", "arrayFilters")
		r.simple("collation", "let", "bypassDocumentValidation")
		if err := r.finish(); err != nil {
			return x, err
		}
		x = explainable{selection{ns: ns, hint: hint}, around("UPDATE"), search}
		if x.filter, err = query.Compile(q); err != nil {
			return x, err
		}
		x.sort, err = aggregate.CompileSort(sort)
		return x, err
	}
	return x, fault.New(fault.CommandNotFound, "Explain failed due to unknown command: %s", r.name)
}

func explanation(ns string, p *store.Plan, wrap func(bson.D) bson.D, sort []store.SortKey, stats *store.Stats, took time.Duration) bson.D {
	winning := bson.D{{Key: "stage", Value: "EOF"}}
	if p != nil {
		winning = p.Explain()
		if !p.Sorted && len(sort) > 0 {
			pattern := bson.D{}
			for _, k := range sort {
				if k.Score {
					pattern = append(pattern, bson.E{Key: "$score", Value: bson.D{{Key: "$meta", Value: "textScore"}}})
				} else if k.Desc {
					pattern = append(pattern, bson.E{Key: k.Path.String(), Value: int32(-1)})
				} else {
					pattern = append(pattern, bson.E{Key: k.Path.String(), Value: int32(1)})
				}
			}
			winning = bson.D{{Key: "stage", Value: "SORT"}, {Key: "sortPattern", Value: pattern}, {Key: "inputStage", Value: winning}}
		}
	}
	if wrap != nil {
		winning = wrap(winning)
	}
	reply := bson.D{{Key: "queryPlanner", Value: bson.D{{Key: "namespace", Value: ns}, {Key: "winningPlan", Value: winning}, {Key: "rejectedPlans", Value: bson.A{}}}}}
	if stats != nil {
		reply = append(reply, bson.E{Key: "executionStats", Value: bson.D{
			{Key: "executionSuccess", Value: true}, {Key: "nReturned", Value: aggregate.Count(stats.Returned)}, {Key: "executionTimeMillis", Value: int32(took.Milliseconds())},
			{Key: "totalKeysExamined", Value: aggregate.Count(stats.Keys)}, {Key: "totalDocsExamined", Value: aggregate.Count(stats.Docs)},
			{Key: "executionStages", Value: winning},
		}})
	}
	return append(reply, bson.E{Key: "serverInfo", Value: bson.D{{Key: "version", Value: version}}})
}
