package mongo

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/aggregate"
	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// validation reads the options that say what a collection's documents must be like.
func (r *request) validation(o *store.Options) {
	if v := r.document("validator"); v != nil {
		o.Validator = v
	}
	if l := r.text("validationLevel"); l != "" {
		o.Level = l
	}
	if a := r.text("validationAction"); a != "" {
		o.Action = a
	}
	if o.Level != "" && o.Level != "strict" && o.Level != "moderate" && o.Level != "off" {
		r.fail(fault.New(fault.BadValue, "Enumeration value '%s' for field '%s.validationLevel' is not a valid value.", o.Level, r.name))
	}
	if o.Action != "" && o.Action != "error" && o.Action != "warn" {
		r.fail(fault.New(fault.BadValue, "Enumeration value '%s' for field '%s.validationAction' is not a valid value.", o.Action, r.name))
	}
	if o.Action == "warn" {
		r.fail(fault.Unsupported("validationAction: warn"))
	}
}

func create(r *request) (bson.D, error) {
	ns := r.namespace()
	o := store.Options{Level: "strict", Action: "error"}
	r.validation(&o)
	r.simple("capped", "size", "max", "timeseries", "expireAfterSeconds", "clusteredIndex", "changeStreamPreAndPostImages", "storageEngine",
		"indexOptionDefaults", "viewOn", "pipeline", "collation", "encryptedFields", "autoIndexId", "flags", "temp")
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) { return bson.D{}, d.Create(ns, o) })
}

func collMod(r *request) (bson.D, error) {
	ns := r.namespace()
	var given store.Options
	r.validation(&given)
	index := r.document("index")
	r.simple("viewOn", "pipeline", "cappedSize", "cappedMax", "changeStreamPreAndPostImages", "expireAfterSeconds", "dryRun")
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		c := d.Collection(ns)
		if c == nil {
			return nil, missingNamespace(ns)
		}
		if index != nil {
			if err := modifyIndex(d, c, index); err != nil {
				return nil, err
			}
		}
		o := c.Options
		if given.Validator != nil {
			o.Validator = given.Validator
		}
		if given.Level != "" {
			o.Level = given.Level
		}
		if given.Action != "" {
			o.Action = given.Action
		}
		return bson.D{}, d.SetOptions(ns, o)
	})
}

func modifyIndex(d *store.Draft, c *store.Collection, spec bson.D) error {
	a := newArgs("collMod.index", spec)
	name, key := a.text("name"), a.document("keyPattern")
	expire, hidden := a.number("expireAfterSeconds", -1), false
	var ix *store.Index
	for _, x := range c.Indexes {
		if x.Name == name && name != "" || key != nil && value.Equal(x.Key, key) {
			ix = x
		}
	}
	if ix != nil {
		hidden = a.boolean("hidden", ix.Hidden)
	}
	a.simple("unique", "prepareUnique")
	if err := a.finish(); err != nil {
		return err
	}
	if ix == nil {
		return fault.New(fault.IndexNotFound, "cannot find index %s for ns %s", name, c.Name)
	}
	if expire < 0 {
		expire = ix.Expire
	}
	if ix.Name == "_id_" || expire >= 0 && len(ix.Parts) != 1 {
		return badOption("index %s cannot be changed in this way", ix.Name)
	}
	d.ChangeIndex(c.Name, ix.Name, expire, hidden)
	return nil
}

func drop(r *request) (bson.D, error) {
	ns := r.namespace()
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		c := d.Collection(ns)
		if c == nil {
			return bson.D{}, nil
		}
		d.Drop(ns)
		return bson.D{{Key: "nIndexesWas", Value: int32(len(c.Indexes))}, {Key: "ns", Value: ns}}, nil
	})
}

func dropDatabase(r *request) (bson.D, error) {
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		for _, c := range collections(d, r.db) {
			d.Drop(c.Name)
		}
		return bson.D{{Key: "dropped", Value: r.db}}, nil
	})
}

func collections(v store.View, db string) []*store.Collection {
	var out []*store.Collection
	v.Each(func(c *store.Collection) bool {
		if strings.HasPrefix(c.Name, db+".") {
			out = append(out, c)
		}
		return true
	})
	return out
}

func renameCollection(r *request) (bson.D, error) {
	from, _ := r.first.(string)
	to := r.text("to")
	dropTarget := r.boolean("dropTarget", false)
	if r.db != "admin" {
		r.fail(fault.New(fault.Unauthorized, "renameCollection may only be run against the admin database."))
	}
	if !strings.Contains(to, ".") || strings.HasSuffix(to, ".") || !strings.Contains(from, ".") {
		r.fail(fault.New(fault.InvalidNamespace, "Invalid namespace specified '%s' or '%s'", from, to))
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return r.write(func(d *store.Draft) (bson.D, error) {
		if d.Collection(from) == nil {
			return nil, fault.New(fault.NamespaceNotFound, "Source collection %s does not exist", from)
		}
		if from == to {
			return nil, fault.New(fault.Code(20), "Can't rename a collection to itself")
		}
		if d.Collection(to) != nil {
			if !dropTarget {
				return nil, fault.New(fault.NamespaceExists, "target namespace exists")
			}
			d.Drop(to)
		}
		return bson.D{}, d.Rename(from, to)
	})
}

// listed filters and answers a list that the server makes itself.
func (r *request) listed(ns string, docs []bson.D, filter bson.D, size int64) (bson.D, error) {
	f, err := query.Compile(filter)
	if err != nil {
		return nil, err
	}
	stream := func() (aggregate.Row, bool, error) {
		for len(docs) > 0 {
			d := docs[0]
			docs = docs[1:]
			ok, err := f.Match(d)
			if ok || err != nil {
				return aggregate.Row{D: d, Position: -1}, err == nil, err
			}
		}
		return aggregate.Row{}, false, nil
	}
	return r.open(ns, stream, &relay{r.ctx}, size, false, false)
}

func (r *request) cursorSize() int64 {
	c := newArgs(r.name+".cursor", r.document("cursor"))
	n := c.number("batchSize", firstBatch)
	if err := c.finish(); err != nil {
		r.fail(err)
	}
	return n
}

func listCollections(r *request) (bson.D, error) {
	filter := r.document("filter")
	names := r.boolean("nameOnly", false)
	r.boolean("authorizedCollections", false) // without users everything is authorised
	size := r.cursorSize()
	if err := r.finish(); err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	var docs []bson.D
	for _, c := range collections(v, r.db) {
		_, name := splitNamespace(c.Name)
		d := bson.D{{Key: "name", Value: name}, {Key: "type", Value: "collection"}}
		if !names {
			options := bson.D{}
			if c.Validator != nil {
				options = bson.D{{Key: "validator", Value: c.Validator}, {Key: "validationLevel", Value: c.Level}, {Key: "validationAction", Value: c.Action}}
			}
			d = append(d, bson.E{Key: "options", Value: options}, bson.E{Key: "info", Value: bson.D{{Key: "readOnly", Value: false}, {Key: "uuid", Value: c.UUID}}})
			d = append(d, bson.E{Key: "idIndex", Value: c.Index("_id_").Spec()})
		}
		docs = append(docs, d)
	}
	return r.listed(r.db+".$cmd.listCollections", docs, filter, size)
}

func listDatabases(r *request) (bson.D, error) {
	filter := r.document("filter")
	names := r.boolean("nameOnly", false)
	r.boolean("authorizedDatabases", false)
	if err := r.finish(); err != nil {
		return nil, err
	}
	f, err := query.Compile(filter)
	if err != nil {
		return nil, err
	}
	v, err := r.view()
	if err != nil {
		return nil, err
	}
	out := bson.A{}
	total := int64(0)
	var last string
	var size int64
	flush := func() error {
		if last == "" {
			return nil
		}
		d := bson.D{{Key: "name", Value: last}}
		if !names {
			d = append(d, bson.E{Key: "sizeOnDisk", Value: size}, bson.E{Key: "empty", Value: false})
		}
		total += size
		ok, err := f.Match(d)
		if ok {
			out = append(out, d)
		}
		return err
	}
	v.Each(func(c *store.Collection) bool {
		db, _ := splitNamespace(c.Name)
		if db != last {
			if err = flush(); err != nil {
				return false
			}
			last, size = db, 0
		}
		size += c.Bytes()
		return true
	})
	if err == nil {
		err = flush()
	}
	reply := bson.D{{Key: "databases", Value: out}}
	if !names {
		reply = append(reply, bson.E{Key: "totalSize", Value: total}, bson.E{Key: "totalSizeMb", Value: total >> 20})
	}
	return reply, err
}

func collStats(r *request) (bson.D, error) {
	ns := r.namespace()
	r.simple("scale")
	if err := r.finish(); err != nil {
		return nil, err
	}
	reply := bson.D{{Key: "ns", Value: ns}, {Key: "count", Value: int32(0)}, {Key: "size", Value: int32(0)}, {Key: "nindexes", Value: int32(0)}}
	if c := r.s.store.View().Collection(ns); c != nil {
		reply[1].Value, reply[2].Value, reply[3].Value = aggregate.Count(int64(c.Len())), aggregate.Count(c.Bytes()), int32(len(c.Indexes))
	}
	return reply, nil
}

func dbStats(r *request) (bson.D, error) {
	r.simple("scale", "freeStorage")
	if err := r.finish(); err != nil {
		return nil, err
	}
	var n, objects, bytes, indexes int64
	for _, c := range collections(r.s.store.View(), r.db) {
		n, objects, bytes, indexes = n+1, objects+int64(c.Len()), bytes+c.Bytes(), indexes+int64(len(c.Indexes))
	}
	return bson.D{
		{Key: "db", Value: r.db}, {Key: "collections", Value: n}, {Key: "objects", Value: objects},
		{Key: "dataSize", Value: float64(bytes)}, {Key: "indexes", Value: indexes},
	}, nil
}
