package server

import (
	"errors"

	"github.com/lethe/lethe/router/jsontext"
)

// Types of the messages of the protocol graphql-transport-ws.
const (
	connectionInit = "connection_init"
	connectionAck  = "connection_ack"
	pingMessage    = "ping"
	pongMessage    = "pong"
	subscribe      = "subscribe"
	nextMessage    = "next"
	errorMessage   = "error"
	complete       = "complete"
)

// message is what a client sends over a WebSocket. Payload is a part of the data that it was read from.
type message struct {
	kind    string
	id      string
	payload []byte // a JSON object, or nil
}

var errMessage = errors.New("not a message of the protocol")

// readMessage reads a message that a client may send: those of the protocol that go to the server, with what they must
// have.
func readMessage(data []byte) (message, error) {
	var m message
	s := jsontext.Scanner{Data: data}
	if s.Enter('{') != nil {
		return m, errMessage
	}
	for first := true; ; first = false {
		more, err := s.More('}', first)
		if err != nil {
			return m, errMessage
		}
		if !more {
			break
		}
		from, to, err := s.Key()
		if err != nil {
			return m, errMessage
		}
		value, err := s.Value()
		if err != nil || !m.set(string(data[from:to]), value) {
			return m, errMessage
		}
	}
	if s.End() != nil || !m.whole() {
		return m, errMessage
	}
	return m, nil
}

// set takes a member of the message and reports whether it is of its type.
func (m *message) set(key string, value []byte) bool {
	switch key {
	case "type", "id":
		if value[0] != '"' {
			return false
		}
		text := string(jsontext.AppendText(nil, value[1:len(value)-1]))
		if key == "id" {
			m.id = text
		} else {
			m.kind = text
		}
	case "payload":
		switch value[0] {
		case '{':
			m.payload = value
		case 'n':
			m.payload = nil
		default:
			return false
		}
	}
	return true
}

func (m *message) whole() bool {
	switch m.kind {
	case connectionInit, pingMessage, pongMessage:
		return true
	case subscribe:
		return m.id != "" && m.payload != nil
	case complete:
		return m.id != ""
	}
	return false
}

// appendMessage writes a message to a client; id and payload are left out where they are empty.
func appendMessage(dst []byte, kind, id string, payload []byte) []byte {
	dst = append(dst, '{')
	if id != "" {
		dst = append(jsontext.AppendString(append(dst, `"id":`...), id), ',')
	}
	dst = jsontext.AppendString(append(dst, `"type":`...), kind)
	if len(payload) > 0 {
		dst = append(append(dst, `,"payload":`...), payload...)
	}
	return append(dst, '}')
}

// credentials gives the Authorization that the payload of connection_init carries, at its top or among headers, or "".
func credentials(payload []byte) string {
	found := ""
	members(payload, func(key string, value []byte) {
		switch {
		case (key == "Authorization" || key == "authorization") && value[0] == '"':
			found = string(jsontext.AppendText(nil, value[1:len(value)-1]))
		case key == "headers" && found == "" && value[0] == '{':
			members(value, func(key string, value []byte) {
				if (key == "Authorization" || key == "authorization") && value[0] == '"' {
					found = string(jsontext.AppendText(nil, value[1:len(value)-1]))
				}
			})
		}
	})
	return found
}

// members calls each for the members of a JSON object.
func members(object []byte, each func(key string, value []byte)) {
	s := jsontext.Scanner{Data: object}
	if s.Enter('{') != nil {
		return
	}
	for first := true; ; first = false {
		if more, err := s.More('}', first); err != nil || !more {
			return
		}
		from, to, err := s.Key()
		if err != nil {
			return
		}
		value, err := s.Value()
		if err != nil {
			return
		}
		each(string(object[from:to]), value)
	}
}
