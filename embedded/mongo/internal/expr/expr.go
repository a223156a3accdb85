// Package expr compiles and runs MongoDB's aggregation expressions.
package expr

import (
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Expr calculates a value; value.Missing is the answer of a path that leads to nothing.
type Expr func(*Scope) (any, error)

// Scope is what an expression sees: the document, its variables and its metadata.
type Scope struct {
	root  bson.D
	vars  *binding
	score float64
	now   bson.DateTime
}

type binding struct {
	name  string
	value any
	next  *binding
}

// NewScope makes the scope of a document.
func NewScope(d bson.D) *Scope { return &Scope{root: d} }

// WithScore gives the scope the text score of its document, for {$meta: "textScore"}.
func (s *Scope) WithScore(score float64) *Scope {
	s.score = score
	return s
}

// At gives the scope the time that $$NOW stands for.
func (s *Scope) At(now time.Time) *Scope {
	s.now = bson.NewDateTimeFromTime(now)
	return s
}

func (s *Scope) with(name string, v any) *Scope {
	inner := *s
	inner.vars = &binding{name, v, s.vars}
	return &inner
}

// Compile reads an expression. What it does not know it refuses by name.
func Compile(v any) (Expr, error) { return compiler{}.compile(v) }

type compiler struct{ vars *binding }

func (c compiler) with(name string) compiler { return compiler{&binding{name: name, next: c.vars}} }

// Constant makes an expression that gives one value.
func Constant(v any) Expr { return func(*Scope) (any, error) { return v, nil } }

func (c compiler) compile(v any) (Expr, error) {
	switch x := v.(type) {
	case string:
		if strings.HasPrefix(x, "$") {
			return c.path(x)
		}
	case bson.D:
		if len(x) > 0 && strings.HasPrefix(x[0].Key, "$") {
			if len(x) != 1 {
				return nil, fault.New(fault.Code(15983), "an expression specification must contain exactly one field, the name of the expression. Found %d fields", len(x))
			}
			return c.operator(x[0].Key, x[0].Value)
		}
		return c.object(x)
	case bson.A:
		items, err := c.list(x)
		if err != nil {
			return nil, err
		}
		return func(s *Scope) (any, error) {
			out := make(bson.A, len(items))
			for i, e := range items {
				v, err := e(s)
				if err != nil {
					return nil, err
				}
				out[i] = present(v)
			}
			return out, nil
		}, nil
	}
	return Constant(v), nil
}

func (c compiler) list(a bson.A) ([]Expr, error) {
	out := make([]Expr, len(a))
	for i, x := range a {
		var err error
		if out[i], err = c.compile(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c compiler) object(d bson.D) (Expr, error) {
	fields := make([]Expr, len(d))
	for i, e := range d {
		if strings.HasPrefix(e.Key, "$") || strings.Contains(e.Key, ".") || e.Key == "" {
			return nil, fault.New(fault.Code(16412), "the field name %q is not allowed in an object expression", e.Key)
		}
		var err error
		if fields[i], err = c.compile(e.Value); err != nil {
			return nil, err
		}
	}
	return func(s *Scope) (any, error) {
		out := make(bson.D, 0, len(d))
		for i, f := range fields {
			v, err := f(s)
			if err != nil {
				return nil, err
			}
			if _, none := v.(value.Missing); !none {
				out = append(out, bson.E{Key: d[i].Key, Value: v})
			}
		}
		return out, nil
	}, nil
}

// path reads "$field.path" or "$$variable.path".
func (c compiler) path(s string) (Expr, error) {
	name, isVar := strings.CutPrefix(s, "$$")
	if !isVar {
		p := value.ParsePath(s[1:])
		for _, part := range p {
			if part == "" {
				return nil, fault.New(fault.Code(15998), "FieldPath field names may not be empty strings or end with a dot: %s", s)
			}
			if part[0] == '$' {
				return nil, fault.New(fault.Code(16410), "FieldPath field names may not start with '$': %s", s)
			}
		}
		return func(s *Scope) (any, error) { return Follow(s.root, p), nil }, nil
	}
	p := value.ParsePath(name)
	name, p = p[0], p[1:]
	var base Expr
	switch name {
	case "ROOT", "CURRENT":
		base = func(s *Scope) (any, error) { return s.root, nil }
	case "REMOVE":
		base = Constant(value.Missing{})
	case "NOW":
		base = func(s *Scope) (any, error) {
			if s.now == 0 {
				return bson.NewDateTimeFromTime(time.Now()), nil
			}
			return s.now, nil
		}
	case "CLUSTER_TIME", "USER_ROLES", "SEARCH_META":
		return nil, fault.Unsupported("the variable $$" + name)
	default:
		known := false
		for b := c.vars; b != nil && !known; b = b.next {
			known = b.name == name
		}
		if !known {
			return nil, fault.New(fault.Code(17276), "Use of undefined variable: %s", name)
		}
		base = func(s *Scope) (any, error) {
			for b := s.vars; b != nil; b = b.next {
				if b.name == name {
					return b.value, nil
				}
			}
			return value.Missing{}, nil
		}
	}
	if len(p) == 0 {
		return base, nil
	}
	return func(s *Scope) (any, error) {
		v, err := base(s)
		if err != nil {
			return nil, err
		}
		return Follow(v, p), nil
	}, nil
}

// Follow follows a path as an expression does: through arrays it gathers what their elements have.
func Follow(v any, p value.Path) any {
	if len(p) == 0 {
		return v
	}
	switch x := v.(type) {
	case bson.D:
		if next, ok := value.Get(x, p[0]); ok {
			return Follow(next, p[1:])
		}
	case bson.A:
		out := bson.A{}
		for _, e := range x {
			switch e.(type) {
			case bson.D, bson.A:
			default:
				continue
			}
			if got := Follow(e, p); got != (any)(value.Missing{}) {
				out = append(out, got)
			}
		}
		return out
	}
	return value.Missing{}
}

func present(v any) any {
	if _, none := v.(value.Missing); none {
		return nil
	}
	return v
}

// nullish tells whether v is null or missing.
func nullish(v any) bool {
	switch v.(type) {
	case nil, value.Missing:
		return true
	}
	return false
}

// function is an operator over evaluated arguments.
type function struct {
	least, most int // number of arguments; most -1 for any
	run         func(name string, a []any) (any, error)
}

// arguments compiles an operator's operand as a list: a lone operand is a list of one.
func (c compiler) arguments(v any) ([]Expr, error) {
	if a, ok := v.(bson.A); ok {
		return c.list(a)
	}
	e, err := c.compile(v)
	if err != nil {
		return nil, err
	}
	return []Expr{e}, nil
}

func (c compiler) operator(name string, v any) (Expr, error) {
	if special, ok := c.special(name); ok {
		return special(v)
	}
	f, ok := functions(name)
	if !ok {
		return nil, fault.New(fault.InvalidPipelineOperator, "Unrecognized expression '%s'", name)
	}
	args, err := c.arguments(v)
	if err != nil {
		return nil, err
	}
	if len(args) < f.least || f.most >= 0 && len(args) > f.most {
		if f.least == f.most {
			return nil, fault.New(fault.Code(16020), "Expression %s takes exactly %d arguments. %d were passed in.", name, f.least, len(args))
		}
		return nil, fault.New(fault.Code(28667), "Expression %s takes at least %d arguments, and at most %d, but %d were passed in.", name, f.least, f.most, len(args))
	}
	return func(s *Scope) (any, error) {
		vals := make([]any, len(args))
		for i, a := range args {
			var err error
			if vals[i], err = a(s); err != nil {
				return nil, err
			}
		}
		return f.run(name, vals)
	}, nil
}

func functions(name string) (function, bool) {
	for _, table := range []func(string) (function, bool){arithmetic, comparison, text, arrays, objects, conversions, dates} {
		if f, ok := table(name); ok {
			return f, true
		}
	}
	return function{}, false
}
