// Package console is the pages of the support staff: find a customer, see what is held where, erase it, watch it happen,
// and hand over proof. It asks the router for everything, with the token of whoever is signed in, and keeps nothing.
package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"regexp"
	"time"
)

// Staff is a person who may sign in.
type Staff struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Role string `json:"role"` // "support", "supervisor" or "admin"
}

// SignIn knows who may sign in, and vouches for them to the router.
type SignIn interface {
	// Staff gives those who may sign in, in the order in which the page offers them.
	Staff() []Staff
	// Token gives a bearer token of the router for one of them. It must be valid for at least eight hours, else the
	// person is asked to sign in again when it runs out.
	Token(ctx context.Context, staffID string) (string, error)
}

// Options are what the console needs.
type Options struct {
	// RouterURL is the address of the router, with or without the path of its GraphQL endpoint.
	RouterURL string
	// SessionKey seals the session cookies: at least 32 random bytes, the same in every process of the console.
	SessionKey []byte
	SignIn     SignIn
	Log        *slog.Logger
	// SecureCookies is for a console that browsers reach over HTTPS.
	SecureCookies bool
}

const (
	// requestTimeout bounds the work on one request.
	requestTimeout = 15 * time.Second
	// maxForm bounds what a browser may send, in bytes.
	maxForm = 64 << 10
	// maxID bounds the ids in paths.
	maxID = 128
)

// console is the handler of the pages.
type console struct {
	graph    *graph
	sessions *sessions
	signIn   SignIn
	words    vocabulary
	pages    map[string]*template.Template
	assets   map[string]asset
	log      *slog.Logger
	now      func() time.Time
}

// New gives the pages. They expect to be served at the root of their own origin.
func New(o Options) (http.Handler, error) {
	c, err := build(o)
	if err != nil {
		return nil, err
	}
	return c.handler(), nil
}

func build(o Options) (*console, error) {
	if o.SignIn == nil || o.Log == nil {
		return nil, errors.New("the console needs SignIn and Log")
	}
	g, err := newGraph(o.RouterURL)
	if err != nil {
		return nil, err
	}
	s, err := newSessions(o.SessionKey, o.SecureCookies)
	if err != nil {
		return nil, err
	}
	words, err := newVocabulary()
	if err != nil {
		return nil, err
	}
	c := &console{graph: g, sessions: s, signIn: o.SignIn, words: words, log: o.Log, now: time.Now}
	if c.assets, err = readAssets(); err != nil {
		return nil, err
	}
	if c.pages, err = c.parsePages(); err != nil {
		return nil, err
	}
	return c, nil
}

// handler gives the routes.
func (c *console) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{name}", c.serveAsset)
	mux.HandleFunc("GET /sign-in", c.signInPage)
	mux.HandleFunc("POST /sign-in", c.signInPost)
	page := func(pattern string, h pageFunc) { mux.HandleFunc(pattern, c.signedIn(h)) }
	page("GET /{$}", func(w http.ResponseWriter, r *http.Request, _ *session) error {
		http.Redirect(w, r, "/customers", http.StatusSeeOther)
		return nil
	})
	page("POST /sign-out", c.signOut)
	page("GET /customers", c.customersPage)
	page("POST /customers", c.customersPage)
	page("GET /customers/{id}", c.customerPage)
	page("GET /customers/{id}/held", c.heldPage)
	page("GET /customers/{id}/erase", c.erasePage)
	page("POST /customers/{id}/erase", c.erasePost)
	page("GET /erasures", c.erasuresPage)
	page("GET /erasures/{id}", c.erasurePage)
	page("GET /erasures/{id}/progress", c.progress)
	page("POST /erasures/{id}/approve", c.approvePost)
	page("POST /erasures/{id}/cancel", c.cancelPost)
	page("POST /erasures/{id}/steps/{step}/retry", c.retryPost)
	page("POST /erasures/{id}/steps/{step}/waive", c.waivePost)
	page("GET /erasures/{id}/certificate", c.certificatePage)
	page("GET /erasures/{id}/certificate.json", c.certificateFile)
	page("GET /data-map", c.dataMapPage)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s, _ := c.sessions.read(r)
		c.fail(w, r, s, http.StatusNotFound, "There is no such page", "The address may be mistyped, or the link old.", "")
	})
	foreign := http.NewCrossOriginProtection()
	foreign.SetDenyHandler(http.HandlerFunc(c.denyForeign))
	return c.guard(foreign.Handler(mux))
}

// guard bounds every request, sets what every response carries, and logs.
func (c *console) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := c.now()
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Frame-Options", "DENY")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		recorder := &statusRecorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(recorder, r)
		// The pattern, not the path: what staff look at is nobody's business here.
		c.log.Debug("request", "pattern", r.Pattern, "status", recorder.status, "duration", c.now().Sub(begin))
	})
}

// statusRecorder remembers the status of a response.
type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// pageFunc serves a page to somebody who is signed in. An error becomes a page that says so.
type pageFunc func(w http.ResponseWriter, r *http.Request, s *session) error

// goodID is what an id in a path may look like. What the graph knows is the graph's to say.
var goodID = regexp.MustCompile(`^[A-Za-z0-9_.:=~-]+$`)

// signedIn lets a request through that comes with a session, and on POST with its CSRF token.
func (c *console) signedIn(next pageFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s, err := c.sessions.read(r)
		if err != nil || s.Staff == nil {
			c.toSignIn(w, r)
			return
		}
		if r.Method == http.MethodPost && !c.genuine(w, r, s) {
			return
		}
		for _, name := range []string{"id", "step"} {
			if id := r.PathValue(name); id != "" && (len(id) > maxID || !goodID.MatchString(id)) {
				c.fail(w, r, s, http.StatusNotFound, "There is no such page", "The address may be mistyped.", "")
				return
			}
		}
		if r.Header.Get("HX-Request") == "" {
			// A page that updates itself is no sign of a person: it does not prolong the session.
			if err := c.sessions.renew(w, s); err != nil {
				c.log.Error("renew a session", "error", err)
			}
		}
		if err := next(w, r, s); err != nil {
			c.failed(w, r, s, err)
		}
	}
}

// genuine says whether a POST carries the session's CSRF token; if not, it answers.
func (c *console) genuine(w http.ResponseWriter, r *http.Request, s *session) bool {
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			c.fail(w, r, s, http.StatusRequestEntityTooLarge, "That was too much at once", "The form holds more than the console takes. Shorten it and send it again.", "")
			return false
		}
		c.fail(w, r, s, http.StatusBadRequest, "The form could not be read", "Go back, load the page again and repeat.", "")
		return false
	}
	if !s.genuine(r) {
		c.fail(w, r, s, http.StatusForbidden, "This form is out of date", "Nothing was changed. Go back, load the page again and repeat.", "")
		return false
	}
	return true
}

func (c *console) denyForeign(w http.ResponseWriter, r *http.Request) {
	c.fail(w, r, nil, http.StatusForbidden, "This request came from another site", "Nothing was changed. Open the console itself and repeat.", "")
}

// toSignIn sends a person to the sign-in page: the whole page even when only a part of it asked.
func (c *console) toSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Redirect", "/sign-in")
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// errNotFound is for a thing that the graph does not know.
var errNotFound = errors.New("not found")

// failed answers for a page that could not be made.
func (c *console) failed(w http.ResponseWriter, r *http.Request, s *session, err error) {
	requestID := ""
	if f, ok := errors.AsType[*fault](err); ok {
		requestID = f.requestID
	}
	switch code := faultCode(err); {
	case code == codeUnauthenticated:
		c.sessions.end(w)
		c.toSignIn(w, r)
	case code == codeForbidden:
		c.fail(w, r, s, http.StatusForbidden, "Your role does not allow this", "Ask somebody with the right role to do it.", requestID)
	case code == codeNotFound || errors.Is(err, errNotFound):
		c.fail(w, r, s, http.StatusNotFound, "There is nothing here", "It may never have been, or it was erased since.", requestID)
	case code == codeUnavailable || code == codeTimeout:
		c.log.Warn("the graph does not answer", "pattern", r.Pattern, "code", code, "request_id", requestID, "error", err)
		c.fail(w, r, s, http.StatusServiceUnavailable, "The shop does not answer just now",
			"The console is fine, but what it asks does not answer. Nothing is lost: an erasure that is under way goes on by itself. Try again in a moment.", requestID)
	default:
		c.log.Error("make a page", "pattern", r.Pattern, "request_id", requestID, "error", err)
		c.fail(w, r, s, http.StatusBadGateway, "Something went wrong", "It is in the log. If it happens again, tell whoever runs the shop.", requestID)
	}
}

// message is a page that only says something.
type message struct {
	Title, Text, RequestID string
}

// fail answers with a page that says what happened and what to do.
func (c *console) fail(w http.ResponseWriter, r *http.Request, s *session, status int, title, text, requestID string) {
	c.render(w, r, s, status, "message", title, message{title, text, requestID})
}

// view is what a page's template gets.
type view struct {
	Title string
	Path  string // of the request, to mark where one is
	Staff *Staff
	CSRF  string
	Live  bool // the page updates itself: without JavaScript it is loaded again now and then
	Data  any
}

// render writes a page. It is made whole before its first byte is sent, so that a page is never cut off.
func (c *console) render(w http.ResponseWriter, r *http.Request, s *session, status int, page, title string, data any) {
	v := view{Title: title, Path: r.URL.Path, Data: data}
	if s != nil {
		v.Staff, v.CSRF = s.Staff, s.CSRF
	}
	if l, ok := data.(interface{ live() bool }); ok {
		v.Live = l.live()
	}
	var b bytes.Buffer
	if err := c.pages[page].ExecuteTemplate(&b, "layout", v); err != nil {
		c.log.Error("render a page", "page", page, "error", err)
		http.Error(w, "The page could not be made. It is in the log.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// fragment gives a part of a page.
func (c *console) fragment(page, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := c.pages[page].ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("render %s of %s: %w", name, page, err)
	}
	return b.Bytes(), nil
}

// signInPage offers the people who may sign in.
func (c *console) signInPage(w http.ResponseWriter, r *http.Request) {
	s, err := c.sessions.read(r)
	if err == nil && s.Staff != nil {
		http.Redirect(w, r, "/customers", http.StatusSeeOther)
		return
	}
	if err != nil {
		s = c.sessions.fresh(nil, "")
		if err := c.sessions.write(w, s); err != nil {
			c.failed(w, r, nil, err)
			return
		}
	}
	c.render(w, r, s, http.StatusOK, "sign-in", "Sign in", c.signIn.Staff())
}

// signInPost signs one of them in.
func (c *console) signInPost(w http.ResponseWriter, r *http.Request) {
	s, err := c.sessions.read(r)
	if err != nil {
		c.fail(w, r, nil, http.StatusForbidden, "The sign-in page is out of date", "Open it again, and allow cookies for this site.", "")
		return
	}
	if !c.genuine(w, r, s) {
		return
	}
	for _, staff := range c.signIn.Staff() {
		if staff.ID != r.PostFormValue("staff") {
			continue
		}
		token, err := c.signIn.Token(r.Context(), staff.ID)
		if err == nil {
			err = c.sessions.write(w, c.sessions.fresh(&staff, token))
		}
		if err != nil {
			c.failed(w, r, nil, fmt.Errorf("sign %s in: %w", staff.ID, err))
			return
		}
		c.log.Info("signed in", "staff", staff.ID, "role", staff.Role)
		http.Redirect(w, r, "/customers", http.StatusSeeOther)
		return
	}
	c.fail(w, r, nil, http.StatusForbidden, "You cannot sign in", "Nobody of that name works here any more.", "")
}

// signOut ends the session.
func (c *console) signOut(w http.ResponseWriter, r *http.Request, s *session) error {
	c.sessions.end(w)
	c.log.Info("signed out", "staff", s.Staff.ID)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
