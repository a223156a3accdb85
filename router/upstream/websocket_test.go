package upstream

import (
	"encoding/json"
	"errors"
	"testing"
)

func TestReadMessage(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"type":"connection_ack"}`:                                    "connection_ack  ",
		`{"type":"connection_ack","payload":{"a":1}}`:                  `connection_ack  {"a":1}`,
		`{"type":"ping"}`:                                              "ping  ",
		`{"id":"1","type":"next","payload":{"data":null}}`:             `next 1 {"data":null}`,
		`{"payload":{"data":null},"type":"n\u0065xt","id":"1","x":[]}`: `next 1 {"data":null}`,
		`{"id":"1","type":"error","payload":[{"message":"x"}]}`:        `error 1 [{"message":"x"}]`,
		`{"id":"1","type":"complete"}`:                                 "complete 1 ",
		`{"id":"1","type":"error","payload":{"message":"x"}}`:          "",
		`{"id":"1","type":"next"}`:                                     "",
		`{"type":"next","payload":{}}`:                                 "",
		`{"type":"complete"}`:                                          "",
		`{"type":"data"}`:                                              "",
		`{"type":1}`:                                                   "",
		`{"id":1,"type":"complete"}`:                                   "",
		`{"type":"ping"} {"type":"ping"}`:                              "",
		`{"type":"ping"`:                                               "",
		`{"type":`:                                                     "",
		`[]`:                                                           "",
		``:                                                             "",
	} {
		m, err := readMessage([]byte(text))
		if want == "" {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%s: %+v, %v", text, m, err)
			}
			continue
		}
		if got := m.kind + " " + m.id + " " + string(m.payload); err != nil || got != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

// FuzzMessage holds that nothing is taken that is not JSON, or not whole.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"id":"1","type":"next","payload":{"data":null}}`))
	f.Add([]byte(`{"id":"1","type":"error","payload":[{"message":"\u0000"}]}`))
	f.Add([]byte(`{"type":"connection_ack","payload":{}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := readMessage(data)
		if err != nil {
			return
		}
		if !json.Valid(data) || len(m.payload) > 0 && !json.Valid(m.payload) {
			t.Fatalf("taken: %q", data)
		}
		if (m.kind == "next" || m.kind == "error") && (m.id == "" || len(m.payload) == 0) {
			t.Fatalf("not whole: %q", data)
		}
	})
}
