package aggregate

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

type assignment struct {
	path value.Path
	expr expr.Expr
}

// setter reads a $set stage: its expressions all see the document as it comes in.
func setter(d bson.D) (func(*Env, Row) (bson.D, error), error) {
	if len(d) == 0 {
		return nil, fault.New(fault.Code(40177), "$set specification must have at least one field")
	}
	var list []assignment
	root := &node{}
	for _, e := range d {
		p := value.ParsePath(e.Key)
		if slices.ContainsFunc(p, func(s string) bool { return s == "" || s[0] == '$' }) {
			return nil, fault.New(fault.Code(16410), "the field path %q is not allowed in $set", e.Key)
		}
		if err := assignments(p, e.Value, root, &list); err != nil {
			return nil, err
		}
	}
	return func(env *Env, r Row) (bson.D, error) {
		out := r.D
		scope := env.scope(r)
		for _, a := range list {
			v, err := a.expr(scope)
			if err != nil {
				return nil, err
			}
			out = setPath(out, a.path, v)
		}
		return out, nil
	}, nil
}

// assignments takes nested documents apart, which set fields of what is there.
func assignments(p value.Path, v any, root *node, list *[]assignment) error {
	if d, ok := v.(bson.D); ok && len(d) > 0 && !strings.HasPrefix(d[0].Key, "$") {
		for _, e := range d {
			if strings.Contains(e.Key, ".") {
				return fault.New(fault.Code(40183), "FieldPath field names may not contain '.' in a nested object: %s", e.Key)
			}
			if err := assignments(append(slices.Clip(p), e.Key), e.Value, root, list); err != nil {
				return err
			}
		}
		return nil
	}
	x, err := expr.Compile(v)
	if err != nil {
		return err
	}
	if _, err := root.add(p); err != nil {
		return err
	}
	*list = append(*list, assignment{p, x})
	return nil
}

// setPath sets a path in a copy of a document, in every element of the arrays on the way; Missing removes it.
func setPath(d bson.D, p value.Path, v any) bson.D {
	out := slices.Clone(d)
	_, remove := v.(value.Missing)
	for i := range out {
		if out[i].Key != p[0] {
			continue
		}
		if len(p) > 1 {
			out[i].Value = setValue(out[i].Value, p[1:], v)
		} else if remove {
			return slices.Delete(out, i, i+1)
		} else {
			out[i].Value = v
		}
		return out
	}
	if remove {
		return out
	}
	if len(p) > 1 {
		v = setPath(bson.D{}, p[1:], v)
	}
	return append(out, bson.E{Key: p[0], Value: v})
}

func setValue(at any, p value.Path, v any) any {
	switch x := at.(type) {
	case bson.D:
		return setPath(x, p, v)
	case bson.A:
		out := make(bson.A, len(x))
		for i := range x {
			out[i] = setValue(x[i], p, v)
		}
		return out
	}
	if _, remove := v.(value.Missing); remove {
		return at
	}
	return setPath(bson.D{}, p, v)
}

func unset(v any) (Stage, error) {
	list, ok := v.(bson.A)
	if !ok {
		list = bson.A{v}
	}
	var d bson.D
	for _, x := range list {
		name, ok := x.(string)
		if !ok || name == "" || name[0] == '$' {
			return Stage{}, fault.New(fault.Code(31002), "$unset specification must be a string or an array of strings")
		}
		d = append(d, bson.E{Key: name, Value: false})
	}
	p, err := CompileProjection(d, true)
	return Stage{oneToOne: true, run: each(func(env *Env, r Row) (bson.D, error) { return p.Apply(r.D, -1, env.scope(r)) })}, err
}

func replaceRoot(e bson.E) (Stage, error) {
	v := e.Value
	if e.Key == "$replaceRoot" {
		d, _ := v.(bson.D)
		var ok bool
		if v, ok = value.Get(d, "newRoot"); !ok || len(d) != 1 {
			return Stage{}, fault.New(fault.Code(40231), "$replaceRoot needs newRoot and nothing else")
		}
	}
	x, err := expr.Compile(v)
	return Stage{oneToOne: true, run: each(func(env *Env, r Row) (bson.D, error) {
		v, err := x(env.scope(r))
		if err != nil {
			return nil, err
		}
		d, ok := v.(bson.D)
		if !ok {
			return nil, fault.New(fault.Code(40228), "'newRoot' expression must evaluate to an object, but resulting value was of type: %s", value.TypeName(v))
		}
		return d, nil
	})}, err
}

type groupField struct {
	name, op string
	expr     expr.Expr
}

func group(d bson.D) (Stage, error) {
	idSpec, ok := value.Get(d, "_id")
	if !ok {
		return Stage{}, fault.New(fault.Code(15955), "a group specification must include an _id")
	}
	id, err := expr.Compile(idSpec)
	if err != nil {
		return Stage{}, err
	}
	var fields []groupField
	for _, e := range d {
		if e.Key == "_id" {
			continue
		}
		if strings.ContainsAny(e.Key, ".$") {
			return Stage{}, fault.New(fault.Code(40235), "The field name '%s' cannot contain '.' or '$'", e.Key)
		}
		acc, ok := e.Value.(bson.D)
		if !ok || len(acc) != 1 {
			return Stage{}, fault.New(fault.Code(40234), "The field '%s' must be an accumulator object", e.Key)
		}
		if _, err := expr.NewAccumulator(acc[0].Key); err != nil {
			return Stage{}, err
		}
		operand := acc[0].Value
		if acc[0].Key == "$count" {
			if sub, ok := operand.(bson.D); !ok || len(sub) > 0 {
				return Stage{}, fault.New(fault.TypeMismatch, "$count takes no arguments, i.e. $count:{}")
			}
			operand = int32(1)
		}
		x, err := expr.Compile(operand)
		if err != nil {
			return Stage{}, err
		}
		fields = append(fields, groupField{e.Key, acc[0].Key, x})
	}
	return Stage{run: func(env *Env, in Stream) Stream {
		return later(func() ([]Row, error) { return grouped(env, in, id, fields) })
	}}, nil
}

func grouped(env *Env, in Stream, id expr.Expr, fields []groupField) ([]Row, error) {
	type one struct {
		id   any
		accs []expr.Accumulator
	}
	index := map[string]*one{}
	var order []*one
	for {
		r, ok, err := in()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		scope := env.scope(r)
		k, err := id(scope)
		if err != nil {
			return nil, err
		}
		if _, none := k.(value.Missing); none {
			k = nil
		}
		key := value.Key(k)
		g := index[key]
		if g == nil {
			if len(order) == MaxSorted {
				return nil, fault.New(fault.ExceededMemoryLimit, "$group would make more than %d groups", MaxSorted)
			}
			g = &one{id: k}
			for _, f := range fields {
				acc, err := expr.NewAccumulator(f.op)
				if err != nil {
					return nil, err
				}
				g.accs = append(g.accs, acc)
			}
			index[key] = g
			order = append(order, g)
		}
		for i, f := range fields {
			v, err := f.expr(scope)
			if err != nil {
				return nil, err
			}
			if err := g.accs[i].Add(v); err != nil {
				return nil, err
			}
		}
	}
	rows := make([]Row, len(order))
	for i, g := range order {
		d := bson.D{{Key: "_id", Value: g.id}}
		for k, f := range fields {
			d = append(d, bson.E{Key: f.name, Value: g.accs[k].Result()})
		}
		rows[i] = Row{D: d, Position: -1}
	}
	return rows, nil
}

func unwind(v any) (Stage, error) {
	path, ok := v.(string)
	var indexName string
	keep := false
	if d, isDoc := v.(bson.D); isDoc {
		for _, e := range d {
			switch e.Key {
			case "path":
				path, ok = e.Value.(string)
			case "preserveNullAndEmptyArrays":
				b, isBool := e.Value.(bool)
				if !isBool {
					return Stage{}, fault.New(fault.Code(28809), "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage")
				}
				keep = b
			case "includeArrayIndex":
				s, isString := e.Value.(string)
				if !isString || s == "" || s[0] == '$' {
					return Stage{}, fault.New(fault.Code(28810), "expected a non-empty string for the includeArrayIndex option to $unwind stage")
				}
				indexName = s
			default:
				return Stage{}, fault.New(fault.Code(28811), "unrecognized option to $unwind stage: %s", e.Key)
			}
		}
	}
	if !ok || len(path) < 2 || path[0] != '$' {
		return Stage{}, fault.New(fault.Code(28818), "path option to $unwind stage should be prefixed with a '$'")
	}
	p := value.ParsePath(path[1:])
	return Stage{run: func(_ *Env, in Stream) Stream {
		var queue []Row
		return func() (Row, bool, error) {
			for len(queue) == 0 {
				r, ok, err := in()
				if !ok || err != nil {
					return Row{}, false, err
				}
				queue = unwound(r, p, keep, indexName)
			}
			r := queue[0]
			queue = queue[1:]
			return r, true, nil
		}
	}}, nil
}

func unwound(r Row, p value.Path, keep bool, indexName string) []Row {
	v := expr.Follow(r.D, p)
	withIndex := func(d bson.D, i any) bson.D {
		if indexName == "" {
			return d
		}
		return setPath(d, value.ParsePath(indexName), i)
	}
	list, isArray := v.(bson.A)
	_, missing := v.(value.Missing)
	switch {
	case !isArray && !missing && v != nil:
		return []Row{{D: withIndex(r.D, nil), Score: r.Score, Position: -1}}
	case isArray && len(list) > 0:
		out := make([]Row, len(list))
		for i, x := range list {
			out[i] = Row{D: withIndex(setPath(r.D, p, x), int64(i)), Score: r.Score, Position: -1}
		}
		return out
	case keep:
		d := r.D
		if isArray {
			d = setPath(d, p, value.Missing{})
		}
		return []Row{{D: withIndex(d, nil), Score: r.Score, Position: -1}}
	}
	return nil
}

func lookup(d bson.D) (Stage, error) {
	args := map[string]string{}
	for _, e := range d {
		switch e.Key {
		case "from", "localField", "foreignField", "as":
			s, ok := e.Value.(string)
			if !ok || s == "" {
				return Stage{}, fault.New(fault.FailedToParse, "$lookup argument '%s' must be a string", e.Key)
			}
			args[e.Key] = s
		case "let", "pipeline":
			return Stage{}, fault.Unsupported("$lookup with " + e.Key)
		default:
			return Stage{}, fault.New(fault.FailedToParse, "unknown argument to $lookup: %s", e.Key)
		}
	}
	for _, n := range []string{"from", "localField", "foreignField", "as"} {
		if args[n] == "" {
			return Stage{}, fault.New(fault.FailedToParse, "$lookup requires '%s' to be specified", n)
		}
	}
	local, as := value.ParsePath(args["localField"]), value.ParsePath(args["as"])
	return Stage{run: each(func(env *Env, r Row) (bson.D, error) {
		vals, _, _ := value.IndexValues(r.D, local)
		in := bson.A{}
		for _, v := range vals {
			if _, none := v.(value.Missing); !none {
				in = append(in, v)
			}
		}
		f, err := query.Compile(bson.D{{Key: args["foreignField"], Value: bson.D{{Key: "$in", Value: in}}}})
		if err != nil {
			return nil, err
		}
		stream, err := env.Find(args["from"], f)
		if err != nil {
			return nil, err
		}
		rows, err := all(stream)
		if err != nil {
			return nil, err
		}
		list := make(bson.A, len(rows))
		for i := range rows {
			list[i] = rows[i].D
		}
		return setPath(r.D, as, list), nil
	})}, nil
}

func facet(d bson.D) (Stage, error) {
	if len(d) == 0 {
		return Stage{}, fault.New(fault.Code(40169), "the $facet specification must be a non-empty object")
	}
	pipes := make([]Pipeline, len(d))
	for i, e := range d {
		a, ok := e.Value.(bson.A)
		if !ok {
			return Stage{}, fault.New(fault.Code(40170), "arguments to $facet must be arrays, %s is type %s", e.Key, value.TypeName(e.Value))
		}
		var err error
		if pipes[i], err = compile(a, true); err != nil {
			return Stage{}, err
		}
	}
	return Stage{run: func(env *Env, in Stream) Stream {
		return later(func() ([]Row, error) {
			rows, err := all(in)
			if err != nil {
				return nil, err
			}
			out := bson.D{}
			for i, p := range pipes {
				got, err := all(p.Run(env, fromRows(rows)))
				if err != nil {
					return nil, err
				}
				list := make(bson.A, len(got))
				for k := range got {
					list[k] = got[k].D
				}
				out = append(out, bson.E{Key: d[i].Key, Value: list})
			}
			return []Row{{D: out, Position: -1}}, nil
		})
	}}, nil
}
