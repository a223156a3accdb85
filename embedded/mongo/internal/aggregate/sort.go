package aggregate

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// MaxSorted bounds the documents that a sort or a group holds at once.
const MaxSorted = 1_000_000

// CompileSort reads a sort pattern.
func CompileSort(d bson.D) ([]store.SortKey, error) {
	var out []store.SortKey
	for _, e := range d {
		if m, ok := e.Value.(bson.D); ok {
			if len(m) == 1 && m[0].Key == "$meta" && m[0].Value == "textScore" {
				out = append(out, store.SortKey{Score: true})
				continue
			}
			return nil, fault.New(fault.BadValue, "Illegal key in $sort specification: %s", e.Key)
		}
		n, ok := value.Whole(e.Value)
		if !ok || n != 1 && n != -1 {
			return nil, fault.New(fault.Code(15975), "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		if e.Key == "$natural" {
			return nil, fault.Unsupported("sorting by $natural (a hint of $natural is)")
		}
		p := value.ParsePath(e.Key)
		if slices.ContainsFunc(p, func(s string) bool { return s == "" || s[0] == '$' }) {
			return nil, fault.New(fault.Code(16410), "the sort key %q is not a field path", e.Key)
		}
		out = append(out, store.SortKey{Path: p, Desc: n < 0})
	}
	return out, nil
}

// sortRows puts rows in order, equal ones as they came.
func sortRows(rows []Row, keys []store.SortKey) {
	type keyed struct {
		key string
		row Row
	}
	all := make([]keyed, len(rows))
	for i, r := range rows {
		all[i] = keyed{sortKey(r, keys), r}
	}
	slices.SortStableFunc(all, func(a, b keyed) int { return strings.Compare(a.key, b.key) })
	for i := range all {
		rows[i] = all[i].row
	}
}

// sortKey gives bytes that sort as a row does: arrays count by their least element, descending by their greatest.
func sortKey(r Row, keys []store.SortKey) string {
	var b []byte
	for _, k := range keys {
		start := len(b)
		if k.Score {
			b = value.Invert(binary.BigEndian.AppendUint64(b, math.Float64bits(r.Score)), start)
			continue
		}
		vals, _, _ := value.IndexValues(r.D, k.Path)
		best := vals[0]
		for _, v := range vals[1:] {
			if c := value.Compare(v, best); c < 0 && !k.Desc || c > 0 && k.Desc {
				best = v
			}
		}
		b = value.AppendKey(b, best)
		if k.Desc {
			value.Invert(b, start)
		}
	}
	return string(b)
}
