package browser

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

func TestPlayground(t *testing.T) {
	b := openBrowser(t)
	lethe := running(t)
	b.run(
		chromedp.Navigate(lethe.Router()+"/"),
		chromedp.WaitVisible(executeButton),
		shows(".graphiql-query-editor", "query Browse"),
		execute(`"totalCount"`),
		shows(".result-window", `"availability"`),
	)
	// As a member of support, on another tab.
	b.run(
		chromedp.SetValue(".playground-identity select", "support", chromedp.ByQuery),
		chromedp.Evaluate(`document.querySelector('.playground-identity select').dispatchEvent(new Event('change', { bubbles: true }))`, nil),
		chromedp.Click(`button[title="Held"]`, chromedp.ByQuery),
		shows(".graphiql-query-editor", "query Held"),
		execute(`"dataMap"`),
	)

	// How the operation is planned.
	b.run(
		chromedp.Click(`button[aria-label="Show Query plan"]`, chromedp.ByQuery),
		chromedp.Click(".playground-asking input", chromedp.ByQuery),
		shows(".graphiql-plugin", "Send an operation"),
		execute(`"dataMap"`),
		shows(".playground-plan", "fetch 0 from"),
	)
	var result string
	b.run(chromedp.Text(".result-window", &result, chromedp.ByQuery))
	if strings.Contains(result, "queryPlan") {
		t.Error("the plan stands among the data too")
	}

	// The reference, from the schema's own descriptions.
	b.run(
		chromedp.Click(`button[aria-label="Show Documentation Explorer"]`, chromedp.ByQuery),
		shows(".graphiql-plugin", "Query"),
	)

	// A query that is typed in, with completion from the schema.
	b.run(
		chromedp.Click(`button[aria-label="New tab"]`, chromedp.ByQuery),
		chromedp.Click(".graphiql-query-editor .view-lines", chromedp.ByQuery),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(2)),
		chromedp.KeyEvent(kb.Delete),
		chromedp.KeyEvent("{ wareh"),
		shows(".graphiql-query-editor .suggest-widget", "warehouses"),
	)

	for _, worker := range []string{"graphql.worker-", "json.worker-", "editor.worker-"} {
		if !b.has(worker) {
			t.Errorf("%s was not loaded", worker)
		}
	}
}

const executeButton = "button.graphiql-execute-button"

// execute presses the button until the answer holds a text. GraphiQL takes a moment to see which operation a tab shows;
// a person who is quicker presses again.
func execute(want string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		for {
			if err := chromedp.Click(executeButton).Do(ctx); err != nil {
				return err
			}
			short, cancel := context.WithTimeout(ctx, 3*time.Second)
			err := shows(".result-window", want).Do(short)
			cancel()
			if err == nil || ctx.Err() != nil {
				return err
			}
		}
	})
}
