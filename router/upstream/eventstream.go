package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// eventStream reads server-sent events (HTML standard, section 9.2.6). Comments, ids and retry times are passed over.
type eventStream struct {
	r     *bufio.Reader
	limit int
	line  []byte
	name  []byte
	begun bool // the byte order mark was looked for
	skip  bool // a line feed that follows belongs to the carriage return before it
}

func newEventStream(r io.Reader, limit int) *eventStream {
	return &eventStream{r: bufio.NewReader(r), limit: limit}
}

var byteOrderMark = []byte("\ufeff") //nolint:gochecknoglobals // a constant

// next appends the data of the next event that has a name or data to into. The name holds until the next call. At the
// end of the stream, where an event that was not ended is lost, the error is io.EOF.
func (s *eventStream) next(into []byte) (name, data []byte, err error) {
	s.name = s.name[:0]
	from, has := len(into), false
	for {
		if err := s.readLine(); err != nil {
			return nil, into[:from], err
		}
		if !s.begun {
			s.begun, s.line = true, bytes.TrimPrefix(s.line, byteOrderMark)
		}
		if len(s.line) == 0 {
			if has || len(s.name) > 0 {
				return s.name, into, nil
			}
			continue
		}
		field, value, _ := bytes.Cut(s.line, []byte{':'})
		value = bytes.TrimPrefix(value, []byte{' '})
		switch string(field) {
		case "event":
			s.name = append(s.name[:0], value...)
		case "data":
			if has {
				into = append(into, '\n')
			}
			has = true
			if into = append(into, value...); len(into)-from > s.limit {
				return nil, into[:from], &TooLargeError{s.limit}
			}
		}
	}
}

// readLine reads a line into s.line, without what ends it: a line feed, a carriage return, or both.
func (s *eventStream) readLine() error {
	s.line = s.line[:0]
	for {
		if _, err := s.r.Peek(1); err != nil {
			return err
		}
		buffered, err := s.r.Peek(s.r.Buffered())
		if err != nil {
			return err
		}
		if s.skip {
			s.skip = false
			if buffered[0] == '\n' {
				if _, err := s.r.Discard(1); err != nil {
					return err
				}
				continue
			}
		}
		end := bytes.IndexAny(buffered, "\r\n")
		taken := end + 1
		if end < 0 {
			end, taken = len(buffered), len(buffered)
		}
		if s.line = append(s.line, buffered[:end]...); len(s.line) > s.limit+len("data: ") {
			return &TooLargeError{s.limit}
		}
		found := taken > end
		s.skip = found && buffered[end] == '\r'
		if _, err := s.r.Discard(taken); err != nil {
			return err
		}
		if found {
			return nil
		}
	}
}

// isEnd reports whether a stream ended, and did not fail.
func isEnd(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }
