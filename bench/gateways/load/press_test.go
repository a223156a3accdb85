package load_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lethe/lethe/bench/gateways/load"
)

// TestPress holds that refusals are counted, with those that do not say when to come again.
func TestPress(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = io.WriteString(w, `{"data":1}`)
		}
	}))
	defer s.Close()
	g, err := load.New(s.URL, &load.Scenario{Body: "{}", Answer: []byte(`{"data":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Press(t.Context(), 3, 50*time.Millisecond, time.Microsecond)
	if err != nil || got.Refused != 2 || got.Unsaid != 1 || len(got.RefusedLatencies) != 2 || got.Served.Requests != asked.Load()-2 {
		t.Errorf("%+v %v", got, err)
	}
}

func TestPressEndsWithWhatIsNoRefusal(t *testing.T) {
	t.Parallel()
	for status, body := range map[int]string{http.StatusInternalServerError: "", http.StatusOK: `{"data":2}`} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		defer s.Close()
		g, err := load.New(s.URL, &load.Scenario{Body: "{}", Answer: []byte(`{"data":1}`)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := g.Press(t.Context(), 2, time.Minute, 0); err == nil || strings.Contains(err.Error(), "deadline") {
			t.Errorf("%d: %v", status, err)
		}
	}
}
