// Package browser drives the playground and the console as people do: in a real browser, before a whole Lethe.
package browser

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lethe/lethe/e2e/harness"
)

// suite is what the tests share: one running Lethe.
type suite struct {
	build harness.Build
	once  sync.Once
	lethe *harness.Lethe
}

var shared suite //nolint:gochecknoglobals // TestMain has no other way to hand something to tests

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lethe-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	shared.build.Dir = dir
	code := m.Run()
	if shared.lethe != nil {
		shared.lethe.Kill()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// running gives the Lethe that the tests share; the first that asks starts it.
func running(t *testing.T) *harness.Lethe {
	t.Helper()
	shared.once.Do(func() { shared.lethe = shared.build.StartShared(t, harness.Options{}) })
	if shared.lethe == nil {
		t.Fatal("the shared Lethe did not start")
	}
	return shared.lethe.With(t)
}

// patience bounds one wait of a browser for what must come.
const patience = 60 * time.Second

// browser is a fresh Chromium. A test fails by what the browser complains of, and by any request that leaves this machine.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	loaded   []string
	problems []string
}

// openBrowser starts Chromium. Where there is none the test is skipped, but fails under CI.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	path := chromium()
	if path == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("Chromium is not installed: apt-get install chromium")
		}
		t.Skip("Chromium is not installed")
	}
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck, chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(patience),
	}
	for _, flag := range []string{"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-dev-shm-usage"} {
		options = append(options, chromedp.Flag(flag, true))
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...) // it is closed in order, after the test
	t.Cleanup(stop)
	ctx, _ := chromedp.NewContext(allocator)
	b := &browser{t: t, ctx: ctx}
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Logf("close the browser: %v", err)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, problem := range b.problems {
			t.Error(problem)
		}
	})
	chromedp.ListenTarget(ctx, b.listen)
	b.run(network.Enable(), cdplog.Enable(), runtime.Enable())
	return b
}

func chromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// listen takes down what the browser does and complains of.
func (b *browser) listen(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.loaded = append(b.loaded, e.Request.URL)
		u, err := url.Parse(e.Request.URL)
		if err != nil || !slices.Contains([]string{"data", "blob"}, u.Scheme) && u.Hostname() != "127.0.0.1" {
			b.problems = append(b.problems, "a request left this machine: "+e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception in the page: "+e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		if e.Type != runtime.APITypeError && e.Type != runtime.APITypeAssert {
			return
		}
		var words []string
		for _, arg := range e.Args {
			words = append(words, string(arg.Value)+arg.Description)
		}
		b.problems = append(b.problems, "error on the page's console: "+strings.Join(words, " "))
	case *cdplog.EventEntryAdded:
		if e.Entry.Level == cdplog.LevelError {
			b.problems = append(b.problems, fmt.Sprintf("the browser says: %s (%s)", e.Entry.Text, e.Entry.URL))
		}
	}
}

// has says whether something with this in its address was loaded.
func (b *browser) has(part string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.ContainsFunc(b.loaded, func(u string) bool { return strings.Contains(u, part) })
}

// run does what a person would, and fails when it cannot be done in time. What the page shows then is in the failure.
func (b *browser) run(actions ...chromedp.Action) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Run(contextOr(b.ctx, ctx), actions...); err != nil {
		b.t.Fatalf("%v\nthe page shows:\n%s", err, b.text("body"))
	}
}

// contextOr gives the browser's own context for the first run, which starts it: a context that ends would end it too.
func contextOr(own, bounded context.Context) context.Context {
	if c := chromedp.FromContext(own); c == nil || c.Browser == nil {
		return own
	}
	return bounded
}

// text gives what an element shows, for a failure; "" when it cannot be had.
func (b *browser) text(selector string) string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	var text string
	if err := chromedp.Run(ctx, chromedp.Evaluate(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &text)); err != nil {
		return err.Error()
	}
	return text
}

// see waits until the page shows a text.
func (b *browser) see(text string) {
	b.t.Helper()
	b.run(shows("body", text))
}

// shows waits until an element holds a text. Spaces are spaces, whatever an editor makes of them.
func shows(selector, text string) chromedp.Action {
	return holds(fmt.Sprintf(`(document.querySelector(%q)?.textContent ?? '').replace(/\s+/g, ' ').includes(%q)`, selector, text))
}

// holds waits until an expression is true, on this page or on the one that the browser is on its way to.
func holds(expression string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			err := chromedp.Poll(expression, nil, chromedp.WithPollingTimeout(patience)).Do(ctx)
			if gone, ok := errors.AsType[*cdproto.Error](err); ok && gone.Code == serverError && ctx.Err() == nil {
				continue // the page was left in the middle of the question
			}
			if err != nil {
				return fmt.Errorf("wait for %s: %w", expression, err)
			}
			return nil
		}
	})
}

// serverError is the code of the DevTools protocol for a question to a page that is not there any more.
const serverError = -32000

// fill puts a value into the field with this label.
func (b *browser) fill(label, value string) {
	b.t.Helper()
	b.run(chromedp.SetValue(b.field(label), value, chromedp.ByQuery))
}

// field gives the selector of the field with this label.
func (b *browser) field(label string) string {
	b.t.Helper()
	var id string
	b.run(chromedp.Evaluate(fmt.Sprintf(`[...document.querySelectorAll('label')].find(l => l.textContent.trim().startsWith(%q))?.htmlFor ?? ''`, label), &id))
	if id == "" {
		b.t.Fatalf("there is no field with the label %q on\n%s", label, b.text("body"))
	}
	return "#" + id
}

// press clicks the button or link with this text once it is there, and waits for the page that it leads to.
func (b *browser) press(text string) {
	b.t.Helper()
	xpath := fmt.Sprintf(`//*[self::a or self::button][normalize-space(.)=%q or starts-with(normalize-space(.), %q)]`, text, text)
	b.run(
		chromedp.WaitVisible(xpath, chromedp.BySearch),
		chromedp.Evaluate(`window.left = true`, nil),
		chromedp.Click(xpath, chromedp.BySearch, chromedp.NodeVisible),
		holds(`window.left === undefined && document.readyState === 'complete'`),
	)
}

// at waits until the browser is at a path that begins so.
func (b *browser) at(path string) {
	b.t.Helper()
	b.run(holds(fmt.Sprintf("location.pathname.startsWith(%q) && document.readyState === 'complete'", path)))
}

// focused gives the focused element's tag and text.
func (b *browser) focused() string {
	b.t.Helper()
	var text string
	b.run(chromedp.Evaluate(`document.activeElement.tagName + ' ' + document.activeElement.innerText.trim()`, &text))
	return text
}

// awaitPromise makes an evaluation wait for its promise.
func awaitPromise(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
