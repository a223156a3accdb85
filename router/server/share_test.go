package server_test

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lethe/lethe/router/authorise"
	"github.com/lethe/lethe/router/server"
)

// TestSharing has several clients ask while the subgraph holds back its answer to the first of them.
func TestSharing(t *testing.T) {
	t.Parallel()
	const product = `query ($id: ID!) { product(id: $id) { id name } }`
	type asker struct{ query, id, token string }
	same := asker{product, "1", "Bearer a"}
	for name, c := range map[string]struct {
		on      bool
		askers  []asker
		broken  bool // the first answer has an error
		waiting int  // how many are to wait for another
		calls   int  // to the subgraph
	}{
		"off":               {false, []asker{same, same, same}, false, 0, 3},
		"alike":             {true, []asker{same, same, same}, false, 2, 1},
		"other variables":   {true, []asker{same, {product, "2", "Bearer a"}, same}, false, 1, 2},
		"another identity":  {true, []asker{same, {product, "1", "Bearer b"}, same}, false, 1, 2},
		"another operation": {true, []asker{same, {strings.Replace(product, "id name", "name id", 1), "1", "Bearer a"}}, false, 0, 2},
		"an error is not":   {true, []asker{same, same, same}, true, 2, 3},
		"mutations are not": {true, []asker{{`mutation ($id: ID!) { rename(id: $id, name: "n") { id } }`, "1", ""}, {`mutation ($id: ID!) { rename(id: $id, name: "n") { id } }`, "1", ""}}, false, 0, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			release := make(chan struct{})
			var calls atomic.Int32
			s := newShop(t, map[string]script{"products": func(a asking) (int, string) {
				n := calls.Add(1)
				<-release
				if c.broken && n == 1 {
					return http.StatusOK, `{"data":{"product":null},"errors":[{"message":"no","path":["product"]}]}`
				}
				return http.StatusOK, fmt.Sprintf(`{"data":{"product":{"id":%s,"name":"N"},"rename":{"id":"1"}}}`, a.Variables.Rest["id"])
			}}, func(o *server.Options) {
				o.Config.ShareInFlight = c.on
				o.Authenticator = granting{}
				o.Identity = func(ctx context.Context) (string, bool) { return fmt.Sprint(authorise.FromContext(ctx)), true }
			})
			var all sync.WaitGroup
			for _, a := range c.askers {
				all.Go(func() {
					got := askAs(t, s, a.query, a.token, a.id)
					if len(got.errors) == 0 && !strings.Contains(string(got.raw), `"id":"`+a.id+`"`) {
						t.Errorf("%s", got.raw)
					}
				})
			}
			for s.Waiting() < c.waiting || int(calls.Load()) < len(c.askers)-c.waiting {
				runtime.Gosched()
			}
			close(release)
			all.Wait()
			if int(calls.Load()) != c.calls {
				t.Errorf("the subgraph was asked %d times, want %d", calls.Load(), c.calls)
			}
		})
	}
}
