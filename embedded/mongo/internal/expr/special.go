package expr

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// special finds the operators that do not simply evaluate a list of arguments.
func (c compiler) special(name string) (func(any) (Expr, error), bool) {
	switch name {
	case "$literal":
		return func(v any) (Expr, error) { return Constant(v), nil }, true
	case "$and", "$or":
		return func(v any) (Expr, error) { return c.logic(v, name == "$or") }, true
	case "$cond":
		return c.cond, true
	case "$ifNull":
		return c.ifNull, true
	case "$switch":
		return c.switched, true
	case "$let":
		return c.let, true
	case "$filter":
		return c.filter, true
	case "$map":
		return c.mapped, true
	case "$reduce":
		return c.reduce, true
	case "$sortArray":
		return c.sortArray, true
	case "$meta":
		return func(v any) (Expr, error) {
			if v != "textScore" {
				return nil, fault.Unsupported(fmt.Sprintf("$meta: %v", v))
			}
			return func(s *Scope) (any, error) { return s.score, nil }, nil
		}, true
	case "$dateToString", "$dateAdd", "$dateSubtract", "$dateTrunc":
		return func(v any) (Expr, error) { return c.dated(name, v) }, true
	case "$regexMatch":
		return c.regexMatch, true
	case "$trim", "$ltrim", "$rtrim":
		return func(v any) (Expr, error) { return c.trim(name, v) }, true
	case "$replaceOne", "$replaceAll":
		return func(v any) (Expr, error) { return c.replace(name, v) }, true
	case "$getField":
		return c.getField, true
	}
	return nil, false
}

// named compiles an operand that is a document of named arguments, of which the first n are required.
func (c compiler) named(op string, v any, required int, names ...string) (map[string]Expr, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, fault.New(fault.Code(28646), "%s only supports an object as its argument", op)
	}
	out := map[string]Expr{}
	for _, e := range d {
		known := false
		for _, n := range names {
			known = known || n == e.Key
		}
		if !known {
			return nil, fault.New(fault.Code(28647), "Unrecognized parameter to %s: %s", op, e.Key)
		}
		x, err := c.compile(e.Value)
		if err != nil {
			return nil, err
		}
		out[e.Key] = x
	}
	for _, n := range names[:required] {
		if out[n] == nil {
			return nil, fault.New(fault.Code(28648), "Missing '%s' parameter to %s", n, op)
		}
	}
	return out, nil
}

func (c compiler) logic(v any, or bool) (Expr, error) {
	args, err := c.arguments(v)
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		for _, a := range args {
			v, err := a(s)
			if err != nil {
				return nil, err
			}
			if value.Truth(v) == or {
				return or, nil
			}
		}
		return !or, nil
	}, nil
}

func (c compiler) cond(v any) (Expr, error) {
	var test, then, els Expr
	if a, ok := v.(bson.A); ok {
		args, err := c.list(a)
		if err != nil {
			return nil, err
		}
		if len(args) != 3 {
			return nil, fault.New(fault.Code(16020), "Expression $cond takes exactly 3 arguments. %d were passed in.", len(args))
		}
		test, then, els = args[0], args[1], args[2]
	} else {
		args, err := c.named("$cond", v, 3, "if", "then", "else")
		if err != nil {
			return nil, err
		}
		test, then, els = args["if"], args["then"], args["else"]
	}
	return func(s *Scope) (any, error) {
		v, err := test(s)
		if err != nil {
			return nil, err
		}
		if value.Truth(v) {
			return then(s)
		}
		return els(s)
	}, nil
}

func (c compiler) ifNull(v any) (Expr, error) {
	args, err := c.arguments(v)
	if err != nil {
		return nil, err
	}
	if len(args) < 2 {
		return nil, fault.New(fault.Code(1257300), "$ifNull needs at least two arguments, had: %d", len(args))
	}
	return func(s *Scope) (any, error) {
		var v any
		for _, a := range args {
			var err error
			if v, err = a(s); err != nil {
				return nil, err
			}
			if !nullish(v) {
				break
			}
		}
		return v, nil
	}, nil
}

func (c compiler) switched(v any) (Expr, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, fault.New(fault.Code(40060), "$switch requires an object as an argument")
	}
	type branch struct{ test, then Expr }
	var branches []branch
	var otherwise Expr
	for _, e := range d {
		switch e.Key {
		case "branches":
			a, _ := e.Value.(bson.A)
			for _, x := range a {
				args, err := c.named("$switch", x, 2, "case", "then")
				if err != nil {
					return nil, err
				}
				branches = append(branches, branch{args["case"], args["then"]})
			}
		case "default":
			var err error
			if otherwise, err = c.compile(e.Value); err != nil {
				return nil, err
			}
		default:
			return nil, fault.New(fault.Code(40067), "$switch found an unknown argument: %s", e.Key)
		}
	}
	if len(branches) == 0 {
		return nil, fault.New(fault.Code(40068), "$switch requires at least one branch.")
	}
	return func(s *Scope) (any, error) {
		for _, b := range branches {
			v, err := b.test(s)
			if err != nil {
				return nil, err
			}
			if value.Truth(v) {
				return b.then(s)
			}
		}
		if otherwise == nil {
			return nil, fault.New(fault.Code(40066), "$switch could not find a matching branch for an input, and no default was specified.")
		}
		return otherwise(s)
	}, nil
}

func (c compiler) let(v any) (Expr, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, fault.New(fault.Code(16874), "$let only supports an object as its argument")
	}
	type variable struct {
		name string
		expr Expr
	}
	var vars []variable
	inner := c
	var body any
	for _, e := range d {
		switch e.Key {
		case "vars":
			list, ok := e.Value.(bson.D)
			if !ok {
				return nil, fault.New(fault.Code(16876), "invalid parameter: expected an object (vars)")
			}
			for _, x := range list {
				compiled, err := c.compile(x.Value)
				if err != nil {
					return nil, err
				}
				vars = append(vars, variable{x.Key, compiled})
				inner = inner.with(x.Key)
			}
		case "in":
			body = e.Value
		default:
			return nil, fault.New(fault.Code(16875), "Unrecognized parameter to $let: %s", e.Key)
		}
	}
	in, err := inner.compile(body)
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		scope := s
		for _, x := range vars {
			v, err := x.expr(s)
			if err != nil {
				return nil, err
			}
			scope = scope.with(x.name, v)
		}
		return in(scope)
	}, nil
}

// loop reads the operand of $filter, $map and $reduce: an input, and a body that sees variables.
func (c compiler) loop(op, body string, v any, vars []string, others ...string) (input, in Expr, rest map[string]Expr, as string, err error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, nil, nil, "", fault.New(fault.Code(28646), "%s only supports an object as its argument", op)
	}
	as = "this"
	if x, ok := value.Get(d, "as"); ok && op != "$reduce" {
		if as, ok = x.(string); !ok || as == "" {
			return nil, nil, nil, "", fault.New(fault.Code(16866), "%s: 'as' must be the name of a variable", op)
		}
	}
	inner := c.with(as)
	for _, name := range vars {
		inner = inner.with(name)
	}
	rest = map[string]Expr{}
	for _, e := range d {
		var x Expr
		compileIn := c
		switch {
		case e.Key == "as" && op != "$reduce":
			continue
		case e.Key == body:
			compileIn = inner
		case e.Key == "input":
		default:
			known := false
			for _, o := range others {
				known = known || o == e.Key
			}
			if !known {
				return nil, nil, nil, "", fault.New(fault.Code(28647), "Unrecognized parameter to %s: %s", op, e.Key)
			}
		}
		if x, err = compileIn.compile(e.Value); err != nil {
			return nil, nil, nil, "", err
		}
		switch e.Key {
		case body:
			in = x
		case "input":
			input = x
		default:
			rest[e.Key] = x
		}
	}
	if input == nil || in == nil {
		return nil, nil, nil, "", fault.New(fault.Code(28648), "Missing 'input' or '%s' parameter to %s", body, op)
	}
	return input, in, rest, as, nil
}

// inputArray evaluates a loop's input; ok is false for null, whose result is null.
func inputArray(op string, input Expr, s *Scope) (a bson.A, ok bool, err error) {
	v, err := input(s)
	if err != nil || nullish(v) {
		return nil, false, err
	}
	a, ok = v.(bson.A)
	if !ok {
		return nil, false, fault.New(fault.Code(28651), "input to %s must be an array not %s", op, value.TypeName(v))
	}
	return a, true, nil
}

func (c compiler) filter(v any) (Expr, error) {
	input, cond, rest, as, err := c.loop("$filter", "cond", v, nil, "limit")
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		a, ok, err := inputArray("$filter", input, s)
		if err != nil || !ok {
			return nil, err
		}
		limit := int64(len(a))
		if l := rest["limit"]; l != nil {
			v, err := l(s)
			if err != nil {
				return nil, err
			}
			if !nullish(v) {
				if limit, ok = value.Whole(v); !ok || limit < 1 {
					return nil, fault.New(fault.Code(327391), "$filter: limit must be a positive integer")
				}
			}
		}
		out := bson.A{}
		for _, x := range a {
			if int64(len(out)) >= limit {
				break
			}
			v, err := cond(s.with(as, x))
			if err != nil {
				return nil, err
			}
			if value.Truth(v) {
				out = append(out, x)
			}
		}
		return out, nil
	}, nil
}

func (c compiler) mapped(v any) (Expr, error) {
	input, in, _, as, err := c.loop("$map", "in", v, nil)
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		a, ok, err := inputArray("$map", input, s)
		if err != nil || !ok {
			return nil, err
		}
		out := make(bson.A, len(a))
		for i, x := range a {
			v, err := in(s.with(as, x))
			if err != nil {
				return nil, err
			}
			out[i] = present(v)
		}
		return out, nil
	}, nil
}

func (c compiler) reduce(v any) (Expr, error) {
	input, in, rest, _, err := c.loop("$reduce", "in", v, []string{"value"}, "initialValue")
	if err != nil {
		return nil, err
	}
	initial := rest["initialValue"]
	if initial == nil {
		return nil, fault.New(fault.Code(40079), "$reduce requires 'initialValue' to be specified")
	}
	return func(s *Scope) (any, error) {
		a, ok, err := inputArray("$reduce", input, s)
		if err != nil || !ok {
			return nil, err
		}
		acc, err := initial(s)
		if err != nil {
			return nil, err
		}
		for _, x := range a {
			if acc, err = in(s.with("this", x).with("value", acc)); err != nil {
				return nil, err
			}
		}
		return acc, nil
	}, nil
}

func (c compiler) getField(v any) (Expr, error) {
	field, input := v, Expr(func(s *Scope) (any, error) { return s.root, nil })
	if d, ok := v.(bson.D); ok {
		args, err := c.named("$getField", d, 2, "field", "input")
		if err != nil {
			return nil, err
		}
		input = args["input"]
		field, _ = value.Get(d, "field")
	}
	if lit, ok := field.(bson.D); ok && len(lit) == 1 && lit[0].Key == "$literal" {
		field = lit[0].Value
	}
	name, ok := field.(string)
	if !ok {
		return nil, fault.New(fault.Code(5654602), "$getField requires 'field' to evaluate to a constant string")
	}
	return func(s *Scope) (any, error) {
		v, err := input(s)
		if err != nil {
			return nil, err
		}
		if d, ok := v.(bson.D); ok {
			if got, ok := value.Get(d, name); ok {
				return got, nil
			}
		} else if v == nil {
			return nil, nil
		}
		return value.Missing{}, nil
	}, nil
}
