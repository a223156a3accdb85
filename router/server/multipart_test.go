package server_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/lethe/lethe/router/server"
)

// listenParts asks for a multipart response.
func listenParts(t *testing.T, url, query string) *listener {
	t.Helper()
	l := &listener{t: t, events: make(chan string, 100)}
	resp := l.post(url, query, []string{"Accept", "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json"})
	go func() {
		defer close(l.events)
		defer func() { _ = resp.Body.Close() }()
		if !strings.HasPrefix(resp.Header.Get("Content-Type"), "multipart/mixed") {
			text, _ := io.ReadAll(resp.Body)
			l.events <- string(text)
			return
		}
		in := bufio.NewScanner(resp.Body)
		in.Split(func(data []byte, _ bool) (int, []byte, error) {
			const boundary = "\r\n--graphql"
			if i := bytes.Index(data, []byte(boundary)); i >= 0 {
				return i + len(boundary), data[:i], nil // a part is whole when its end is seen, as browsers' clients have it
			}
			if string(data) == "--\r\n" {
				return len(data), nil, bufio.ErrFinalToken
			}
			return 0, nil, nil
		})
		for in.Scan() {
			if header, text, ok := strings.Cut(in.Text(), "\r\n\r\n"); ok {
				if header != "\r\nContent-Type: application/json; charset=utf-8" {
					l.events <- "a part with the header " + header
				}
				l.events <- text
			}
		}
		if in.Err() != nil {
			l.events <- in.Err().Error()
		}
	}()
	return l
}

func TestMultipartSubscription(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, map[string]script{"stock": stock(func(id string) string { return `{"stock":` + id[1:] + `}` })})
	const query = `subscription { productChanged(id: 1) { stock } }`
	l := listenParts(t, url, query)
	if got := l.header.Get("Content-Type"); got != `multipart/mixed; boundary="graphql"; subscriptionSpec="1.0"` {
		t.Error(got)
	}
	up := tell.open()
	for _, id := range []string{"p1", "p2"} {
		up.tell <- changed(id, "")
		l.hear(`{"payload":{"data":{"productChanged":{"stock":` + id[1:] + `}}}}`)
	}
	close(up.tell)
	l.hearEnd()

	l = listenParts(t, url, query)
	close(tell.open().lose)
	l.hearPart(`{"payload":null,"errors":[{"message":"Service products is not available any more: subscribe again."`, "SUBGRAPH_UNAVAILABLE")
	l.hearEnd()

	for _, query := range []string{`{ nothing }`, `subscription { productChanged { id } }`} {
		l = listenParts(t, url, query)
		if got := l.header.Get("Content-Type"); l.status != http.StatusOK || got != "application/json; charset=utf-8" {
			t.Errorf("%d %s", l.status, got)
		}
		l.hearPart("GRAPHQL_VALIDATION_FAILED")
		l.hearEnd()
	}
}

func TestStopEndsMultipart(t *testing.T) {
	t.Parallel()
	s, tell, url := following(t, nil)
	l := listenParts(t, url, `subscription { productChanged(id: 1) { name } }`)
	tell.open()
	s.Close()
	l.hearPart(`{"payload":null,"errors":[`, "ROUTER_STOPPING")
	l.hearEnd()
}

// TestHeartbeats has nothing happen on a stream but that it shows that it lives.
func TestHeartbeats(t *testing.T) {
	t.Parallel()
	_, tell, url := following(t, nil, func(o *server.Options) { o.Config.Subscriptions.Heartbeat = "5ms" })
	parts := listenParts(t, url, `subscription { productChanged(id: 1) { name } }`)
	parts.hear("{}")
	parts.hear("{}")
	tell.open()
	l := &listener{t: t}
	resp := l.post(url, `subscription { productChanged(id: 1) { name } }`, []string{"Accept", "text/event-stream"})
	defer func() { _ = resp.Body.Close() }()
	text := make([]byte, len(":\n\n:\n\n:\n\n"))
	if _, err := io.ReadFull(resp.Body, text); err != nil || string(text) != ":\n\n:\n\n:\n\n" {
		t.Errorf("%q %v", text, err)
	}
}
