package privacy

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/workflows"
)

// dossier is what an erasure knows of its subject between the seal and the close: the subject's own values, for the
// verification, and where its documents are, for when the link to it is cut. It is encrypted under a key of the erasure's
// own, which is itself wrapped, stands in the service's database and never in a workflow, and is destroyed at the close.
type dossier struct {
	// Tokens are the subject's own values, in lower case.
	Tokens []string `bson:"tokens"`
	// Documents are the ids of the subject's documents by collection.
	Documents []documentIDs `bson:"documents"`
	// Workflows are the ids of workflows that ran for the subject.
	Workflows []string `bson:"workflows"`
}

type documentIDs struct {
	Collection string          `bson:"collection"`
	IDs        []bson.RawValue `bson:"ids"`
}

// of gives the ids of the subject's documents in a store.
func (d *dossier) of(s Store) []bson.RawValue {
	for _, of := range d.Documents {
		if of.Collection == s.Collection.Name() {
			return of.IDs
		}
	}
	return nil
}

// has reports whether a document is one of the subject's.
func (d *dossier) has(collection string, id bson.RawValue) bool {
	for _, of := range d.Documents {
		if of.Collection == collection {
			return slices.ContainsFunc(of.IDs, id.Equal)
		}
	}
	return false
}

// add notes a document of the subject, and reports whether it is new.
func (d *dossier) add(s Store, doc bson.Raw) (bool, error) {
	name := s.Collection.Name()
	found, err := doc.LookupErr("_id")
	if err != nil {
		return false, fmt.Errorf("read the id of a document of %s: %w", name, err)
	}
	if d.has(name, found) {
		return false, nil
	}
	id := bson.RawValue{Type: found.Type, Value: slices.Clone(found.Value)} // the document's bytes are the cursor's
	for i := range d.Documents {
		if d.Documents[i].Collection == name {
			d.Documents[i].IDs = append(d.Documents[i].IDs, id)
			return true, nil
		}
	}
	d.Documents = append(d.Documents, documentIDs{name, []bson.RawValue{id}})
	return true, nil
}

// minToken is the shortest value that is searched for: shorter ones point to nobody.
const minToken = 3

// telling reports whether a value points to its person wherever it stands. The others (a town, a label, a first name) are
// searched for only where the service keeps personal data: the name of a town may stand in that of a product.
func telling(token string) bool {
	return len(token) >= 6 && strings.ContainsFunc(token, func(r rune) bool { return unicode.IsDigit(r) || unicode.IsSpace(r) || r == '@' })
}

// remember resolves the subject's own values and where they are, and keeps them.
func (p *Participant) remember(ctx context.Context, ref workflows.SubjectRef) error {
	kept, err := p.recall(ctx, ref)
	if err != nil {
		return err
	}
	if kept == nil {
		kept = &dossier{}
	}
	tokens := map[string]bool{strings.ToLower(ref.CustomerID): true}
	for _, t := range kept.Tokens {
		tokens[t] = true
	}
	for _, s := range p.Stores {
		err := each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
			p.gather(s, doc, tokens)
			_, err := kept.add(s, doc)
			return err
		})
		if err != nil {
			return err
		}
	}
	if p.Workflows != nil {
		if kept.Workflows, err = p.Workflows(ctx, ref.CustomerID); err != nil {
			return err
		}
	}
	kept.Tokens = kept.Tokens[:0]
	for t := range tokens {
		kept.Tokens = append(kept.Tokens, t)
	}
	slices.Sort(kept.Tokens)
	return p.keepDossier(ctx, ref, kept)
}

// gather collects the personal values of a document, but for those that it keeps.
func (p *Participant) gather(s Store, doc bson.Raw, into map[string]bool) {
	for _, f := range s.Fields {
		if retains, _ := p.retains(f, doc); retains {
			continue
		}
		for _, v := range values(doc, f.BSON) {
			text, ok := v.StringValueOK()
			if coarse, generalises := f.generalised(v); generalises && coarse == text {
				continue
			}
			if ok && len(text) >= minToken {
				into[strings.ToLower(text)] = true
			}
		}
	}
}

type dossierDoc struct {
	ID     string `bson:"_id"`
	Key    []byte `bson:"key"`    // wrapped under Keys.Dossier
	Sealed []byte `bson:"sealed"` // a dossier, encrypted under the key
}

func (p *Participant) dossiers() *mongo.Collection { return p.DB.Collection("dossiers") }

func (p *Participant) keepDossier(ctx context.Context, ref workflows.SubjectRef, d *dossier) error {
	text, err := bson.Marshal(d)
	if err != nil {
		return fmt.Errorf("write a dossier: %w", err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	doc := dossierDoc{ID: ref.ErasureID}
	if doc.Key, err = seal(p.Keys.Dossier[:32], key, ref.ErasureID); err != nil {
		return err
	}
	if doc.Sealed, err = seal(key, text, ref.ErasureID); err != nil {
		return err
	}
	_, err = p.dossiers().ReplaceOne(ctx, bson.D{{Key: "_id", Value: doc.ID}}, doc, options.Replace().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("write a dossier: %w", err)
	}
	return nil
}

// recall gives a dossier; nil where there is none.
func (p *Participant) recall(ctx context.Context, ref workflows.SubjectRef) (*dossier, error) {
	var doc dossierDoc
	err := p.dossiers().FindOne(ctx, bson.D{{Key: "_id", Value: ref.ErasureID}}).Decode(&doc)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a dossier: %w", err)
	}
	key, err := open(p.Keys.Dossier[:32], doc.Key, ref.ErasureID)
	if err != nil {
		return nil, err
	}
	text, err := open(key, doc.Sealed, ref.ErasureID)
	if err != nil {
		return nil, err
	}
	d := &dossier{}
	if err := bson.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("read a dossier: %w", err)
	}
	return d, nil
}

// forget destroys a dossier with its key.
func (p *Participant) forget(ctx context.Context, ref workflows.SubjectRef) error {
	if _, err := p.dossiers().DeleteOne(ctx, bson.D{{Key: "_id", Value: ref.ErasureID}}); err != nil {
		return fmt.Errorf("destroy a dossier: %w", err)
	}
	return nil
}

// Mentions reports whether a text holds one of the values that the erasure remembers of its subject.
func (p *Participant) Mentions(ctx context.Context, ref workflows.SubjectRef, text string) (bool, error) {
	d, err := p.recall(ctx, ref)
	if err != nil || d == nil {
		return false, err
	}
	text = strings.ToLower(text)
	return slices.ContainsFunc(d.Tokens, func(t string) bool { return strings.Contains(text, t) }), nil
}

// seal encrypts with AES-256-GCM, bound to what it is for.
func seal(key, text []byte, purpose string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails: it ends the process instead
	return aead.Seal(nonce, nonce, text, []byte(purpose)), nil
}

func open(key, sealed []byte, purpose string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("the sealed text is too short")
	}
	text, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], []byte(purpose))
	if err != nil {
		return nil, fmt.Errorf("open a sealed text: %w", err)
	}
	return text, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("prepare a cipher: %w", err)
	}
	return cipher.NewGCM(block)
}
