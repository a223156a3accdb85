package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/lethe/lethe/console"
	"github.com/lethe/lethe/router/supergraph"
	"github.com/lethe/lethe/schema"
)

// api gives the schema that the router serves.
func api(t *testing.T) *ast.Schema {
	t.Helper()
	s, err := supergraph.Parse(schema.Supergraph())
	if err != nil {
		t.Fatal(err)
	}
	return s.API()
}

// staffToken is what the staff of the tests sign in with.
const staffToken = "token-that-no-page-may-show"

// staff are the people of the tests.
type staff struct{}

func (staff) Staff() []console.Staff {
	return []console.Staff{
		{ID: "stf_ada", Name: "Ada Brandt", Role: "support"},
		{ID: "stf_noor", Name: "Noor Haddad", Role: "support"},
		{ID: "stf_jun", Name: "Jun Okafor", Role: "supervisor"},
		{ID: "stf_gone", Name: "Gone Today", Role: "support"},
	}
}

func (staff) Token(_ context.Context, id string) (string, error) {
	if id == "stf_gone" {
		return "", errors.New("the issuer does not answer")
	}
	return staffToken, nil
}

// request is what the console sent to the router.
type request struct {
	Query         string          `json:"query"`
	OperationName string          `json:"operationName"`
	Variables     json.RawMessage `json:"variables"`
}

// shop is a console before a server that answers with recorded answers, and a browser.
type shop struct {
	t       *testing.T
	api     *ast.Schema
	console *httptest.Server
	client  *http.Client

	mu      sync.Mutex
	answers map[string]string // by operation: the name of a recorded answer, or an answer
	asked   []request
}

// open starts a shop and signs a person in; "" for nobody.
func open(t *testing.T, who string) *shop {
	t.Helper()
	s := &shop{t: t, api: api(t), answers: make(map[string]string)}
	router := httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(router.Close)
	h, err := console.New(console.Options{
		RouterURL: router.URL, SessionKey: bytes.Repeat([]byte{7}, 32), SignIn: staff{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.console = httptest.NewServer(h)
	t.Cleanup(s.console.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if who != "" {
		_, page := s.get("/sign-in")
		resp, _ := s.post("/sign-in", url.Values{"staff": {who}, "csrf": {csrf(page)}})
		if resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("sign in: %s", resp.Status)
		}
	}
	return s
}

// answer is the router: it refuses what does not fit the graph, and answers with what was recorded.
func (s *shop) answer(w http.ResponseWriter, r *http.Request) {
	var q request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.URL.Path != "/graphql" || r.Header.Get("Authorization") != "Bearer "+staffToken {
		s.t.Errorf("%s was sent to %s with %q", q.OperationName, r.URL.Path, r.Header.Get("Authorization"))
	}
	if _, err := gqlparser.LoadQueryWithRules(s.api, q.Query, rules.NewDefaultRules()); err != nil {
		s.t.Errorf("%s: %v", q.OperationName, err)
	}
	s.mu.Lock()
	s.asked = append(s.asked, q)
	answer := s.answers[q.OperationName]
	s.mu.Unlock()
	if answer == "" {
		answer = q.OperationName
	}
	w.Header().Set("Content-Type", "application/graphql-response+json")
	w.Header().Set("X-Request-Id", "req-42")
	if strings.HasPrefix(answer, "{") {
		_, _ = io.WriteString(w, answer)
		return
	}
	text, err := os.ReadFile(filepath.Join("testdata", "answers", answer+".json"))
	if err != nil {
		s.t.Error(err)
	}
	if r.Header.Get("Accept") != "text/event-stream" {
		_, _ = w.Write(text)
		return
	}
	var data bytes.Buffer
	if err := json.Compact(&data, text); err != nil {
		s.t.Error(err)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprintf(w, ":\n\nevent: next\ndata: %s\n\nevent: complete\ndata:\n\n", &data)
}

// set makes an operation answer with a recorded answer, or with one that is given.
func (s *shop) set(operation, answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers[operation] = answer
}

// sent gives the variables with which an operation was sent last, or "".
func (s *shop) sent(operation string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.asked) - 1; i >= 0; i-- {
		if s.asked[i].OperationName == operation {
			return string(s.asked[i].Variables)
		}
	}
	return ""
}

func (s *shop) do(req *http.Request) (*http.Response, string) {
	s.t.Helper()
	resp, err := s.client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp, string(body)
}

func (s *shop) get(path string, headers ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.console.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range headers {
		req.Header.Set(name, "true")
	}
	return s.do(req)
}

func (s *shop) post(path string, form url.Values, headers ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.console.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return s.do(req)
}

// send posts a form as the page at from would: with its CSRF token.
func (s *shop) send(from, path string, form url.Values) (*http.Response, string) {
	s.t.Helper()
	_, page := s.get(from)
	form.Set("csrf", csrf(page))
	return s.post(path, form)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

func csrf(page string) string {
	m := csrfField.FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return m[1]
}

// wants fails when the page lacks one of the texts, or has one that begins with "!".
func wants(t *testing.T, page string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if not, found := strings.CutPrefix(text, "!"); found {
			if strings.Contains(page, not) {
				t.Errorf("the page has %q", not)
			}
		} else if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}

// TestOperationsAndAnswersFitTheGraph holds the operations against the schema, and the recorded answers against both.
func TestOperationsAndAnswersFitTheGraph(t *testing.T) {
	t.Parallel()
	s := api(t)
	files, err := filepath.Glob("queries/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".graphql")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		doc, errs := gqlparser.LoadQueryWithRules(s, string(text), rules.NewDefaultRules())
		if errs != nil {
			t.Errorf("%s: %v", file, errs)
			continue
		}
		if len(doc.Operations) != 1 || doc.Operations[0].Name != name {
			t.Errorf("%s must hold the one operation %s", file, name)
		}
		answers, err := filepath.Glob("testdata/answers/" + name + ".*json")
		if err != nil || len(answers) == 0 {
			t.Errorf("%s has no recorded answer (%v)", name, err)
		}
		for _, file := range answers {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var answer struct{ Data any }
			if err := json.Unmarshal(text, &answer); err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if err := fits(s, doc.Operations[0].SelectionSet, answer.Data, "data"); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestWhatIsFollowedIsWhatIsRead holds the subscription against the query: a page that follows shows what it showed at first.
func TestWhatIsFollowedIsWhatIsRead(t *testing.T) {
	t.Parallel()
	body := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join("queries", name+".graphql"))
		if err != nil {
			t.Fatal(err)
		}
		_, selection, _ := strings.Cut(string(text), "(id: $id)")
		return selection
	}
	if read, followed := body("Erasure"), body("ErasureUpdated"); read != followed || read == "" {
		t.Errorf("read is%s\nfollowed is%s", read, followed)
	}
}

// fits says what is wrong with an object that should answer a selection.
func fits(s *ast.Schema, selection ast.SelectionSet, value any, path string) error {
	object, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("%s is no object", path)
	}
	for _, sel := range selection {
		f, ok := sel.(*ast.Field)
		if !ok {
			return fmt.Errorf("%s: only fields are understood", path)
		}
		v, ok := object[f.Alias]
		if !ok {
			return fmt.Errorf("%s lacks %s", path, f.Alias)
		}
		if err := fitsType(s, f, f.Definition.Type, v, path+"."+f.Alias); err != nil {
			return err
		}
	}
	if len(object) != len(selection) {
		return fmt.Errorf("%s has more than was asked for", path)
	}
	return nil
}

func fitsType(s *ast.Schema, f *ast.Field, typ *ast.Type, v any, path string) error {
	if v == nil {
		if typ.NonNull {
			return fmt.Errorf("%s is null", path)
		}
		return nil
	}
	if typ.Elem != nil {
		list, ok := v.([]any)
		if !ok {
			return fmt.Errorf("%s is no list", path)
		}
		for i, item := range list {
			if err := fitsType(s, f, typ.Elem, item, fmt.Sprintf("%s[%d]", path, i)); err != nil {
				return err
			}
		}
		return nil
	}
	switch d := s.Types[typ.NamedType]; {
	case d.Kind == ast.Object:
		return fits(s, f.SelectionSet, v, path)
	case d.Kind == ast.Enum:
		if text, ok := v.(string); !ok || d.EnumValues.ForName(text) == nil {
			return fmt.Errorf("%s: %v is no %s", path, v, d.Name)
		}
	case d.Name == "DateTime":
		if _, err := time.Parse(time.RFC3339, fmt.Sprint(v)); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	case d.Name == "Int":
		if n, ok := v.(float64); !ok || n != float64(int(n)) {
			return fmt.Errorf("%s: %v is no Int", path, v)
		}
	case d.Name == "Boolean":
		if _, ok := v.(bool); !ok {
			return fmt.Errorf("%s: %v is no Boolean", path, v)
		}
	default:
		if _, ok := v.(string); !ok {
			return fmt.Errorf("%s: %v is no text", path, v)
		}
	}
	return nil
}
