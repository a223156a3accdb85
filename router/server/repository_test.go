package server_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/router/cost"
	"github.com/lethe/lethe/router/supergraph"
	"github.com/lethe/lethe/schema"
)

var (
	fenced   = regexp.MustCompile("(?s)```graphql\n(.*?)```")
	template = regexp.MustCompile("(?s)(?:gql|graphql|query:)\\s*`([^`$]*)`|`((?:query|mutation|subscription)?[^`$]*\\{[^`$]*\\})`")
)

// repositoryOperations returns every operation of the repository that Lethe's API takes, by where it stands: of the
// documents, the playground, the console, and the clients' tests.
func repositoryOperations(t *testing.T, sg *supergraph.Supergraph) map[string]string {
	t.Helper()
	out := map[string]string{}
	take := func(file, text string) {
		if _, errs := gqlparser.LoadQueryWithRules(sg.API(), text, rules.NewDefaultRules()); len(errs) == 0 {
			out[file+": "+strings.Join(strings.Fields(text), " ")] = text
		}
	}
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "node_modules" || name == "dist" || name == "testdata" || name != ".." && strings.HasPrefix(name, ".") {
				return fs.SkipDir
			}
			return nil
		}
		ext := filepath.Ext(path)
		if ext != ".graphql" && ext != ".md" && ext != ".mjs" && ext != ".go" && ext != ".js" && ext != ".html" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		switch ext {
		case ".graphql":
			take(path, string(text))
		case ".md":
			for _, m := range fenced.FindAllStringSubmatch(string(text), -1) {
				take(path, m[1])
			}
		case ".go":
			if strings.Contains(path, "e2e") || strings.Contains(path, "console") || strings.Contains(path, "bench") || strings.Contains(path, "cmd") {
				for _, m := range template.FindAllStringSubmatch(string(text), -1) {
					take(path, m[1]+m[2])
				}
			}
		default:
			for _, m := range template.FindAllStringSubmatch(string(text), -1) {
				take(path, m[1]+m[2])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestRepositoryOperationsAreAffordable holds that everything that the repository itself asks costs at most nine tenths of
// what those without a token may ask, whose limit is the lowest. Pages whose length is a variable count as full ones.
func TestRepositoryOperationsAreAffordable(t *testing.T) {
	t.Parallel()
	const most = 30_000 * 9 / 10
	sg, err := supergraph.Parse(schema.Supergraph())
	if err != nil {
		t.Fatal(err)
	}
	operations := repositoryOperations(t, sg)
	if len(operations) < 30 {
		t.Fatalf("only %d operations were found", len(operations))
	}
	model := cost.New(sg, cost.Options{ListSize: 10})
	dearest, where := 0.0, ""
	for at, text := range operations {
		doc, errs := gqlparser.LoadQueryWithRules(sg.API(), text, rules.NewDefaultRules())
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, op := range doc.Operations {
			program, err := model.Compile(doc, op)
			if err != nil {
				t.Fatal(err)
			}
			var variables [][]byte
			for _, v := range op.VariableDefinitions {
				switch v.Type.NamedType {
				case "Int":
					variables = append(variables, []byte("100"))
				case "Boolean":
					variables = append(variables, []byte("true"))
				default:
					variables = append(variables, nil)
				}
			}
			charge, err := program.Estimate(variables)
			if err != nil || charge > most {
				t.Errorf("%s costs %v, %v; at most %v may", at, charge, err, most)
			}
			if charge > dearest {
				dearest, where = charge, at
			}
		}
	}
	t.Logf("%d operations, of which the dearest costs %v: %s", len(operations), dearest, where)
}
