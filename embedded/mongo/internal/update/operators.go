package update

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func (u *Update) operator(op bson.E) error {
	makeChange, ok := u.changes(op.Key)
	if op.Key == "$rename" {
		ok = true
	}
	if !ok {
		return fault.New(fault.FailedToParse, "Unknown modifier: %s. Expected a valid update modifier or pipeline-style update specified as an array", op.Key)
	}
	fields, isDoc := op.Value.(bson.D)
	if !isDoc {
		return fault.New(fault.FailedToParse, "Modifiers operate on fields but we found type %s instead. For example: {$mod: {<field>: ...}} not {%s: ...}", value.TypeName(op.Value), op.Key)
	}
	for _, e := range fields {
		if e.Key == "" {
			return fault.New(fault.Code(56), "An empty update path is not valid.")
		}
		path := value.ParsePath(e.Key)
		if op.Key == "$rename" {
			if err := u.rename(path, e.Value); err != nil {
				return err
			}
			continue
		}
		c, err := makeChange(e.Key, e.Value)
		if err != nil {
			return err
		}
		u.steps = append(u.steps, step{op: op.Key, path: path, change: c, insert: op.Key == "$setOnInsert"})
	}
	return nil
}

type maker func(path string, arg any) (change, error)

func (u *Update) changes(op string) (maker, bool) {
	switch op {
	case "$set", "$setOnInsert":
		return func(_ string, arg any) (change, error) {
			return func(any, bool) (any, bool, error) { return arg, true, nil }, nil
		}, true
	case "$unset":
		return func(string, any) (change, error) {
			return func(any, bool) (any, bool, error) { return nil, false, nil }, nil
		}, true
	case "$inc":
		return arithmetic(op, value.Add), true
	case "$mul":
		return arithmetic(op, value.Multiply), true
	case "$min", "$max":
		return func(_ string, arg any) (change, error) {
			return func(old any, has bool) (any, bool, error) {
				if c := value.Compare(arg, old); !has || c < 0 && op == "$min" || c > 0 && op == "$max" {
					return arg, true, nil
				}
				return old, true, nil
			}, nil
		}, true
	case "$currentDate":
		return u.currentDate, true
	case "$bit":
		return bitwise, true
	case "$push":
		return push, true
	case "$addToSet":
		return addToSet, true
	case "$pop":
		return pop, true
	case "$pull":
		return pull, true
	case "$pullAll":
		return pullAll, true
	}
	return nil, false
}

func arithmetic(op string, a value.Arithmetic) maker {
	return func(path string, arg any) (change, error) {
		if !value.IsNumber(arg) {
			return nil, fault.New(fault.TypeMismatch, "Cannot %s with non-numeric argument: {%s: %s}", verb(op), path, value.TypeName(arg))
		}
		return func(old any, has bool) (any, bool, error) {
			if !has {
				if op == "$inc" {
					return arg, true, nil
				}
				zero, _, err := a.Do(arg, int32(0))
				return zero, true, err
			}
			if !value.IsNumber(old) {
				return nil, false, fault.New(fault.TypeMismatch, "Cannot apply %s to a value of non-numeric type. The field '%s' is of non-numeric type %s", op, path, value.TypeName(old))
			}
			v, whole, err := a.Do(old, arg)
			if err == nil && !whole {
				err = fault.New(fault.BadValue, "Failed to apply %s operations to current value of '%s': the result does not fit 64 bits", op, path)
			}
			return v, true, err
		}, nil
	}
}

func verb(op string) string {
	if op == "$inc" {
		return "increment"
	}
	return "multiply"
}

func (u *Update) currentDate(path string, arg any) (change, error) {
	kind := "date"
	switch x := arg.(type) {
	case bool: // false as well, in MongoDB
	case bson.D:
		v, _ := value.Get(x, "$type")
		s, ok := v.(string)
		if !ok || len(x) != 1 || s != "date" && s != "timestamp" {
			return nil, fault.New(fault.BadValue, "The '$type' string field is required to be 'date' or 'timestamp': {$currentDate: {%s: ...}}", path)
		}
		kind = s
	default:
		return nil, fault.New(fault.BadValue, "%s is not valid type for $currentDate. Please use a boolean ('true') or a $type expression ({$type: 'timestamp/date'}).", value.TypeName(arg))
	}
	var v any = bson.NewDateTimeFromTime(u.now)
	if kind == "timestamp" {
		v = bson.Timestamp{T: uint32(u.now.Unix()), I: 1}
	}
	return func(any, bool) (any, bool, error) { return v, true, nil }, nil
}

func bitwise(path string, arg any) (change, error) {
	d, ok := arg.(bson.D)
	if !ok || len(d) == 0 {
		return nil, fault.New(fault.BadValue, "The $bit modifier is not compatible with a %s. You must pass in an embedded document: {$bit: {field: {and/or/xor: #}}", value.TypeName(arg))
	}
	for _, e := range d {
		if _, isInt := value.Int(e.Value); !isInt {
			return nil, fault.New(fault.BadValue, "The $bit modifier field must be an Integer(32/64 bit); a '%s' is not supported here", value.TypeName(e.Value))
		}
		if !slices.Contains([]string{"and", "or", "xor"}, e.Key) {
			return nil, fault.New(fault.BadValue, "The $bit modifier only supports 'and', 'or', and 'xor', not '%s' which is an unknown operator", e.Key)
		}
	}
	return func(old any, has bool) (any, bool, error) {
		if !has {
			old = int32(0)
		}
		n, isInt := value.Int(old)
		if !isInt {
			return nil, false, fault.New(fault.BadValue, "Cannot apply $bit to a value of non-integral type. The field '%s' is of type %s", path, value.TypeName(old))
		}
		_, wide := old.(int64)
		for _, e := range d {
			m, _ := value.Int(e.Value)
			if _, w := e.Value.(int64); w {
				wide = true
			}
			switch e.Key {
			case "and":
				n &= m
			case "or":
				n |= m
			case "xor":
				n ^= m
			}
		}
		if wide {
			return n, true, nil
		}
		return int32(n), true, nil
	}, nil
}

func notArray(op, path string, v any) error {
	return fault.New(fault.BadValue, "The field '%s' must be an array but is of type %s, so %s cannot be applied", path, value.TypeName(v), op)
}

type pushSpec struct {
	each     bson.A
	slice    *int64
	position *int64
	sort     func(a, b any) int
}

func readPush(arg any) (pushSpec, error) {
	d, ok := arg.(bson.D)
	if _, each := value.Get(d, "$each"); !ok || !each {
		if ok && len(d) > 0 && strings.HasPrefix(d[0].Key, "$") {
			return pushSpec{}, fault.New(fault.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in $push needs $each beside it", d[0].Key)
		}
		return pushSpec{each: bson.A{arg}}, nil
	}
	var p pushSpec
	for _, e := range d {
		switch e.Key {
		case "$each":
			if p.each, ok = e.Value.(bson.A); !ok {
				return p, fault.New(fault.BadValue, "The argument to $each in $push must be an array but it was of type: %s", value.TypeName(e.Value))
			}
		case "$slice", "$position":
			n, whole := value.Whole(e.Value)
			if !whole {
				return p, fault.New(fault.BadValue, "The value for %s must be an integer value but was given type: %s", e.Key, value.TypeName(e.Value))
			}
			if e.Key == "$slice" {
				p.slice = &n
			} else {
				p.position = &n
			}
		case "$sort":
			var err error
			if p.sort, err = expr.Sorter(e.Value); err != nil {
				return p, err
			}
		default:
			return p, fault.New(fault.BadValue, "Unrecognized clause in $push: %s", e.Key)
		}
	}
	return p, nil
}

func push(path string, arg any) (change, error) {
	p, err := readPush(arg)
	if err != nil {
		return nil, err
	}
	return func(old any, has bool) (any, bool, error) {
		list, ok := old.(bson.A)
		if has && !ok {
			return nil, false, notArray("$push", path, old)
		}
		at := int64(len(list))
		if p.position != nil {
			if at = *p.position; at < 0 {
				at = max(0, int64(len(list))+at)
			}
			at = min(at, int64(len(list)))
		}
		out := slices.Concat(list[:at], p.each, list[at:])
		if out == nil {
			out = bson.A{}
		}
		if p.sort != nil {
			slices.SortStableFunc(out, p.sort)
		}
		if p.slice != nil {
			n := *p.slice
			switch {
			case n >= 0 && n < int64(len(out)):
				out = out[:n]
			case n < 0 && -n < int64(len(out)):
				out = out[int64(len(out))+n:]
			}
		}
		return out, true, nil
	}, nil
}

func addToSet(path string, arg any) (change, error) {
	each := bson.A{arg}
	if d, ok := arg.(bson.D); ok && len(d) > 0 && d[0].Key == "$each" {
		if each, ok = d[0].Value.(bson.A); !ok {
			return nil, fault.New(fault.TypeMismatch, "The argument to $each in $addToSet must be an array but it was of type %s", value.TypeName(d[0].Value))
		}
		if len(d) > 1 {
			return nil, fault.New(fault.BadValue, "Found unexpected fields after $each in $addToSet: %s", d[1].Key)
		}
	}
	return func(old any, has bool) (any, bool, error) {
		list, ok := old.(bson.A)
		if has && !ok {
			return nil, false, notArray("$addToSet", path, old)
		}
		out := append(bson.A{}, list...)
		for _, v := range each {
			if !slices.ContainsFunc(out, func(x any) bool { return value.Equal(x, v) }) {
				out = append(out, v)
			}
		}
		return out, true, nil
	}, nil
}

func pop(path string, arg any) (change, error) {
	n, ok := value.Whole(arg)
	if !ok || n != 1 && n != -1 {
		return nil, fault.New(fault.FailedToParse, "$pop expects 1 or -1, found: %v", arg)
	}
	return func(old any, has bool) (any, bool, error) {
		list, ok := old.(bson.A)
		if !ok {
			return nil, false, fault.New(fault.TypeMismatch, "Path '%s' contains an element of non-array type '%s'", path, value.TypeName(old))
		}
		switch {
		case len(list) == 0:
			return list, true, nil
		case n == 1:
			return slices.Clone(list[:len(list)-1]), true, nil
		}
		return slices.Clone(list[1:]), true, nil
	}, nil
}

func without(op, path string, drop func(v any) (bool, error)) change {
	return func(old any, has bool) (any, bool, error) {
		list, ok := old.(bson.A)
		if !ok {
			return nil, false, fault.New(fault.BadValue, "Cannot apply %s to a non-array value", op)
		}
		out := make(bson.A, 0, len(list))
		for _, v := range list {
			gone, err := drop(v)
			if err != nil {
				return nil, false, err
			}
			if !gone {
				out = append(out, v)
			}
		}
		return out, true, nil
	}
}

func pull(path string, arg any) (change, error) {
	d, isDoc := arg.(bson.D)
	if !isDoc {
		f, err := query.CompileValue(arg)
		if err != nil {
			return nil, err
		}
		_, isRegex := arg.(bson.Regex)
		return without("$pull", path, func(v any) (bool, error) {
			if isRegex {
				return f.MatchValue(v)
			}
			return value.Equal(v, arg), nil
		}), nil
	}
	if len(d) > 0 && strings.HasPrefix(d[0].Key, "$") && !slices.Contains([]string{"$and", "$or", "$nor"}, d[0].Key) {
		f, err := query.CompileValue(d)
		if err != nil {
			return nil, err
		}
		return without("$pull", path, f.MatchValue), nil
	}
	f, err := query.Compile(d)
	if err != nil {
		return nil, err
	}
	return without("$pull", path, func(v any) (bool, error) {
		doc, ok := v.(bson.D)
		if !ok {
			return false, nil
		}
		return f.Match(doc)
	}), nil
}

func pullAll(path string, arg any) (change, error) {
	list, ok := arg.(bson.A)
	if !ok {
		return nil, fault.New(fault.BadValue, "$pullAll requires an array argument but was given a %s", value.TypeName(arg))
	}
	return without("$pullAll", path, func(v any) (bool, error) {
		return slices.ContainsFunc(list, func(x any) bool { return value.Equal(x, v) }), nil
	}), nil
}

// rename is an $unset of the old name and a $set of the new one to what the old one had.
func (u *Update) rename(from value.Path, arg any) error {
	name, ok := arg.(string)
	if !ok {
		return fault.New(fault.BadValue, "The 'to' field for $rename must be a string: %s", from)
	}
	if name == "" {
		return fault.New(fault.Code(56), "An empty update path is not valid.")
	}
	to := value.ParsePath(name)
	for _, p := range slices.Concat(from, to) {
		if strings.HasPrefix(p, "$") {
			return fault.New(fault.BadValue, "The source and target field for $rename must not be dynamic: %s", from)
		}
	}
	if slices.Equal(from, to) {
		return fault.New(fault.BadValue, "The source and target field for $rename must differ: %s", from)
	}
	u.renames = append(u.renames, rename{from, to})
	nothing := func(old any, has bool) (any, bool, error) { return old, has, nil }
	u.steps = append(u.steps, step{op: "$unset", path: from, change: nothing, skip: true}, step{op: "$rename", path: to, change: nothing, skip: true})
	return nil
}

func (u *Update) applyRenames(d bson.D) (bson.D, error) {
	for _, r := range u.renames {
		var v any = d
		found := true
		for _, name := range r.from {
			sub, isDoc := v.(bson.D)
			if _, isArray := v.(bson.A); isArray {
				return nil, fault.New(fault.BadValue, "The source field cannot be an array element, '%s'", r.from)
			}
			if v, found = value.Get(sub, name); !isDoc || !found {
				found = false
				break
			}
		}
		if !found {
			continue
		}
		remove := walk{u: u, position: -1, s: step{op: "$unset", change: func(any, bool) (any, bool, error) { return nil, false, nil }}}
		out, err := remove.set(d, r.from)
		if err != nil {
			return nil, err
		}
		set := walk{u: u, position: -1, s: step{op: "$set", change: func(any, bool) (any, bool, error) { return v, true, nil }}}
		if out, err = set.set(out, r.to); err != nil {
			return nil, err
		}
		d = out.(bson.D)
	}
	return d, nil
}
