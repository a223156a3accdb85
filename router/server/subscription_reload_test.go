package server_test

import (
	"os"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// shopSDL gives the shop's supergraph with replacements made in it, in pairs.
func shopSDL(t *testing.T, replacements ...string) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/shop.graphql")
	if err != nil {
		t.Fatal(err)
	}
	sdl := string(raw)
	for i := 0; i < len(replacements); i += 2 {
		changed := strings.Replace(sdl, replacements[i], replacements[i+1], 1)
		if changed == sdl {
			t.Fatalf("the shop has no %q", replacements[i])
		}
		sdl = changed
	}
	return sdl
}

// The shop in which reviews know the stock, in which stock knows the names, and in which nobody knows the stock.
func reviewsKnowStock(t *testing.T) string {
	t.Helper()
	return shopSDL(t, "  stock: Int! @join__field(graph: STOCK)", "  stock: Int! @join__field(graph: REVIEWS)")
}

func stockKnowsNames(t *testing.T) string {
	t.Helper()
	return shopSDL(t, "  name: String! @join__field(graph: PRODUCTS)\n", "  name: String! @join__field(graph: STOCK)\n")
}

func withoutStock(t *testing.T) string {
	t.Helper()
	return shopSDL(t, "  stock: Int! @join__field(graph: STOCK)\n", "")
}

func reload(t *testing.T, s *shop, sdl string) {
	t.Helper()
	if err := s.Reload(sdl); err != nil {
		t.Fatal(err)
	}
}

const namesAndStock = `subscription { productChanged(id: 1) { name stock } }`

func TestSubscriptionSurvivesAReload(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, map[string]script{
		"stock": stock(func(string) string { return `{"name":"from stock","stock":1}` }), "reviews": entities(func(string) string { return `{"stock":2}` }),
	})
	l := listen(t, url, namesAndStock)
	up := tell.open()
	event := changed("p1", `,"name":"N"`)
	up.tell <- event
	l.hear(`next {"data":{"productChanged":{"name":"N","stock":1}}}`)

	// The source is asked the same: it stays, and events are answered by the new schema.
	reload(t, s, reviewsKnowStock(t))
	up.tell <- event
	l.hear(`next {"data":{"productChanged":{"name":"N","stock":2}}}`)

	// The source is asked something else: there is a new one, and the old one ends.
	reload(t, s, stockKnowsNames(t))
	fresh := tell.open()
	await(t, up.gone, "end of the old subscription at the subgraph")
	if fresh.Query == up.Query {
		t.Error("asked the same again")
	}
	fresh.tell <- changed("p1", "")
	l.hear(`next {"data":{"productChanged":{"name":"from stock","stock":1}}}`)

	// The operation is not valid any more.
	reload(t, s, withoutStock(t))
	l.hearPart("SUBSCRIPTION_SCHEMA_CHANGED", "GRAPHQL_VALIDATION_FAILED")
	l.hear("complete")
	l.hearEnd()
	await(t, fresh.gone, "end at the subgraph")
}

func TestSocketSurvivesAReload(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, map[string]script{
		"stock": stock(func(string) string { return `{"stock":1}` }), "reviews": entities(func(string) string { return `{"stock":2}` }),
	})
	c := connect(t, url, "")
	c.subscribe("a", namesAndStock)
	a := tell.open()
	c.subscribe("b", `subscription { productChanged(id: 1) { name } }`)
	b := tell.open()
	reload(t, s, reviewsKnowStock(t))
	event := changed("p1", `,"name":"N"`)
	a.tell <- event
	c.hear(`{"id":"a","type":"next","payload":{"data":{"productChanged":{"name":"N","stock":2}}}}`)
	reload(t, s, withoutStock(t))
	c.hear(`{"id":"a","type":"error"`, "SUBSCRIPTION_SCHEMA_CHANGED")
	await(t, a.gone, "end at the subgraph")
	b.tell <- event
	c.hear(`{"id":"b","type":"next","payload":{"data":{"productChanged":{"name":"N"}}}}`)
}

// TestSubscriptionSurvivesAConfiguration has products be reached otherwise than before.
func TestSubscriptionSurvivesAConfiguration(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, nil)
	l := listen(t, url, `subscription { productChanged(id: 1) { name } }`)
	up := tell.open()
	var o server.Options
	overWebSocket(&o)
	if err := s.Configure(o.Config); err != nil {
		t.Fatal(err)
	}
	fresh := tell.open()
	await(t, up.gone, "end of the old subscription at the subgraph")
	if fresh.path != "/graphql/stream" {
		t.Error(fresh.path)
	}
	fresh.tell <- changed("p1", `,"name":"N"`)
	l.hear(`next {"data":{"productChanged":{"name":"N"}}}`)
}

// TestNoEventIsLostOverReloads tells events while schemas come and go.
func TestNoEventIsLostOverReloads(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, map[string]script{
		"stock": stock(func(string) string { return `{"stock":1}` }), "reviews": entities(func(string) string { return `{"stock":1}` }),
	})
	sdls := []string{reviewsKnowStock(t), shopSDL(t)}
	l := listen(t, url, namesAndStock)
	up := tell.open()
	done := make(chan error, 1)
	go func() {
		for i := range 100 {
			if err := s.Reload(sdls[i%2]); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	const letters = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
	for _, c := range letters {
		up.tell <- changed("p1", `,"name":"`+string(c)+`"`)
		l.hear(`next {"data":{"productChanged":{"name":"` + string(c) + `","stock":1}}}`)
	}
	if err := await(t, done, "end of the reloads"); err != nil {
		t.Error(err)
	}
}
