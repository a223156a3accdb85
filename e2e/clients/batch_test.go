package clients

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestBatch drives Apollo Client's BatchHttpLink: one request, an answer to each operation in its order, each with its
// own errors.
func TestBatch(t *testing.T) {
	t.Parallel()
	type line struct {
		Data     json.RawMessage
		Error    string
		Requests int
	}
	got := runNode[line](t, "batch.mjs", newRouter(t, shop()).URL)
	want := []struct{ data, err string }{
		{`{"product":{"name":"Table","stock":7,"__typename":"Product"}}`, ""},
		{`null`, "nothing"},
		{`{"rename":{"name":"Stool","__typename":"Product"}}`, ""},
		{`{"rename":null}`, "there is no product p9"},
	}
	if len(got) != len(want)+1 || got[len(want)].Requests != 1 {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		if data := string(got[i].Data); data != w.data && !(data == "" && w.data == "null") || !strings.Contains(got[i].Error, w.err) || w.err == "" && got[i].Error != "" {
			t.Errorf("%d: %s %s", i, got[i].Data, got[i].Error)
		}
	}
}
