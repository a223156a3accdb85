package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// rows gives the values that the index holds for a document, a list for each entry, and which parts are arrays.
func (ix *Index) rows(d bson.D) (rows [][]any, multi []bool, err error) {
	multi = make([]bool, len(ix.Parts))
	lists := make([][]any, len(ix.Parts))
	some, arrays := false, 0
	for i, p := range ix.Parts {
		vals, isMulti, found := value.IndexValues(d, p.Path)
		lists[i], multi[i] = vals, isMulti
		some = some || found
		if isMulti {
			arrays++
		}
	}
	if ix.Sparse && !some {
		return nil, multi, nil
	}
	if arrays > 1 {
		if rows, err = ix.shared(d, multi); rows != nil || err != nil {
			return rows, multi, err
		}
	}
	rows = [][]any{{}}
	for _, vals := range lists {
		next := make([][]any, 0, len(rows)*len(vals))
		for _, r := range rows {
			for _, v := range vals {
				next = append(next, append(slices.Clip(r), v))
			}
		}
		rows = next
	}
	return rows, multi, nil
}

// shared takes the elements of an array that several parts go through one by one, so that an entry holds values of
// the same element only. Parts that go through different arrays cannot be indexed together.
func (ix *Index) shared(d bson.D, multi []bool) ([][]any, error) {
	var at value.Path
	for i, p := range ix.Parts {
		if !multi[i] {
			continue
		}
		own := firstArray(d, p.Path)
		if at == nil {
			at = own
		} else if !slices.Equal(at, own) {
			return nil, fault.New(fault.Code(171), "cannot index parallel arrays [%s] [%s]", own[len(own)-1], at[len(at)-1])
		}
	}
	list := arrayAt(d, at)
	var rows [][]any
	for _, e := range list {
		if _, nested := e.(bson.A); nested {
			e = nil
		}
		sub, _, err := ix.rows(replaceAt(d, at, e))
		if err != nil {
			return nil, err
		}
		rows = append(rows, sub...)
	}
	return rows, nil
}

// firstArray gives the prefix of a path at which the document has an array.
func firstArray(d bson.D, p value.Path) value.Path {
	var v any = d
	for i, name := range p {
		sub, ok := v.(bson.D)
		if !ok {
			return nil
		}
		v, _ = value.Get(sub, name)
		if _, isArray := v.(bson.A); isArray {
			return p[:i+1]
		}
	}
	return nil
}

func arrayAt(d bson.D, p value.Path) bson.A {
	var v any = d
	for _, name := range p {
		sub, _ := v.(bson.D)
		v, _ = value.Get(sub, name)
	}
	a, _ := v.(bson.A)
	return a
}

func replaceAt(d bson.D, p value.Path, v any) bson.D {
	out := slices.Clone(d)
	for i := range out {
		if out[i].Key == p[0] {
			if len(p) == 1 {
				out[i].Value = v
			} else if sub, ok := out[i].Value.(bson.D); ok {
				out[i].Value = replaceAt(sub, p[1:], v)
			}
			break
		}
	}
	return out
}

// MaxEntries bounds the entries that one document has in one index.
const MaxEntries = 100_000

// entries gives the keys of a document without the record number, in order and each once.
func (ix *Index) entries(d bson.D) (keys []string, multi []bool, err error) {
	if ix.partial != nil {
		ok, err := ix.partial.Match(d)
		if err != nil || !ok {
			return nil, nil, err
		}
	}
	if ix.Text != nil {
		return ix.textEntries(d), nil, nil
	}
	rows, multi, err := ix.rows(d)
	if err != nil {
		return nil, nil, err
	}
	if len(rows) > MaxEntries {
		return nil, nil, fault.New(fault.CannotCreateIndex, "index %s would have %d entries for one document", ix.Name, len(rows))
	}
	keys = make([]string, len(rows))
	for i, r := range rows {
		keys[i] = string(ix.rowKey(r))
	}
	if len(keys) > 1 {
		slices.Sort(keys)
		keys = slices.Compact(keys)
	}
	return keys, multi, nil
}

func (ix *Index) rowKey(row []any) []byte {
	b := make([]byte, 0, 32)
	for i, v := range row {
		start := len(b)
		b = value.AppendKey(b, v)
		if ix.Parts[i].Desc {
			value.Invert(b, start)
		}
	}
	return b
}

func withRecord(key string, record uint64) string {
	b := make([]byte, 0, len(key)+8)
	return string(binary.BigEndian.AppendUint64(append(b, key...), record))
}

func recordOf(entry string) uint64 {
	var r uint64
	for i := len(entry) - 8; i < len(entry); i++ {
		r = r<<8 | uint64(entry[i])
	}
	return r
}

// holder finds a document other than record that has a key, 0 if there is none.
func (ix *Index) holder(key string, record uint64) uint64 {
	found := uint64(0)
	ix.tree.Ascend(key, func(entry string, _ struct{}) bool {
		if len(entry) != len(key)+8 || entry[:len(key)] != key {
			return false
		}
		if r := recordOf(entry); r != record {
			found = r
			return false
		}
		return true
	})
	return found
}

// duplicate is the error for a key that another document has.
func (ix *Index) duplicate(ns, key string, d bson.D) error {
	e := fault.New(fault.DuplicateKey, "E11000 duplicate key error collection: %s index: %s", ns, ix.Name)
	vals := bson.D{}
	rows, _, _ := ix.rows(d)
	for _, r := range rows {
		if string(ix.rowKey(r)) != key {
			continue
		}
		var shown []string
		for i, v := range r {
			if _, none := v.(value.Missing); none {
				v = nil
			}
			vals = append(vals, bson.E{Key: ix.Parts[i].Path.String(), Value: v})
			shown = append(shown, ix.Parts[i].Path.String()+": "+show(v))
		}
		e.Message += " dup key: { " + strings.Join(shown, ", ") + " }"
		break
	}
	e.Details = bson.D{{Key: "keyPattern", Value: ix.Key}, {Key: "keyValue", Value: vals}}
	return e
}

func show(v any) string {
	switch x := v.(type) {
	case nil:
		return "null"
	case string:
		return fmt.Sprintf("%q", x)
	case bson.ObjectID:
		return fmt.Sprintf("ObjectId('%s')", x.Hex())
	case bson.D, bson.A:
		return "{ ... }"
	}
	return fmt.Sprint(v)
}

func (ix *Index) textEntries(d bson.D) []string {
	scores := map[string]float64{}
	for _, f := range ix.Text {
		value.Walk(d, f.Path, func(v any, found bool, _ int) bool {
			if s, ok := v.(string); ok && found {
				ix.Language.Scores(s, f.Weight, scores)
			}
			return false
		})
	}
	keys := make([]string, 0, len(scores))
	for term, score := range scores {
		b := value.AppendKey(nil, term)
		keys = append(keys, string(binary.BigEndian.AppendUint64(b, math.Float64bits(score))))
	}
	slices.Sort(keys)
	return keys
}
