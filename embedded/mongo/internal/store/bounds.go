package store

import (
	"regexp/syntax"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// interval is a range of keys, [lo, hi); an empty hi is without bound.
type interval struct{ lo, hi string }

// after gives the first string that sorts behind all that begin with b, "" if there is none.
func after(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] != 0xff {
			out := slices.Clone(b[:i+1])
			out[i]++
			return out
		}
	}
	return nil
}

// bound is what a filter says about one path: some values, a range, or that an index on it may be used at all.
type bound struct {
	points [][]byte
	exact  bool // points are meant, a range otherwise
	lo, hi []byte
	loOpen bool // without lo itself
	hiOpen bool
	// negative bounds come from $ne and the like: an index serves them only if nothing else does.
	negative bool
	// element bounds come from one $elemMatch: their ranges hold for the same element.
	element bool
	// nulls tells that null or a missing field may fit, which sparse indexes do not have.
	nulls bool
}

func (b *bound) full() bool { return !b.exact && b.lo == nil && b.hi == nil }

// predicates gathers the bounds of a filter's conjunction by path.
func predicates(root *query.Node) map[string][]bound {
	out := map[string][]bound{}
	gather(root, "", false, out)
	return out
}

func gather(n *query.Node, prefix string, element bool, out map[string][]bound) {
	switch n.Kind {
	case query.And:
		for _, c := range n.Children {
			gather(c, prefix, element, out)
		}
	case query.Not:
		if leaf := n.Children[0]; leaf.Kind == query.Leaf && prefix == "" {
			nulls := !(leaf.Op == query.Eq && leaf.Value == nil) && !(leaf.Op == query.Exists && leaf.Value == false)
			path := leaf.Path.String()
			out[path] = append(out[path], bound{negative: true, nulls: nulls})
		}
	case query.Leaf:
		path := prefix
		if len(n.Path) > 0 {
			if path != "" {
				path += "."
			}
			path += n.Path.String()
		}
		switch n.Op {
		case query.ElemMatch:
			gather(n.Children[0], path, true, out)
			return
		case query.ElemMatchValue:
			gather(n.Children[0], path, true, out)
			return
		}
		if b, ok := leafBound(n); ok {
			b.element = element
			out[path] = append(out[path], b)
		}
	}
}

func leafBound(n *query.Node) (bound, bool) {
	switch n.Op {
	case query.Eq:
		if _, isArray := n.Value.(bson.A); isArray {
			return bound{}, false
		}
		return bound{points: [][]byte{value.AppendKey(nil, n.Value)}, exact: true, nulls: n.Value == nil}, true
	case query.In:
		list, _ := n.Value.(bson.A)
		if len(list) != len(n.In) {
			return bound{}, false // regular expressions among the values
		}
		b := bound{exact: true}
		for _, v := range n.In {
			if _, isArray := v.(bson.A); isArray {
				return bound{}, false
			}
			b.nulls = b.nulls || v == nil
			b.points = append(b.points, value.AppendKey(nil, v))
		}
		slices.SortFunc(b.points, func(x, y []byte) int { return strings.Compare(string(x), string(y)) })
		b.points = slices.CompactFunc(b.points, func(x, y []byte) bool { return string(x) == string(y) })
		return b, true
	case query.Gt, query.Gte, query.Lt, query.Lte:
		return rangeBound(n)
	case query.Exists:
		if n.Value == true {
			return bound{}, true
		}
		return bound{points: [][]byte{value.AppendKey(nil, nil)}, exact: true, nulls: true}, true
	case query.Type:
		return bound{}, true
	case query.Regex:
		re := n.Value.(bson.Regex)
		prefix, ok := literalPrefix(re)
		if !ok {
			return bound{}, true
		}
		key := value.AppendKey(nil, prefix)
		key = key[:len(key)-2] // without the end of the string
		return bound{lo: key, hi: key}, true
	}
	return bound{}, false
}

func rangeBound(n *query.Node) (bound, bool) {
	switch n.Value.(type) {
	case bson.A:
		return bound{}, false
	case bson.MinKey, bson.MaxKey:
		return bound{nulls: true}, true
	case nil:
		if n.Op == query.Gte || n.Op == query.Lte {
			return bound{points: [][]byte{value.AppendKey(nil, nil)}, exact: true, nulls: true}, true
		}
		return bound{nulls: true}, true
	}
	if f, ok := value.Number(n.Value); ok && f != f {
		return bound{}, true
	}
	key, rank := value.AppendKey(nil, n.Value), value.RankKey(n.Value)
	switch n.Op {
	case query.Gt:
		return bound{lo: key, loOpen: true, hi: rank}, true
	case query.Gte:
		return bound{lo: key, hi: rank}, true
	case query.Lt:
		return bound{lo: rank, hi: key, hiOpen: true}, true
	}
	return bound{lo: rank, hi: key}, true
}

// literalPrefix gives what every match of an anchored expression begins with.
func literalPrefix(re bson.Regex) (string, bool) {
	if strings.Trim(re.Options, "su") != "" {
		return "", false
	}
	p, err := syntax.Parse(re.Pattern, syntax.Perl)
	if err != nil {
		return "", false
	}
	p = p.Simplify()
	if p.Op != syntax.OpConcat || len(p.Sub) < 2 || p.Sub[0].Op != syntax.OpBeginText {
		return "", false
	}
	lit := p.Sub[1]
	if lit.Op != syntax.OpLiteral || lit.Flags&syntax.FoldCase != 0 {
		return "", false
	}
	return string(lit.Rune), true
}

// choose makes one bound of all that a filter says about a path. For a path with arrays only one of them may be used,
// as different elements may satisfy each.
func choose(all []bound, multi bool) (bound, bool) {
	if len(all) == 0 {
		return bound{}, false
	}
	rank := func(b bound) int {
		switch {
		case b.negative:
			return 4
		case b.full():
			return 3
		case !b.exact:
			return 2
		case len(b.points) > 1:
			return 1
		}
		return 0
	}
	best := slices.MinFunc(all, func(a, b bound) int { return rank(a) - rank(b) })
	if best.exact || best.full() {
		return best, true
	}
	for _, b := range all {
		if b.exact || b.full() || multi && !(best.element && b.element) {
			continue
		}
		if c := strings.Compare(string(b.lo), string(best.lo)); c > 0 || c == 0 && b.loOpen {
			best.lo, best.loOpen = b.lo, b.loOpen
		}
		if b.hiBelow(best) {
			best.hi, best.hiOpen = b.hi, b.hiOpen
		}
	}
	return best, true
}

// hiBelow tells whether the upper end of b lies below that of other. Ends stand for all keys that begin with them, so
// the longer of two that begin alike is the lower.
func (b bound) hiBelow(other bound) bool {
	x, y := b.hi, other.hi
	if len(x) != len(y) && (strings.HasPrefix(string(x), string(y)) || strings.HasPrefix(string(y), string(x))) {
		return len(x) > len(y)
	}
	c := strings.Compare(string(x), string(y))
	return c < 0 || c == 0 && b.hiOpen
}

// intervals gives the ranges of keys behind each prefix that satisfy the bound in a part of an index.
func (b bound) intervals(prefixes [][]byte, desc bool) []interval {
	var out []interval
	turned := func(prefix, key []byte) []byte {
		k := append(slices.Clip(prefix), key...)
		if desc {
			value.Invert(k, len(prefix))
		}
		return k
	}
	for _, p := range prefixes {
		lo, hi := p, after(p)
		if b.lo != nil {
			k := turned(p, b.lo)
			switch {
			case !desc && b.loOpen:
				lo = after(k)
			case !desc:
				lo = k
			case b.loOpen:
				hi = k
			default:
				hi = after(k)
			}
		}
		if b.hi != nil {
			k := turned(p, b.hi)
			switch {
			case !desc && b.hiOpen:
				hi = k
			case !desc:
				hi = after(k)
			case b.hiOpen:
				lo = after(k)
			default:
				lo = k
			}
		}
		if hi == nil || string(lo) < string(hi) {
			out = append(out, interval{string(lo), string(hi)})
		}
	}
	return out
}
