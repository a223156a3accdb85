package query

import (
	"math"
	"regexp"
	"slices"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// SchemaRules is a compiled $jsonSchema: MongoDB's dialect of JSON Schema draft 4
// (https://www.mongodb.com/docs/manual/reference/operator/query/jsonSchema/).
type SchemaRules struct {
	rules []schemaRule
}

type schemaRule struct {
	keyword string
	check   func(v any) bool
}

// Check gives the first keyword that a document breaks as an error, nil if it keeps them all.
func (s *SchemaRules) Check(d bson.D) error {
	for _, r := range s.rules {
		if !r.check(d) {
			return fault.New(fault.DocumentValidationFailure, "%s", r.keyword)
		}
	}
	return nil
}

func (s *SchemaRules) valid(v any) bool {
	for _, r := range s.rules {
		if !r.check(v) {
			return false
		}
	}
	return true
}

func (s *SchemaRules) add(keyword string, check func(v any) bool) {
	s.rules = append(s.rules, schemaRule{keyword, check})
}

// onlyFor makes a check that values of other types pass, as JSON Schema has it.
func onlyFor[T any](check func(T) bool) func(any) bool {
	return func(v any) bool {
		x, ok := v.(T)
		return !ok || check(x)
	}
}

// CompileSchema reads a $jsonSchema document.
func CompileSchema(d bson.D) (*SchemaRules, error) {
	s := &SchemaRules{}
	for _, e := range d {
		if err := s.keyword(e, d); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func schemaErr(format string, args ...any) error {
	return fault.New(fault.FailedToParse, "$jsonSchema "+format, args...)
}

func (s *SchemaRules) keyword(e bson.E, all bson.D) error {
	switch e.Key {
	case "title", "description":
		if _, ok := e.Value.(string); !ok {
			return fault.New(fault.TypeMismatch, "$jsonSchema keyword '%s' must be of type string", e.Key)
		}
		return nil
	case "bsonType", "type":
		return s.types(e)
	case "required":
		return s.required(e)
	case "properties", "patternProperties":
		return s.properties(e)
	case "additionalProperties":
		return s.additional(e, all)
	case "enum":
		a, ok := e.Value.(bson.A)
		if !ok || len(a) == 0 {
			return schemaErr("keyword 'enum' must be a non-empty array")
		}
		s.add("enum", func(v any) bool {
			return slices.ContainsFunc(a, func(x any) bool { return value.Equal(x, v) })
		})
		return nil
	case "minimum", "maximum":
		return s.bound(e, all)
	case "exclusiveMinimum", "exclusiveMaximum":
		if _, ok := e.Value.(bool); !ok {
			return fault.New(fault.TypeMismatch, "$jsonSchema keyword '%s' must be a boolean", e.Key)
		}
		if _, ok := value.Get(all, map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}[e.Key]); !ok {
			return schemaErr("keyword '%s' needs its bound beside it", e.Key)
		}
		return nil
	case "multipleOf":
		f, ok := value.Number(e.Value)
		if !ok || f <= 0 {
			return schemaErr("keyword 'multipleOf' must be a positive number")
		}
		s.add(e.Key, func(v any) bool {
			g, ok := value.Number(v)
			return !ok || math.Mod(g, f) == 0
		})
		return nil
	case "pattern":
		p, ok := e.Value.(string)
		if !ok {
			return fault.New(fault.TypeMismatch, "$jsonSchema keyword 'pattern' must be a string")
		}
		re, err := compileRegex(bson.Regex{Pattern: p})
		if err != nil {
			return err
		}
		s.add(e.Key, onlyFor(re.MatchString))
		return nil
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return s.count(e)
	case "items", "additionalItems":
		return s.items(e, all)
	case "uniqueItems":
		u, ok := e.Value.(bool)
		if !ok {
			return fault.New(fault.TypeMismatch, "$jsonSchema keyword 'uniqueItems' must be a boolean")
		}
		if u {
			s.add(e.Key, onlyFor(func(a bson.A) bool {
				seen := map[string]bool{}
				for _, x := range a {
					k := value.Key(x)
					if seen[k] {
						return false
					}
					seen[k] = true
				}
				return true
			}))
		}
		return nil
	case "allOf", "anyOf", "oneOf", "not":
		return s.combined(e)
	}
	return schemaErr("keyword '%s' is unknown or not supported", e.Key)
}

func (s *SchemaRules) types(e bson.E) error {
	list, ok := e.Value.(bson.A)
	if !ok {
		list = bson.A{e.Value}
	}
	var types []bson.Type
	for _, x := range list {
		name, ok := x.(string)
		if !ok {
			return fault.New(fault.TypeMismatch, "$jsonSchema keyword '%s' must be a string or an array of strings", e.Key)
		}
		if e.Key == "type" { // JSON's own names
			if name == "integer" {
				return schemaErr("type 'integer' is not currently supported.")
			}
			if name == "boolean" {
				name = "bool"
			} else if !slices.Contains([]string{"object", "array", "number", "string", "null"}, name) {
				return fault.New(fault.BadValue, "Unknown type name alias: %s", name)
			}
		}
		if name == "number" {
			types = append(types, bson.TypeDouble, bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128)
			continue
		}
		t, ok := value.TypeByName(name)
		if !ok {
			return fault.New(fault.BadValue, "Unknown type name alias: %s", name)
		}
		types = append(types, t)
	}
	s.add(e.Key, func(v any) bool { return slices.Contains(types, value.TypeOf(v)) })
	return nil
}

func (s *SchemaRules) required(e bson.E) error {
	a, ok := e.Value.(bson.A)
	if !ok || len(a) == 0 {
		return schemaErr("keyword 'required' must be a non-empty array")
	}
	var names []string
	for _, x := range a {
		name, ok := x.(string)
		if !ok {
			return fault.New(fault.TypeMismatch, "$jsonSchema keyword 'required' must be an array of strings")
		}
		names = append(names, name)
	}
	s.add(e.Key, onlyFor(func(d bson.D) bool {
		return !slices.ContainsFunc(names, func(n string) bool { _, ok := value.Get(d, n); return !ok })
	}))
	return nil
}

func (s *SchemaRules) properties(e bson.E) error {
	d, ok := e.Value.(bson.D)
	if !ok {
		return fault.New(fault.TypeMismatch, "$jsonSchema keyword '%s' must be an object", e.Key)
	}
	for _, p := range d {
		sub, err := subschema(e.Key, p.Value)
		if err != nil {
			return err
		}
		if e.Key == "properties" {
			s.add(e.Key+"."+p.Key, onlyFor(func(d bson.D) bool {
				v, ok := value.Get(d, p.Key)
				return !ok || sub.valid(v)
			}))
			continue
		}
		re, err := compileRegex(bson.Regex{Pattern: p.Key})
		if err != nil {
			return err
		}
		s.add(e.Key, onlyFor(func(d bson.D) bool {
			return !slices.ContainsFunc(d, func(f bson.E) bool { return re.MatchString(f.Key) && !sub.valid(f.Value) })
		}))
	}
	return nil
}

func subschema(keyword string, v any) (*SchemaRules, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, fault.New(fault.TypeMismatch, "$jsonSchema keyword '%s' must hold objects", keyword)
	}
	return CompileSchema(d)
}

func (s *SchemaRules) additional(e bson.E, all bson.D) error {
	sub := &SchemaRules{}
	allowed, isBool := e.Value.(bool)
	if !isBool {
		var err error
		if sub, err = subschema(e.Key, e.Value); err != nil {
			return err
		}
	} else if allowed {
		return nil
	}
	named := map[string]bool{}
	if p, ok := value.Get(all, "properties"); ok {
		if d, ok := p.(bson.D); ok {
			for _, f := range d {
				named[f.Key] = true
			}
		}
	}
	var patterns []*regexp.Regexp
	if p, ok := value.Get(all, "patternProperties"); ok {
		if d, ok := p.(bson.D); ok {
			for _, f := range d {
				re, err := compileRegex(bson.Regex{Pattern: f.Key})
				if err != nil {
					return err
				}
				patterns = append(patterns, re)
			}
		}
	}
	s.add(e.Key, onlyFor(func(d bson.D) bool {
		for _, f := range d {
			if named[f.Key] || slices.ContainsFunc(patterns, func(re *regexp.Regexp) bool { return re.MatchString(f.Key) }) {
				continue
			}
			if isBool || !sub.valid(f.Value) {
				return false
			}
		}
		return true
	}))
	return nil
}

func (s *SchemaRules) bound(e bson.E, all bson.D) error {
	if !value.IsNumber(e.Value) {
		return fault.New(fault.TypeMismatch, "$jsonSchema keyword '%s' must be a number", e.Key)
	}
	name, sign := "exclusiveMinimum", 1
	if e.Key == "maximum" {
		name, sign = "exclusiveMaximum", -1
	}
	v, _ := value.Get(all, name)
	exclusive := v == true
	s.add(e.Key, func(v any) bool {
		if !value.IsNumber(v) {
			return true
		}
		c := value.Compare(v, e.Value) * sign
		return c > 0 || c == 0 && !exclusive
	})
	return nil
}

func (s *SchemaRules) count(e bson.E) error {
	n, ok := value.Whole(e.Value)
	if !ok || n < 0 {
		return schemaErr("keyword '%s' must be a non-negative integer", e.Key)
	}
	least := e.Key[:3] == "min"
	fits := func(have int) bool {
		if least {
			return int64(have) >= n
		}
		return int64(have) <= n
	}
	switch e.Key[3:] {
	case "Length":
		s.add(e.Key, onlyFor(func(t string) bool { return fits(utf8.RuneCountInString(t)) }))
	case "Items":
		s.add(e.Key, onlyFor(func(a bson.A) bool { return fits(len(a)) }))
	default:
		s.add(e.Key, onlyFor(func(d bson.D) bool { return fits(len(d)) }))
	}
	return nil
}

func (s *SchemaRules) items(e bson.E, all bson.D) error {
	if list, ok := e.Value.(bson.A); ok && e.Key == "items" {
		for i, x := range list {
			sub, err := subschema(e.Key, x)
			if err != nil {
				return err
			}
			s.add(e.Key, onlyFor(func(a bson.A) bool { return i >= len(a) || sub.valid(a[i]) }))
		}
		return nil
	}
	start := 0
	sub := &SchemaRules{}
	refuse := false
	if e.Key == "additionalItems" {
		v, _ := value.Get(all, "items")
		list, ok := v.(bson.A)
		if !ok {
			return nil
		}
		start = len(list)
		if b, ok := e.Value.(bool); ok {
			if b {
				return nil
			}
			refuse = true
		}
	}
	if !refuse {
		var err error
		if sub, err = subschema(e.Key, e.Value); err != nil {
			return err
		}
	}
	s.add(e.Key, onlyFor(func(a bson.A) bool {
		for i := start; i < len(a); i++ {
			if refuse || !sub.valid(a[i]) {
				return false
			}
		}
		return true
	}))
	return nil
}

func (s *SchemaRules) combined(e bson.E) error {
	if e.Key == "not" {
		sub, err := subschema(e.Key, e.Value)
		if err != nil {
			return err
		}
		s.add(e.Key, func(v any) bool { return !sub.valid(v) })
		return nil
	}
	a, ok := e.Value.(bson.A)
	if !ok || len(a) == 0 {
		return schemaErr("keyword '%s' must be a non-empty array", e.Key)
	}
	var subs []*SchemaRules
	for _, x := range a {
		sub, err := subschema(e.Key, x)
		if err != nil {
			return err
		}
		subs = append(subs, sub)
	}
	s.add(e.Key, func(v any) bool {
		n := 0
		for _, sub := range subs {
			if sub.valid(v) {
				n++
			}
		}
		switch e.Key {
		case "allOf":
			return n == len(subs)
		case "anyOf":
			return n > 0
		}
		return n == 1
	})
	return nil
}

// Broken names the keyword of the filter's $jsonSchema that a document breaks.
func (f *Filter) Broken(d bson.D) string {
	nodes := []*Node{f.Root}
	if f.Root.Kind == And {
		nodes = f.Root.Children
	}
	for _, n := range nodes {
		if n.Kind == Schema {
			if err := n.schema.Check(d); err != nil {
				return err.Error()
			}
		}
	}
	return "expression did not match"
}
