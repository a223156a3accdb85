package server

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Media types of the GraphQL over HTTP specification.
const (
	responseJSON = "application/graphql-response+json"
	plainJSON    = "application/json"
)

// The headers of an answer, made once.
var contentTypes = map[string][]string{ //nolint:gochecknoglobals // a constant
	responseJSON: {responseJSON + "; charset=utf-8"},
	plainJSON:    {plainJSON + "; charset=utf-8"},
}

// accepted chooses the media type of the answer; ok is false where the client takes neither. A type that is named goes
// before one that a wildcard takes, and of two wanted alike the newer.
func accepted(accept []string) (media string, ok bool) {
	if len(accept) == 0 {
		return plainJSON, true
	}
	if len(accept) == 1 {
		switch accept[0] {
		case responseJSON, plainJSON:
			return accept[0], true
		case "*/*", "":
			return plainJSON, true
		}
	}
	var named [2]float64 // of responseJSON and plainJSON
	wild := 0.0
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if v, err := strconv.ParseFloat(params["q"], 64); err == nil {
			q = v
		}
		if c := params["charset"]; c != "" && !strings.EqualFold(c, "utf-8") {
			continue
		}
		switch media {
		case "*/*", "application/*":
			wild = max(wild, q)
		case responseJSON:
			named[0] = max(named[0], q)
		case plainJSON:
			named[1] = max(named[1], q)
		}
	}
	switch {
	case named[0] > 0 && named[0] >= named[1]:
		return responseJSON, true
	case named[1] > 0 || wild > 0:
		return plainJSON, true
	}
	return "", false
}

// preflightHeaders are headers of which one shows that a browser asked before it sent a GET across origins.
var preflightHeaders = []string{"Graphql-Require-Preflight", "Apollo-Require-Preflight", "X-Apollo-Operation-Name", "X-Requested-With"} //nolint:gochecknoglobals // a constant

// unasked reports whether a browser sends a GET for another site without having asked first. A client that is no browser
// sends neither Sec-Fetch-Site nor Origin; a page of the router's own origin, or one that CORS lets in, may ask.
func (s *Server) unasked(r *http.Request) bool {
	if isForm(r) {
		return !preflighted(r) // whoever sends it: that it works must not hang on the browser
	}
	if r.Method != http.MethodGet {
		return false // a POST of JSON is never simple
	}
	site, origin := r.Header.Get("Sec-Fetch-Site"), r.Header.Get("Origin")
	if site == "" && origin == "" || site == "same-origin" || site == "none" || s.allowed(origin) {
		return false
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && media == plainJSON {
		return false
	}
	return !preflighted(r)
}

// allowed reports whether pages of an origin may ask.
func (s *Server) allowed(origin string) bool { return s.config().cors.Allows(origin) }

// crossOrigin answers what browsers ask before they send (Fetch standard, CORS protocol), and reports whether that was all.
// It comes before anything is read, counted or refused: a preflight costs next to nothing, and a page can read why its
// request was refused.
func (s *Server) crossOrigin(w http.ResponseWriter, r *http.Request) bool {
	policy := s.config().cors
	if policy != nil && policy.Grant(w.Header(), r.Header["Origin"]) && r.Method == http.MethodOptions {
		policy.Preflight(w.Header(), r.Header)
	}
	if r.Method == http.MethodOptions {
		w.Header().Set("Allow", "GET, POST, OPTIONS")
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	return false
}
