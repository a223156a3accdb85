package floor

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// NetHTTP serves a script with the standard library's client and server until the process ends.
func NetHTTP(address string, s *Script) error {
	ln, err := listen(address)
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: 512, MaxIdleConns: 4096, DisableCompression: true, WriteBufferSize: 16 << 10, ReadBufferSize: 16 << 10,
	}}
	buffers := sync.Pool{New: func() any { return new(bytes.Buffer) }}
	send := func(r *Request) error {
		req, err := http.NewRequest(http.MethodPost, r.URL, strings.NewReader(r.Body))
		if err != nil {
			return fmt.Errorf("make a request: %w", err)
		}
		req.Header["Content-Type"] = []string{"application/json"}
		resp, err := client.Do(req)
		if err != nil {
			return fmt.Errorf("ask a subgraph: %w", err)
		}
		into, _ := buffers.Get().(*bytes.Buffer)
		into.Reset()
		_, err = into.ReadFrom(resp.Body)
		buffers.Put(into)
		if err := resp.Body.Close(); err != nil {
			return fmt.Errorf("end an answer: %w", err)
		}
		return err
	}
	answer := []byte(s.Answer)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if err := s.run(send); err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		h := w.Header()
		h["Content-Type"] = []string{"application/json"}
		h["Content-Length"] = []string{strconv.Itoa(len(answer))}
		_, _ = w.Write(answer) // a client that went away is no concern
	})}
	if err := server.Serve(ln); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}
