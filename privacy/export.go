package privacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/workflows"
)

// exportLife is how long an export can be fetched.
const exportLife = 5 * time.Minute

// Export gathers what is held of the subject, and leaves it encrypted in Redis for a few minutes. The answer says where:
// values never enter a workflow.
func (p *Participant) Export(ctx context.Context, ref workflows.SubjectRef) (workflows.ExportRef, error) {
	if p.Redis == nil {
		return workflows.ExportRef{}, errors.New("the service has no Redis to leave an export in")
	}
	document := map[string][]json.RawMessage{}
	for _, s := range p.Stores {
		err := each(ctx, s.Collection, s.Subject(ref.CustomerID), func(doc bson.Raw) error {
			text, err := exported(s, doc)
			document[s.Collection.Name()] = append(document[s.Collection.Name()], text)
			return err
		})
		if err != nil {
			return workflows.ExportRef{}, err
		}
	}
	text, err := json.Marshal(document)
	if err != nil {
		return workflows.ExportRef{}, fmt.Errorf("write an export: %w", err)
	}
	key := exportKey(p.Service, ref.ErasureID)
	sealed, err := seal(p.Keys.Dossier[:32], text, key)
	if err != nil {
		return workflows.ExportRef{}, err
	}
	if err := p.Redis.Set(ctx, key, sealed, exportLife).Err(); err != nil {
		return workflows.ExportRef{}, fmt.Errorf("leave an export: %w", err)
	}
	return workflows.ExportRef{Service: p.Service, Ref: ref.ErasureID}, nil
}

func exportKey(service, ref string) string { return "export:" + service + ":" + ref }

// FetchExport gives an export as JSON and removes it.
func FetchExport(ctx context.Context, r *redis.Client, keys Keys, ref workflows.ExportRef) (json.RawMessage, error) {
	key := exportKey(ref.Service, ref.Ref)
	sealed, err := r.GetDel(ctx, key).Bytes()
	if err != nil {
		return nil, fmt.Errorf("fetch the export of %s: %w", ref.Service, err)
	}
	return open(keys.Dossier[:32], sealed, key)
}

// exported writes one document as plain JSON: all of what belongs to the subject is the subject's to read, personal by
// itself or not.
func exported(s Store, doc bson.Raw) (json.RawMessage, error) {
	out := map[string]any{}
	elements, err := doc.Elements()
	if err != nil {
		return nil, fmt.Errorf("read a document of %s: %w", s.Collection.Name(), err)
	}
	for _, e := range elements {
		if e.Key() != erasedMark && e.Key() != "schemaVersion" {
			out[e.Key()] = plain(e.Value())
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write an export: %w", err)
	}
	return text, nil
}

// plain gives a stored value as JSON has it.
func plain(v bson.RawValue) any {
	switch v.Type {
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeBoolean:
		return v.Boolean()
	case bson.TypeInt32:
		return v.Int32()
	case bson.TypeInt64:
		return v.Int64()
	case bson.TypeDouble:
		return v.Double()
	case bson.TypeDateTime:
		return v.Time().UTC().Format(time.RFC3339Nano)
	case bson.TypeNull, bson.TypeUndefined:
		return nil
	case bson.TypeArray:
		list := []any{}
		elements, _ := bson.Raw(v.Value).Elements() // what the server stored is well formed
		for _, e := range elements {
			list = append(list, plain(e.Value()))
		}
		return list
	case bson.TypeEmbeddedDocument:
		document := map[string]any{}
		elements, _ := bson.Raw(v.Value).Elements()
		for _, e := range elements {
			document[e.Key()] = plain(e.Value())
		}
		return document
	}
	return v.String()
}
