package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/lethe/lethe/router/jsontext"
)

// transportWS is the subprotocol that is spoken over WebSocket.
const transportWS = "graphql-transport-ws"

// closeProtocol is what closes a socket of which a message is not understood.
const closeProtocol websocket.StatusCode = 4400

// socket is a subscription over WebSocket, the only one on it.
type socket struct {
	ctx    context.Context //nolint:containedctx // the life of the subscription
	cancel context.CancelCauseFunc
	conn   *websocket.Conn
	watch  *watch
	limit  int
	buf    bytes.Buffer
	over   bool
	close  sync.Once
}

// patience is how long a subgraph may take over what it is sent.
const patience = 5 * time.Second

// The messages that the router sends, but for subscribe.
var (
	pingMessage     = []byte(`{"type":"ping"}`)              //nolint:gochecknoglobals // a constant
	pongMessage     = []byte(`{"type":"pong"}`)              //nolint:gochecknoglobals // a constant
	completeMessage = []byte(`{"id":"1","type":"complete"}`) //nolint:gochecknoglobals // a constant
)

// WebSocket opens a subscription over WebSocket with the protocol graphql-transport-ws.
func (c *Client) WebSocket(ctx context.Context, q Request) (Events, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(q.Opening, func() { cancel(ErrOpening) })
	s, err := c.shake(ctx, cancel, q)
	if err == nil {
		if err = s.begin(q); err != nil {
			_ = s.conn.CloseNow()
		}
	}
	if !late.Stop() && err == nil {
		_ = s.conn.CloseNow()
		err = ErrOpening
	}
	if err != nil {
		err = because(ctx, err)
		cancel(nil)
		return nil, fmt.Errorf("open a WebSocket: %w", err)
	}
	if q.Heartbeat > 0 {
		go s.beat(q.Heartbeat)
	}
	return s, nil
}

func (c *Client) shake(ctx context.Context, cancel context.CancelCauseFunc, q Request) (*socket, error) {
	conn, resp, err := websocket.Dial(ctx, q.URL.String(), &websocket.DialOptions{
		HTTPClient: c.HTTP, HTTPHeader: q.Header, Subprotocols: []string{transportWS},
	})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, &StatusError{resp.StatusCode}
		}
		return nil, err
	}
	if conn.Subprotocol() != transportWS {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("%w: the subgraph does not speak %s", ErrProtocol, transportWS)
	}
	// Around an event stands a message.
	conn.SetReadLimit(int64(c.Limit) + 1<<10)
	return &socket{ctx: ctx, cancel: cancel, conn: conn, watch: newWatch(q.Heartbeat, cancel), limit: c.Limit}, nil
}

// begin sends connection_init, waits for the acknowledgement and subscribes.
func (s *socket) begin(q Request) error {
	init := []byte(`{"type":"connection_init"`)
	if len(q.Init) > 0 {
		init = append(append(init, `,"payload":`...), q.Init...)
	}
	if err := s.write(append(init, '}')); err != nil {
		return err
	}
	for {
		m, err := s.read()
		if err != nil {
			return err
		}
		switch m.kind {
		case "connection_ack":
			body := append([]byte(`{"id":"1","type":"subscribe","payload":`), q.Body...)
			return s.write(append(body, '}'))
		case "ping":
			if err := s.write(pongMessage); err != nil {
				return err
			}
		case "pong":
		default:
			return fmt.Errorf("%w: %q before the acknowledgement", ErrProtocol, m.kind)
		}
	}
}

// beat pings, so that the watch hears of a subgraph that has nothing to tell.
func (s *socket) beat(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			if s.write(pingMessage) != nil {
				return // whoever reads is told
			}
		}
	}
}

func (s *socket) write(text []byte) error {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, text)
}

// read reads the next message. It is a part of the socket's buffer, good until the next one is read.
func (s *socket) read() (message, error) {
	s.watch.begin()
	defer s.watch.end()
	kind, r, err := s.conn.Reader(s.ctx)
	if err != nil {
		return message{}, s.ended(err)
	}
	s.buf.Reset()
	if s.buf.Cap() > 1<<20 {
		s.buf = bytes.Buffer{}
	}
	if _, err := s.buf.ReadFrom(r); err != nil {
		return message{}, s.ended(err)
	}
	if kind != websocket.MessageText {
		return message{}, fmt.Errorf("%w: a binary message", ErrProtocol)
	}
	return readMessage(s.buf.Bytes())
}

// ended says why nothing more is read.
func (s *socket) ended(err error) error {
	var closed websocket.CloseError
	switch {
	case s.ctx.Err() != nil:
		return because(s.ctx, err)
	case errors.Is(err, websocket.ErrMessageTooBig):
		return &TooLargeError{s.limit}
	case errors.As(err, &closed):
		return fmt.Errorf("%w: %w", ErrLost, closed)
	}
	return fmt.Errorf("%w: %v", ErrLost, err) //nolint:errorlint // an io.EOF in it would mean that all was told
}

// Next gives the next event.
func (s *socket) Next(into []byte) ([]byte, error) {
	if s.over {
		return into, io.EOF
	}
	for {
		m, err := s.read()
		if err != nil {
			if errors.Is(err, ErrProtocol) {
				_ = s.conn.Close(closeProtocol, "Invalid message received")
			}
			return into, fmt.Errorf("read an event: %w", err)
		}
		switch {
		case m.kind == "ping":
			if err := s.write(pongMessage); err != nil {
				return into, fmt.Errorf("answer a ping: %w", s.ended(err))
			}
		case m.kind == "pong", m.id != "1": // of what was completed, or nothing
		case m.kind == "next":
			return append(into, m.payload...), nil
		case m.kind == "error":
			s.over = true
			return append(append(append(into, `{"errors":`...), m.payload...), '}'), nil
		case m.kind == "complete":
			s.over = true
			return into, io.EOF
		}
	}
}

// Close ends the subscription. The subgraph is told, as far as it listens.
func (s *socket) Close() {
	s.close.Do(func() {
		s.watch.end()
		if s.ctx.Err() == nil {
			_ = s.write(completeMessage)
		}
		s.cancel(ErrClosed)
		_ = s.conn.CloseNow()
	})
}

// message is what a subgraph sends.
type message struct {
	kind, id string
	payload  []byte
}

// readMessage reads a message that a subgraph may send.
func readMessage(data []byte) (message, error) {
	var m message
	s := jsontext.Scanner{Data: data}
	if s.Enter('{') != nil {
		return m, fmt.Errorf("%w: a message that is no JSON object", ErrProtocol)
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil {
			return m, fmt.Errorf("%w: a message that is no JSON", ErrProtocol)
		}
		if !more {
			break
		}
		from, to, err := s.Key()
		if err != nil {
			return m, fmt.Errorf("%w: a message that is no JSON", ErrProtocol)
		}
		value, err := s.Value()
		if err != nil {
			return m, fmt.Errorf("%w: a message that is no JSON", ErrProtocol)
		}
		switch text := string(data[from:to]); {
		case text == "payload":
			m.payload = value
		case (text == "type" || text == "id") && value[0] != '"':
			return m, fmt.Errorf("%w: a message whose %s is no string", ErrProtocol, text)
		case text == "type":
			m.kind = string(jsontext.AppendText(nil, value[1:len(value)-1]))
		case text == "id":
			m.id = string(jsontext.AppendText(nil, value[1:len(value)-1]))
		}
	}
	if s.End() != nil {
		return m, fmt.Errorf("%w: more than one message at once", ErrProtocol)
	}
	return m, m.check()
}

// check refuses a message that lacks what its type must have.
func (m *message) check() error {
	var begins byte
	switch m.kind {
	case "connection_ack", "ping", "pong":
		return nil
	case "complete":
		if m.id != "" {
			return nil
		}
	case "next":
		begins = '{'
	case "error":
		begins = '['
	default:
		return fmt.Errorf("%w: the type %.40q", ErrProtocol, m.kind)
	}
	if m.id == "" || len(m.payload) == 0 || m.payload[0] != begins {
		return fmt.Errorf("%w: %s lacks what it must have", ErrProtocol, m.kind)
	}
	return nil
}
