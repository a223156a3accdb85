package store

import (
	"crypto/rand"
	"slices"

	"github.com/tidwall/btree"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/query"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// Draft is a state that is being written. A draft that is dropped has changed nothing.
type Draft struct {
	store       *Store
	base        *State
	collections *btree.Map[string, *Collection]
	owned       map[string]bool
	ops         []op
	size        int
	txn         *Txn
	// settled drafts repeat what was claimed before: a commit or the journal.
	settled bool
	// Session is remembered with the write, so that it is not done twice.
	Session *Done
}

// op is one change, as the journal has it.
type op struct {
	kind   string
	ns     string
	record uint64
	doc    *Document // of put
	arg    bson.D    // of create, index, options
	name   string    // of dropIndex, rename
}

func (s *Store) draft(base *State) *Draft {
	return &Draft{store: s, base: base, collections: base.collections.Copy(), owned: map[string]bool{}}
}

// Collection finds a collection as the draft has it, nil if there is none.
func (d *Draft) Collection(ns string) *Collection {
	c, _ := d.collections.Get(ns)
	return c
}

// Each calls f for every collection in the order of names until it answers false.
func (d *Draft) Each(f func(*Collection) bool) {
	d.collections.Scan(func(_ string, c *Collection) bool { return f(c) })
}

// edit gives a collection that may be changed.
func (d *Draft) edit(ns string) *Collection {
	c := d.Collection(ns)
	if d.owned[ns] {
		return c
	}
	own := *c
	own.records = c.records.Copy()
	own.Indexes = slices.Clone(c.Indexes)
	d.collections.Set(ns, &own)
	d.owned[ns] = true
	return &own
}

func (d *Draft) log(o op) { d.ops = append(d.ops, o) }

// Create makes a collection with an index on _id.
func (d *Draft) Create(ns string, o Options) error {
	if d.Collection(ns) != nil {
		return fault.New(fault.NamespaceExists, "Collection %s already exists.", ns)
	}
	if err := checkName(ns); err != nil {
		return err
	}
	if o.UUID.Data == nil {
		o.UUID = bson.Binary{Subtype: 4, Data: make([]byte, 16)}
		if _, err := rand.Read(o.UUID.Data); err != nil {
			return err
		}
	}
	c := &Collection{Name: ns, records: &btree.Map[uint64, *Document]{}}
	if err := c.setOptions(o); err != nil {
		return err
	}
	id, err := NewIndex(bson.D{{Key: "key", Value: bson.D{{Key: "_id", Value: int32(1)}}}, {Key: "name", Value: "_id_"}, {Key: "unique", Value: true}})
	if err != nil {
		return err
	}
	id.owned = true
	c.Indexes = []*Index{id}
	d.collections.Set(ns, c)
	d.owned[ns] = true
	d.log(op{kind: "create", ns: ns, arg: o.document()})
	return nil
}

func (c *Collection) setOptions(o Options) error {
	c.Options, c.validator = o, nil
	if len(o.Validator) == 0 {
		c.Options.Validator = nil
		return nil
	}
	f, err := query.Compile(o.Validator)
	if err != nil {
		return err
	}
	if f.Text != nil {
		return fault.New(fault.BadValue, "$text is not allowed in a validator")
	}
	c.validator = f
	return nil
}

// SetOptions changes a collection's validator; its UUID stays.
func (d *Draft) SetOptions(ns string, o Options) error {
	c := d.edit(ns)
	o.UUID = c.UUID
	if err := c.setOptions(o); err != nil {
		return err
	}
	d.log(op{kind: "options", ns: ns, arg: o.document()})
	return nil
}

// Drop removes a collection.
func (d *Draft) Drop(ns string) {
	d.collections.Delete(ns)
	delete(d.owned, ns)
	d.log(op{kind: "drop", ns: ns})
}

// Rename gives a collection another name; one that has the name already must be dropped before.
func (d *Draft) Rename(from, to string) error {
	if err := checkName(to); err != nil {
		return err
	}
	c := d.edit(from)
	d.collections.Delete(from)
	delete(d.owned, from)
	c.Name = to
	d.collections.Set(to, c)
	d.owned[to] = true
	d.log(op{kind: "rename", ns: from, name: to})
	return nil
}

// Insert stores a new document, which gets an _id if it has none, and gives it as it is stored.
func (d *Draft) Insert(ns string, doc bson.D) (*Document, error) {
	if d.Collection(ns) == nil {
		if err := d.Create(ns, Options{}); err != nil {
			return nil, err
		}
	}
	stored, err := prepare(doc)
	if err != nil {
		return nil, err
	}
	if err := d.Collection(ns).validate(stored.D, nil); err != nil {
		return nil, err
	}
	stored.Record = d.store.records.Add(1)
	return stored, d.put(ns, stored, nil)
}

// Replace stores a new version of a document. Its _id must be the same.
func (d *Draft) Replace(ns string, old *Document, doc bson.D) (*Document, error) {
	stored, err := prepare(doc)
	if err != nil {
		return nil, err
	}
	was, _ := value.Get(old.D, "_id")
	is, _ := value.Get(stored.D, "_id")
	if !value.Identical(was, is) {
		return nil, fault.New(fault.ImmutableField, "After applying the update, the (immutable) field '_id' was found to have been altered to _id: %s", show(is))
	}
	if err := d.Collection(ns).validate(stored.D, old); err != nil {
		return nil, err
	}
	stored.Record = old.Record
	return stored, d.put(ns, stored, old)
}

// Delete removes a document.
func (d *Draft) Delete(ns string, old *Document) error {
	if err := d.claim(ns, old); err != nil {
		return err
	}
	c := d.edit(ns)
	for i, ix := range c.Indexes {
		keys, _, err := ix.entries(old.D)
		if err != nil {
			return err
		}
		if len(keys) > 0 {
			ix = ix.own()
			c.Indexes[i] = ix
		}
		for _, k := range keys {
			ix.tree.Delete(withRecord(k, old.Record))
		}
	}
	c.records.Delete(old.Record)
	c.bytes -= int64(len(old.Raw))
	d.log(op{kind: "del", ns: ns, record: old.Record})
	return nil
}

// prepare brings a document into the form in which it is stored: _id first, within bounds, sharing nothing with the
// request.
func prepare(doc bson.D) (*Document, error) {
	if i := slices.IndexFunc(doc, func(e bson.E) bool { return e.Key == "_id" }); i < 0 {
		doc = append(bson.D{{Key: "_id", Value: bson.NewObjectID()}}, doc...)
	} else if i > 0 {
		id := doc[i]
		doc = append(append(bson.D{id}, doc[:i]...), doc[i+1:]...)
	}
	switch doc[0].Value.(type) {
	case bson.A, bson.Regex:
		return nil, fault.New(fault.Code(53), "The '_id' value cannot be of type %s", value.TypeName(doc[0].Value))
	}
	b, err := value.Encode(doc)
	if err != nil {
		return nil, err
	}
	if len(b) > value.MaxDocument {
		return nil, fault.New(fault.BSONObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(b), value.MaxDocument)
	}
	stored, raw, err := value.DecodeShared(b)
	if err != nil {
		return nil, err
	}
	return &Document{D: stored, Raw: raw}, nil
}

type change struct {
	at       int
	del, add []string
	multi    []bool
}

// put stores a version of a document, old being the one before; either every index takes it or nothing changes.
func (d *Draft) put(ns string, doc, old *Document) error {
	c := d.Collection(ns)
	changes := make([]change, 0, len(c.Indexes))
	for i, ix := range c.Indexes {
		add, multi, err := ix.entries(doc.D)
		if err != nil {
			return err
		}
		var del []string
		if old != nil {
			if del, _, err = ix.entries(old.D); err != nil {
				return err
			}
			add, del = difference(add, del), difference(del, add)
		}
		if ix.Unique {
			for _, k := range add {
				if ix.holder(k, doc.Record) != 0 {
					return ix.duplicate(ns, k, doc.D)
				}
				if err := d.claimKey(ns, ix.Name, k, doc.Record); err != nil {
					return err
				}
			}
		}
		if len(add)+len(del) > 0 {
			changes = append(changes, change{at: i, add: add, del: del, multi: multi})
		}
	}
	if old != nil {
		if err := d.claim(ns, old); err != nil {
			return err
		}
	}
	c = d.edit(ns)
	for _, ch := range changes {
		ix := c.Indexes[ch.at].own()
		c.Indexes[ch.at] = ix
		for _, k := range ch.del {
			ix.tree.Delete(withRecord(k, doc.Record))
		}
		for _, k := range ch.add {
			ix.tree.Set(withRecord(k, doc.Record), struct{}{})
		}
		for i, m := range ch.multi {
			ix.multi[i] = ix.multi[i] || m
		}
	}
	if old != nil {
		c.bytes -= int64(len(old.Raw))
	}
	c.bytes += int64(len(doc.Raw))
	c.records.Set(doc.Record, doc)
	d.size += len(doc.Raw)
	d.log(op{kind: "put", ns: ns, record: doc.Record, doc: doc})
	return nil
}

// difference gives what sorted a has and sorted b has not.
func difference(a, b []string) []string {
	if len(a) == 1 && len(b) == 1 {
		if a[0] == b[0] {
			return nil
		}
		return a
	}
	var out []string
	for _, k := range a {
		if _, in := slices.BinarySearch(b, k); !in {
			out = append(out, k)
		}
	}
	return out
}

// CreateIndex builds an index over a collection.
func (d *Draft) CreateIndex(ns string, ix *Index) error {
	c := d.edit(ns)
	ix.owned = true
	var err error
	c.records.Scan(func(_ uint64, doc *Document) bool {
		var keys []string
		var multi []bool
		if keys, multi, err = ix.entries(doc.D); err != nil {
			return false
		}
		for _, k := range keys {
			if ix.Unique && ix.holder(k, doc.Record) != 0 {
				err = ix.duplicate(ns, k, doc.D)
				return false
			}
			ix.tree.Set(withRecord(k, doc.Record), struct{}{})
		}
		for i, m := range multi {
			ix.multi[i] = ix.multi[i] || m
		}
		return true
	})
	if err != nil {
		return err
	}
	c.Indexes = append(c.Indexes, ix)
	d.log(op{kind: "index", ns: ns, arg: ix.Spec()})
	return nil
}

// ChangeIndex replaces what collMod may change of an index: its expiry and whether it is hidden.
func (d *Draft) ChangeIndex(ns, name string, expire int64, hidden bool) {
	c := d.edit(ns)
	for i, ix := range c.Indexes {
		if ix.Name == name {
			changed := *ix.own()
			changed.Expire, changed.Hidden = expire, hidden
			c.Indexes[i] = &changed
			d.log(op{kind: "changeIndex", ns: ns, arg: changed.Spec()})
		}
	}
}

// DropIndex removes an index.
func (d *Draft) DropIndex(ns, name string) {
	c := d.edit(ns)
	c.Indexes = slices.DeleteFunc(c.Indexes, func(ix *Index) bool { return ix.Name == name })
	d.log(op{kind: "dropIndex", ns: ns, name: name})
}

// state gives what the draft has made. The draft must not be used after it.
func (d *Draft) state() *State {
	for ns := range d.owned {
		c, _ := d.collections.Get(ns)
		for _, ix := range c.Indexes {
			if ix.owned {
				ix.owned = false
			}
		}
	}
	return &State{collections: d.collections, lsn: d.base.lsn}
}

func checkName(ns string) error {
	if len(ns) > 255 {
		return fault.New(fault.InvalidNamespace, "Fully qualified namespace is too long. Namespace: %s Max: 255", ns)
	}
	for i := range len(ns) {
		if ns[i] == '$' || ns[i] == 0 {
			return fault.New(fault.InvalidNamespace, "Invalid collection name: %q", ns)
		}
	}
	return nil
}
