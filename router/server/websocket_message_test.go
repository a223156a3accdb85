package server

import (
	"encoding/json"
	"testing"
)

// FuzzMessage holds that what is read of a message is what a JSON decoder reads, and that only whole messages are taken.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"id":"1","type":"subscribe","payload":{"query":"{ __typename }"}}`))
	f.Add([]byte(`{"type":"connection_init","payload":{"headers":{"Authorization":"Bearer \u0061"}}}`))
	f.Add([]byte(`{"type":"ping","payload":null}`))
	f.Add([]byte(`{"id":"\ud83d\ude00","type":"complete","more":[1,{"a":[]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMessage(data)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("taken, and not JSON: %q", data)
		}
		if !m.whole() {
			t.Fatalf("not whole: %+v", m)
		}
		if m.payload != nil && !json.Valid(m.payload) {
			t.Fatalf("payload %q", m.payload)
		}
		_ = credentials(m.payload)
		if again, err := readMessage(appendMessage(nil, m.kind, m.id, m.payload)); err != nil || again.kind != m.kind || again.id != m.id || string(again.payload) != string(m.payload) {
			t.Fatalf("%+v, then %+v, %v", m, again, err)
		}
	})
}
