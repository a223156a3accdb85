package store

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/text"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// SortKey is one key of a sort.
type SortKey struct {
	Path value.Path
	Desc bool
	// Score sorts by the text score instead, the highest first.
	Score bool
}

// Hint names the index that a plan must use, by name or by key; $natural asks for a collection scan.
type Hint struct {
	Name string
	Key  bson.D
}

// Plan says how the documents that match a filter are found.
type Plan struct {
	collection *Collection
	filter     *query.Filter
	index      *Index // nil for a collection scan
	intervals  []interval
	reverse    bool
	branches   []*Plan // of an $or
	search     *text.Search
	// Sorted tells that the documents come in the order that was asked for.
	Sorted bool
	// Bounded is the number of the index's parts that the filter bounds.
	Bounded int
}

// maxPrefixes bounds the ranges that $in lists multiply into.
const maxPrefixes = 2000

// Plan chooses how to find what matches a filter.
func (c *Collection) Plan(f *query.Filter, sort []SortKey, hint *Hint) (*Plan, error) {
	if f.Text != nil {
		if hint != nil {
			return nil, fault.New(fault.BadValue, "text and hint not allowed in same query")
		}
		return c.planText(f)
	}
	scan := &Plan{collection: c, filter: f, Sorted: len(sort) == 0}
	if hint != nil {
		return c.planHint(f, sort, hint, scan)
	}
	if best := c.bestIndex(f, sort); best != nil {
		return best, nil
	}
	if or := c.planOr(f, len(sort) == 0); or != nil {
		return or, nil
	}
	return scan, nil
}

func (c *Collection) planHint(f *query.Filter, sort []SortKey, hint *Hint, scan *Plan) (*Plan, error) {
	if len(hint.Key) == 1 && hint.Key[0].Key == "$natural" {
		n, _ := value.Number(hint.Key[0].Value)
		scan.reverse = n < 0
		return scan, nil
	}
	for _, ix := range c.Indexes {
		if hint.Name != "" && ix.Name == hint.Name || hint.Key != nil && value.Equal(ix.Key, hint.Key) {
			if ix.Text != nil {
				break
			}
			p, _ := c.planIndex(ix, f, predicates(f.Root), sort)
			return p, nil
		}
	}
	return nil, fault.New(fault.BadValue, "error processing query: planner returned error: hint provided does not correspond to an existing index")
}

// bestIndex gives the plan over the index that serves the filter or the sort best, nil if none does.
func (c *Collection) bestIndex(f *query.Filter, sort []SortKey) *Plan {
	preds := predicates(f.Root)
	var best *Plan
	bestScore := 0
	for _, ix := range c.Indexes {
		if ix.Hidden || ix.Text != nil || ix.partial != nil && !implies(f.Root, ix.partial.Root) {
			continue
		}
		p, score := c.planIndex(ix, f, preds, sort)
		if p.Bounded == 0 && (!p.Sorted || len(sort) == 0 || ix.Sparse) {
			continue
		}
		if ix.Sparse && !sparseCovers(ix, preds) {
			continue
		}
		if score > bestScore {
			best, bestScore = p, score
		}
	}
	return best
}

// sparseCovers tells whether every document that fits is in a sparse index: some part of it must be there.
func sparseCovers(ix *Index, preds map[string][]bound) bool {
	for _, part := range ix.Parts {
		for _, b := range preds[part.Path.String()] {
			if !b.nulls {
				return true
			}
		}
	}
	return false
}

// planIndex makes the plan over one index and says how good it is.
func (c *Collection) planIndex(ix *Index, f *query.Filter, preds map[string][]bound, sort []SortKey) (*Plan, int) {
	p := &Plan{collection: c, filter: f, index: ix}
	prefixes := [][]byte{nil}
	ranges := []interval{{}}
	score, usedMulti := 0, false
	single := make([]bool, len(ix.Parts)) // bounded to one value
	one := true                           // one prefix leads to everything
	for i, part := range ix.Parts {
		b, ok := choose(preds[part.Path.String()], ix.multi[i])
		if !ok || ix.multi[i] && usedMulti {
			break
		}
		usedMulti = usedMulti || ix.multi[i]
		p.Bounded++
		if !b.exact {
			ranges = b.intervals(prefixes, part.Desc)
			switch {
			case b.negative:
				score++
			case b.full():
				score += 2
			default:
				score += 40
			}
			break
		}
		if len(prefixes) > 1 && len(prefixes)*len(b.points) > maxPrefixes {
			p.Bounded--
			break
		}
		next := make([][]byte, 0, len(prefixes)*len(b.points))
		for _, pre := range prefixes {
			for _, point := range b.points {
				k := append(slices.Clip(pre), point...)
				if part.Desc {
					value.Invert(k, len(pre))
				}
				next = append(next, k)
			}
		}
		prefixes = next
		single[i] = len(b.points) == 1 && !ix.multi[i]
		one = one && len(b.points) == 1
		ranges = ranges[:0]
		for _, k := range prefixes {
			ranges = append(ranges, interval{string(k), string(after(k))})
		}
		score += 100
		if len(b.points) > 1 {
			score -= 20
		}
	}
	if ix.Unique && p.Bounded == len(ix.Parts) && score >= 80*len(ix.Parts) {
		score += 500
	}
	slices.SortFunc(ranges, func(a, b interval) int { return strings.Compare(a.lo, b.lo) })
	p.intervals = ranges
	p.Sorted, p.reverse = ix.sorts(sort, single, one)
	if p.Sorted && len(sort) > 0 {
		score += 30
	}
	return p, score
}

// sorts tells whether an index gives documents in an order, and whether it must be read backwards for it. Parts that
// the filter holds to one value do not matter.
func (ix *Index) sorts(sort []SortKey, single []bool, one bool) (ok, reverse bool) {
	if len(sort) == 0 {
		return true, false
	}
	if !one {
		return false, false
	}
	i, decided := 0, false
	for _, k := range sort {
		if k.Score {
			return false, false
		}
		fixed := slices.ContainsFunc(ix.Parts, func(p Part) bool { return slices.Equal(p.Path, k.Path) && single[ix.part(p.Path)] })
		if fixed {
			continue
		}
		for i < len(ix.Parts) && single[i] {
			i++
		}
		if i == len(ix.Parts) || ix.multi[i] || !slices.Equal(ix.Parts[i].Path, k.Path) {
			return false, false
		}
		backwards := ix.Parts[i].Desc != k.Desc
		if decided && backwards != reverse {
			return false, false
		}
		reverse, decided = backwards, true
		i++
	}
	return true, reverse
}

func (ix *Index) part(p value.Path) int {
	return slices.IndexFunc(ix.Parts, func(x Part) bool { return slices.Equal(x.Path, p) })
}

// planOr serves an $or by an index for each of its branches.
func (c *Collection) planOr(f *query.Filter, unsorted bool) *Plan {
	nodes := []*query.Node{f.Root}
	if f.Root.Kind == query.And {
		nodes = f.Root.Children
	}
	for _, n := range nodes {
		if n.Kind != query.Or || len(n.Children) == 0 {
			continue
		}
		p := &Plan{collection: c, filter: f, Sorted: unsorted}
		for _, child := range n.Children {
			sub := c.bestIndex(&query.Filter{Root: child}, nil)
			if sub == nil {
				break
			}
			p.branches = append(p.branches, sub)
		}
		if len(p.branches) == len(n.Children) {
			return p
		}
	}
	return nil
}

func (c *Collection) planText(f *query.Filter) (*Plan, error) {
	for _, ix := range c.Indexes {
		if ix.Text == nil || ix.partial != nil && !implies(f.Root, ix.partial.Root) {
			continue
		}
		lang := ix.Language
		if f.Text.Language != "" {
			var ok bool
			if lang, ok = text.ParseLanguage(f.Text.Language); !ok {
				return nil, fault.Unsupported("the text search language " + f.Text.Language)
			}
		}
		s := lang.ParseSearch(f.Text.Search)
		return &Plan{collection: c, filter: f, index: ix, search: &s, Bounded: 1}, nil
	}
	return nil, fault.New(fault.IndexNotFound, "text index required for $text query")
}

// implies tells whether every document that fits a filter fits a partial index's filter too, as far as that is plain
// to see.
func implies(root, partial *query.Node) bool {
	switch partial.Kind {
	case query.And:
		return !slices.ContainsFunc(partial.Children, func(p *query.Node) bool { return !implies(root, p) })
	case query.Or:
		return slices.ContainsFunc(partial.Children, func(p *query.Node) bool { return implies(root, p) })
	}
	switch root.Kind {
	case query.And:
		return slices.ContainsFunc(root.Children, func(n *query.Node) bool { return implies(n, partial) })
	case query.Or:
		return len(root.Children) > 0 && !slices.ContainsFunc(root.Children, func(n *query.Node) bool { return !implies(n, partial) })
	case query.Not: // {$ne: null} says that the field is there
		leaf := root.Children[0]
		return leaf.Kind == query.Leaf && leaf.Op == query.Eq && leaf.Value == nil &&
			partial.Op == query.Exists && slices.Equal(leaf.Path, partial.Path)
	case query.Leaf:
		return slices.Equal(root.Path, partial.Path) && leafImplies(root, partial)
	}
	return false
}

func leafImplies(n, partial *query.Node) bool {
	switch n.Op {
	case query.Eq:
		return n.Value != nil && partial.Admits(n.Value)
	case query.In:
		list, _ := n.Value.(bson.A)
		return len(list) == len(n.In) && !slices.ContainsFunc(n.In, func(v any) bool { return v == nil || !partial.Admits(v) })
	case query.Exists:
		return n.Value == true && partial.Op == query.Exists
	case query.Gt, query.Gte, query.Lt, query.Lte:
		if partial.Op == query.Exists {
			return n.Value != nil
		}
		up := n.Op == query.Gt || n.Op == query.Gte
		partialUp := partial.Op == query.Gt || partial.Op == query.Gte
		if partial.Op > query.Lte || partial.Op == query.Eq || up != partialUp || value.Rank(n.Value) != value.Rank(partial.Value) {
			return false
		}
		cmp := value.Compare(n.Value, partial.Value)
		if !up {
			cmp = -cmp
		}
		open := partial.Op == query.Gt || partial.Op == query.Lt
		nOpen := n.Op == query.Gt || n.Op == query.Lt
		return cmp > 0 || cmp == 0 && (!open || nOpen)
	case query.Type, query.Regex, query.Size, query.Mod, query.ElemMatch, query.ElemMatchValue:
		if partial.Op == query.Exists {
			return true
		}
		return n.Op == query.Type && partial.Op == query.Type && value.Equal(n.Value, partial.Value)
	}
	return false
}
