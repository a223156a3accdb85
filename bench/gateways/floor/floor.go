// Package floor holds routers that do nothing but what every router must: they send the requests to subgraphs, read the
// answers wholly, and write an answer. Bodies and answer are ready beforehand. What they cost is the least that a router
// on the same client and server can cost.
package floor

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"sync"
)

// Script is what a null router does for each request.
type Script struct {
	// Steps are requests that go out together; a step begins when all answers of the one before were read.
	Steps [][]Request `json:"steps"`
	// Answer is what the client gets.
	Answer string `json:"answer"`
}

// Request goes to a subgraph.
type Request struct {
	URL  string `json:"url"`
	Body string `json:"body"`
}

// ReadScript reads a script from a file of JSON.
func ReadScript(file string) (*Script, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	s := &Script{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("read the script: %w", err)
	}
	return s, nil
}

// run does the steps of a script with send, and gives the first error.
func (s *Script) run(send func(*Request) error) error {
	for _, step := range s.Steps {
		if err := together(step, send); err != nil {
			return err
		}
	}
	return nil
}

// together sends requests side by side, the last of them on the caller's goroutine.
func together(step []Request, send func(*Request) error) error {
	if len(step) == 1 {
		return send(&step[0])
	}
	errs := make([]error, len(step))
	var wg sync.WaitGroup
	for i := range step[:len(step)-1] {
		wg.Go(func() { errs[i] = send(&step[i]) })
	}
	last := len(step) - 1
	errs[last] = send(&step[last])
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func listen(address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return ln, nil
}
