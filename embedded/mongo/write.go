package mongo

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/aggregate"
	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/update"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// statements runs the statements of a write one by one: ordered ones stop at the first failure.
func (r *request) statements(n int, ordered bool, one func(i int) error) (writeErrors bson.A, err error) {
	for i := range n {
		if i%64 == 63 && r.ctx.Err() != nil {
			return nil, store.TimedOut(r.ctx)
		}
		err := one(i)
		if err == nil {
			continue
		}
		entry, ok := r.writeError(i, err)
		if !ok {
			return nil, err
		}
		writeErrors = append(writeErrors, entry)
		if ordered || r.txn != nil {
			break
		}
	}
	return writeErrors, nil
}

func withErrors(reply bson.D, writeErrors bson.A) bson.D {
	if len(writeErrors) > 0 {
		reply = append(reply, bson.E{Key: "writeErrors", Value: writeErrors})
	}
	return reply
}

func (r *request) batch(name string) []bson.D {
	list := r.documents(name)
	if len(list) == 0 || len(list) > maxBatch {
		r.fail(fault.New(fault.InvalidLength, "Write batch sizes must be between 1 and %d. Got %d operations.", maxBatch, len(list)))
	}
	return list
}

func insert(r *request) (bson.D, error) {
	ns := r.namespace()
	docs := r.batch("documents")
	ordered := r.boolean("ordered", true)
	r.simple("bypassDocumentValidation")
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		n := int32(0)
		writeErrors, err := r.statements(len(docs), ordered, func(i int) error {
			if err := storable(docs[i], 0); err != nil {
				return err
			}
			_, err := d.Insert(ns, docs[i])
			if err == nil {
				n++
			}
			return err
		})
		return withErrors(bson.D{{Key: "n", Value: n}}, writeErrors), err
	})
}

// maxStoredDepth is how deep stored documents may nest, as in MongoDB.
const maxStoredDepth = 180

func storable(v any, depth int) error {
	if depth > maxStoredDepth {
		return fault.New(fault.Code(15), "documents may be nested %d levels deep at most", maxStoredDepth)
	}
	switch x := v.(type) {
	case bson.D:
		for i := range x {
			if depth == 0 && x[i].Key != "" && x[i].Key[0] == '$' {
				return fault.New(fault.DollarPrefixedFieldName, "Document can't have $ prefixed field names: %s", x[i].Key)
			}
			if err := storable(x[i].Value, depth+1); err != nil {
				return err
			}
		}
	case bson.A:
		for i := range x {
			if err := storable(x[i], depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// updateStatement is one update, or the update of a findAndModify.
type updateStatement struct {
	selection
	update        *update.Update
	q             bson.D
	multi, upsert bool
}

func (r *request) readUpdate(ns string, d bson.D) (updateStatement, error) {
	a := newArgs("update.updates", d)
	u := updateStatement{selection: selection{ns: ns}}
	u.q = a.document("q")
	change, ok := a.take("u")
	if !ok {
		a.fail(fault.New(fault.MissingField, "BSON field 'update.updates.u' is missing but a required field"))
	}
	u.multi, u.upsert = a.boolean("multi", false), a.boolean("upsert", false)
	u.hint = a.hint()
	filters := a.array("arrayFilters")
	a.simple("collation", "c", "sort")
	if err := a.finish(); err != nil {
		return u, err
	}
	var err error
	if u.filter, err = query.Compile(u.q); err != nil {
		return u, err
	}
	if u.update, err = update.Compile(change, filters, r.now); err != nil {
		return u, err
	}
	if u.multi && u.update.IsReplacement() {
		return u, fault.New(fault.FailedToParse, "multi update is not supported for replacement-style update")
	}
	return u, nil
}

// matching finds what a write is about, all of it before the first change.
func (sel selection) matching(r *request, d *store.Draft, one bool) ([]aggregate.Row, error) {
	p, err := sel.plan(d)
	if err != nil || p == nil {
		return nil, err
	}
	stream := sel.stream(&relay{r.ctx}, p, &store.Stats{})
	var rows []aggregate.Row
	for {
		row, ok, err := stream()
		if err != nil || !ok {
			return rows, err
		}
		rows = append(rows, row)
		if one {
			return rows, nil
		}
	}
}

// outcome is what an update did.
type outcome struct {
	matched, modified int32
	upserted          *store.Document
	before, after     *store.Document // of the last document
	position          int
}

func (u updateStatement) run(r *request, d *store.Draft) (outcome, error) {
	out := outcome{position: -1}
	rows, err := u.matching(r, d, !u.multi)
	if err != nil {
		return out, err
	}
	for i, row := range rows {
		if i%64 == 63 && r.ctx.Err() != nil {
			return out, store.TimedOut(r.ctx)
		}
		next, err := u.update.Apply(row.D, row.Position)
		if err != nil {
			return out, err
		}
		out.matched++
		out.before, out.after, out.position = row.Stored, row.Stored, row.Position
		if value.Identical(row.D, next) {
			continue
		}
		if err := storable(next, 0); err != nil {
			return out, err
		}
		if out.after, err = d.Replace(u.ns, row.Stored, next); err != nil {
			return out, err
		}
		out.modified++
	}
	if len(rows) > 0 || !u.upsert {
		return out, nil
	}
	fresh, err := u.update.Upsert(u.q)
	if err != nil {
		return out, err
	}
	if err := storable(fresh, 0); err != nil {
		return out, err
	}
	out.upserted, err = d.Insert(u.ns, fresh)
	return out, err
}

func updateCommand(r *request) (bson.D, error) {
	ns := r.namespace()
	list := r.batch("updates")
	ordered := r.boolean("ordered", true)
	r.simple("bypassDocumentValidation", "let")
	if err := r.finish(); err != nil {
		return nil, err
	}
	parsed := make([]updateStatement, len(list))
	failed := make([]error, len(list))
	for i := range list {
		parsed[i], failed[i] = r.readUpdate(ns, list[i])
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		var n, modified int32
		var upserted bson.A
		writeErrors, err := r.statements(len(list), ordered, func(i int) error {
			if failed[i] != nil {
				return failed[i]
			}
			if parsed[i].multi && r.number >= 0 && r.txn == nil {
				return badOption("Cannot use retryable writes with multi=true")
			}
			out, err := parsed[i].run(r, d)
			n, modified = n+out.matched, modified+out.modified
			if err == nil && out.upserted != nil {
				n++
				id, _ := value.Get(out.upserted.D, "_id")
				upserted = append(upserted, bson.D{{Key: "index", Value: int32(i)}, {Key: "_id", Value: id}})
			}
			return err
		})
		reply := bson.D{{Key: "n", Value: n}, {Key: "nModified", Value: modified}}
		if upserted != nil {
			reply = append(reply, bson.E{Key: "upserted", Value: upserted})
		}
		return withErrors(reply, writeErrors), err
	})
}

type deleteStatement struct {
	selection
	one bool
}

func readDelete(ns string, d bson.D) (deleteStatement, error) {
	a := newArgs("delete.deletes", d)
	s := deleteStatement{selection: selection{ns: ns}}
	q := a.document("q")
	limit, has := a.take("limit")
	n, whole := value.Whole(limit)
	if !has || !whole || n < 0 || n > 1 {
		a.fail(fault.New(fault.FailedToParse, "The limit field in delete objects must be 0 or 1. Got %v", limit))
	}
	s.one = n == 1
	s.hint = a.hint()
	a.simple("collation")
	if err := a.finish(); err != nil {
		return s, err
	}
	var err error
	s.filter, err = query.Compile(q)
	return s, err
}

func deleteCommand(r *request) (bson.D, error) {
	ns := r.namespace()
	list := r.batch("deletes")
	ordered := r.boolean("ordered", true)
	r.simple("let")
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		n := int32(0)
		writeErrors, err := r.statements(len(list), ordered, func(i int) error {
			s, err := readDelete(ns, list[i])
			if err != nil {
				return err
			}
			rows, err := s.matching(r, d, s.one)
			if err != nil {
				return err
			}
			for _, row := range rows {
				if err := d.Delete(ns, row.Stored); err != nil {
					return err
				}
				n++
			}
			return nil
		})
		return withErrors(bson.D{{Key: "n", Value: n}}, writeErrors), err
	})
}

func findAndModify(r *request) (bson.D, error) {
	s := updateStatement{selection: selection{ns: r.namespace()}}
	s.q = r.document("query")
	sort, fields := r.document("sort"), r.document("fields")
	remove, after := r.boolean("remove", false), r.boolean("new", false)
	s.upsert = r.boolean("upsert", false)
	change, hasChange := r.take("update")
	filters := r.array("arrayFilters")
	s.hint = r.hint()
	r.simple("collation", "let", "bypassDocumentValidation")
	if err := r.finish(); err != nil {
		return nil, err
	}
	if remove == hasChange {
		return nil, fault.New(fault.FailedToParse, "Either an update or remove=true must be specified, and not both")
	}
	if remove && (s.upsert || after) {
		return nil, fault.New(fault.FailedToParse, "Cannot specify upsert=true or new=true with remove=true")
	}
	var err error
	if s.filter, err = query.Compile(s.q); err != nil {
		return nil, err
	}
	if s.sort, err = aggregate.CompileSort(sort); err != nil {
		return nil, err
	}
	if !remove {
		if s.update, err = update.Compile(change, filters, r.now); err != nil {
			return nil, err
		}
	}
	var projection *aggregate.Projection
	if len(fields) > 0 {
		if projection, err = aggregate.CompileProjection(fields, false); err != nil {
			return nil, err
		}
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		var out outcome
		last := bson.D{}
		if remove {
			rows, err := s.matching(r, d, true)
			if err != nil {
				return nil, err
			}
			for _, row := range rows {
				if err := d.Delete(s.ns, row.Stored); err != nil {
					return nil, err
				}
				out.before, out.matched, out.position = row.Stored, 1, row.Position
			}
			last = append(last, bson.E{Key: "n", Value: out.matched})
		} else {
			if out, err = s.run(r, d); err != nil {
				return nil, err
			}
			last = append(last, bson.E{Key: "n", Value: out.matched}, bson.E{Key: "updatedExisting", Value: out.matched > 0})
			if out.upserted != nil {
				last[0].Value = int32(1)
				id, _ := value.Get(out.upserted.D, "_id")
				last = append(last, bson.E{Key: "upserted", Value: id})
				out.after = out.upserted
			}
		}
		shown := out.before
		if after {
			shown = out.after
		}
		var v any
		if shown != nil {
			v = shown.Raw
			if projection != nil {
				if v, err = projection.Apply(shown.D, out.position, expr.NewScope(shown.D).At(r.now)); err != nil {
					return nil, err
				}
			}
		}
		return bson.D{{Key: "lastErrorObject", Value: last}, {Key: "value", Value: v}}, nil
	})
}
