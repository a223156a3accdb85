package store

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/text"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Found is a document that a plan finds.
type Found struct {
	*Document
	// Position is the place in an array that made the document fit, -1 for none.
	Position int
	// Score is the text score.
	Score float64
}

// Stats counts what running a plan looked at.
type Stats struct{ Keys, Docs, Returned int64 }

// Rows gives what a plan finds, one at a time; ok is false at the end.
type Rows func() (row Found, ok bool, err error)

// source gives candidates; next answers false at the end.
type source func() (doc *Document, score float64, ok bool)

// checkEvery is how many documents are looked at between two looks at the context.
const checkEvery = 256

// Run finds the plan's documents.
func (p *Plan) Run(ctx context.Context, stats *Stats) Rows {
	next := p.source(stats)
	n := 0
	return func() (Found, bool, error) {
		for {
			if n++; n%checkEvery == 0 && ctx.Err() != nil {
				return Found{}, false, TimedOut(ctx)
			}
			doc, score, ok := next()
			if !ok {
				return Found{}, false, nil
			}
			stats.Docs++
			fits, pos, err := p.filter.MatchPosition(doc.D)
			if err != nil {
				return Found{}, false, err
			}
			if fits {
				stats.Returned++
				return Found{doc, pos, score}, true, nil
			}
		}
	}
}

func (p *Plan) source(stats *Stats) source {
	switch {
	case p.search != nil:
		return p.textSource(stats)
	case p.branches != nil:
		return p.orSource(stats)
	case p.index != nil:
		return p.indexSource(stats)
	}
	it := p.collection.records.Iter()
	started := false
	return func() (*Document, float64, bool) {
		var ok bool
		switch {
		case started && p.reverse:
			ok = it.Prev()
		case started:
			ok = it.Next()
		case p.reverse:
			ok = it.Last()
		default:
			ok = it.First()
		}
		started = true
		if !ok {
			return nil, 0, false
		}
		return it.Value(), 0, true
	}
}

func (p *Plan) indexSource(stats *Stats) source {
	it := p.index.tree.Iter()
	ranges := p.intervals
	var seen map[uint64]struct{}
	if slices.Contains(p.index.multi, true) {
		seen = map[uint64]struct{}{}
	}
	started := false
	// advance moves to the next entry within the ranges.
	advance := func() (string, bool) {
		for len(ranges) > 0 {
			r := ranges[0]
			if p.reverse {
				r = ranges[len(ranges)-1]
			}
			var ok bool
			switch {
			case started && p.reverse:
				ok = it.Prev()
			case started:
				ok = it.Next()
			case !p.reverse:
				ok = it.Seek(r.lo)
			case r.hi == "":
				ok = it.Last()
			case it.Seek(r.hi): // the first entry that is too high
				ok = it.Prev()
			default:
				ok = it.Last()
			}
			started = true
			if ok {
				k := it.Key()
				if k >= r.lo && (r.hi == "" || k < r.hi) {
					return k, true
				}
			}
			started = false
			if p.reverse {
				ranges = ranges[:len(ranges)-1]
			} else {
				ranges = ranges[1:]
			}
		}
		return "", false
	}
	return func() (*Document, float64, bool) {
		for {
			key, ok := advance()
			if !ok {
				return nil, 0, false
			}
			stats.Keys++
			record := recordOf(key)
			if seen != nil {
				if _, dup := seen[record]; dup {
					continue
				}
				seen[record] = struct{}{}
			}
			doc, _ := p.collection.records.Get(record)
			return doc, 0, true
		}
	}
}

func (p *Plan) orSource(stats *Stats) source {
	branches := p.branches
	seen := map[uint64]struct{}{}
	var next source
	return func() (*Document, float64, bool) {
		for {
			if next == nil {
				if len(branches) == 0 {
					return nil, 0, false
				}
				next, branches = branches[0].source(stats), branches[1:]
			}
			doc, _, ok := next()
			if !ok {
				next = nil
				continue
			}
			if _, dup := seen[doc.Record]; !dup {
				seen[doc.Record] = struct{}{}
				return doc, 0, true
			}
		}
	}
}

// textSource gives the documents that hold one of the search's terms, in the order of their records.
func (p *Plan) textSource(stats *Stats) source {
	scores := map[uint64]float64{}
	terms := slices.Clone(p.search.Terms)
	slices.Sort(terms)
	for _, t := range slices.Compact(terms) {
		p.postings(t, func(record uint64, score float64) { stats.Keys++; scores[record] += score })
	}
	for _, t := range p.search.Negated {
		p.postings(t, func(record uint64, _ float64) { delete(scores, record) })
	}
	records := make([]uint64, 0, len(scores))
	for r := range scores {
		records = append(records, r)
	}
	slices.Sort(records)
	return func() (*Document, float64, bool) {
		for len(records) > 0 {
			r := records[0]
			records = records[1:]
			doc, _ := p.collection.records.Get(r)
			if p.phrasesFit(doc.D) {
				return doc, scores[r], true
			}
			stats.Docs++
		}
		return nil, 0, false
	}
}

func (p *Plan) postings(term string, f func(record uint64, score float64)) {
	key := string(value.AppendKey(nil, term))
	p.index.tree.Ascend(key, func(entry string, _ struct{}) bool {
		if !strings.HasPrefix(entry, key) {
			return false
		}
		score := binary.BigEndian.Uint64([]byte(entry[len(key) : len(key)+8]))
		f(recordOf(entry), math.Float64frombits(score))
		return true
	})
}

func (p *Plan) phrasesFit(d bson.D) bool {
	holds := func(phrase string) bool {
		return slices.ContainsFunc(p.index.Text, func(w Weight) bool {
			return value.Walk(d, w.Path, func(v any, found bool, _ int) bool {
				s, ok := v.(string)
				return found && ok && strings.Contains(text.Fold(s), phrase)
			})
		})
	}
	return !slices.ContainsFunc(p.search.NegatedPhrases, holds) &&
		!slices.ContainsFunc(p.search.Phrases, func(s string) bool { return !holds(s) })
}

// Explain describes the plan as explain shows it.
func (p *Plan) Explain() bson.D {
	direction := "forward"
	if p.reverse {
		direction = "backward"
	}
	switch {
	case p.search != nil:
		return bson.D{{Key: "stage", Value: "TEXT_MATCH"}, {Key: "indexName", Value: p.index.Name}, {Key: "inputStage", Value: bson.D{
			{Key: "stage", Value: "IXSCAN"}, {Key: "indexName", Value: p.index.Name}, {Key: "keyPattern", Value: bson.D{{Key: "_fts", Value: "text"}, {Key: "_ftsx", Value: int32(1)}}},
		}}}
	case p.branches != nil:
		inputs := bson.A{}
		for _, b := range p.branches {
			inputs = append(inputs, b.scanStage())
		}
		return bson.D{{Key: "stage", Value: "FETCH"}, {Key: "inputStage", Value: bson.D{{Key: "stage", Value: "OR"}, {Key: "inputStages", Value: inputs}}}}
	case p.index != nil:
		return bson.D{{Key: "stage", Value: "FETCH"}, {Key: "inputStage", Value: p.scanStage()}}
	}
	return bson.D{{Key: "stage", Value: "COLLSCAN"}, {Key: "direction", Value: direction}}
}

func (p *Plan) scanStage() bson.D {
	direction := "forward"
	if p.reverse {
		direction = "backward"
	}
	multi := slices.Contains(p.index.multi, true)
	return bson.D{
		{Key: "stage", Value: "IXSCAN"}, {Key: "keyPattern", Value: p.index.Key}, {Key: "indexName", Value: p.index.Name},
		{Key: "isMultiKey", Value: multi}, {Key: "isUnique", Value: p.index.Unique}, {Key: "isSparse", Value: p.index.Sparse},
		{Key: "isPartial", Value: p.index.partial != nil}, {Key: "direction", Value: direction}, {Key: "ranges", Value: int32(len(p.intervals))},
	}
}
