package update

import (
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// walk follows a step's path and makes new versions of the documents and arrays on the way.
type walk struct {
	u        *Update
	s        step
	position int
	done     value.Path
}

func (w walk) into(part string) walk {
	w.done = append(slices.Clip(w.done), part)
	return w
}

func (w walk) set(at any, p value.Path) (any, error) {
	part := p[0]
	if part == "$" {
		if w.position < 0 {
			return nil, fault.New(fault.BadValue, "The positional operator did not find the match needed from the query.")
		}
		part = strconv.Itoa(w.position)
	}
	switch x := at.(type) {
	case bson.D:
		if strings.HasPrefix(part, "$[") {
			return nil, fault.New(fault.BadValue, "Cannot apply array updates to non-array element at path '%s'", w.done)
		}
		return w.document(x, part, p[1:])
	case bson.A:
		if strings.HasPrefix(part, "$[") {
			return w.elements(x, part, p[1:])
		}
		return w.array(x, part, p[1:])
	}
	if strings.HasPrefix(part, "$[") {
		return nil, fault.New(fault.BadValue, "Cannot apply array updates to non-array element at path '%s'", w.done)
	}
	return nil, w.notViable(part)
}

func (w walk) notViable(part string) error {
	return fault.New(fault.PathNotViable, "Cannot create field '%s' in element {%s}", part, w.done)
}

// removes tells whether the step does nothing where its path leads to nothing.
func (w walk) removes() bool {
	switch w.s.op {
	case "$unset", "$pull", "$pullAll", "$pop":
		return true
	}
	return false
}

func (w walk) document(d bson.D, part string, rest value.Path) (any, error) {
	for i := range d {
		if d[i].Key != part {
			continue
		}
		if len(rest) > 0 {
			v, err := w.inner(d[i].Value, part, rest)
			if err != nil {
				return nil, err
			}
			out := slices.Clone(d)
			out[i].Value = v
			return out, nil
		}
		v, keep, err := w.s.change(d[i].Value, true)
		if err != nil {
			return nil, err
		}
		out := slices.Clone(d)
		if !keep {
			return slices.Delete(out, i, i+1), nil
		}
		out[i].Value = v
		return out, nil
	}
	if w.removes() {
		return d, nil
	}
	v, keep, err := w.create(part, rest)
	if err != nil || !keep {
		return d, err
	}
	return append(slices.Clip(d), bson.E{Key: part, Value: v}), nil
}

// inner goes on below a value; what removes does not mind a path that leads nowhere.
func (w walk) inner(v any, part string, rest value.Path) (any, error) {
	if w.removes() {
		switch v.(type) {
		case bson.D, bson.A:
		default:
			return v, nil
		}
	}
	return w.into(part).set(v, rest)
}

// create makes what is missing on a path.
func (w walk) create(part string, rest value.Path) (any, bool, error) {
	if len(rest) == 0 {
		return w.s.change(nil, false)
	}
	if strings.HasPrefix(rest[0], "$") {
		return nil, false, fault.New(fault.BadValue, "The path '%s' must exist in the document in order to apply array updates.", w.into(part).done)
	}
	v, err := w.into(part).document(bson.D{}, rest[0], rest[1:])
	return v, true, err
}

// maxPadding bounds the nulls that a position beyond an array's end makes, as in MongoDB.
const maxPadding = 1_500_000

func (w walk) array(a bson.A, part string, rest value.Path) (any, error) {
	i, ok := value.Index(part)
	if !ok {
		if w.removes() {
			return a, nil
		}
		return nil, w.notViable(part)
	}
	if i >= len(a) {
		if w.removes() {
			return a, nil
		}
		if i-len(a) > maxPadding {
			return nil, fault.New(fault.CannotCreateIndex, "can't backfill more than %d elements", maxPadding)
		}
		v, keep, err := w.create(part, rest)
		if err != nil || !keep {
			return a, err
		}
		out := slices.Clone(a)
		for len(out) < i {
			out = append(out, nil)
		}
		return append(out, v), nil
	}
	out := slices.Clone(a)
	var err error
	if len(rest) > 0 {
		out[i], err = w.inner(a[i], part, rest)
		return out, err
	}
	v, keep, err := w.s.change(a[i], true)
	if !keep {
		v = nil // unsetting an element leaves null, so that the others keep their places
	}
	out[i] = v
	return out, err
}

// elements goes through all elements, or those that an array filter selects.
func (w walk) elements(a bson.A, part string, rest value.Path) (any, error) {
	var filter *query.Filter
	name := part[2 : len(part)-1]
	if name != "" {
		filter = w.u.filters[name]
	}
	out := slices.Clone(a)
	for i := range a {
		if filter != nil {
			ok, err := filter.Match(bson.D{{Key: name, Value: a[i]}})
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		var err error
		if len(rest) > 0 {
			if out[i], err = w.inner(a[i], strconv.Itoa(i), rest); err != nil {
				return nil, err
			}
			continue
		}
		v, keep, err := w.s.change(a[i], true)
		if err != nil {
			return nil, err
		}
		if !keep {
			v = nil
		}
		out[i] = v
	}
	return out, nil
}
