package mongo

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// maxIndexes is the greatest number of indexes of a collection, as in MongoDB.
const maxIndexes = 64

func createIndexes(r *request) (bson.D, error) {
	ns := r.namespace()
	specs := r.documents("indexes")
	r.permitted("commitQuorum") // the one member is every quorum
	r.simple("ignoreUnknownIndexOptions")
	if len(specs) == 0 {
		r.fail(fault.New(fault.BadValue, "Must specify at least one index to create"))
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		created := d.Collection(ns) == nil
		if created {
			if err := d.Create(ns, store.Options{}); err != nil {
				return nil, err
			}
		}
		before := len(d.Collection(ns).Indexes)
		for _, spec := range specs {
			// Made anew whenever the draft is, for an index belongs to its draft.
			ix, err := store.NewIndex(spec)
			if err != nil {
				return nil, err
			}
			exists, err := conflicting(d.Collection(ns), ix)
			if err != nil {
				return nil, err
			}
			if exists {
				continue
			}
			if len(d.Collection(ns).Indexes) >= maxIndexes {
				return nil, fault.New(fault.CannotCreateIndex, "add index fails, too many indexes for %s", ns)
			}
			if err := d.CreateIndex(ns, ix); err != nil {
				return nil, err
			}
		}
		reply := bson.D{{Key: "numIndexesBefore", Value: int32(before)}, {Key: "numIndexesAfter", Value: int32(len(d.Collection(ns).Indexes))}}
		if created {
			reply = append(reply, bson.E{Key: "createdCollectionAutomatically", Value: true})
		}
		if before == len(d.Collection(ns).Indexes) {
			reply = append(reply, bson.E{Key: "note", Value: "all indexes already exist"})
		}
		return reply, nil
	})
}

// conflicting tells whether the index exists already, or fails if another is in its place.
func conflicting(c *store.Collection, ix *store.Index) (exists bool, err error) {
	if value.Equal(ix.Key, bson.D{{Key: "_id", Value: int32(1)}}) {
		if ix.Sparse || ix.Partial != nil || ix.Expire >= 0 {
			return false, fault.New(fault.Code(197), "The _id index may have no options")
		}
		return true, nil
	}
	for _, old := range c.Indexes {
		if ix.Text != nil && old.Text != nil && !value.Equal(old.Spec(), ix.Spec()) {
			return false, fault.New(fault.IndexOptionsConflict, "An equivalent index already exists with the same name but different options: only one text index is allowed per collection, found existing text index %q", old.Name)
		}
		sameKey := value.Equal(old.Spec()[1].Value, ix.Spec()[1].Value)
		same := sameKey && value.Equal(old.Partial, ix.Partial) && old.Unique == ix.Unique && old.Sparse == ix.Sparse
		switch {
		case old.Name == ix.Name && same && old.Expire == ix.Expire && old.Hidden == ix.Hidden:
			return true, nil
		case old.Name == ix.Name && same:
			return false, fault.New(fault.IndexOptionsConflict, "An equivalent index already exists with the same name but different options. Requested index: %s, existing index: %s", ix.Name, old.Name)
		case old.Name == ix.Name:
			return false, fault.New(fault.IndexKeySpecsConflict, "An existing index has the same name as the requested index. When index names are not specified, they are auto generated and can cause conflicts. Please refer to our documentation. Index: %s", ix.Name)
		case same:
			return false, fault.New(fault.IndexOptionsConflict, "Index already exists with a different name: %s", old.Name)
		}
	}
	return false, nil
}

func dropIndexes(r *request) (bson.D, error) {
	ns := r.namespace()
	which, ok := r.take("index")
	if !ok {
		r.fail(fault.New(fault.MissingField, "BSON field 'dropIndexes.index' is missing but a required field"))
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		c := d.Collection(ns)
		if c == nil {
			return nil, fault.New(fault.NamespaceNotFound, "ns not found %s", ns)
		}
		names, err := indexNames(c, which)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			d.DropIndex(ns, name)
		}
		return bson.D{{Key: "nIndexesWas", Value: int32(len(c.Indexes))}}, nil
	})
}

func indexNames(c *store.Collection, which any) ([]string, error) {
	var names []string
	switch x := which.(type) {
	case string:
		if x == "*" {
			for _, ix := range c.Indexes[1:] {
				names = append(names, ix.Name)
			}
			return names, nil
		}
		names = []string{x}
	case bson.A:
		for _, v := range x {
			s, ok := v.(string)
			if !ok {
				return nil, fault.New(fault.TypeMismatch, "dropIndexes needs index names")
			}
			names = append(names, s)
		}
	case bson.D:
		for _, ix := range c.Indexes {
			if value.Equal(ix.Key, x) {
				names = append(names, ix.Name)
			}
		}
		if len(names) == 0 {
			return nil, fault.New(fault.IndexNotFound, "can't find index with that key")
		}
		if len(names) > 1 {
			return nil, fault.New(fault.Code(181), "several indexes have that key: drop one by its name")
		}
	default:
		return nil, fault.New(fault.TypeMismatch, "dropIndexes needs a name, names or a key")
	}
	for _, name := range names {
		if c.Index(name) == nil {
			return nil, fault.New(fault.IndexNotFound, "index not found with name [%s]", name)
		}
		if name == "_id_" {
			return nil, badOption("cannot drop _id index")
		}
	}
	return names, nil
}

func listIndexes(r *request) (bson.D, error) {
	ns := r.namespace()
	size := r.cursorSize()
	if err := r.finish(); err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	c := v.Collection(ns)
	if c == nil {
		return nil, missingNamespace(ns)
	}
	var docs []bson.D
	for _, ix := range c.Indexes {
		docs = append(docs, ix.Spec())
	}
	return r.listed(ns, docs, nil, size)
}
