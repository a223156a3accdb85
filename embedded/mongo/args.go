package mongo

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// args are the fields of a command or a statement. Each is read once by its name; what nobody has read is refused by
// finish. The first error is kept.
type args struct {
	of   string
	d    bson.D
	read []bool
	err  error
}

func newArgs(of string, d bson.D) *args { return &args{of: of, d: d, read: make([]bool, len(d))} }

// fail keeps the first error.
func (a *args) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

func (a *args) take(name string) (any, bool) {
	for i := range a.d {
		if a.d[i].Key == name {
			if a.read[i] {
				continue
			}
			a.read[i] = true
			return a.d[i].Value, true
		}
	}
	return nil, false
}

func (a *args) mismatch(name string, v any, want string) {
	a.fail(fault.New(fault.TypeMismatch, "BSON field '%s.%s' is the wrong type '%s', expected type '%s'", a.of, name, value.TypeName(v), want))
}

func (a *args) document(name string) bson.D {
	v, ok := a.take(name)
	if !ok || v == nil {
		return nil
	}
	d, ok := v.(bson.D)
	if !ok {
		a.mismatch(name, v, "object")
	}
	return d
}

func (a *args) array(name string) bson.A {
	v, ok := a.take(name)
	if !ok || v == nil {
		return nil
	}
	l, ok := v.(bson.A)
	if !ok {
		a.mismatch(name, v, "array")
	}
	return l
}

// documents reads a list of documents that must be there.
func (a *args) documents(name string) []bson.D {
	list := a.array(name)
	if list == nil {
		a.fail(fault.New(fault.MissingField, "BSON field '%s.%s' is missing but a required field", a.of, name))
	}
	out := make([]bson.D, 0, len(list))
	for _, v := range list {
		d, ok := v.(bson.D)
		if !ok {
			a.mismatch(name, v, "object")
		}
		out = append(out, d)
	}
	return out
}

func (a *args) text(name string) string {
	v, ok := a.take(name)
	if !ok || v == nil {
		return ""
	}
	s, ok := v.(string)
	if !ok {
		a.mismatch(name, v, "string")
	}
	return s
}

func (a *args) boolean(name string, otherwise bool) bool {
	v, ok := a.take(name)
	if !ok || v == nil {
		return otherwise
	}
	if _, isBool := v.(bool); !isBool && !value.IsNumber(v) {
		a.mismatch(name, v, "bool")
	}
	return value.Truth(v)
}

// number reads a whole number that is not negative.
func (a *args) number(name string, otherwise int64) int64 {
	v, ok := a.take(name)
	if !ok || v == nil {
		return otherwise
	}
	n, ok := value.Whole(v)
	if !ok {
		a.mismatch(name, v, "long")
	}
	if n < 0 {
		a.fail(fault.New(fault.Code(51024), "BSON field '%s' value must be >= 0, actual value '%d'", name, n))
	}
	return n
}

func (a *args) hint() *store.Hint {
	v, ok := a.take("hint")
	if !ok {
		return nil
	}
	switch x := v.(type) {
	case string:
		return &store.Hint{Name: x}
	case bson.D:
		if len(x) == 0 {
			return nil
		}
		return &store.Hint{Key: x}
	}
	a.fail(fault.New(fault.FailedToParse, "hint must be a string or an object"))
	return nil
}

// simple takes what has the same effect as its absence, and refuses every other value by name.
func (a *args) simple(names ...string) {
	for _, name := range names {
		v, ok := a.take(name)
		if !ok || v == nil || v == false {
			continue
		}
		d, isDoc := v.(bson.D)
		if isDoc && len(d) == 0 {
			continue
		}
		if name == "collation" && isDoc && len(d) == 1 && d[0].Key == "locale" && d[0].Value == "simple" {
			continue
		}
		a.fail(fault.Unsupported("the option " + name + " of " + a.of))
	}
}

// permitted takes options that allow the server something it does not need.
func (a *args) permitted(names ...string) {
	for _, name := range names {
		a.take(name)
	}
}

// finish gives the first error, or the refusal of a field that nobody has read.
func (a *args) finish() error {
	if a.err != nil {
		return a.err
	}
	if i := slices.Index(a.read, false); i >= 0 {
		for k := range a.d[:i] {
			if a.d[k].Key == a.d[i].Key {
				return fault.New(fault.Code(40413), "BSON field '%s.%s' is a duplicate field", a.of, a.d[i].Key)
			}
		}
		return fault.New(fault.UnknownField, "BSON field '%s.%s' is an unknown field.", a.of, a.d[i].Key)
	}
	return nil
}
