package orders

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	"github.com/lethe/lethe/privacy"
	"github.com/lethe/lethe/schema"
	"github.com/lethe/lethe/workflows"
)

// TestManifest holds what the service says of itself against its schema's annotations.
func TestManifest(t *testing.T) {
	t.Parallel()
	own := participant(nil, nil, &desk{store: &store{}}, privacy.Keys{}, nil, nil)
	i := slices.IndexFunc(schema.Subgraphs(), func(s schema.Subgraph) bool { return s.Name == "orders" })
	doc, err := parser.ParseSchema(&ast.Source{Input: schema.Subgraphs()[i].SDL})
	if err != nil {
		t.Fatal(err)
	}
	var entries []workflows.ManifestEntry
	for _, def := range doc.Definitions {
		for _, f := range def.Fields {
			d := f.Directives.ForName("personal")
			if d == nil {
				continue
			}
			e := workflows.ManifestEntry{Path: def.Name + "." + f.Name}
			for _, a := range d.Arguments {
				switch a.Name {
				case "category":
					e.Category = a.Value.Raw
				case "onErasure":
					e.Action = a.Value.Raw
				case "rule":
					e.Rule = a.Value.Raw
				}
			}
			entries = append(entries, e)
		}
	}
	if got, want := own.Manifest(), privacy.NewManifest("orders", entries); got.Hash != want.Hash || len(want.Entries) == 0 {
		t.Errorf("the service says %v, the schema %v", got.Entries, want.Entries)
	}
}

// TestFieldsAreStored checks that every field of the manifest stands where an order's document has it.
func TestFieldsAreStored(t *testing.T) {
	t.Parallel()
	stored := bsonPaths(reflect.TypeFor[Order](), "")
	for _, s := range participant(nil, nil, &desk{store: &store{}}, privacy.Keys{}, nil, nil).Stores {
		for _, f := range s.Fields {
			if !slices.Contains(stored, f.BSON) || f.Anchor != "" && !slices.Contains(stored, f.Anchor) {
				t.Errorf("%s is said to stand at %s with its date at %q, where no order has it", f.Path, f.BSON, f.Anchor)
			}
		}
	}
}

func bsonPaths(t reflect.Type, prefix string) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t.PkgPath() == "time" {
		return []string{strings.TrimSuffix(prefix, ".")}
	}
	var out []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("bson"), ",")
		out = append(out, bsonPaths(t.Field(i).Type, prefix+name+".")...)
	}
	return out
}

func TestPostcodeDistrict(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"80331": "80", "SW1A 1AA": "SW1A", "SW1A1AA": "SW1A", "m1 1ae": "m1", "EC1A": "EC1A", "1010": "10", "D02 AF30": "D0", "": "", "7": "7", "ñandú": "ña",
	} {
		got := postcodeDistrict(code)
		if got != want {
			t.Errorf("of %q it gave %q, want %q", code, got, want)
		}
		if again := postcodeDistrict(got); again != got {
			t.Errorf("of what it gave, %q, it gave %q", got, again)
		}
	}
}

func FuzzPostcodeDistrict(f *testing.F) {
	f.Add("SW1A 1AA")
	f.Add("80331")
	f.Fuzz(func(t *testing.T, code string) {
		got := postcodeDistrict(code)
		if again := postcodeDistrict(got); again != got {
			t.Errorf("%q gave %q gave %q", code, got, again)
		}
	})
}
