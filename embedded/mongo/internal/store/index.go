package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/text"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Part is one field of an index's key.
type Part struct {
	Path value.Path
	Desc bool
}

// Weight is one field of a text index.
type Weight struct {
	Path   value.Path
	Weight float64
}

// Index is one state of an index.
type Index struct {
	Name string
	// Key is the key pattern as it was given.
	Key            bson.D
	Parts          []Part
	Unique, Sparse bool
	Hidden         bool
	Partial        bson.D
	// Expire is the number of seconds after the indexed time at which a document is deleted, -1 for never.
	Expire int64
	// Text has the weights of a text index, in the order of their names; nil for every other kind.
	Text     []Weight
	Language text.Language

	partial *query.Filter
	// tree holds, for every key of every document, the key with the record number behind it.
	tree *btree.Map[string, struct{}]
	// multi tells for each part whether some document has an array there.
	multi []bool
	owned bool
}

// MaxParts is the greatest number of fields in an index's key, as in MongoDB.
const MaxParts = 32

// Spec is the index as createIndexes takes and listIndexes gives it.
func (ix *Index) Spec() bson.D {
	d := bson.D{{Key: "v", Value: int32(2)}}
	if ix.Text != nil {
		d = append(d, bson.E{Key: "key", Value: bson.D{{Key: "_fts", Value: "text"}, {Key: "_ftsx", Value: int32(1)}}})
	} else {
		d = append(d, bson.E{Key: "key", Value: ix.Key})
	}
	d = append(d, bson.E{Key: "name", Value: ix.Name})
	if ix.Unique && ix.Name != "_id_" {
		d = append(d, bson.E{Key: "unique", Value: true})
	}
	if ix.Sparse {
		d = append(d, bson.E{Key: "sparse", Value: true})
	}
	if ix.Partial != nil {
		d = append(d, bson.E{Key: "partialFilterExpression", Value: ix.Partial})
	}
	if ix.Expire >= 0 {
		d = append(d, bson.E{Key: "expireAfterSeconds", Value: int32(ix.Expire)})
	}
	if ix.Hidden {
		d = append(d, bson.E{Key: "hidden", Value: true})
	}
	if ix.Text != nil {
		var w bson.D
		for _, t := range ix.Text {
			w = append(w, bson.E{Key: t.Path.String(), Value: int32(t.Weight)})
		}
		d = append(d, bson.E{Key: "weights", Value: w}, bson.E{Key: "default_language", Value: string(ix.Language)},
			bson.E{Key: "language_override", Value: "language"}, bson.E{Key: "textIndexVersion", Value: int32(3)})
	}
	return d
}

// NewIndex reads an index specification. What it does not know it refuses by name.
func NewIndex(spec bson.D) (*Index, error) {
	ix := &Index{Expire: -1, tree: &btree.Map[string, struct{}]{}, Language: text.English}
	var weights bson.D
	for _, e := range spec {
		if err := ix.option(e, &weights); err != nil {
			return nil, err
		}
	}
	if len(ix.Key) == 0 {
		return nil, fault.New(fault.CannotCreateIndex, "Index keys cannot be an empty object")
	}
	if len(ix.Key) > MaxParts {
		return nil, fault.New(fault.Code(13103), "too many compound keys")
	}
	if ix.Name == "" {
		return nil, fault.New(fault.FailedToParse, "The 'name' field is a required property of an index specification")
	}
	if err := ix.readKey(weights); err != nil {
		return nil, err
	}
	if ix.Sparse && ix.Partial != nil {
		return nil, fault.New(fault.CannotCreateIndex, "cannot mix \"partialFilterExpression\" and \"sparse\" options")
	}
	if ix.Expire >= 0 && len(ix.Key) != 1 {
		return nil, fault.New(fault.CannotCreateIndex, "TTL indexes are single-field indexes, compound indexes do not support TTL. Index spec: %s", ix.Name)
	}
	ix.multi = make([]bool, len(ix.Parts))
	return ix, nil
}

func (ix *Index) option(e bson.E, weights *bson.D) error {
	mismatch := func(want string) error {
		return fault.New(fault.TypeMismatch, "The field '%s' must be %s, but got %s", e.Key, want, value.TypeName(e.Value))
	}
	ok := true
	switch e.Key {
	case "key":
		if ix.Key, ok = e.Value.(bson.D); !ok {
			return mismatch("an object")
		}
	case "name":
		if ix.Name, ok = e.Value.(string); !ok {
			return mismatch("a string")
		}
	case "unique":
		ix.Unique = value.Truth(e.Value)
	case "sparse":
		ix.Sparse = value.Truth(e.Value)
	case "hidden":
		ix.Hidden = value.Truth(e.Value)
	case "background", "ns": // MongoDB takes these from old clients and does nothing about them
	case "v", "textIndexVersion":
		n, whole := value.Whole(e.Value)
		if want := map[string]int64{"v": 2, "textIndexVersion": 3}[e.Key]; !whole || n != want {
			return fault.New(fault.CannotCreateIndex, "only %s: %d is supported", e.Key, want)
		}
	case "partialFilterExpression":
		if ix.Partial, ok = e.Value.(bson.D); !ok {
			return mismatch("an object")
		}
		f, err := query.Compile(ix.Partial)
		if err != nil {
			return err
		}
		if err := partialAllowed(f.Root); err != nil {
			return err
		}
		ix.partial = f
	case "expireAfterSeconds":
		n, whole := value.Whole(e.Value)
		if !whole || n < 0 || n > math.MaxInt32 {
			return fault.New(fault.CannotCreateIndex, "TTL index 'expireAfterSeconds' must be within the range 0 to %d", math.MaxInt32)
		}
		ix.Expire = n
	case "weights":
		if *weights, ok = e.Value.(bson.D); !ok {
			return mismatch("an object")
		}
	case "default_language":
		s, _ := e.Value.(string)
		if ix.Language, ok = text.ParseLanguage(s); !ok {
			return fault.Unsupported(fmt.Sprintf("the text search language %q", s))
		}
	case "language_override":
		if e.Value != "language" {
			return fault.Unsupported("a language_override other than \"language\"")
		}
	case "collation":
		d, isDoc := e.Value.(bson.D)
		if loc, _ := value.Get(d, "locale"); !isDoc || loc != "simple" {
			return fault.Unsupported("the index option collation")
		}
	case "wildcardProjection", "2dsphereIndexVersion", "bits", "min", "max", "bucketSize", "storageEngine", "clustered", "prepareUnique", "columnstoreProjection":
		return fault.Unsupported("the index option " + e.Key)
	default:
		return fault.New(fault.Code(197), "The field '%s' is not valid for an index specification.", e.Key)
	}
	return nil
}

// partialAllowed holds a partial filter to what MongoDB allows in one.
func partialAllowed(n *query.Node) error {
	switch n.Kind {
	case query.And, query.Or:
		for _, c := range n.Children {
			if err := partialAllowed(c); err != nil {
				return err
			}
		}
		return nil
	case query.Leaf:
		switch n.Op {
		case query.Eq, query.Gt, query.Gte, query.Lt, query.Lte, query.In, query.Type:
			return nil
		case query.Exists:
			if n.Value == true {
				return nil
			}
		}
	}
	return fault.New(fault.CannotCreateIndex, "Expression not supported in partial index")
}

func (ix *Index) readKey(weights bson.D) error {
	for _, e := range ix.Key {
		if s, isString := e.Value.(string); isString {
			if s != "text" {
				return fault.Unsupported(fmt.Sprintf("the index kind %q", s))
			}
			if e.Key == "$**" {
				return fault.Unsupported("a text index over all fields ($**)")
			}
			if e.Key != "_fts" { // MongoDB's own form of the key has the fields in the weights only
				ix.Text = append(ix.Text, Weight{value.ParsePath(e.Key), 1})
			}
			continue
		}
		if e.Key == "_ftsx" {
			continue
		}
		if strings.Contains(e.Key, "$**") {
			return fault.Unsupported("wildcard indexes")
		}
		f, number := value.Number(e.Value)
		if !number || f == 0 || math.IsNaN(f) {
			return fault.New(fault.CannotCreateIndex, "Values in the index key pattern must be a number other than 0 or the kind of index")
		}
		for _, p := range value.ParsePath(e.Key) {
			if p == "" {
				return fault.New(fault.CannotCreateIndex, "Index keys cannot be an empty field.")
			}
			if p[0] == '$' {
				return fault.New(fault.CannotCreateIndex, "Index key contains an illegal field name: field name starts with '$'.")
			}
		}
		ix.Parts = append(ix.Parts, Part{value.ParsePath(e.Key), f < 0})
	}
	_, isText := value.Get(ix.Key, "_fts")
	if len(ix.Text) == 0 && !isText {
		if weights != nil {
			return fault.New(fault.CannotCreateIndex, "the field 'weights' can only be specified with text indexes")
		}
		return nil
	}
	if len(ix.Parts) > 0 {
		return fault.Unsupported("a text index with further fields in its key")
	}
	if ix.Unique || ix.Sparse || ix.Expire >= 0 {
		return fault.Unsupported("unique, sparse or expiring text indexes")
	}
	for _, w := range weights {
		n, whole := value.Whole(w.Value)
		if !whole || n < 1 || n > 99999 {
			return fault.New(fault.CannotCreateIndex, "text index weight must be in the exclusive interval (0,100000)")
		}
		path := value.ParsePath(w.Key)
		i := slices.IndexFunc(ix.Text, func(t Weight) bool { return slices.Equal(t.Path, path) })
		if i < 0 {
			ix.Text = append(ix.Text, Weight{path, float64(n)})
		} else {
			ix.Text[i].Weight = float64(n)
		}
	}
	if len(ix.Text) == 0 {
		return fault.New(fault.CannotCreateIndex, "a text index needs fields")
	}
	slices.SortFunc(ix.Text, func(a, b Weight) int { return strings.Compare(a.Path.String(), b.Path.String()) })
	return nil
}

// own makes an index that may be changed, its tree sharing what does not change.
func (ix *Index) own() *Index {
	if ix.owned {
		return ix
	}
	c := *ix
	c.tree = ix.tree.Copy()
	c.multi = slices.Clone(ix.multi)
	c.owned = true
	return &c
}

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
