// Package update applies MongoDB's updates to documents: operators, replacements and pipelines.
package update

import (
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/aggregate"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Update is a compiled update.
type Update struct {
	replacement bson.D // when the update is a whole document
	pipeline    aggregate.Pipeline
	steps       []step
	renames     []rename
	filters     map[string]*query.Filter
	now         time.Time
}

// step sets one path by one operator.
type step struct {
	op     string
	path   value.Path
	change change
	insert bool // only when a document is inserted
	skip   bool // there to find conflicts only
}

type rename struct{ from, to value.Path }

// change gives a field's new value; keep false removes the field, and has tells whether there was one.
type change func(old any, has bool) (v any, keep bool, err error)

// Compile reads an update: a document of operators, a replacement, or a pipeline. What it does not know it refuses by
// name. now is what $currentDate and $$NOW give.
func Compile(u any, arrayFilters bson.A, now time.Time) (*Update, error) {
	out := &Update{now: now}
	if a, ok := u.(bson.A); ok {
		if arrayFilters != nil {
			return nil, fault.New(fault.FailedToParse, "arrayFilters may not be specified for pipeline-style updates")
		}
		var err error
		out.pipeline, err = aggregate.CompileUpdate(a)
		if out.pipeline == nil {
			out.pipeline = aggregate.Pipeline{}
		}
		return out, err
	}
	d, ok := u.(bson.D)
	if !ok {
		return nil, fault.New(fault.FailedToParse, "Update argument must be either an object or an array")
	}
	if len(d) == 0 || !strings.HasPrefix(d[0].Key, "$") {
		if arrayFilters != nil {
			return nil, fault.New(fault.FailedToParse, "arrayFilters may not be specified for replacement-style updates")
		}
		for _, e := range d {
			if strings.HasPrefix(e.Key, "$") {
				return nil, fault.New(fault.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' is not valid for storage.", e.Key)
			}
		}
		out.replacement = append(bson.D{}, d...)
		return out, nil
	}
	if err := out.arrayFilters(arrayFilters); err != nil {
		return nil, err
	}
	for _, op := range d {
		if err := out.operator(op); err != nil {
			return nil, err
		}
	}
	if err := out.check(); err != nil {
		return nil, err
	}
	return out, nil
}

// IsReplacement tells whether the update is a whole document.
func (u *Update) IsReplacement() bool { return u.replacement != nil }

// IsOperators tells whether the update is made of operators or stages, which multi-document updates need.
func (u *Update) IsOperators() bool { return u.replacement == nil }

func (u *Update) arrayFilters(a bson.A) error {
	u.filters = map[string]*query.Filter{}
	for _, x := range a {
		d, ok := x.(bson.D)
		if !ok {
			return fault.New(fault.TypeMismatch, "arrayFilters must hold objects")
		}
		name, err := filterName(d)
		if err != nil {
			return err
		}
		if u.filters[name] != nil {
			return fault.New(fault.FailedToParse, "Found multiple array filters with the same top-level field name %s", name)
		}
		// The filter is matched against a document that has the element by the identifier's name.
		f, err := query.Compile(d)
		if err != nil {
			return err
		}
		u.filters[name] = f
	}
	return nil
}

func filterName(d bson.D) (string, error) {
	name := ""
	take := func(n string) error {
		if name != "" && n != name {
			return fault.New(fault.FailedToParse, "Error parsing array filter :: caused by :: Expected a single top-level field name, found '%s' and '%s'", name, n)
		}
		name = n
		return nil
	}
	for _, e := range d {
		if list, ok := e.Value.(bson.A); ok && strings.HasPrefix(e.Key, "$") {
			for _, x := range list {
				sub, _ := x.(bson.D)
				n, err := filterName(sub)
				if err != nil {
					return "", err
				}
				if err := take(n); err != nil {
					return "", err
				}
			}
			continue
		}
		n, _, _ := strings.Cut(e.Key, ".")
		if err := take(n); err != nil {
			return "", err
		}
	}
	if name == "" || name[0] < 'a' || name[0] > 'z' {
		return "", fault.New(fault.BadValue, "Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '%s'", name)
	}
	return name, nil
}

// check refuses updates that set one path twice or use a filter that is not there, and puts the steps in order.
func (u *Update) check() error {
	used := map[string]bool{}
	for i, s := range u.steps {
		for k, part := range s.path {
			switch {
			case part == "" && len(s.path) > 1:
				return fault.New(fault.Code(56), "The update path '%s' contains an empty field name, which is not allowed.", s.path)
			case part == "$" || part == "$[]":
				if k == 0 {
					return fault.New(fault.BadValue, "Cannot have positional (i.e. '%s') element in the first position in path '%s'", part, s.path)
				}
			case strings.HasPrefix(part, "$[") && strings.HasSuffix(part, "]"):
				name := part[2 : len(part)-1]
				if u.filters[name] == nil {
					return fault.New(fault.BadValue, "No array filter found for identifier '%s' in path '%s'", name, s.path)
				}
				used[name] = true
			case strings.HasPrefix(part, "$"):
				return fault.New(fault.DollarPrefixedFieldName, "The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's path.", part, s.path)
			}
		}
		for _, other := range u.steps[:i] {
			n := min(len(s.path), len(other.path))
			if slices.Equal(s.path[:n], other.path[:n]) {
				return fault.New(fault.ConflictingUpdateOperators, "Updating the path '%s' would create a conflict at '%s'", s.path, s.path[:n])
			}
		}
	}
	for name := range u.filters {
		if !used[name] {
			return fault.New(fault.FailedToParse, "The array filter for identifier '%s' was not used in the update", name)
		}
	}
	slices.SortStableFunc(u.steps, func(a, b step) int { return comparePaths(a.path, b.path) })
	return nil
}

// comparePaths orders paths by their parts, positions as numbers: the order in which new fields appear.
func comparePaths(a, b value.Path) int {
	for i := range min(len(a), len(b)) {
		x, xok := value.Index(a[i])
		y, yok := value.Index(b[i])
		if xok && yok && x != y {
			return x - y
		}
		if c := strings.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// Apply gives the document as the update makes it; the one given is not changed. position is what "$" stands for, -1 for
// nothing. A replacement keeps the document's _id.
func (u *Update) Apply(d bson.D, position int) (bson.D, error) { return u.apply(d, position, false) }

func (u *Update) apply(d bson.D, position int, insert bool) (bson.D, error) {
	switch {
	case u.pipeline != nil:
		out, err := u.pipeline.Apply(d, u.now)
		return withID(out, d), err
	case u.replacement != nil:
		return withID(u.replacement, d), nil
	}
	var out any = d
	for _, s := range u.steps {
		if s.skip || s.insert && !insert {
			continue
		}
		w := walk{u: u, s: s, position: position}
		var err error
		if out, err = w.set(out, s.path); err != nil {
			return nil, err
		}
	}
	return u.applyRenames(out.(bson.D))
}

// withID gives a document the _id of another if it has none.
func withID(d, from bson.D) bson.D {
	id, has := value.Get(from, "_id")
	if _, own := value.Get(d, "_id"); own || !has {
		return d
	}
	return append(bson.D{{Key: "_id", Value: id}}, d...)
}

// Upsert makes the document that an update inserts when nothing matched its filter: what the filter holds equal, and the
// update applied to it.
func (u *Update) Upsert(filter bson.D) (bson.D, error) {
	base := bson.D{}
	if u.replacement == nil {
		var err error
		if base, err = equalities(base, filter); err != nil {
			return nil, err
		}
	} else if id, ok := equalTo(filter, "_id"); ok {
		base = bson.D{{Key: "_id", Value: id}}
	}
	was, had := value.Get(base, "_id")
	out, err := u.apply(base, -1, true)
	if err != nil {
		return nil, err
	}
	is, has := value.Get(out, "_id")
	if had && (!has || !value.Equal(was, is)) {
		return nil, fault.New(fault.ImmutableField, "the (immutable) field '_id' was found to have been altered by the update")
	}
	if !has {
		out = append(bson.D{{Key: "_id", Value: bson.NewObjectID()}}, out...)
	}
	return out, nil
}

func equalTo(filter bson.D, name string) (any, bool) {
	for _, e := range filter {
		if e.Key == "$and" {
			list, _ := e.Value.(bson.A)
			for _, x := range list {
				sub, _ := x.(bson.D)
				if v, ok := equalTo(sub, name); ok {
					return v, true
				}
			}
		}
		if e.Key == name {
			return equalityOf(e.Value)
		}
	}
	return nil, false
}

// equalityOf gives the value that a condition holds a field to.
func equalityOf(cond any) (any, bool) {
	switch x := cond.(type) {
	case bson.Regex:
		return nil, false
	case bson.D:
		if len(x) == 0 || !strings.HasPrefix(x[0].Key, "$") {
			return cond, true
		}
		for _, e := range x {
			switch e.Key {
			case "$eq":
				return e.Value, true
			case "$in", "$all":
				if list, ok := e.Value.(bson.A); ok && len(list) == 1 {
					if _, isRegex := list[0].(bson.Regex); !isRegex {
						if d, isDoc := list[0].(bson.D); !isDoc || len(d) == 0 || !strings.HasPrefix(d[0].Key, "$") {
							return list[0], true
						}
					}
				}
			}
		}
		return nil, false
	}
	return cond, true
}

func equalities(out bson.D, filter bson.D) (bson.D, error) {
	for _, e := range filter {
		if e.Key == "$and" || e.Key == "$or" {
			list, _ := e.Value.(bson.A)
			if e.Key == "$or" && len(list) != 1 {
				continue
			}
			for _, x := range list {
				sub, _ := x.(bson.D)
				var err error
				if out, err = equalities(out, sub); err != nil {
					return nil, err
				}
			}
			continue
		}
		if strings.HasPrefix(e.Key, "$") {
			continue
		}
		v, ok := equalityOf(e.Value)
		if !ok {
			continue
		}
		w := walk{s: step{path: value.ParsePath(e.Key), change: func(any, bool) (any, bool, error) { return v, true, nil }}, position: -1}
		next, err := w.set(out, w.s.path)
		if err != nil {
			return nil, err
		}
		out = next.(bson.D)
	}
	return out, nil
}
