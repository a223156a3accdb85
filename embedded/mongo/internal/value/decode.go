// Package value holds what the server knows about BSON values: reading and writing them with bounds,
// MongoDB's comparison order, keys that sort in that order, and dotted paths.
//
// A value is one of: bson.D, bson.A, string, int32, int64, float64, bool, nil (null), bson.DateTime,
// bson.ObjectID, bson.Binary, bson.Regex, bson.JavaScript, bson.Symbol, bson.Timestamp,
// bson.Decimal128, bson.MinKey, bson.MaxKey. Values are never changed once made.
package value

import (
	"encoding/binary"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
)

const (
	// MaxDepth is how deep documents may nest on the wire, as in MongoDB.
	MaxDepth = 200
	// MaxDocument is the greatest size of a stored document in bytes, as in MongoDB.
	MaxDocument = 16 << 20
)

// Missing is the absence of a value, as a path of an expression may lead to nothing.
type Missing struct{}

// Decode reads one BSON document that fills b. It refuses documents that are malformed, nested too
// deeply, or hold one of BSON's deprecated types.
func Decode(b []byte) (bson.D, error) {
	d, _, err := DecodeShared(b)
	return d, err
}

// Encoded is a document as BSON bytes; within a document it is written as it stands.
type Encoded string

// DecodeShared reads a document as Decode does and gives the bytes besides: one copy of them, which every name and
// text of the document shares.
func DecodeShared(b []byte) (bson.D, Encoded, error) {
	d := decoder{b: b, s: string(b)}
	doc, err := d.document(0, len(b), 0)
	return doc, Encoded(d.s), err
}

type decoder struct {
	b []byte
	s string
}

func malformed(what string) error { return fault.New(fault.Code(22), "invalid BSON: %s", what) }

// bounds checks a document's length at start and gives the position of its last byte.
func (d *decoder) bounds(start, limit int) (int, error) {
	if limit-start < 5 {
		return 0, malformed("document is cut off")
	}
	n := int(int32(binary.LittleEndian.Uint32(d.b[start:])))
	if n < 5 || n > limit-start || d.b[start+n-1] != 0 {
		return 0, malformed("document length is wrong")
	}
	return start + n - 1, nil
}

func (d *decoder) document(start, limit, depth int) (bson.D, error) {
	end, err := d.bounds(start, limit)
	if err != nil {
		return nil, err
	}
	if depth == 0 && end+1 != limit {
		return nil, malformed("bytes after the document")
	}
	if depth > MaxDepth {
		return nil, fault.New(fault.Code(15), "documents are nested deeper than %d levels", MaxDepth)
	}
	out := make(bson.D, 0, 8)
	for pos := start + 4; pos < end; {
		t := bson.Type(d.b[pos])
		name, next, err := d.cstring(pos+1, end)
		if err != nil {
			return nil, err
		}
		v, next, err := d.value(t, next, end, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, bson.E{Key: name, Value: v})
		pos = next
	}
	return out, nil
}

func (d *decoder) array(start, limit, depth int) (bson.A, error) {
	end, err := d.bounds(start, limit)
	if err != nil {
		return nil, err
	}
	if depth > MaxDepth {
		return nil, fault.New(fault.Code(15), "documents are nested deeper than %d levels", MaxDepth)
	}
	out := bson.A{}
	for pos := start + 4; pos < end; {
		t := bson.Type(d.b[pos])
		_, next, err := d.cstring(pos+1, end)
		if err != nil {
			return nil, err
		}
		v, next, err := d.value(t, next, end, depth)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		pos = next
	}
	return out, nil
}

func (d *decoder) cstring(pos, end int) (string, int, error) {
	for i := pos; i < end; i++ {
		if d.b[i] == 0 {
			return d.s[pos:i], i + 1, nil
		}
	}
	return "", 0, malformed("a name does not end")
}

func (d *decoder) text(pos, end int) (string, int, error) {
	if end-pos < 5 {
		return "", 0, malformed("a string is cut off")
	}
	n := int(int32(binary.LittleEndian.Uint32(d.b[pos:])))
	if n < 1 || n > end-pos-4 || d.b[pos+4+n-1] != 0 {
		return "", 0, malformed("a string's length is wrong")
	}
	return d.s[pos+4 : pos+4+n-1], pos + 4 + n, nil
}

func (d *decoder) value(t bson.Type, pos, end, depth int) (any, int, error) {
	width, fixed := 0, true
	switch t {
	case bson.TypeDouble, bson.TypeDateTime, bson.TypeTimestamp, bson.TypeInt64:
		width = 8
	case bson.TypeInt32:
		width = 4
	case bson.TypeObjectID:
		width = 12
	case bson.TypeDecimal128:
		width = 16
	case bson.TypeBoolean:
		width = 1
	case bson.TypeNull, bson.TypeMinKey, bson.TypeMaxKey:
	default:
		fixed = false
	}
	if fixed {
		if end-pos < width {
			return nil, 0, malformed("a value is cut off")
		}
		v, err := d.fixed(t, d.b[pos:pos+width])
		return v, pos + width, err
	}
	switch t {
	case bson.TypeString, bson.TypeSymbol, bson.TypeJavaScript:
		s, next, err := d.text(pos, end)
		switch t {
		case bson.TypeSymbol:
			return bson.Symbol(s), next, err
		case bson.TypeJavaScript:
			return bson.JavaScript(s), next, err
		}
		return s, next, err
	case bson.TypeEmbeddedDocument:
		v, err := d.document(pos, end, depth+1)
		if err != nil {
			return nil, 0, err
		}
		return v, pos + int(binary.LittleEndian.Uint32(d.b[pos:])), nil
	case bson.TypeArray:
		v, err := d.array(pos, end, depth+1)
		if err != nil {
			return nil, 0, err
		}
		return v, pos + int(binary.LittleEndian.Uint32(d.b[pos:])), nil
	case bson.TypeBinary:
		return d.binary(pos, end)
	case bson.TypeRegex:
		p, next, err := d.cstring(pos, end)
		if err != nil {
			return nil, 0, err
		}
		o, next, err := d.cstring(next, end)
		return bson.Regex{Pattern: p, Options: o}, next, err
	case bson.TypeUndefined, bson.TypeDBPointer, bson.TypeCodeWithScope:
		return nil, 0, fault.Unsupported(fmt.Sprintf("the deprecated BSON type %s", t))
	}
	return nil, 0, malformed(fmt.Sprintf("unknown type 0x%02x", byte(t)))
}

func (d *decoder) binary(pos, end int) (any, int, error) {
	if end-pos < 5 {
		return nil, 0, malformed("binary data is cut off")
	}
	n := int(int32(binary.LittleEndian.Uint32(d.b[pos:])))
	if n < 0 || n > end-pos-5 {
		return nil, 0, malformed("the length of binary data is wrong")
	}
	sub, data := d.b[pos+4], d.b[pos+5:pos+5+n]
	if sub == 2 {
		if n < 4 || int(int32(binary.LittleEndian.Uint32(data))) != n-4 {
			return nil, 0, malformed("the length of old binary data is wrong")
		}
		data = data[4:]
	}
	return bson.Binary{Subtype: sub, Data: append([]byte{}, data...)}, pos + 5 + n, nil
}

func (d *decoder) fixed(t bson.Type, b []byte) (any, error) {
	switch t {
	case bson.TypeDouble:
		return math.Float64frombits(binary.LittleEndian.Uint64(b)), nil
	case bson.TypeDateTime:
		return bson.DateTime(binary.LittleEndian.Uint64(b)), nil
	case bson.TypeTimestamp:
		return bson.Timestamp{I: binary.LittleEndian.Uint32(b), T: binary.LittleEndian.Uint32(b[4:])}, nil
	case bson.TypeInt64:
		return int64(binary.LittleEndian.Uint64(b)), nil
	case bson.TypeInt32:
		return int32(binary.LittleEndian.Uint32(b)), nil
	case bson.TypeObjectID:
		return bson.ObjectID(b), nil
	case bson.TypeDecimal128:
		return bson.NewDecimal128(binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b)), nil
	case bson.TypeBoolean:
		if b[0] > 1 {
			return nil, malformed("a boolean is neither 0 nor 1")
		}
		return b[0] == 1, nil
	case bson.TypeMinKey:
		return bson.MinKey{}, nil
	case bson.TypeMaxKey:
		return bson.MaxKey{}, nil
	}
	return nil, nil
}
