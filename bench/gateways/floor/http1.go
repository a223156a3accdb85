package floor

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/lethe/lethe/router/http1"
)

// answerLimit bounds an answer of a subgraph, in bytes.
const answerLimit = 64 << 20

// posting is what a request to a subgraph needs while it runs. It is used again for another.
type posting struct {
	request http1.Request
	answer  []byte
}

// host is a subgraph's address: what speaks to it, and the start of each request.
type host struct {
	client *http1.Client
	head   []byte
}

// HTTP1 serves a script with the client and server that Lethe's router is built on until the process ends.
func HTTP1(address string, s *Script) error {
	hosts, err := httpHosts(s)
	if err != nil {
		return err
	}
	ln, err := listen(address)
	if err != nil {
		return err
	}
	postings := sync.Pool{New: func() any { return new(posting) }}
	ctx := context.Background()
	send := func(r *Request) error {
		p, _ := postings.Get().(*posting)
		defer postings.Put(p)
		to := hosts[r.URL]
		p.request = http1.Request{Head: to.head, Body: append(p.request.Body[:0], r.Body...), Repeatable: true, Deadline: time.Now().Add(15 * time.Second), Limit: answerLimit}
		resp, err := to.client.Post(ctx, &p.request, p.answer[:0])
		if p.answer = resp.Body; err != nil {
			return fmt.Errorf("ask a subgraph: %w", err)
		}
		return nil
	}
	answer := []byte(s.Answer)
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := s.run(send); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		h := w.Header()
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(answer))}
		_, _ = w.Write(answer) // a client that went away is no concern
	})
	// The http.Server gets what the listener does not take, which is nothing while only the rig asks.
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: handler}
	if err := server.Serve(http1.Listen(ln, http1.Options{Path: "/graphql", Handler: handler})); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// httpHosts gives a script's subgraphs by URL. Those at one host share its connections.
func httpHosts(s *Script) (map[string]host, error) {
	hosts, clients := map[string]host{}, map[string]*http1.Client{}
	for _, step := range s.Steps {
		for _, r := range step {
			u, err := url.Parse(r.URL)
			if err != nil {
				return nil, fmt.Errorf("read the address of a subgraph: %w", err)
			}
			if clients[u.Host] == nil {
				clients[u.Host] = http1.NewClient(u.Host, nil)
			}
			hosts[r.URL] = host{clients[u.Host], []byte("POST " + u.RequestURI() + " HTTP/1.1\r\nHost: " + u.Host + "\r\nContent-Type: application/json\r\nAccept: application/json\r\n")}
		}
	}
	return hosts, nil
}
