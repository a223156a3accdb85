package expr

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func notArray(name string, v any) error {
	return fault.New(fault.Code(28689), "%s requires an array as its argument, found: %s", name, value.TypeName(v))
}

func arrays(name string) (function, bool) {
	switch name {
	case "$size":
		return function{1, 1, func(name string, a []any) (any, error) {
			list, ok := a[0].(bson.A)
			if !ok {
				return nil, fault.New(fault.Code(17124), "The argument to $size must be an array, but was of type: %s", value.TypeName(a[0]))
			}
			return int32(len(list)), nil
		}}, true
	case "$arrayElemAt":
		return function{2, 2, elementAt}, true
	case "$first", "$last":
		return function{1, 1, func(name string, a []any) (any, error) {
			i := int32(0)
			if name == "$last" {
				i = -1
			}
			return elementAt(name, []any{a[0], i})
		}}, true
	case "$in":
		return function{2, 2, func(_ string, a []any) (any, error) {
			list, ok := a[1].(bson.A)
			if !ok {
				return nil, fault.New(fault.Code(40081), "$in requires an array as a second argument, found: %s", value.TypeName(a[1]))
			}
			return slices.ContainsFunc(list, func(x any) bool { return value.Equal(x, a[0]) }), nil
		}}, true
	case "$isArray":
		return function{1, 1, func(_ string, a []any) (any, error) { _, ok := a[0].(bson.A); return ok, nil }}, true
	case "$concatArrays":
		return function{0, -1, func(name string, a []any) (any, error) {
			out := bson.A{}
			for _, v := range a {
				if nullish(v) {
					return nil, nil
				}
				list, ok := v.(bson.A)
				if !ok {
					return nil, notArray(name, v)
				}
				if len(out)+len(list) > MaxCollected {
					return nil, fault.New(fault.ExceededMemoryLimit, "$concatArrays gives more than %d values", MaxCollected)
				}
				out = append(out, list...)
			}
			return out, nil
		}}, true
	case "$slice":
		return function{2, 3, slice}, true
	case "$reverseArray":
		return function{1, 1, func(name string, a []any) (any, error) {
			if nullish(a[0]) {
				return nil, nil
			}
			list, ok := a[0].(bson.A)
			if !ok {
				return nil, notArray(name, a[0])
			}
			out := slices.Clone(list)
			slices.Reverse(out)
			return out, nil
		}}, true
	case "$range":
		return function{2, 3, numberRange}, true
	case "$indexOfArray":
		return function{2, 2, func(name string, a []any) (any, error) {
			if nullish(a[0]) {
				return nil, nil
			}
			list, ok := a[0].(bson.A)
			if !ok {
				return nil, notArray(name, a[0])
			}
			return int32(slices.IndexFunc(list, func(x any) bool { return value.Equal(x, a[1]) })), nil
		}}, true
	case "$setUnion", "$setIntersection", "$setDifference", "$setIsSubset", "$setEquals":
		return function{2, -1, sets}, true
	case "$anyElementTrue", "$allElementsTrue":
		return function{1, 1, func(name string, a []any) (any, error) {
			list, ok := a[0].(bson.A)
			if !ok {
				return nil, notArray(name, a[0])
			}
			if name == "$anyElementTrue" {
				return slices.ContainsFunc(list, value.Truth), nil
			}
			return !slices.ContainsFunc(list, func(v any) bool { return !value.Truth(v) }), nil
		}}, true
	}
	return function{}, false
}

func elementAt(name string, a []any) (any, error) {
	if nullish(a[0]) || nullish(a[1]) {
		return nil, nil
	}
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, notArray(name, a[0])
	}
	i, ok := value.Whole(a[1])
	if !ok {
		return nil, fault.New(fault.Code(28690), "%s's second argument must be representable as a 32-bit integer", name)
	}
	if i < 0 {
		i += int64(len(list))
	}
	if i < 0 || i >= int64(len(list)) {
		return value.Missing{}, nil
	}
	return list[i], nil
}

func slice(name string, a []any) (any, error) {
	var n [2]int64
	for i, v := range a {
		if nullish(v) {
			return nil, nil
		}
		if i > 0 {
			var ok bool
			if n[i-1], ok = value.Whole(v); !ok {
				return nil, fault.New(fault.Code(28725), "$slice's arguments must be whole numbers")
			}
		}
	}
	list, ok := a[0].(bson.A)
	if !ok {
		return nil, fault.New(fault.Code(28724), "First argument to $slice must be an array, but is of type: %s", value.TypeName(a[0]))
	}
	if len(a) == 2 {
		return SliceArray(list, 0, n[0], false), nil
	}
	if n[1] <= 0 {
		return nil, fault.New(fault.Code(28729), "Third argument to $slice must be positive: %d", n[1])
	}
	return SliceArray(list, n[0], n[1], true), nil
}

// SliceArray takes n elements from position skip on (from the end if it is negative); without a position the first n,
// or the last -n.
func SliceArray(list bson.A, skip, n int64, positioned bool) bson.A {
	size := int64(len(list))
	if !positioned {
		if n < 0 {
			skip, n = max(-size, n), size
		} else {
			skip = 0
		}
	}
	if skip < 0 {
		skip = max(0, size+skip)
	}
	skip = min(skip, size)
	return slices.Clone(list[skip : skip+min(n, size-skip)])
}

func numberRange(_ string, a []any) (any, error) {
	n := [3]int64{2: 1}
	for i, v := range a {
		var ok bool
		if n[i], ok = value.Whole(v); !ok {
			return nil, fault.New(fault.Code(34443), "$range requires whole numbers")
		}
	}
	if n[2] == 0 {
		return nil, fault.New(fault.Code(34449), "$range requires a non-zero step value")
	}
	out := bson.A{}
	for i := n[0]; n[2] > 0 && i < n[1] || n[2] < 0 && i > n[1]; i += n[2] {
		if len(out) >= MaxCollected {
			return nil, fault.New(fault.ExceededMemoryLimit, "$range gives more than %d values", MaxCollected)
		}
		out = append(out, narrow(i))
	}
	return out, nil
}

func sets(name string, a []any) (any, error) {
	all := make([]map[string]any, len(a))
	for i, v := range a {
		if nullish(v) && (name == "$setUnion" || name == "$setIntersection" || name == "$setDifference") {
			return nil, nil
		}
		list, ok := v.(bson.A)
		if !ok {
			return nil, fault.New(fault.Code(17043), "All operands of %s must be arrays. One argument is of type: %s", name, value.TypeName(v))
		}
		all[i] = make(map[string]any, len(list))
		for _, x := range list {
			all[i][value.Key(x)] = x
		}
	}
	out := map[string]any{}
	in := func(k string, m map[string]any) bool { _, ok := m[k]; return ok }
	switch name {
	case "$setUnion":
		for _, m := range all {
			for k, v := range m {
				out[k] = v
			}
		}
	case "$setIntersection":
		for k, v := range all[0] {
			if !slices.ContainsFunc(all[1:], func(m map[string]any) bool { return !in(k, m) }) {
				out[k] = v
			}
		}
	case "$setDifference":
		for k, v := range all[0] {
			if !in(k, all[1]) {
				out[k] = v
			}
		}
	default:
		for k := range all[0] {
			if !in(k, all[1]) {
				return false, nil
			}
		}
		return name == "$setIsSubset" || len(all[0]) == len(all[1]), nil
	}
	keys := make([]string, 0, len(out))
	for k := range out {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	list := make(bson.A, len(keys))
	for i, k := range keys {
		list[i] = out[k]
	}
	return list, nil
}

func (c compiler) sortArray(v any) (Expr, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, fault.New(fault.Code(2942500), "$sortArray requires an object as an argument")
	}
	var input Expr
	var by any
	for _, e := range d {
		var err error
		switch e.Key {
		case "input":
			input, err = c.compile(e.Value)
		case "sortBy":
			by = e.Value
		default:
			err = fault.New(fault.Code(2942501), "$sortArray found an unknown argument: %s", e.Key)
		}
		if err != nil {
			return nil, err
		}
	}
	if input == nil || by == nil {
		return nil, fault.New(fault.Code(2942502), "$sortArray requires 'input' and 'sortBy' to be specified")
	}
	compare, err := Sorter(by)
	if err != nil {
		return nil, err
	}
	return func(s *Scope) (any, error) {
		a, ok, err := inputArray("$sortArray", input, s)
		if err != nil || !ok {
			return nil, err
		}
		out := slices.Clone(a)
		slices.SortStableFunc(out, compare)
		return out, nil
	}, nil
}

// Sorter reads what the elements of an array are sorted by: 1 or -1, or a document of paths.
func Sorter(by any) (func(a, b any) int, error) {
	direction := func(v any) (int, error) {
		i, ok := value.Whole(v)
		if !ok || i != 1 && i != -1 {
			return 0, fault.New(fault.BadValue, "the sort direction must be 1 or -1")
		}
		return int(i), nil
	}
	d, ok := by.(bson.D)
	if !ok {
		sign, err := direction(by)
		return func(a, b any) int { return sign * value.Compare(a, b) }, err
	}
	if len(d) == 0 {
		return nil, fault.New(fault.BadValue, "the sort pattern must not be empty")
	}
	paths := make([]value.Path, len(d))
	signs := make([]int, len(d))
	for i, e := range d {
		paths[i] = value.ParsePath(e.Key)
		var err error
		if signs[i], err = direction(e.Value); err != nil {
			return nil, err
		}
	}
	return func(a, b any) int {
		for i, p := range paths {
			if c := value.Compare(present(Follow(a, p)), present(Follow(b, p))); c != 0 {
				return c * signs[i]
			}
		}
		return 0
	}, nil
}
