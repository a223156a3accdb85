package store

import (
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
