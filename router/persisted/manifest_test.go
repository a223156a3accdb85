package persisted_test

import (
	"strings"
	"testing"

	"github.com/lethe/lethe/router/persisted"
)

func TestReadManifest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"Apollo":          {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"b","name":"B","type":"query","body":"query B { b }"},{"id":"a","name":"A","type":"query","body":"query A { a }"}]}`, "a=query A { a } b=query B { b } "},
		"Apollo, empty":   {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[]}`, ""},
		"Relay":           {`{"9f":"query B { b }","1a":"query A { a }"}`, "1a=query A { a } 9f=query B { b } "},
		"Relay, empty":    {`{}`, ""},
		"another version": {`{"format":"apollo-persisted-query-manifest","version":2,"operations":[]}`, "error: version 2"},
		"another form":    {`{"format":"x","version":1,"operations":[]}`, `error: its form is "x"`},
		"two of one id":   {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","body":"{ a }"},{"id":"a","body":"{ b }"}]}`, `error: two documents have the id "a"`},
		"no id":           {`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"body":"{ a }"}]}`, `error: document "" has no id`},
		"no text":         {`{"a":""}`, `error: document "a"`},
		"a number":        {`{"a":1}`, `error: it is neither`},
		"null":            {`{"a":null}`, `error: it is neither`},
		"a list":          {`[]`, `error: it is no JSON object`},
		"nothing":         {``, `error: it is no JSON object`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, err := persisted.ReadManifest([]byte(c.text))
			var got strings.Builder
			for _, d := range docs {
				got.WriteString(d.ID + "=" + d.Text + " ")
			}
			if err != nil {
				got.WriteString("error: " + err.Error())
			}
			if want, ok := strings.CutPrefix(c.want, "error: "); got.String() != c.want && (!ok || err == nil || !strings.Contains(err.Error(), want)) {
				t.Errorf("%s", got.String())
			}
		})
	}
}

func FuzzReadManifest(f *testing.F) {
	f.Add([]byte(`{"a":"{ a }"}`))
	f.Add([]byte(`{"format":"apollo-persisted-query-manifest","version":1,"operations":[{"id":"a","body":"{ a }"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		docs, err := persisted.ReadManifest(data)
		for _, d := range docs {
			if err != nil || d.ID == "" || d.Text == "" {
				t.Fatalf("%q: %v, %v", data, d, err)
			}
		}
	})
}
