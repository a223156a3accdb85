// Package cors decides which web pages may ask the router, and answers the CORS protocol for them (Fetch standard, section
// 3.2, https://fetch.spec.whatwg.org/#http-cors-protocol).
package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/lethe/lethe/router/settings"
)

// Config says which pages of other origins may ask.
type Config struct {
	Origins        []string          `yaml:"origins" doc:"Origins whose pages may ask, such as \"https://shop.example\". A * stands for any subdomains (\"https://*.shop.example\"), for a part of a name (\"https://preview-*.shop.example\") or for any port (\"http://localhost:*\"); \"*\" alone for all origins. They hold for WebSockets too. None by default."`
	Methods        []string          `yaml:"methods" doc:"Methods that such pages may use: [\"GET\", \"POST\"] by default."`
	Headers        []string          `yaml:"headers" doc:"Headers that such pages may send, where a * at the end stands for any rest: [\"apollographql-client-*\"]. By default whatever they ask for."`
	ExposedHeaders []string          `yaml:"exposedHeaders" doc:"Headers of responses that such pages may read, beside X-Request-Id and Retry-After."`
	Credentials    bool              `yaml:"credentials" doc:"Whether such pages may send cookies and client certificates along: for what stands in front of the router. Off by default."`
	MaxAge         settings.Duration `yaml:"maxAge" doc:"How long a browser keeps what it was told, such as \"10m\", which is the default."`
	PrivateNetwork bool              `yaml:"privateNetwork" doc:"Whether such pages may ask also where the router is in a network that is more private than theirs (Access-Control-Allow-Private-Network). Off by default."`
}

// The names of headers, as they stand in a map of headers.
const (
	allowOrigin      = "Access-Control-Allow-Origin"
	allowCredentials = "Access-Control-Allow-Credentials"
	exposeHeaders    = "Access-Control-Expose-Headers"
	requestMethod    = "Access-Control-Request-Method"
	requestHeaders   = "Access-Control-Request-Headers"
	requestPrivate   = "Access-Control-Request-Private-Network"
	allowPrivate     = "Access-Control-Allow-Private-Network"
)

// mostAge is the longest that any browser keeps what it was told.
const mostAge = 24 * time.Hour

// Policy is a [Config] that was read. A nil Policy lets no other origin in.
type Policy struct {
	all         bool // every origin
	exact       map[string]bool
	patterns    []pattern
	headers     []string // in lower case; nil for whatever is asked for
	methods     []string // one value, as a header has it
	exposed     []string // one value
	maxAge      []string // one value
	credentials bool
	private     bool
}

// Compile reads the configuration. What is wrong with it is refused by check, with keys below cors. It returns nil where no
// origin is let in.
func (c *Config) Compile(check *settings.Check) *Policy {
	p := &Policy{
		exact: map[string]bool{}, credentials: c.Credentials, private: c.PrivateNetwork, methods: c.compileMethods(check), headers: c.compileHeaders(check),
		exposed: []string{strings.Join(append([]string{"X-Request-Id", "Retry-After"}, c.compileExposed(check)...), ", ")},
	}
	age := check.Duration("cors.maxAge", c.MaxAge, 10*time.Minute)
	if age > mostAge {
		check.Refuse("cors.maxAge", "is %s: no browser keeps it for longer than 24h", age)
	}
	p.maxAge = []string{strconv.Itoa(int(age / time.Second))}
	for i, text := range c.Origins {
		key := item("cors.origins", i)
		if text == "*" {
			p.all = true
			if c.Credentials {
				check.Refuse(key, `"*" with cors.credentials lets every page of the web ask with the cookies of its visitor: name the origins, or leave credentials out`)
			}
			if len(c.Origins) > 1 {
				check.Refuse(key, `"*" stands for all origins: leave out the others, or "*"`)
			}
			continue
		}
		one, err := parsePattern(text)
		switch {
		case err != nil:
			check.Refuse(key, "%s", err)
		case slices.Contains(c.Origins[:i], text):
			check.Refuse(key, "%q stands twice", text)
		case one.literal():
			p.exact[one.String()] = true
		default:
			p.patterns = append(p.patterns, one)
		}
	}
	if !p.all && len(p.exact)+len(p.patterns) == 0 {
		return nil
	}
	return p
}

func item(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }

func (c *Config) compileMethods(check *settings.Check) []string {
	if len(c.Methods) == 0 {
		return []string{"GET, POST"}
	}
	for i, m := range c.Methods {
		if m != http.MethodGet && m != http.MethodPost {
			check.Refuse(item("cors.methods", i), `must be "GET" or "POST": the router answers no other; it is %q`, m)
		}
	}
	return []string{strings.Join(c.Methods, ", ")}
}

func (c *Config) compileHeaders(check *settings.Check) []string {
	var out []string
	for i, h := range c.Headers {
		if h == "*" {
			continue
		}
		if name := strings.TrimSuffix(h, "*"); !httpguts.ValidHeaderFieldName(name) || strings.Contains(name, "*") {
			check.Refuse(item("cors.headers", i), `must be the name of a header, with a * at its end for any rest; it is %q`, h)
			continue
		}
		out = append(out, strings.ToLower(h))
	}
	if slices.Contains(c.Headers, "*") {
		return nil
	}
	return out
}

func (c *Config) compileExposed(check *settings.Check) []string {
	for i, h := range c.ExposedHeaders {
		switch {
		case h == "*" && c.Credentials:
			check.Refuse(item("cors.exposedHeaders", i), `"*" means nothing to browsers together with cors.credentials: name the headers`)
		case h != "*" && (!httpguts.ValidHeaderFieldName(h) || strings.Contains(h, "*")):
			check.Refuse(item("cors.exposedHeaders", i), `must be the name of a header, or "*" for all; it is %q`, h)
		}
	}
	return c.ExposedHeaders
}

// Allows reports whether pages of an origin may ask. It is as browsers send it, in the header Origin.
func (p *Policy) Allows(origin string) bool {
	if p == nil || origin == "" {
		return false
	}
	if p.all || p.exact[origin] {
		return true
	}
	return slices.ContainsFunc(p.patterns, func(one pattern) bool { return one.matches(origin) })
}

// Grant adds to the headers of a response what lets the page read it that asked, by the values of the request's Origin. The
// response may be kept for others: so it says whether it would differ for them.
func (p *Policy) Grant(response http.Header, origin []string) (allowed bool) {
	if p == nil {
		return false
	}
	if p.all && !p.credentials {
		response[allowOrigin] = star
		response[exposeHeaders] = p.exposed
		return true
	}
	response.Add("Vary", "Origin")
	if len(origin) != 1 || !p.Allows(origin[0]) {
		return false
	}
	response[allowOrigin] = []string{origin[0]}
	response[exposeHeaders] = p.exposed
	if p.credentials {
		response[allowCredentials] = yes
	}
	return true
}

var (
	star = []string{"*"}    //nolint:gochecknoglobals // a constant
	yes  = []string{"true"} //nolint:gochecknoglobals // a constant
)

// Preflight adds to the headers of a response what a browser asks before it sends a request that [Policy.Grant] allowed.
func (p *Policy) Preflight(response, request http.Header) {
	if p == nil || request.Get(requestMethod) == "" {
		return
	}
	response.Add("Vary", requestMethod)
	response.Add("Vary", requestHeaders)
	response["Access-Control-Allow-Methods"] = p.methods
	response["Access-Control-Max-Age"] = p.maxAge
	if asked := p.allowed(request[requestHeaders]); asked != "" {
		response["Access-Control-Allow-Headers"] = []string{asked}
	}
	if p.private {
		response.Add("Vary", requestPrivate)
		if request.Get(requestPrivate) == "true" {
			response[allowPrivate] = yes
		}
	}
}

// mostAsked bounds the bytes of a list of headers that is answered.
const mostAsked = 8 << 10

// allowed returns those of the headers that a page asks to send that it may.
func (p *Policy) allowed(asked []string) string {
	var out strings.Builder
	for _, line := range asked {
		if len(line) > mostAsked {
			return ""
		}
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			if !httpguts.ValidHeaderFieldName(name) || !p.takes(strings.ToLower(name)) {
				continue
			}
			if out.Len() > 0 {
				out.WriteString(", ")
			}
			out.WriteString(name)
		}
	}
	return out.String()
}

// takes reports whether pages may send a header, whose name is in lower case.
func (p *Policy) takes(name string) bool {
	return p.headers == nil || slices.ContainsFunc(p.headers, func(h string) bool {
		if prefix, ok := strings.CutSuffix(h, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return name == h
	})
}
