package load_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe/lethe/bench/gateways/load"
)

func TestChecker(t *testing.T) {
	t.Parallel()
	c, err := load.NewChecker([]byte(`{"data":{"a":1,"b":[2,3]}}`))
	if err != nil {
		t.Fatal(err)
	}
	for body, right := range map[string]bool{
		`{"data":{"a":1,"b":[2,3]}}`:                      true,
		`{"data":{"b":[2,3],"a":1}}`:                      true,
		`{"data":{"a":1,"b":[2,3]},"extensions":{"x":1}}`: true,
		`{"data":{"a":1,"b":[3,2]}}`:                      false,
		`{"data":{"a":1.0,"b":[2,3]}}`:                    false,
		`{"data":{"a":1,"b":[2,3]},"errors":[]}`:          false,
		`{"data":{"a":1,"b":[2,`:                          false,
		`{"data":{"a":1,"b":[2,3],"c":null}}`:             false,
		``:                                                false,
	} {
		for range 2 {
			if err := c.Check([]byte(body)); (err == nil) != right {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

func TestGenerator(t *testing.T) {
	t.Parallel()
	number := regexp.MustCompile(`"n":(\d+)`)
	var seen sync.Map
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		n := number.FindSubmatch(body)
		if n == nil {
			t.Errorf("%s", body)
			return
		}
		if _, twice := seen.LoadOrStore(string(n[1]), true); twice {
			t.Errorf("%s was asked twice", n[1])
		}
		if _, err := io.WriteString(w, `{"data":1}`); err != nil {
			t.Error(err)
		}
	}))
	defer s.Close()
	scenario := &load.Scenario{Name: "x", Body: `{"query":"{x}","variables":{"n":` + load.Unique + `}}`, Answer: []byte(`{"data":1}`)}
	g, err := load.New(s.URL+"/graphql", scenario)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Run(t.Context(), 4, 50*time.Millisecond)
	if err != nil || got.Requests < 4 || got.Quantile(0.99) < got.Quantile(0.5) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestAWrongAnswerEndsTheRun(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"data":2}`) }))
	defer s.Close()
	g, err := load.New(s.URL, &load.Scenario{Body: "{}", Answer: []byte(`{"data":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run(t.Context(), 2, time.Minute); err == nil || !strings.Contains(err.Error(), "the answer is wrong") {
		t.Errorf("%v", err)
	}
}
