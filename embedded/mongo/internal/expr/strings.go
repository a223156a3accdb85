package expr

import (
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

func text(name string) (function, bool) {
	switch name {
	case "$concat":
		return function{0, -1, func(name string, a []any) (any, error) {
			var b strings.Builder
			for _, v := range a {
				if nullish(v) {
					return nil, nil
				}
				s, ok := v.(string)
				if !ok {
					return nil, fault.New(fault.Code(16702), "$concat only supports strings, not %s", value.TypeName(v))
				}
				if b.Len()+len(s) > value.MaxDocument {
					return nil, fault.New(fault.ExceededMemoryLimit, "$concat makes a string of more than %d bytes", value.MaxDocument)
				}
				b.WriteString(s)
			}
			return b.String(), nil
		}}, true
	case "$toLower", "$toUpper":
		return function{1, 1, func(name string, a []any) (any, error) {
			s, err := coerce(name, a[0])
			if name == "$toLower" {
				return strings.ToLower(s), err
			}
			return strings.ToUpper(s), err
		}}, true
	case "$strLenCP", "$strLenBytes":
		return function{1, 1, func(name string, a []any) (any, error) {
			s, ok := a[0].(string)
			if !ok {
				return nil, fault.New(fault.Code(34471), "%s requires a string argument, found: %s", name, value.TypeName(a[0]))
			}
			if name == "$strLenCP" {
				return int32(utf8.RuneCountInString(s)), nil
			}
			return int32(len(s)), nil
		}}, true
	case "$substr", "$substrBytes", "$substrCP":
		return function{3, 3, substring}, true
	case "$split":
		return function{2, 2, func(_ string, a []any) (any, error) {
			if nullish(a[0]) || nullish(a[1]) {
				return nil, nil
			}
			s, ok := a[0].(string)
			sep, ok2 := a[1].(string)
			if !ok || !ok2 {
				return nil, fault.New(fault.Code(40085), "$split requires expressions that evaluate to strings")
			}
			if sep == "" {
				return nil, fault.New(fault.Code(40087), "$split requires a non-empty separator")
			}
			out := bson.A{}
			for _, part := range strings.Split(s, sep) {
				out = append(out, part)
			}
			return out, nil
		}}, true
	case "$indexOfCP", "$indexOfBytes":
		return function{2, 2, func(name string, a []any) (any, error) {
			if nullish(a[0]) {
				return nil, nil
			}
			s, ok := a[0].(string)
			sub, ok2 := a[1].(string)
			if !ok || !ok2 {
				return nil, fault.New(fault.Code(40091), "%s requires strings", name)
			}
			i := strings.Index(s, sub)
			if i > 0 && name == "$indexOfCP" {
				i = utf8.RuneCountInString(s[:i])
			}
			return int32(i), nil
		}}, true
	case "$strcasecmp":
		return function{2, 2, func(name string, a []any) (any, error) {
			x, err := coerce(name, a[0])
			if err != nil {
				return nil, err
			}
			y, err := coerce(name, a[1])
			return int32(strings.Compare(strings.ToUpper(x), strings.ToUpper(y))), err
		}}, true
	}
	return function{}, false
}

// coerce gives a value as a string in the way of the older string operators: null is empty.
func coerce(name string, v any) (string, error) {
	if nullish(v) {
		return "", nil
	}
	s, err := toString(v)
	if err != nil {
		return "", fault.New(fault.Code(16007), "%s can't convert from BSON type %s to String", name, value.TypeName(v))
	}
	return s, nil
}

func substring(name string, a []any) (any, error) {
	s, err := coerce(name, a[0])
	if err != nil {
		return nil, err
	}
	from, ok := value.Whole(a[1])
	n, ok2 := value.Whole(a[2])
	if !ok || !ok2 {
		return nil, fault.New(fault.Code(16034), "%s: starting index and length must be numbers", name)
	}
	if name == "$substrCP" {
		if from < 0 || n < 0 {
			return nil, fault.New(fault.Code(34455), "$substrCP: starting index and length must not be negative")
		}
		r := []rune(s)
		from = min(from, int64(len(r)))
		return string(r[from : from+min(n, int64(len(r))-from)]), nil
	}
	if from < 0 || from >= int64(len(s)) {
		return "", nil
	}
	if n < 0 {
		n = int64(len(s))
	}
	s = s[from : from+min(n, int64(len(s))-from)]
	if !utf8.ValidString(s) {
		return nil, fault.New(fault.Code(28656), "%s: Invalid range, it cuts a character apart", name)
	}
	return s, nil
}
