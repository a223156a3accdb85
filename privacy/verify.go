package privacy

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/workflows"
)

// A verification reads every document of every collection of the service's database, byte for byte, and searches it for
// the values that the subject alone had. It shares nothing with the eraser: neither the filter nor the list of fields nor
// the list of collections. The values are resolved once before the seal and kept in a dossier, encrypted under a key of
// the erasure's own that is itself wrapped, until they are forgotten.

// minToken is the shortest value that says something: shorter ones are shared by many.
const minToken = 5

type dossierDoc struct {
	ID     string `bson:"_id"`
	Key    []byte `bson:"key"`    // wrapped under Keys.Dossier
	Tokens []byte `bson:"tokens"` // encrypted under the key
}

func (p *Participant) dossiers() *mongo.Collection { return p.DB.Collection("dossiers") }

// remember resolves the subject's own values and keeps them.
func (p *Participant) remember(ctx context.Context, ref workflows.SubjectRef) (tokens []string, err error) {
	if kept, err := p.recall(ctx, ref); err != nil || kept != nil {
		return kept, err
	}
	seen := map[string]bool{ref.CustomerID: true}
	own := map[string]bool{} // the subject's documents
	for _, s := range p.Stores {
		err := each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
			own[s.Collection.Name()+"\x00"+string(doc.Lookup("_id").Value)] = true
			for _, f := range s.Fields {
				if f.Action == Retain {
					continue
				}
				for _, v := range values(doc, f.BSON) {
					if text, ok := v.StringValueOK(); ok && len(text) >= minToken {
						seen[text] = true
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	// What a GENERALISE keeps of a value, and what others have too, is no trace of this subject.
	err = p.scan(ctx, func(collection string, doc bson.Raw) {
		if own[collection+"\x00"+string(doc.Lookup("_id").Value)] {
			return
		}
		for t := range seen {
			if t != ref.CustomerID && bytes.Contains(doc, []byte(t)) {
				delete(seen, t)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for t := range seen {
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	return tokens, p.keepDossier(ctx, ref, tokens)
}

// scan reads every document of the service's database, but for what the contract itself keeps.
func (p *Participant) scan(ctx context.Context, do func(collection string, doc bson.Raw)) error {
	names, err := p.DB.ListCollectionNames(ctx, bson.D{})
	if err != nil {
		return fmt.Errorf("list the collections of %s: %w", p.DB.Name(), err)
	}
	for _, name := range names {
		err := each(ctx, p.DB.Collection(name), bson.D{}, func(doc bson.Raw) error {
			do(name, doc)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// verify searches the whole database for the subject's own values.
func (p *Participant) verify(ctx context.Context, ref workflows.SubjectRef, beat func(any)) (workflows.Findings, error) {
	out := workflows.Findings{Service: p.Service}
	tokens, err := p.recall(ctx, ref)
	if err != nil {
		return out, err
	}
	if tokens == nil {
		return out, errors.New("there is no dossier to verify by")
	}
	out.Tokens = len(tokens)
	counts := map[string]int{}
	err = p.scan(ctx, func(collection string, doc bson.Raw) {
		if out.Documents++; out.Documents%1000 == 0 {
			beat(out.Documents)
		}
		lower := bytes.ToLower(doc)
		for _, t := range tokens {
			if bytes.Contains(doc, []byte(t)) || bytes.Contains(lower, bytes.ToLower([]byte(t))) {
				counts[collection]++
				return
			}
		}
	})
	for name, n := range counts {
		out.Found = append(out.Found, workflows.Finding{Store: name, Count: n})
	}
	return out, err
}

func (p *Participant) keepDossier(ctx context.Context, ref workflows.SubjectRef, tokens []string) error {
	text, err := json.Marshal(tokens)
	if err != nil {
		return fmt.Errorf("write a dossier: %w", err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails: it ends the process instead
	doc := dossierDoc{ID: ref.ErasureID}
	if doc.Key, err = seal(p.Keys.Dossier[:32], key, ref.ErasureID); err != nil {
		return err
	}
	if doc.Tokens, err = seal(key, text, ref.ErasureID); err != nil {
		return err
	}
	_, err = p.dossiers().ReplaceOne(ctx, bson.D{{Key: "_id", Value: doc.ID}}, doc, options.Replace().SetUpsert(true))
	if err != nil {
		return fmt.Errorf("write a dossier: %w", err)
	}
	return nil
}

// recall gives the values of a dossier, nil where there is none.
func (p *Participant) recall(ctx context.Context, ref workflows.SubjectRef) ([]string, error) {
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
	text, err := open(key, doc.Tokens, ref.ErasureID)
	if err != nil {
		return nil, err
	}
	var tokens []string
	if err := json.Unmarshal(text, &tokens); err != nil {
		return nil, fmt.Errorf("read a dossier: %w", err)
	}
	return tokens, nil
}

// forget destroys a dossier with its key.
func (p *Participant) forget(ctx context.Context, ref workflows.SubjectRef) error {
	if _, err := p.dossiers().DeleteOne(ctx, bson.D{{Key: "_id", Value: ref.ErasureID}}); err != nil {
		return fmt.Errorf("destroy a dossier: %w", err)
	}
	return nil
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

// Mentions reports whether a text holds one of the values that the erasure remembers of its subject.
func (p *Participant) Mentions(ctx context.Context, ref workflows.SubjectRef, text string) (bool, error) {
	tokens, err := p.recall(ctx, ref)
	if err != nil {
		return false, err
	}
	lower := strings.ToLower(text)
	for _, t := range tokens {
		if strings.Contains(lower, strings.ToLower(t)) {
			return true, nil
		}
	}
	return false, nil
}
