package query

import (
	"math"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Compile reads a filter. What it does not know it refuses by name.
func Compile(d bson.D) (*Filter, error) {
	c := compiler{}
	root, err := c.document(d, true)
	if err != nil {
		return nil, err
	}
	return &Filter{Root: root, Text: c.text}, nil
}

// CompileValue reads a condition on a value by itself, as $pull and array filters have: a document of operators, or
// a value to be equal to.
func CompileValue(cond any) (*Filter, error) {
	c := compiler{}
	root, err := c.field(nil, cond)
	if err != nil {
		return nil, err
	}
	return &Filter{Root: root}, nil
}

type compiler struct {
	text *TextSearch
}

func bad(format string, args ...any) error { return fault.New(fault.BadValue, format, args...) }

func (c *compiler) document(d bson.D, top bool) (*Node, error) {
	out := &Node{Kind: And}
	for _, e := range d {
		n, err := c.clause(e, top)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out.Children = append(out.Children, n)
		}
	}
	if len(out.Children) == 1 {
		return out.Children[0], nil
	}
	return out, nil
}

func (c *compiler) clause(e bson.E, top bool) (*Node, error) {
	if !strings.HasPrefix(e.Key, "$") {
		return c.field(value.ParsePath(e.Key), e.Value)
	}
	switch e.Key {
	case "$and", "$or", "$nor":
		a, ok := e.Value.(bson.A)
		if !ok {
			return nil, bad("%s must be an array", e.Key)
		}
		if len(a) == 0 {
			return nil, bad("%s argument must be a non-empty array", e.Key)
		}
		n := &Node{Kind: map[string]Kind{"$and": And, "$or": Or, "$nor": Nor}[e.Key]}
		for _, x := range a {
			d, ok := x.(bson.D)
			if !ok {
				return nil, bad("%s argument's entries must be objects", e.Key)
			}
			sub, err := c.document(d, top && e.Key == "$and")
			if err != nil {
				return nil, err
			}
			n.Children = append(n.Children, sub)
		}
		return n, nil
	case "$comment":
		return nil, nil
	case "$expr":
		x, err := expr.Compile(e.Value)
		if err != nil {
			return nil, err
		}
		return &Node{Kind: Expr, expr: x}, nil
	case "$jsonSchema":
		d, ok := e.Value.(bson.D)
		if !ok {
			return nil, fault.New(fault.TypeMismatch, "$jsonSchema must be an object")
		}
		s, err := CompileSchema(d)
		if err != nil {
			return nil, err
		}
		return &Node{Kind: Schema, schema: s}, nil
	case "$text":
		if !top {
			return nil, fault.Unsupported("$text below $or, $nor or $elemMatch")
		}
		return c.textSearch(e.Value)
	case "$where", "$alwaysTrue", "$alwaysFalse", "$sampleRate", "$rand":
		return nil, fault.Unsupported("the query operator " + e.Key)
	}
	return nil, bad("unknown top level operator: %s. If you have a field name that starts with a '$' symbol, consider using $getField or $setField.", e.Key)
}

func (c *compiler) textSearch(v any) (*Node, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, bad("$text expects an object")
	}
	if c.text != nil {
		return nil, bad("Too many text expressions")
	}
	t := &TextSearch{}
	for _, e := range d {
		switch e.Key {
		case "$search", "$language":
			s, ok := e.Value.(string)
			if !ok {
				return nil, fault.New(fault.TypeMismatch, "%q had the wrong type. Expected string, found %s", e.Key, value.TypeName(e.Value))
			}
			if e.Key == "$search" {
				t.Search = s
			} else {
				t.Language = s
			}
		case "$caseSensitive", "$diacriticSensitive":
			if value.Truth(e.Value) {
				return nil, fault.Unsupported("the $text option " + e.Key + ": true")
			}
		default:
			return nil, bad("extra fields in $text: %s", e.Key)
		}
	}
	if _, ok := value.Get(d, "$search"); !ok {
		return nil, fault.New(fault.FailedToParse, "$text needs a $search string")
	}
	c.text = t
	return &Node{Kind: Text}, nil
}

func isOperators(v any) (bson.D, bool) {
	d, ok := v.(bson.D)
	if !ok || len(d) == 0 || !strings.HasPrefix(d[0].Key, "$") {
		return nil, false
	}
	switch d[0].Key {
	case "$ref", "$id", "$db":
		return nil, false
	}
	return d, true
}

// field reads the condition on a path.
func (c *compiler) field(p value.Path, cond any) (*Node, error) {
	ops, ok := isOperators(cond)
	if !ok {
		if re, ok := cond.(bson.Regex); ok {
			return regexNode(p, re)
		}
		return &Node{Kind: Leaf, Path: p, Op: Eq, Value: cond}, nil
	}
	out := &Node{Kind: And}
	for _, e := range ops {
		n, err := c.operator(p, e, ops)
		if err != nil {
			return nil, err
		}
		if n != nil {
			out.Children = append(out.Children, n)
		}
	}
	if len(out.Children) == 1 {
		return out.Children[0], nil
	}
	return out, nil
}

func not(n *Node) *Node { return &Node{Kind: Not, Children: []*Node{n}} }

func (c *compiler) operator(p value.Path, e bson.E, all bson.D) (*Node, error) {
	leaf := func(op Op) *Node { return &Node{Kind: Leaf, Path: p, Op: op, Value: e.Value} }
	switch e.Key {
	case "$eq":
		return leaf(Eq), nil
	case "$ne":
		if _, ok := e.Value.(bson.Regex); ok {
			return nil, bad("Can't have regex as arg to $ne.")
		}
		return not(leaf(Eq)), nil
	case "$gt", "$gte", "$lt", "$lte":
		if _, ok := e.Value.(bson.Regex); ok {
			return nil, bad("Can't have RegEx as arg to predicate over field '%s'.", p)
		}
		return leaf(map[string]Op{"$gt": Gt, "$gte": Gte, "$lt": Lt, "$lte": Lte}[e.Key]), nil
	case "$in", "$nin":
		n, err := inNode(p, e)
		if err == nil && e.Key == "$nin" {
			n = not(n)
		}
		return n, err
	case "$exists":
		n := leaf(Exists)
		n.Value = value.Truth(e.Value)
		return n, nil
	case "$type":
		return typeNode(leaf(Type))
	case "$mod":
		return modNode(leaf(Mod))
	case "$size":
		n := leaf(Size)
		i, ok := value.Whole(e.Value)
		if !ok {
			return nil, bad("Failed to parse $size. Expected an integer in: $size: %v", e.Value)
		}
		if i < 0 {
			return nil, bad("Failed to parse $size. Expected a non-negative number in: $size: %d", i)
		}
		n.numbers[0] = i
		return n, nil
	case "$regex":
		return c.regex(p, e.Value, all)
	case "$options":
		if _, ok := value.Get(all, "$regex"); !ok {
			return nil, bad("$options needs a $regex")
		}
		return nil, nil
	case "$not":
		return c.negated(p, e.Value)
	case "$all":
		return c.all(p, e.Value)
	case "$elemMatch":
		return c.elemMatch(p, e.Value)
	case "$comment":
		return nil, nil
	case "$bitsAllSet", "$bitsAnySet", "$bitsAllClear", "$bitsAnyClear", "$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$within", "$where":
		return nil, fault.Unsupported("the query operator " + e.Key)
	}
	return nil, bad("unknown operator: %s", e.Key)
}

func inNode(p value.Path, e bson.E) (*Node, error) {
	a, ok := e.Value.(bson.A)
	if !ok {
		return nil, bad("%s needs an array", e.Key)
	}
	n := &Node{Kind: Leaf, Path: p, Op: In, Value: a, keys: make(map[string]struct{}, len(a))}
	for _, x := range a {
		if re, ok := x.(bson.Regex); ok {
			compiled, err := compileRegex(re)
			if err != nil {
				return nil, err
			}
			n.regexes = append(n.regexes, compiled)
			continue
		}
		if d, ok := isOperators(x); ok {
			return nil, bad("cannot nest $ under %s: %s", e.Key, d[0].Key)
		}
		n.keys[value.Key(x)] = struct{}{}
		n.In = append(n.In, x)
	}
	return n, nil
}

func typeNode(n *Node) (*Node, error) {
	list, ok := n.Value.(bson.A)
	if !ok {
		list = bson.A{n.Value}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.FailedToParse, "$type must match at least one type")
	}
	for _, x := range list {
		if s, ok := x.(string); ok {
			if s == "number" {
				n.types = append(n.types, bson.TypeDouble, bson.TypeInt32, bson.TypeInt64, bson.TypeDecimal128)
				continue
			}
			t, ok := value.TypeByName(s)
			if !ok {
				return nil, bad("Unknown type name alias: %s", s)
			}
			n.types = append(n.types, t)
			continue
		}
		i, ok := value.Whole(x)
		if !ok {
			return nil, fault.New(fault.TypeMismatch, "type must be represented as a number or a string")
		}
		t := bson.Type(i)
		if i == -1 {
			t = bson.TypeMinKey
		}
		if i < -1 || i > 255 || !value.KnownType(t) {
			return nil, bad("Invalid numerical type code: %d", i)
		}
		n.types = append(n.types, t)
	}
	return n, nil
}

func modNode(n *Node) (*Node, error) {
	a, ok := n.Value.(bson.A)
	if !ok || len(a) != 2 {
		return nil, bad("malformed mod, needs to be an array of two numbers")
	}
	for i := range a {
		v, ok := truncated(a[i])
		if !ok {
			return nil, bad("malformed mod, divisor and remainder must be numbers")
		}
		n.numbers[i] = v
	}
	if n.numbers[0] == 0 {
		return nil, bad("divisor cannot be 0")
	}
	return n, nil
}

func (c *compiler) regex(p value.Path, v any, all bson.D) (*Node, error) {
	re := bson.Regex{}
	switch x := v.(type) {
	case string:
		re.Pattern = x
	case bson.Regex:
		re = x
	default:
		return nil, bad("$regex has to be a string")
	}
	if o, ok := value.Get(all, "$options"); ok {
		s, isString := o.(string)
		if !isString {
			return nil, bad("$options has to be a string")
		}
		if re.Options != "" && s != "" {
			return nil, fault.New(fault.Code(51075), "options set in both $regex and $options")
		}
		re.Options += s
	}
	return regexNode(p, re)
}

func regexNode(p value.Path, re bson.Regex) (*Node, error) {
	compiled, err := compileRegex(re)
	if err != nil {
		return nil, err
	}
	return &Node{Kind: Leaf, Path: p, Op: Regex, Value: re, regexes: []*regexp.Regexp{compiled}}, nil
}

// maxRegex is the greatest length of a regular expression in bytes, as in MongoDB.
const maxRegex = 32764

func compileRegex(re bson.Regex) (*regexp.Regexp, error) {
	if len(re.Pattern) > maxRegex {
		return nil, fault.New(fault.Code(51091), "Regular expression is too long")
	}
	flags := ""
	for _, o := range re.Options {
		switch o {
		case 'i', 'm', 's':
			flags += string(o)
		case 'u':
		case 'x':
			return nil, fault.Unsupported("the regular expression option x")
		default:
			return nil, fault.New(fault.Code(51108), "invalid flag in regex options: %c", o)
		}
	}
	p := re.Pattern
	if flags != "" {
		p = "(?" + flags + ")" + p
	}
	out, err := regexp.Compile(p)
	if err != nil {
		what := "Regular expression is invalid"
		if e, ok := err.(*syntax.Error); ok {
			what += ": " + e.Code.String()
		}
		return nil, fault.New(fault.Code(51091), "%s", what)
	}
	return out, nil
}

func (c *compiler) negated(p value.Path, v any) (*Node, error) {
	if re, ok := v.(bson.Regex); ok {
		n, err := regexNode(p, re)
		if err != nil {
			return nil, err
		}
		return not(n), nil
	}
	d, ok := isOperators(v)
	if !ok {
		return nil, bad("$not needs a regex or a document")
	}
	n, err := c.field(p, d)
	if err != nil {
		return nil, err
	}
	return not(n), nil
}

func (c *compiler) all(p value.Path, v any) (*Node, error) {
	a, ok := v.(bson.A)
	if !ok {
		return nil, bad("$all needs an array")
	}
	n := &Node{Kind: And}
	if len(a) == 0 { // $all of nothing matches nothing
		n.Kind = Or
	}
	for _, x := range a {
		var sub *Node
		var err error
		if d, ok := isOperators(x); ok {
			if d[0].Key != "$elemMatch" || len(d) != 1 {
				return nil, bad("no $ expressions in $all")
			}
			sub, err = c.elemMatch(p, d[0].Value)
		} else if re, ok := x.(bson.Regex); ok {
			sub, err = regexNode(p, re)
		} else {
			sub = &Node{Kind: Leaf, Path: p, Op: Eq, Value: x}
		}
		if err != nil {
			return nil, err
		}
		n.Children = append(n.Children, sub)
	}
	return n, nil
}

func (c *compiler) elemMatch(p value.Path, v any) (*Node, error) {
	d, ok := v.(bson.D)
	if !ok {
		return nil, bad("$elemMatch needs an Object")
	}
	n := &Node{Kind: Leaf, Path: p, Op: ElemMatch}
	var sub *Node
	var err error
	if ops, isOps := isOperators(d); isOps && !logical(ops[0].Key) {
		n.Op = ElemMatchValue
		sub, err = c.field(nil, ops)
	} else {
		sub, err = c.document(d, false)
	}
	if err != nil {
		return nil, err
	}
	n.Children = []*Node{sub}
	return n, nil
}

func logical(key string) bool {
	switch key {
	case "$and", "$or", "$nor", "$expr", "$jsonSchema", "$text", "$where":
		return true
	}
	return false
}

func indexName(i int) string { return strconv.Itoa(i) }

func isNaN(v any) bool {
	f, ok := value.Number(v)
	return ok && math.IsNaN(f)
}

func truncated(v any) (int64, bool) {
	if i, ok := value.Int(v); ok {
		return i, true
	}
	f, ok := value.Number(v)
	if !ok || math.IsNaN(f) || f >= 1<<63 || f < -1<<63 {
		return 0, false
	}
	return int64(f), true
}
