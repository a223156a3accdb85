package expr

import (
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func comparison(name string) (function, bool) {
	test := map[string]func(int) any{
		"$eq":  func(c int) any { return c == 0 },
		"$ne":  func(c int) any { return c != 0 },
		"$gt":  func(c int) any { return c > 0 },
		"$gte": func(c int) any { return c >= 0 },
		"$lt":  func(c int) any { return c < 0 },
		"$lte": func(c int) any { return c <= 0 },
		"$cmp": func(c int) any { return int32(c) },
	}[name]
	if test != nil {
		return function{2, 2, func(_ string, a []any) (any, error) { return test(value.Compare(a[0], a[1])), nil }}, true
	}
	if name == "$not" {
		return function{1, 1, func(_ string, a []any) (any, error) { return !value.Truth(a[0]), nil }}, true
	}
	return function{}, false
}

func arithmetic(name string) (function, bool) {
	switch name {
	case "$add":
		return function{0, -1, sumDates}, true
	case "$multiply":
		return function{0, -1, func(name string, a []any) (any, error) { return fold(name, value.Multiply, int32(1), a) }}, true
	case "$subtract":
		return function{2, 2, subtract}, true
	case "$divide":
		return function{2, 2, func(name string, a []any) (any, error) {
			return floats(name, a, func(x []float64) (any, error) {
				if x[1] == 0 {
					return nil, fault.New(fault.BadValue, "can't $divide by zero")
				}
				return x[0] / x[1], nil
			})
		}}, true
	case "$mod":
		return function{2, 2, modulo}, true
	case "$abs", "$ceil", "$floor":
		return function{1, 1, rounding}, true
	case "$round", "$trunc":
		return function{1, 2, roundPlace}, true
	case "$pow":
		return function{2, 2, func(name string, a []any) (any, error) {
			out, err := floats(name, a, func(x []float64) (any, error) { return math.Pow(x[0], x[1]), nil })
			_, xi := value.Int(a[0])
			_, yi := value.Int(a[1])
			if f, ok := out.(float64); ok && xi && yi && f == math.Trunc(f) && math.Abs(f) < 1<<53 {
				return narrow(int64(f), a...), err
			}
			return out, err
		}}, true
	case "$sqrt", "$exp", "$ln", "$log10":
		f := map[string]func(float64) float64{"$sqrt": math.Sqrt, "$exp": math.Exp, "$ln": math.Log, "$log10": math.Log10}[name]
		return function{1, 1, func(name string, a []any) (any, error) {
			return floats(name, a, func(x []float64) (any, error) {
				if name == "$sqrt" && x[0] < 0 || name[1] == 'l' && x[0] <= 0 {
					return nil, fault.New(fault.Code(28714), "%s's argument is out of its range", name)
				}
				return f(x[0]), nil
			})
		}}, true
	case "$sum", "$avg", "$min", "$max":
		return function{0, -1, func(name string, a []any) (any, error) {
			if len(a) == 1 {
				if list, ok := a[0].(bson.A); ok {
					a = list
				}
			}
			acc, err := NewAccumulator(name)
			if err != nil {
				return nil, err
			}
			for _, v := range a {
				if err := acc.Add(v); err != nil {
					return nil, err
				}
			}
			return acc.Result(), nil
		}}, true
	}
	return function{}, false
}

// narrow gives an int32 where no operand was wider and the result fits.
func narrow(i int64, operands ...any) any {
	for _, o := range operands {
		if _, wide := o.(int64); wide {
			return i
		}
	}
	if i < math.MinInt32 || i > math.MaxInt32 {
		return i
	}
	return int32(i)
}

func notNumeric(name string, v any) error {
	return fault.New(fault.TypeMismatch, "%s only supports numeric types, not %s", name, value.TypeName(v))
}

func fold(name string, op value.Arithmetic, start any, a []any) (any, error) {
	for _, v := range a {
		if nullish(v) {
			return nil, nil
		}
		if !value.IsNumber(v) {
			return nil, notNumeric(name, v)
		}
		var err error
		if start, _, err = op.Do(start, v); err != nil {
			return nil, err
		}
	}
	return start, nil
}

func sumDates(name string, a []any) (any, error) {
	date := -1
	rest := make([]any, 0, len(a))
	for i, v := range a {
		if _, ok := v.(bson.DateTime); ok {
			if date >= 0 {
				return nil, fault.New(fault.Code(16612), "only one date allowed in an $add expression")
			}
			date = i
			continue
		}
		rest = append(rest, v)
	}
	sum, err := fold(name, value.Add, int32(0), rest)
	if err != nil || date < 0 || sum == nil {
		return sum, err
	}
	f, _ := value.Number(sum)
	return a[date].(bson.DateTime) + bson.DateTime(f), nil
}

func subtract(name string, a []any) (any, error) {
	if nullish(a[0]) || nullish(a[1]) {
		return nil, nil
	}
	if x, ok := a[0].(bson.DateTime); ok {
		if y, ok := a[1].(bson.DateTime); ok {
			return int64(x - y), nil
		}
		f, ok := value.Number(a[1])
		if !ok {
			return nil, notNumeric(name, a[1])
		}
		return x - bson.DateTime(f), nil
	}
	for _, v := range a {
		if !value.IsNumber(v) {
			return nil, notNumeric(name, v)
		}
	}
	out, _, err := value.Subtract.Do(a[0], a[1])
	return out, err
}

// floats calculates with doubles; null if an operand is.
func floats(name string, a []any, f func([]float64) (any, error)) (any, error) {
	x := make([]float64, len(a))
	for i, v := range a {
		if nullish(v) {
			return nil, nil
		}
		if _, is := v.(bson.Decimal128); is {
			return nil, fault.Unsupported("arithmetic on Decimal128 (" + name + ")")
		}
		var ok bool
		if x[i], ok = value.Number(v); !ok {
			return nil, notNumeric(name, v)
		}
	}
	return f(x)
}

func modulo(name string, a []any) (any, error) {
	x, xi := value.Int(a[0])
	y, yi := value.Int(a[1])
	if xi && yi {
		if y == 0 {
			return nil, fault.New(fault.Code(16610), "can't $mod by zero")
		}
		if y == -1 {
			return narrow(0, a...), nil
		}
		return narrow(x%y, a...), nil
	}
	return floats(name, a, func(x []float64) (any, error) {
		if x[1] == 0 {
			return nil, fault.New(fault.Code(16610), "can't $mod by zero")
		}
		return math.Mod(x[0], x[1]), nil
	})
}

func rounding(name string, a []any) (any, error) {
	if i, ok := value.Int(a[0]); ok {
		if name != "$abs" || i >= 0 {
			return a[0], nil
		}
		if i == math.MinInt64 {
			return nil, fault.New(fault.Code(28680), "can't take $abs of long long min")
		}
		return narrow(-i, a[0]), nil
	}
	return floats(name, a, func(x []float64) (any, error) {
		switch name {
		case "$abs":
			return math.Abs(x[0]), nil
		case "$ceil":
			return math.Ceil(x[0]), nil
		}
		return math.Floor(x[0]), nil
	})
}

func roundPlace(name string, a []any) (any, error) {
	if nullish(a[0]) {
		return nil, nil
	}
	place := int64(0)
	if len(a) == 2 {
		if nullish(a[1]) {
			return nil, nil
		}
		var ok bool
		if place, ok = value.Whole(a[1]); !ok || place < -20 || place > 100 {
			return nil, fault.New(fault.Code(51082), "%s requires 'place' argument to be an integer between -20 and 100", name)
		}
	}
	round := math.Trunc
	if name == "$round" {
		round = math.RoundToEven
	}
	if i, ok := value.Int(a[0]); ok {
		if place >= 0 {
			return a[0], nil
		}
		p := math.Pow10(int(-place))
		return narrow(int64(round(float64(i)/p)*p), a[0]), nil
	}
	return floats(name, a[:1], func(x []float64) (any, error) {
		if place > 15 || math.IsInf(x[0], 0) || math.IsNaN(x[0]) {
			return x[0], nil
		}
		p := math.Pow10(int(max(place, -place)))
		if place < 0 {
			return round(x[0]/p) * p, nil
		}
		if y := x[0] * p; !math.IsInf(y, 0) {
			return round(y) / p, nil
		}
		return x[0], nil
	})
}
