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

// exported writes one document by the names that the schema has for its fields.
func exported(s Store, doc bson.Raw) (json.RawMessage, error) {
	out := map[string][]json.RawMessage{}
	for _, f := range s.Fields {
		for _, v := range values(doc, f.BSON) {
			out[f.Path] = append(out[f.Path], plain(v))
		}
	}
	text, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write an export: %w", err)
	}
	return text, nil
}

// plain writes a stored value as plain JSON.
func plain(v bson.RawValue) json.RawMessage {
	var out any
	switch v.Type {
	case bson.TypeString:
		out = v.StringValue()
	case bson.TypeBoolean:
		out = v.Boolean()
	case bson.TypeInt32:
		out = v.Int32()
	case bson.TypeInt64:
		out = v.Int64()
	case bson.TypeDouble:
		out = v.Double()
	case bson.TypeDateTime:
		out = v.Time().UTC().Format(time.RFC3339)
	default:
		out = v.String()
	}
	b, err := json.Marshal(out)
	if err != nil {
		return json.RawMessage("null")
	}
	return b
}
