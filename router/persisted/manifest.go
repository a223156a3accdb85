package persisted

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Document is an operation of a manifest.
type Document struct {
	ID   string
	Text string
}

// The bounds of a manifest.
const (
	// MaxManifestBytes is how large a manifest may be.
	MaxManifestBytes = 64 << 20
	maxDocuments     = 50_000
)

// apolloFormat is how Apollo's manifests name their form.
const apolloFormat = "apollo-persisted-query-manifest"

// ReadManifest reads a manifest of documents in Apollo's form (generate-persisted-query-manifest, version 1) or Relay's
// (an object of ids and texts, as relay-compiler's persistConfig writes it). The documents come in the order of their ids.
// The error says what is wrong, in words for who wrote the file.
func ReadManifest(data []byte) ([]Document, error) {
	if len(data) > MaxManifestBytes {
		return nil, fmt.Errorf("it has more than %d bytes", MaxManifestBytes)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, fmt.Errorf("it is no JSON object: %w", err)
	}
	texts := map[string]string{}
	var err error
	if _, ok := members["format"]; ok && members["operations"] != nil {
		err = readApollo(data, texts)
	} else {
		err = readRelay(members, texts)
	}
	if err != nil {
		return nil, err
	}
	if len(texts) > maxDocuments {
		return nil, fmt.Errorf("it has %d documents: at most %d are taken", len(texts), maxDocuments)
	}
	out := make([]Document, 0, len(texts))
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		if id == "" || texts[id] == "" {
			return nil, fmt.Errorf("document %q has no id or no text", id)
		}
		out = append(out, Document{id, texts[id]})
	}
	return out, nil
}

func readApollo(data []byte, texts map[string]string) error {
	var m struct {
		Format     string
		Version    int
		Operations []struct{ ID, Body string }
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return fmt.Errorf("it is no manifest in Apollo's form: %w", err)
	}
	if m.Format != apolloFormat || m.Version != 1 {
		return fmt.Errorf("its form is %q version %d: %q version 1 is read, or Relay's object of ids and texts", m.Format, m.Version, apolloFormat)
	}
	for _, op := range m.Operations {
		if old, ok := texts[op.ID]; ok && old != op.Body {
			return fmt.Errorf("two documents have the id %q", op.ID)
		}
		texts[op.ID] = op.Body
	}
	return nil
}

func readRelay(members map[string]json.RawMessage, texts map[string]string) error {
	for id, raw := range members {
		var text *string
		if json.Unmarshal(raw, &text) != nil || text == nil {
			return errors.New("it is neither Apollo's form (format, version, operations) nor Relay's (an object of ids and texts): the value of " + fmt.Sprintf("%.60q", id) + " is no text")
		}
		texts[id] = *text
	}
	return nil
}
