package playground_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lethe/lethe/router/compose"
	"github.com/lethe/lethe/router/playground"
	"github.com/lethe/lethe/router/server"
)

// TestPlanIsShown drives the page in a browser: it shows the plan of an operation when asked to, and nothing of it among
// the data; where the router gives no plans it says so.
func TestPlanIsShown(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("Chromium is not installed: apt-get install chromium")
		}
		t.Skip("Chromium is not installed")
	}
	subgraph := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":{"thing":"something"}}`)
	}))
	t.Cleanup(subgraph.Close)
	result, errs := compose.Compose([]compose.Subgraph{{Name: "things", URL: subgraph.URL, SDL: "type Query { thing: String }"}})
	if len(errs) > 0 {
		t.Fatal(compose.FormatText(errs))
	}
	s, err := server.New(server.Options{
		Supergraph: result.SDL, Log: slog.New(slog.DiscardHandler), Config: server.Config{QueryPlans: true},
		Playground: playground.Handler(playground.Options{Tabs: []playground.Tab{{Query: "{ thing }"}}}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	page := httptest.NewServer(s)
	t.Cleanup(page.Close)

	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(chromium), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.WindowSize(1280, 900), chromedp.WSURLReadTimeout(patience), chromedp.Flag("disable-dev-shm-usage", true),
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	ctx, closeBrowser := chromedp.NewContext(allocator)
	t.Cleanup(closeBrowser)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	var shown string
	run := func(actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatal(err)
		}
	}
	const panel, results = `section[aria-label="Query plan"]`, ".result-window"
	run(
		chromedp.Navigate(page.URL+"/"),
		chromedp.WaitVisible("button.graphiql-execute-button"),
		chromedp.Click(`button[aria-label="Show Query plan"]`, chromedp.ByQuery),
		chromedp.Click(".playground-asking input", chromedp.ByQuery),
		shows(panel, "Send an operation"),
		execute("something"),
		shows(panel, "fetch 0 from things"),
		chromedp.Text(results, &shown, chromedp.ByQuery),
	)
	if strings.Contains(shown, "queryPlan") {
		t.Errorf("the plan stands among the data: %s", shown)
	}
	if err := s.Configure(server.Config{}); err != nil {
		t.Fatal(err)
	}
	run(chromedp.Click("button.graphiql-execute-button"), shows(panel, "carried no query plan"))
}

// patience bounds what the browser takes for all of it.
const patience = 2 * time.Minute

// shows waits until an element holds a text, whatever an editor makes of its spaces.
func shows(selector, text string) chromedp.Action {
	return chromedp.Poll(fmt.Sprintf(`(document.querySelector(%q)?.textContent ?? '').replace(/\s+/g, ' ').includes(%q)`, selector, text), nil,
		chromedp.WithPollingTimeout(patience))
}

// execute presses the button until the result holds a text: GraphiQL takes a moment to see which operation a tab shows.
func execute(want string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			if err := chromedp.Click("button.graphiql-execute-button").Do(ctx); err != nil {
				return err
			}
			short, cancel := context.WithTimeout(ctx, 5*time.Second)
			err := shows(".result-window", want).Do(short)
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
	})
}
