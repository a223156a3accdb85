// Package upstream opens subscriptions at subgraphs: over server-sent events, as the protocol "GraphQL over Server-Sent
// Events" has them in its distinct connections mode, and over WebSocket, with the protocol graphql-transport-ws.
//
// Each subscription has a connection of its own, so that a client that reads slowly holds back its own events and nobody
// else's.
package upstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Request is what a subgraph is asked.
type Request struct {
	URL    *url.URL
	Header http.Header
	// Init is the payload of connection_init, a JSON object; nil for none. It is of use over WebSocket only.
	Init []byte
	// Body is the GraphQL request in JSON.
	Body []byte
	// Opening is how long the subgraph may take until the subscription stands.
	Opening time.Duration
	// Heartbeat is how often the connection has to show that it lives; zero for never. Over WebSocket the router pings this
	// often. A subgraph of which nothing was heard for twice as long is lost.
	Heartbeat time.Duration
}

// Client opens subscriptions.
type Client struct {
	HTTP *http.Client
	// Limit is how many bytes an event may have.
	Limit int
}

// Events are those of one subscription. They implement execute.Events.
type Events interface {
	Next(into []byte) ([]byte, error)
	Close()
}

// Why a subscription ended that the subgraph did not complete.
var (
	// ErrLost is a connection that ended before the subscription was complete.
	ErrLost = errors.New("the connection ended before the subscription was complete")
	// ErrSilent is a subgraph that let its heartbeat out.
	ErrSilent = errors.New("nothing was heard for twice the heartbeat")
	// ErrOpening is a subgraph that took too long to open a subscription.
	ErrOpening = errors.New("the subscription did not stand in time")
	// ErrClosed is a subscription that the router itself ended.
	ErrClosed = errors.New("the subscription was ended here")
	// ErrProtocol is a message that the protocol does not know at its place.
	ErrProtocol = errors.New("not as the protocol has it")
)

// TooLargeError is an event that is larger than the limit.
type TooLargeError struct{ Limit int }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("an event has more than %d bytes", e.Limit)
}

// StatusError is an answer that opens no subscription.
type StatusError struct{ Status int }

// Error implements error.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d", e.Status) }

// watch ends a connection of which nothing is heard while somebody waits for it.
type watch struct {
	silence time.Duration // zero for no end
	cancel  context.CancelCauseFunc
	mu      sync.Mutex
	timer   *time.Timer
}

func newWatch(heartbeat time.Duration, cancel context.CancelCauseFunc) *watch {
	return &watch{silence: 2 * heartbeat, cancel: cancel}
}

// begin starts to wait, or to wait anew.
func (w *watch) begin() {
	if w.silence <= 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		w.timer = time.AfterFunc(w.silence, func() { w.cancel(ErrSilent) })
		return
	}
	w.timer.Reset(w.silence)
}

// end says that nobody waits.
func (w *watch) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}
