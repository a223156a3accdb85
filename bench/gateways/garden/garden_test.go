package garden_test

import (
	"encoding/json"
	"testing"

	"github.com/lethe/lethe/bench/gateways/garden"
	"github.com/lethe/lethe/bench/gateways/subgraph"
)

// TestSpreadRepeatsNothing holds that the heavy query meets each object of the spread garden once, and hundreds of every type.
func TestSpreadRepeatsNothing(t *testing.T) {
	t.Parallel()
	w, err := garden.Spread()
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(subgraph.Request{Query: garden.Heavy()})
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Data any }
	if err := json.Unmarshal(w.Whole.Answer(body), &answer); err != nil {
		t.Fatal(err)
	}
	met := map[string]int{}
	count(answer.Data, met)
	types := map[byte]int{}
	for object, n := range met {
		if n > 1 {
			t.Errorf("%s stands %d times in the answer", object, n)
		}
		types[object[0]]++
	}
	for typ, least := range map[byte]int{'g': 100, 'r': 200, 'v': 200} {
		if types[typ] < least {
			t.Errorf("%d objects of %c, and at least %d are wanted", types[typ], typ, least)
		}
	}
}

// count counts the objects in a value by what tells them apart.
func count(v any, met map[string]int) {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			count(item, met)
		}
	case map[string]any:
		switch {
		case v["sku"] != nil:
			met["v"+v["sku"].(string)]++
		case v["nickname"] != nil:
			met["g"+v["id"].(string)]++
		case v["text"] != nil:
			met["r"+v["id"].(string)]++
		}
		for _, field := range v {
			count(field, met)
		}
	}
}
