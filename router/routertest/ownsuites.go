package routertest

import (
	"embed"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/compose"
)

//go:embed suites/*.txt
var suiteFiles embed.FS

// OwnSuite is a suite of the repository's own: subgraphs with records, and operations with the answers that follow from these.
type OwnSuite struct {
	Name      string
	About     string
	Subgraphs []compose.Subgraph
	Cases     []OwnCase
	records   map[string]string // by subgraph
}

// OwnCase is an operation of a suite with what it must be answered.
type OwnCase struct {
	Name      string
	Query     string
	Variables map[string]any
	Data      json.RawMessage
	Errors    bool // there must be some
	// Requests is how many requests to subgraphs a plan needs, and Depth how many of them one after another, by reasoning on the
	// subgraphs' schemas.
	Requests, Depth int
}

// OwnSuites reads the repository's suites: of federation, topic by topic. Each file has sections that begin with a line "=== kind title".
func OwnSuites(t testing.TB) []*OwnSuite {
	t.Helper()
	files, err := suiteFiles.ReadDir("suites")
	if err != nil {
		t.Fatal(err)
	}
	var out []*OwnSuite
	for _, file := range files {
		text, err := suiteFiles.ReadFile(path.Join("suites", file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		s := &OwnSuite{Name: strings.TrimSuffix(file.Name(), ".txt"), records: map[string]string{}}
		if err := s.parse(string(text)); err != nil {
			t.Fatalf("%s: %v", file.Name(), err)
		}
		out = append(out, s)
	}
	return out
}

// federation2 is the link that a subgraph of Federation 2 begins with, where its section says no more than its name.
const federation2 = `extend schema @link(url: "https://specs.apollo.dev/federation/v2.5", import: ["@key", "@requires", "@provides", "@external",
  "@shareable", "@override", "@interfaceObject", "@inaccessible", "@extends"])
`

func (s *OwnSuite) parse(text string) error {
	for _, part := range strings.Split("\n"+text, "\n=== ")[1:] {
		head, body, _ := strings.Cut(part, "\n")
		kind, title, _ := strings.Cut(head, " ")
		body = strings.TrimSpace(body)
		switch kind {
		case "about":
			s.About = body
		case "subgraph":
			name, version, _ := strings.Cut(title, " ")
			if version != "federation 1" {
				body = federation2 + body
			}
			s.Subgraphs = append(s.Subgraphs, compose.Subgraph{Name: name, URL: "http://" + name, SDL: body})
		case "records":
			s.records[title] = body
		case "case":
			s.Cases = append(s.Cases, OwnCase{Name: title})
		default:
			if len(s.Cases) == 0 {
				return fmt.Errorf("%q stands before any case", head)
			}
			if err := s.Cases[len(s.Cases)-1].section(kind, title, body); err != nil {
				return fmt.Errorf("%s: %w", head, err)
			}
		}
	}
	return nil
}

func (c *OwnCase) section(kind, title, body string) error {
	var err error
	switch kind {
	case "query":
		c.Query = body
	case "variables":
		err = json.Unmarshal([]byte(body), &c.Variables)
	case "plan": // n requests, m deep
		words := strings.Fields(title)
		if len(words) != 4 {
			return fmt.Errorf("want \"n requests, m deep\"")
		}
		if c.Requests, err = strconv.Atoi(words[0]); err == nil {
			c.Depth, err = strconv.Atoi(words[2])
		}
	case "answer":
		c.Errors = title == "with errors"
		if body != "" {
			c.Data = json.RawMessage(body)
			err = json.Unmarshal(c.Data, new(any))
		}
	default:
		return fmt.Errorf("no such section")
	}
	return err
}

// Compose composes the suite's subgraphs, which stand at the given addresses.
func (s *OwnSuite) Compose(t testing.TB, urls map[string]string) string {
	t.Helper()
	var subgraphs []compose.Subgraph
	for _, g := range s.Subgraphs {
		if url, ok := urls[g.Name]; ok {
			g.URL = url
		}
		subgraphs = append(subgraphs, g)
	}
	result, errs := compose.Compose(subgraphs)
	if len(errs) > 0 {
		t.Fatalf("%s: %s", s.Name, compose.FormatText(errs))
	}
	return result.SDL
}

// Start serves the suite's subgraphs until the test ends, each over its own records, and returns their addresses by name.
func (s *OwnSuite) Start(t *testing.T) map[string]string {
	t.Helper()
	urls := map[string]string{}
	computed := computedFields(s.Name)
	for _, g := range s.Subgraphs {
		own, err := newService(g.Name, g.SDL, s.records[g.Name], computed[g.Name])
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		urls[g.Name] = Serve(t, own)
	}
	return urls
}

// Public returns the suite as one of the public audit's shape.
func (s *OwnSuite) Public(t testing.TB) *Suite {
	t.Helper()
	out := &Suite{Name: s.Name, Supergraph: s.Compose(t, nil), own: s}
	for _, g := range s.Subgraphs {
		out.Subgraphs = append(out.Subgraphs, Subgraph{Name: g.Name, SDL: g.SDL, URL: g.URL})
	}
	for _, c := range s.Cases {
		one := Case{Query: c.Query, Variables: c.Variables}
		one.Expected.Data, one.Expected.Errors = c.Data, c.Errors
		out.Tests = append(out.Tests, one)
	}
	return out
}
