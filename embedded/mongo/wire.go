package mongo

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// The wire protocol (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/).
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013

	headerSize     = 16
	maxMessage     = 48_000_000
	maxBatch       = 100_000
	flagChecksum   = 1 << 0
	flagMoreToCome = 1 << 1
	flagExhaust    = 1 << 16

	// messageTimeout is how long a message may take from its first byte to its last.
	messageTimeout = 30 * time.Second
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type header struct {
	length, id, op int32
}

// message is a command as it came.
type message struct {
	header
	body   bson.D
	legacy bool // OP_QUERY, whose answer is OP_REPLY
	silent bool // no answer is wanted
}

// errProtocol ends a connection: what follows cannot be understood.
var errProtocol = errors.New("the client does not keep to the wire protocol")

func (s *Server) serve(c net.Conn) {
	defer func() {
		if err := closed(c.Close()); err != nil {
			s.log.Debug("closing a connection", "error", err)
		}
	}()
	id := s.nextID.Add(1)
	r := bufio.NewReaderSize(c, 32<<10)
	var out []byte
	for {
		m, err := readMessage(r, func() error { return c.SetReadDeadline(time.Now().Add(messageTimeout)) })
		if err != nil {
			if _, known := errors.AsType[*fault.Error](err); !known {
				if !errors.Is(err, io.EOF) && s.ctx.Err() == nil {
					s.log.Debug("a connection ends", "connection", id, "error", err)
				}
				return
			}
		}
		if err := c.SetReadDeadline(time.Time{}); err != nil {
			return
		}
		var reply bson.D
		if err != nil {
			reply = failure(err)
		} else {
			reply = s.run(m.body, id)
		}
		if m.silent {
			continue
		}
		if out, err = appendReply(out[:0], m, reply, s.replyID.Add(1)); err != nil {
			if out, err = appendReply(out[:0], m, failure(err), s.replyID.Add(1)); err != nil {
				return
			}
		}
		if _, err := c.Write(out); err != nil {
			return
		}
		if cap(out) > 4<<20 {
			out = nil
		}
	}
}

// readMessage reads one message. An error of package fault leaves the connection usable. begun is called once the first
// bytes are there.
func readMessage(r io.Reader, begun func() error) (message, error) {
	var head [headerSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return message{}, err
	}
	if err := begun(); err != nil {
		return message{}, err
	}
	le := binary.LittleEndian
	m := message{header: header{int32(le.Uint32(head[:])), int32(le.Uint32(head[4:])), int32(le.Uint32(head[12:]))}}
	if m.length < headerSize || m.length > maxMessage {
		return m, fmt.Errorf("%w: a message of %d bytes", errProtocol, m.length)
	}
	body, err := readBody(r, int(m.length)-headerSize)
	if err != nil {
		return m, err
	}
	switch m.op {
	case opMsg:
		return m, m.parse(head[:], body)
	case opQuery:
		m.legacy = true
		return m, m.parseQuery(body)
	}
	return m, fmt.Errorf("%w: unknown operation %d", errProtocol, m.op)
}

// readBody reads n bytes, taking memory only as they arrive.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 1 << 20
	if n <= step {
		b := make([]byte, n)
		_, err := io.ReadFull(r, b)
		return b, err
	}
	var b bytes.Buffer
	b.Grow(step)
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// parse reads an OP_MSG: one body and any number of document sequences, which become arrays of the body.
func (m *message) parse(head, b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: flags are missing", errProtocol)
	}
	flags := binary.LittleEndian.Uint32(b)
	if unknown := flags & 0xffff &^ (flagChecksum | flagMoreToCome); unknown != 0 {
		return fmt.Errorf("%w: unknown required flags %#x", errProtocol, unknown)
	}
	m.silent = flags&flagMoreToCome != 0
	end := len(b)
	if flags&flagChecksum != 0 {
		if end -= 4; end < 4 {
			return fmt.Errorf("%w: the checksum is missing", errProtocol)
		}
		sum := crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, b[:end])
		if sum != binary.LittleEndian.Uint32(b[end:]) {
			return fmt.Errorf("%w: the checksum is wrong", errProtocol)
		}
	}
	var sequences bson.D
	for b = b[4:end]; len(b) > 0; {
		kind := b[0]
		b = b[1:]
		if len(b) < 5 {
			return fmt.Errorf("%w: a section is cut off", errProtocol)
		}
		n := int(int32(binary.LittleEndian.Uint32(b)))
		if n < 5 || n > len(b) {
			return fmt.Errorf("%w: a section's length is wrong", errProtocol)
		}
		switch kind {
		case 0:
			if m.body != nil {
				return fmt.Errorf("%w: two bodies", errProtocol)
			}
			d, err := value.Decode(b[:n])
			if err != nil {
				return err
			}
			m.body = d
		case 1:
			e, err := sequence(b[4:n])
			if err != nil {
				return err
			}
			sequences = append(sequences, e)
		default:
			return fmt.Errorf("%w: unknown section kind %d", errProtocol, kind)
		}
		b = b[n:]
	}
	for _, e := range sequences {
		if _, twice := value.Get(m.body, e.Key); twice {
			return fault.New(fault.Code(40413), "field %s is given in the body and as a sequence", e.Key)
		}
		m.body = append(m.body, e)
	}
	return nil
}

func sequence(b []byte) (bson.E, error) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return bson.E{}, fmt.Errorf("%w: a sequence has no name", errProtocol)
	}
	name := string(b[:i])
	list := bson.A{}
	for b = b[i+1:]; len(b) > 0; {
		if len(b) < 5 {
			return bson.E{}, fmt.Errorf("%w: a document of a sequence is cut off", errProtocol)
		}
		n := int(int32(binary.LittleEndian.Uint32(b)))
		if n < 5 || n > len(b) {
			return bson.E{}, fmt.Errorf("%w: the length of a document in a sequence is wrong", errProtocol)
		}
		d, err := value.Decode(b[:n])
		if err != nil {
			return bson.E{}, err
		}
		list = append(list, d)
		b = b[n:]
	}
	return bson.E{Key: name, Value: list}, nil
}

// parseQuery reads an OP_QUERY, which drivers use for their first hello only.
func (m *message) parseQuery(b []byte) error {
	if len(b) < 4 {
		return fmt.Errorf("%w: flags are missing", errProtocol)
	}
	i := bytes.IndexByte(b[4:], 0)
	if i < 0 || len(b) < 4+i+1+8 {
		return fmt.Errorf("%w: a query is cut off", errProtocol)
	}
	ns, rest := string(b[4:4+i]), b[4+i+1+8:]
	d, err := value.Decode(rest)
	if err != nil {
		return err
	}
	if len(d) == 0 || ns != "admin.$cmd" || !isHello(d[0].Key) {
		return fault.New(fault.Code(352), "Unsupported OP_QUERY command: only hello is served; upgrade the driver")
	}
	m.body = append(d, bson.E{Key: "$db", Value: "admin"})
	return nil
}

func appendReply(b []byte, m message, reply bson.D, id int32) ([]byte, error) {
	le := binary.LittleEndian
	b = append(b, 0, 0, 0, 0)
	b = le.AppendUint32(b, uint32(id))
	b = le.AppendUint32(b, uint32(m.id))
	if m.legacy {
		b = le.AppendUint32(b, opReply)
		b = le.AppendUint32(b, 8) // AwaitCapable
		b = le.AppendUint64(b, 0)
		b = le.AppendUint32(b, 0)
		b = le.AppendUint32(b, 1)
	} else {
		b = le.AppendUint32(b, opMsg)
		b = le.AppendUint32(b, 0)
		b = append(b, 0)
	}
	out, err := value.Append(b, reply)
	if err != nil {
		return b, err
	}
	le.PutUint32(out, uint32(len(out)))
	return out, nil
}
