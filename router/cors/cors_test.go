package cors_test

import (
	"net/http"
	"testing"

	"github.com/lethe/lethe/router/cors"
	"github.com/lethe/lethe/router/settings"
)

func policy(t *testing.T, c cors.Config) *cors.Policy {
	t.Helper()
	check := &settings.Check{}
	p := c.Compile(check)
	if err := check.Problems.Err(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAllows asks for each pattern whether origins are let in that it is for, and those that only look so.
func TestAllows(t *testing.T) {
	t.Parallel()
	for pattern, origins := range map[string]struct{ in, out []string }{
		"https://shop.example": {
			[]string{"https://shop.example"},
			[]string{"http://shop.example", "https://shop.example:8443", "https://shop.example.evil.example", "https://evil-shop.example", "https://a.shop.example", "https://shop.example/", "HTTPS://shop.example", "null", "", "https://shop.example https://shop.example", "https://shop.exampl", "//shop.example"},
		},
		"https://SHOP.example:443": {[]string{"https://shop.example"}, []string{"https://shop.example:443"}},
		"http://shop.example:80":   {[]string{"http://shop.example"}, []string{"http://shop.example:8080"}},
		"https://*.shop.example": {
			[]string{"https://a.shop.example", "https://a.b.shop.example", "https://xn--bcher-kva.shop.example", "https://a_b.shop.example"},
			[]string{"https://shop.example", "https://.shop.example", "https://ashop.example", "https://evil.example/.shop.example", "https://evil.example#.shop.example", "https://evil.example\\.shop.example", "https://a.shop.example:8443", "http://a.shop.example", "https://a.shop.example.evil.example", "https://a..shop.example", "https://me@a.shop.example", "https://A.shop.example", "https://evil.example:1.shop.example", "https://a%2e.shop.example"},
		},
		"http://localhost:*": {
			[]string{"http://localhost", "http://localhost:3000", "http://localhost:65535"},
			[]string{"https://localhost:3000", "http://localhost:", "http://localhost:3000.evil.example", "http://localhost.evil.example:3000", "http://evil.localhost:3000", "http://localhost:30a0", "http://localhost:300000", "http://127.0.0.1:3000", "http://localhost:3000/"},
		},
		"http://[0:0::1]:*":               {[]string{"http://[::1]:5173", "http://[::1]"}, []string{"http://[::2]:5173", "http://[::1", "http://[::1]evil.example", "http://::1:5173", "http://[::1].evil.example:1"}},
		"http://127.0.0.1:*":              {[]string{"http://127.0.0.1:8080"}, []string{"http://127.0.0.1.evil.example:8080", "http://127.0.0.2:8080", "http://1270.0.1:8080"}},
		"https://preview-*.shop.example":  {[]string{"https://preview-12.shop.example", "https://preview-a-b.shop.example"}, []string{"https://preview.shop.example", "https://a.preview-12.shop.example", "https://preview-1.2.shop.example", "https://preview-/.shop.example", "https://xpreview-1.shop.example"}},
		"https://shop.*.example.com:8443": {[]string{"https://shop.eu.example.com:8443"}, []string{"https://shop.example.com:8443", "https://shop.a.b.example.com:8443", "https://shop.eu.example.com"}},
		"https://*.eu-*.example.com":      {[]string{"https://a.b.eu-1.example.com"}, []string{"https://eu-1.example.com", "https://a.us-1.example.com"}},
		"https://bücher.example":          {[]string{"https://xn--bcher-kva.example"}, []string{"https://bücher.example"}},
		"capacitor://localhost":           {[]string{"capacitor://localhost"}, []string{"http://localhost"}},
		"*":                               {[]string{"https://any.example", "null"}, []string{""}},
	} {
		p := policy(t, cors.Config{Origins: []string{pattern}})
		for _, origin := range origins.in {
			if !p.Allows(origin) {
				t.Errorf("%s does not let %q in", pattern, origin)
			}
		}
		for _, origin := range origins.out {
			if p.Allows(origin) {
				t.Errorf("%s lets %q in", pattern, origin)
			}
		}
	}
	if (*cors.Policy)(nil).Allows("https://shop.example") || policy(t, cors.Config{}) != nil {
		t.Error("somebody is let in by default")
	}
}

// TestPreflight asks for headers, one way and another.
func TestPreflight(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config    []string
		asked     []string
		want      string
		private   string
		isPrivate bool
	}{
		"whatever is asked for":   {nil, []string{"apollo-require-preflight, apollographql-client-name,baggage ,content-type, sentry-trace, traceparent, x-anything"}, "apollo-require-preflight, apollographql-client-name, baggage, content-type, sentry-trace, traceparent, x-anything", "", false},
		"on two lines":            {nil, []string{"a", "b"}, "a, b", "", false},
		"none":                    {nil, nil, "", "", false},
		"what is no name":         {nil, []string{"a b, c\r\nd, <x>, e"}, "e", "", false},
		"too many":                {nil, []string{string(make([]byte, 9000))}, "", "", false},
		"some":                    {[]string{"Content-Type", "apollographql-client-*"}, []string{"content-type, apollographql-client-version, apollographql, authorization"}, "content-type, apollographql-client-version", "", false},
		"private, and let in":     {nil, nil, "", "true", true},
		"private, and not let in": {nil, nil, "", "true", false},
	} {
		p := policy(t, cors.Config{Origins: []string{"https://shop.example"}, Headers: c.config, PrivateNetwork: c.isPrivate})
		request, response := http.Header{"Access-Control-Request-Method": {"POST"}}, http.Header{}
		if c.asked != nil {
			request["Access-Control-Request-Headers"] = c.asked
		}
		if c.private != "" {
			request["Access-Control-Request-Private-Network"] = []string{c.private}
		}
		p.Preflight(response, request)
		if got := response.Get("Access-Control-Allow-Headers"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if got := response.Get("Access-Control-Allow-Private-Network") == "true"; got != c.isPrivate {
			t.Errorf("%s: private network %v", name, got)
		}
		if response.Get("Access-Control-Allow-Methods") != "GET, POST" || response.Get("Access-Control-Max-Age") != "600" {
			t.Errorf("%s: %v", name, response)
		}
	}
	response := http.Header{}
	policy(t, cors.Config{Origins: []string{"*"}}).Preflight(response, http.Header{})
	if len(response) > 0 {
		t.Errorf("what is no preflight is answered as one: %v", response)
	}
}

// FuzzAllows holds that an origin with a wildcard's host has the host's end, whatever stands before it.
func FuzzAllows(f *testing.F) {
	check := &settings.Check{}
	p := (&cors.Config{Origins: []string{"https://*.shop.example:*"}}).Compile(check)
	for _, seed := range []string{"https://a.shop.example", "https://a.shop.example:1", "https://evil.example/.shop.example", "https://[::1].shop.example"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, origin string) {
		if !p.Allows(origin) {
			return
		}
		for i, r := range origin[len("https://"):] {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' && r != '.' && r != ':' {
				t.Errorf("%q is let in, with %q at %d", origin, r, i)
			}
		}
	})
}
