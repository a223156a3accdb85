// Package query reads MongoDB's query filters and matches documents against them.
package query

import (
	"regexp"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/expr"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Kind says what a Node does.
type Kind int

// The kinds of nodes.
const (
	And Kind = iota
	Or
	Nor
	Not
	Leaf
	Expr
	Schema
	Text
)

// Op is the test of a leaf.
type Op int

// The tests of leaves. $ne, $nin and $all are made of these.
const (
	Eq Op = iota
	Gt
	Gte
	Lt
	Lte
	In
	Exists
	Type
	Mod
	Size
	Regex
	ElemMatch      // an element that matches Children[0] as a document
	ElemMatchValue // an element that itself passes Children[0]
)

// Node is a part of a filter. A planner may read it; only this package makes it.
type Node struct {
	Kind     Kind
	Children []*Node
	// Of leaves: an empty path tests the subject itself.
	Path  value.Path
	Op    Op
	Value any
	// In is the list of $in without its regular expressions.
	In bson.A

	keys    map[string]struct{}
	regexes []*regexp.Regexp
	types   []bson.Type
	numbers [2]int64
	schema  *SchemaRules
	expr    expr.Expr
}

// TextSearch is the argument of a $text operator.
type TextSearch struct{ Search, Language string }

// Filter is a compiled filter.
type Filter struct {
	Root *Node
	// Text is the filter's $text, nil if it has none. What it finds is decided by the text index.
	Text *TextSearch
}

type match struct {
	pos int
	err error
}

// Match tells whether a document fits the filter.
func (f *Filter) Match(d bson.D) (bool, error) {
	ok, _, err := f.MatchPosition(d)
	return ok, err
}

// MatchPosition tells besides which position of an array made the document fit, -1 if none did: what the positional
// operator "$" refers to.
func (f *Filter) MatchPosition(d bson.D) (ok bool, pos int, err error) {
	m := match{pos: -1}
	ok = f.Root.eval(&m, d)
	return ok, m.pos, m.err
}

// MatchValue tells whether a value by itself passes a filter made by CompileValue.
func (f *Filter) MatchValue(v any) (bool, error) {
	m := match{pos: -1}
	ok := f.Root.eval(&m, v)
	return ok, m.err
}

func (n *Node) eval(m *match, subject any) bool {
	switch n.Kind {
	case And:
		for _, c := range n.Children {
			if !c.eval(m, subject) {
				return false
			}
		}
		return true
	case Or, Nor:
		for _, c := range n.Children {
			if c.eval(m, subject) {
				return n.Kind == Or
			}
		}
		return n.Kind == Nor
	case Not:
		pos := m.pos
		ok := n.Children[0].eval(m, subject)
		m.pos = pos
		return !ok
	case Text:
		return true
	case Expr:
		d, _ := subject.(bson.D)
		v, err := n.expr(expr.NewScope(d))
		if err != nil {
			m.err = err
			return false
		}
		return value.Truth(v)
	case Schema:
		d, _ := subject.(bson.D)
		return n.schema.Check(d) == nil
	}
	if len(n.Path) == 0 {
		return n.test(m, subject, true)
	}
	d, ok := subject.(bson.D)
	if !ok {
		if a, isArray := subject.(bson.A); isArray { // the elements of a nested array under $elemMatch
			d = make(bson.D, len(a))
			for i := range a {
				d[i] = bson.E{Key: indexName(i), Value: a[i]}
			}
		}
	}
	walk := value.Walk
	switch n.Op {
	case Exists:
		found := value.WalkWhole(d, n.Path, func(_ any, found bool, _ int) bool { return found })
		return found == n.Value.(bool)
	case Size, ElemMatch, ElemMatchValue:
		walk = value.WalkWhole
	}
	return walk(d, n.Path, func(v any, found bool, at int) bool {
		if !n.test(m, v, found) {
			return false
		}
		if at >= 0 {
			m.pos = at
		}
		return true
	})
}

func (n *Node) testArray(m *match, a bson.A) bool {
	if n.Op == Size {
		return int64(len(a)) == n.numbers[0]
	}
	for i, v := range a {
		if n.Op == ElemMatch {
			switch v.(type) {
			case bson.D, bson.A:
			default:
				continue
			}
		}
		inner := match{pos: -1}
		ok := n.Children[0].eval(&inner, v)
		if inner.err != nil {
			m.err = inner.err
			return false
		}
		if ok {
			m.pos = i
			return true
		}
	}
	return false
}

// test tells whether one value passes a leaf.
func (n *Node) test(m *match, v any, found bool) bool {
	switch n.Op {
	case Eq:
		if n.Value == nil {
			return !found || v == nil
		}
		return found && value.Equal(v, n.Value)
	case Gt, Gte, Lt, Lte:
		if !found { // stands as null, which compares with null and with what compares with everything
			v = nil
		}
		return n.ordered(v)
	case In:
		if !found {
			v = nil
		}
		if _, ok := n.keys[value.Key(v)]; ok {
			return true
		}
		return found && n.matchesRegex(v)
	case Exists:
		return found == n.Value.(bool)
	case Type:
		if !found {
			return false
		}
		t := value.TypeOf(v)
		for _, want := range n.types {
			if want == t {
				return true
			}
		}
		return false
	case Mod:
		if !found || !value.IsNumber(v) {
			return false
		}
		i, ok := truncated(v)
		return ok && i%n.numbers[0] == n.numbers[1]
	case Regex:
		return found && n.matchesRegex(v)
	case Size, ElemMatch, ElemMatchValue:
		a, ok := v.(bson.A)
		return ok && n.testArray(m, a)
	}
	return false
}

func (n *Node) ordered(v any) bool {
	switch n.Value.(type) {
	case bson.MinKey, bson.MaxKey: // these compare with every type
	default:
		if value.Rank(v) != value.Rank(n.Value) {
			return false
		}
		if isNaN(v) != isNaN(n.Value) {
			return false
		}
	}
	c := value.Compare(v, n.Value)
	switch n.Op {
	case Gt:
		return c > 0
	case Gte:
		return c >= 0
	case Lt:
		return c < 0
	}
	return c <= 0
}

func (n *Node) matchesRegex(v any) bool {
	var s string
	switch x := v.(type) {
	case string:
		s = x
	case bson.Symbol:
		s = string(x)
	case bson.Regex:
		own, ok := n.Value.(bson.Regex)
		return ok && own == x
	default:
		return false
	}
	for _, re := range n.regexes {
		if re.MatchString(s) {
			return true
		}
	}
	return false
}

// Admits tells whether a leaf's test passes a value by itself.
func (n *Node) Admits(v any) bool {
	m := match{pos: -1}
	return n.Kind == Leaf && n.test(&m, v, true) && m.err == nil
}
