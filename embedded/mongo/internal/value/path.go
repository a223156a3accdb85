package value

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Get finds a field of a document by name.
func Get(d bson.D, name string) (any, bool) {
	for i := range d {
		if d[i].Key == name {
			return d[i].Value, true
		}
	}
	return nil, false
}

// Path is a dotted path, taken apart.
type Path []string

// ParsePath takes a dotted path apart.
func ParsePath(s string) Path { return strings.Split(s, ".") }

// String puts the path together again.
func (p Path) String() string { return strings.Join(p, ".") }

// Index reads a path's part as a position in an array.
func Index(part string) (int, bool) {
	if part == "" || len(part) > 9 || part[0] == '0' && len(part) > 1 {
		return 0, false
	}
	i, err := strconv.Atoi(part)
	return i, err == nil && i >= 0
}

// Visit is called for each value that a path leads to: found tells whether there is one; at is the position
// in the outermost array that was gone through, -1 if none. Visit answers true to stop.
type Visit func(v any, found bool, at int) bool

// Walk follows a path as a query does: through every element of the arrays on the way, and at its end to an
// array's elements and then to the array itself.
func Walk(d bson.D, p Path, visit Visit) bool { return walker{visit, true}.document(d, p, -1) }

// WalkWhole follows a path as Walk does, but takes an array at its end as a whole only.
func WalkWhole(d bson.D, p Path, visit Visit) bool { return walker{visit, false}.document(d, p, -1) }

type walker struct {
	visit    Visit
	elements bool
}

func (w walker) document(d bson.D, p Path, at int) bool {
	v, ok := Get(d, p[0])
	if !ok {
		return w.visit(nil, false, at)
	}
	return w.value(v, p[1:], at)
}

func (w walker) value(v any, p Path, at int) bool {
	a, isArray := v.(bson.A)
	if !isArray {
		if len(p) == 0 {
			return w.visit(v, true, at)
		}
		if d, ok := v.(bson.D); ok {
			return w.document(d, p, at)
		}
		return w.visit(nil, false, at)
	}
	outer := func(i int) int {
		if at >= 0 {
			return at
		}
		return i
	}
	if len(p) == 0 {
		for i := range a {
			if w.elements && w.visit(a[i], true, outer(i)) {
				return true
			}
		}
		return w.visit(a, true, at)
	}
	if i, ok := Index(p[0]); ok && i < len(a) && w.value(a[i], p[1:], outer(i)) {
		return true
	}
	for i := range a {
		if d, ok := a[i].(bson.D); ok && w.document(d, p, outer(i)) {
			return true
		}
	}
	return false
}

// IndexValues gives the values that an index has for a path (null where there is none) and whether the path goes
// through an array. An empty array stands as Missing, which sorts below null.
func IndexValues(d bson.D, p Path) (vals []any, multi, found bool) {
	var collect func(v any, p Path)
	collect = func(v any, p Path) {
		switch x := v.(type) {
		case bson.A:
			multi = true
			if len(p) == 0 {
				found = true
				if len(x) == 0 {
					vals = append(vals, Missing{})
				}
				vals = append(vals, x...)
				return
			}
			if i, ok := Index(p[0]); ok && i < len(x) {
				collect(x[i], p[1:])
			}
			for _, e := range x {
				if sub, ok := e.(bson.D); ok {
					collect(sub, p)
				}
			}
		case bson.D:
			if len(p) == 0 {
				found = true
				vals = append(vals, x)
				return
			}
			if next, ok := Get(x, p[0]); ok {
				collect(next, p[1:])
			} else {
				vals = append(vals, nil)
			}
		default:
			if len(p) == 0 {
				found = true
				vals = append(vals, x)
			} else {
				vals = append(vals, nil)
			}
		}
	}
	collect(d, p)
	if len(vals) == 0 {
		vals = append(vals, nil)
	}
	return vals, multi, found
}
