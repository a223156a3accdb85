package privacy

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/workflows"
)

// A verification reads every document of every collection of the service's database, and every key of its Redis, and
// searches them for the values that were the subject's own. It uses neither the eraser's filters nor its list of
// collections: what nobody declared is read as well.
//
// What another customer has too is that customer's, where the document leads to it: neighbours share an address.

// verify searches all that the service stores for the subject's own values.
func (p *Participant) verify(ctx context.Context, ref workflows.SubjectRef) (workflows.Findings, error) {
	out := workflows.Findings{Service: p.Service}
	d, err := p.recall(ctx, ref)
	if err != nil {
		return out, err
	}
	if d == nil {
		return out, errors.New("there is no dossier to verify by")
	}
	out.Tokens = len(d.Tokens)
	look := newSearch(p, d, ref.CustomerID)
	names, err := p.DB.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return out, fmt.Errorf("list the collections of %s: %w", p.DB.Name(), err)
	}
	slices.Sort(names)
	counts := map[string]int{}
	for _, name := range names {
		err := each(ctx, p.DB.Collection(name), bson.D{}, func(doc bson.Raw) error {
			out.Documents++
			if look.document(name, doc) {
				counts[name]++
			}
			return nil
		})
		if err != nil {
			return out, err
		}
		if counts[name] > 0 {
			out.Found = append(out.Found, workflows.Finding{Store: name, Count: counts[name]})
		}
	}
	if p.Redis == nil {
		return out, nil
	}
	read, hits, err := look.redis(ctx, p.Redis)
	out.Documents += read
	if hits > 0 {
		out.Found = append(out.Found, workflows.Finding{Store: "redis", Count: hits})
	}
	return out, err
}

// search is what a verification looks for.
type search struct {
	dossier *dossier
	id      string // of the subject, in lower case
	tokens  map[string]bool
	telling []string
	stores  map[string]*searchedStore
}

// searchedStore is what is known of a collection that the service declares.
type searchedStore struct {
	link   string // path to the id of the subject that a document belongs to
	fields map[string][]Field
	keep   func(Field, bson.Raw) bool
}

func newSearch(p *Participant, d *dossier, customerID string) *search {
	s := &search{dossier: d, id: strings.ToLower(customerID), tokens: map[string]bool{}, stores: map[string]*searchedStore{}}
	for _, t := range d.Tokens {
		s.tokens[t] = true
		if telling(t) || t == s.id {
			s.telling = append(s.telling, t)
		}
	}
	for _, store := range p.Stores {
		known := &searchedStore{fields: map[string][]Field{}, keep: func(f Field, doc bson.Raw) bool { kept, _ := p.retains(f, doc); return kept }}
		if store.Whole {
			known.link = "_id"
		}
		for _, f := range store.Fields {
			known.fields[f.BSON] = append(known.fields[f.BSON], f)
			if f.Link {
				known.link = f.BSON
			}
		}
		s.stores[store.Collection.Name()] = known
	}
	return s
}

// document reports whether a document holds anything of the subject.
func (s *search) document(collection string, doc bson.Raw) bool {
	store := s.stores[collection]
	if store != nil && s.another(store, doc) {
		return s.mentionsID(doc)
	}
	own := s.dossier.has(collection, doc.Lookup("_id"))
	found := false
	leaves(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, "", func(path string, v bson.RawValue) {
		if found {
			return
		}
		for _, form := range forms(v) {
			found = found || slices.ContainsFunc(s.telling, func(t string) bool { return strings.Contains(form, t) }) && !store.kept(path, doc, v)
		}
		if fields := store.at(path); len(fields) > 0 && !store.kept(path, doc, v) {
			// Where the service keeps personal data nothing of the subject's own documents may be left at all, and of the
			// others' no value that was the subject's.
			text, _ := v.StringValueOK()
			found = found || own || s.tokens[strings.ToLower(text)]
		}
	})
	return found || s.keys(doc)
}

// another reports whether a document leads to another customer.
func (s *search) another(store *searchedStore, doc bson.Raw) bool {
	for _, v := range values(doc, store.link) {
		if id, ok := v.StringValueOK(); ok && id != "" && !strings.EqualFold(id, s.id) {
			return true
		}
	}
	return false
}

func (s *search) mentionsID(doc bson.Raw) bool {
	found := false
	leaves(bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: doc}, "", func(_ string, v bson.RawValue) {
		for _, form := range forms(v) {
			found = found || strings.Contains(form, s.id)
		}
	})
	return found
}

// keys reports whether the name of a field tells something: names can be made of values.
func (s *search) keys(doc bson.Raw) bool {
	elements, err := doc.Elements()
	if err != nil {
		return false
	}
	for _, e := range elements {
		name := strings.ToLower(e.Key())
		if slices.ContainsFunc(s.telling, func(t string) bool { return strings.Contains(name, t) }) {
			return true
		}
		if v := e.Value(); v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
			if s.keys(v.Value) {
				return true
			}
		}
	}
	return false
}

// at gives the personal fields of a path; none in a collection that nobody declared.
func (s *searchedStore) at(path string) []Field {
	if s == nil {
		return nil
	}
	return s.fields[path]
}

// kept reports whether the value at a path is one that the erasure leaves: retained, or as coarse as it will be.
func (s *searchedStore) kept(path string, doc bson.Raw, v bson.RawValue) bool {
	for _, f := range s.at(path) {
		if s.keep(f, doc) {
			return true
		}
		if coarse, ok := f.generalised(v); ok && coarse == v.StringValue() {
			return true
		}
	}
	return false
}

// leaves calls found with every value of a document that is neither document nor list, and with its path without the
// places in lists.
func leaves(v bson.RawValue, path string, found func(string, bson.RawValue)) {
	if v.Type != bson.TypeEmbeddedDocument && v.Type != bson.TypeArray {
		if v.Type != bson.TypeNull && v.Type != bson.TypeUndefined {
			found(path, v)
		}
		return
	}
	elements, err := bson.Raw(v.Value).Elements()
	if err != nil {
		return
	}
	for _, e := range elements {
		at := path
		if v.Type == bson.TypeEmbeddedDocument {
			at = join(path, e.Key())
		}
		leaves(e.Value(), at, found)
	}
}

// forms gives the texts that a stored value could be read as, in lower case.
func forms(v bson.RawValue) []string {
	switch v.Type {
	case bson.TypeString:
		text := v.StringValue()
		out := []string{strings.ToLower(text)}
		if decoded, err := base64.StdEncoding.DecodeString(text); err == nil && len(decoded) > 0 {
			out = append(out, strings.ToLower(string(decoded)))
		}
		return out
	case bson.TypeBinary:
		_, data := v.Binary()
		return []string{strings.ToLower(string(data))}
	case bson.TypeInt32:
		return []string{strconv.Itoa(int(v.Int32()))}
	case bson.TypeInt64:
		return []string{strconv.FormatInt(v.Int64(), 10)}
	case bson.TypeSymbol, bson.TypeJavaScript, bson.TypeRegex:
		return []string{strings.ToLower(v.String())}
	}
	return nil
}
