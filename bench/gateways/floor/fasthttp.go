package floor

import (
	"fmt"
	"net/url"

	"github.com/valyala/fasthttp"
)

// FastHTTP serves a script with fasthttp's client and server until the process ends.
func FastHTTP(address string, s *Script) error {
	ln, err := listen(address)
	if err != nil {
		return err
	}
	clients := map[string]*fasthttp.HostClient{}
	for _, step := range s.Steps {
		for _, r := range step {
			if clients[r.URL] != nil {
				continue
			}
			u, err := url.Parse(r.URL)
			if err != nil {
				return fmt.Errorf("read the address of a subgraph: %w", err)
			}
			clients[r.URL] = &fasthttp.HostClient{Addr: u.Host, MaxConns: 4096, NoDefaultUserAgentHeader: true, ReadBufferSize: 16 << 10, WriteBufferSize: 16 << 10}
		}
	}
	send := func(r *Request) error {
		req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
		defer fasthttp.ReleaseRequest(req)
		defer fasthttp.ReleaseResponse(resp)
		req.SetRequestURI(r.URL)
		req.Header.SetMethod(fasthttp.MethodPost)
		req.Header.SetContentType("application/json")
		req.SetBodyString(r.Body)
		if err := clients[r.URL].Do(req, resp); err != nil {
			return fmt.Errorf("ask a subgraph: %w", err)
		}
		return nil
	}
	answer := []byte(s.Answer)
	server := &fasthttp.Server{NoDefaultServerHeader: true, Handler: func(ctx *fasthttp.RequestCtx) {
		if err := s.run(send); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		ctx.SetContentType("application/json")
		ctx.Response.SetBodyRaw(answer)
	}}
	if err := server.Serve(ln); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
