package server_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// answers sends a batch and gives its answers as the client gets them: data and the codes of errors.
func answers(t *testing.T, h http.Handler, body string) (status int, out []string) {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, post(body))
	if !strings.HasPrefix(rec.Body.String(), "[") {
		return rec.Code, []string{rec.Body.String()}
	}
	var list []struct {
		Data   json.RawMessage
		Errors []struct{ Extensions struct{ Code string } }
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &list); err != nil {
		t.Fatalf("%v: %s", err, rec.Body)
	}
	for _, a := range list {
		text := string(a.Data)
		for _, e := range a.Errors {
			text += " " + e.Extensions.Code
		}
		out = append(out, text)
	}
	return rec.Code, out
}

func TestBatch(t *testing.T) {
	t.Parallel()
	s := newShop(t, map[string]script{"products": func(a asking) (int, string) {
		if strings.HasPrefix(a.Query, "mutation") {
			return 200, `{"data":{"rename":{"id":"1"}}}`
		}
		if id := string(a.Variables.Rest["i"]); id != "" {
			return 200, `{"data":{"product":{"id":` + id + `}}}`
		}
		return 200, `{"data":{"products":[]}}`
	}})
	registered := hashed("{ __typename }")
	_, _ = answers(t, s, registration(t, "{ __typename }", registered))
	const query = `{"query":"query($i: ID!) { product(id: $i) { id } }","variables":{"i":`
	status, got := answers(t, s, ` [`+query+`"a"}},`+query+`"b"}},{"query":"{ nothing }"},7,{"query":1},
		{"query":"mutation { rename(id: 1, name: \"x\") { id } }"},`+query+`null}},{"query":"subscription { productChanged(id: 1) { id } }"},
		`+registration(t, "", registered)+`,`+registration(t, "", hashed("{ never }"))+`]`)
	want := []string{
		`{"product":{"id":"a"}}`, `{"product":{"id":"b"}}`, ` GRAPHQL_VALIDATION_FAILED`, ` BAD_REQUEST`, ` BAD_REQUEST`,
		`{"rename":{"id":"1"}}`, ` BAD_USER_INPUT`, ` SUBSCRIPTIONS_NOT_SUPPORTED`, `{"__typename":"Query"}`, ` PERSISTED_QUERY_NOT_FOUND`,
	}
	if status != 200 || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d %s", status, strings.Join(got, "\n"))
	}
}

func TestBatchLimits(t *testing.T) {
	t.Parallel()
	list := func(n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(`{"query":"{ __typename }"},`, n), ",") + "]"
	}
	size := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		size *int
		body string
		want string // of the first answer; else of the refusal
	}{
		"the default":         {nil, list(10), `{"__typename":"Query"}`},
		"beyond the default":  {nil, list(11), "BATCH_TOO_LARGE"},
		"very many":           {nil, list(30_000), "BATCH_TOO_LARGE"},
		"as configured":       {size(2), list(2), `{"__typename":"Query"}`},
		"beyond that":         {size(2), list(3), "BATCH_TOO_LARGE"},
		"switched off":        {size(0), list(1), "BATCHING_NOT_SUPPORTED"},
		"more than may run":   {size(20), list(11), "OVERLOADED"},
		"an empty list":       {nil, "[]", "BAD_REQUEST"},
		"a list cut off":      {nil, `[{"query":"{ __typename }"}`, "BAD_REQUEST"},
		"more after the list": {nil, `[{"query":"{ __typename }"}] 1`, "BAD_REQUEST"},
		"a list of lists":     {nil, `[[{"query":"{ __typename }"}]]`, " BAD_REQUEST"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, nil, func(o *server.Options) { o.Config.Limits.BatchSize, o.Config.Limits.ConcurrentRequests = c.size, 10 })
			if _, got := answers(t, s, c.body); !strings.Contains(got[0], c.want) {
				t.Errorf("%s", got[0])
			}
			// Whatever was refused has left its place.
			if _, got := answers(t, s, list(1)); c.want != "BATCHING_NOT_SUPPORTED" && got[0] != `{"__typename":"Query"}` {
				t.Errorf("afterwards: %s", got[0])
			}
		})
	}
	if _, err := server.ReadConfig([]byte("limits: {batchSize: -1}")); err == nil || !strings.Contains(err.Error(), "limits.batchSize: must be 0 or more, or left out for the default; it is -1") {
		t.Error(err)
	}
}

// TestBatchRunsSideBySide has each of two operations wait for the other.
func TestBatchRunsSideBySide(t *testing.T) {
	t.Parallel()
	meet := make(chan struct{})
	wait := func(asking) (int, string) {
		select {
		case meet <- struct{}{}:
		case <-meet:
		}
		return 200, `{"data":{"products":[]}}`
	}
	s := newShop(t, map[string]script{"products": wait})
	if _, got := answers(t, s, `[{"query":"{ products { id } }"},{"query":"{ products { name } }"}]`); got[0] != `{"products":[]}` || got[1] != got[0] {
		t.Error(got)
	}
}

// TestBatchIsLogged holds that the access log has a line for each operation.
func TestBatchIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := newShop(t, nil, func(o *server.Options) {
		o.Config.AccessLog = true
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	answers(t, s, `[{"query":"query A { __typename }"},{"query":"query B { __typename }"}]`)
	for _, name := range []string{"operation=A", "operation=B"} {
		if strings.Count(log.String(), name) != 1 {
			t.Errorf("the log has not one %s: %s", name, log.String())
		}
	}
}
