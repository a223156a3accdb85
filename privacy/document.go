package privacy

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// each calls do with every document of a collection that fits the filter.
func each(ctx context.Context, c *mongo.Collection, filter bson.D, do func(bson.Raw) error) (err error) {
	cursor, err := c.Find(ctx, filter, options.Find().SetBatchSize(500))
	if err != nil {
		return fmt.Errorf("read %s: %w", c.Name(), err)
	}
	defer func() { err = errors.Join(err, cursor.Close(context.WithoutCancel(ctx))) }()
	for n := 0; cursor.Next(ctx); n++ {
		if n%200 == 0 {
			beat(ctx)
		}
		if err := do(cursor.Current); err != nil {
			return err
		}
	}
	if err := cursor.Err(); err != nil {
		return fmt.Errorf("read %s: %w", c.Name(), err)
	}
	return nil
}

// values gives the values that stand under a dotted path, gone through lists; null and empty lists are no values.
func values(doc bson.Raw, path string) []bson.RawValue {
	var out []bson.RawValue
	walk(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, strings.Split(path, "."), "", func(_ string, v bson.RawValue) {
		out = append(out, v)
	})
	return out
}

// walk calls found with the concrete path ("returns.0.reason") and value of all that stands under a path.
func walk(v bson.RawValue, path []string, at string, found func(string, bson.RawValue)) {
	switch v.Type {
	case bson.TypeNull, bson.TypeUndefined:
		return
	case bson.TypeArray:
		elements, err := bson.Raw(v.Value).Values()
		if err != nil {
			return
		}
		for i, e := range elements {
			walk(e, path, join(at, strconv.Itoa(i)), found)
		}
		return
	}
	if len(path) == 0 {
		found(at, v)
		return
	}
	if v.Type != bson.TypeEmbeddedDocument {
		return
	}
	child, err := bson.Raw(v.Value).LookupErr(path[0])
	if err != nil {
		return
	}
	walk(child, path[1:], join(at, path[0]), found)
}

func join(at, name string) string {
	if at == "" {
		return name
	}
	return at + "." + name
}
