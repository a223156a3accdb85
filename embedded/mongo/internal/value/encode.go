package value

import (
	"encoding/binary"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
)

// Encode writes a document as BSON.
func Encode(d bson.D) ([]byte, error) { return Append(make([]byte, 0, 256), d) }

// Append writes a document as BSON behind b.
func Append(b []byte, d bson.D) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0, 0, 0)
	var err error
	for i := range d {
		if b, err = element(b, d[i].Key, d[i].Value); err != nil {
			return nil, err
		}
	}
	return finish(b, start)
}

func finish(b []byte, start int) ([]byte, error) {
	b = append(b, 0)
	if len(b)-start > math.MaxInt32 {
		return nil, fault.New(fault.BSONObjectTooLarge, "a document of %d bytes is too large", len(b)-start)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b, nil
}

func element(b []byte, name string, v any) ([]byte, error) {
	at := len(b)
	b = append(b, 0)
	for i := range len(name) {
		if name[i] == 0 {
			return nil, fault.New(fault.BadValue, "a field name holds a null byte")
		}
	}
	b = append(append(b, name...), 0)
	t := TypeOf(v)
	b[at] = byte(t)
	le := binary.LittleEndian
	switch x := v.(type) {
	case nil, bson.MinKey, bson.MaxKey:
	case float64:
		b = le.AppendUint64(b, math.Float64bits(x))
	case string:
		b = text(b, x)
	case bson.Symbol:
		b = text(b, string(x))
	case bson.JavaScript:
		b = text(b, string(x))
	case bson.D:
		return Append(b, x)
	case Encoded:
		b = append(b, x...)
	case bson.A:
		start := len(b)
		b = append(b, 0, 0, 0, 0)
		var err error
		for i := range x {
			if b, err = element(b, strconv.Itoa(i), x[i]); err != nil {
				return nil, err
			}
		}
		return finish(b, start)
	case bson.Binary:
		if x.Subtype == 2 {
			b = append(le.AppendUint32(b, uint32(len(x.Data)+4)), 2)
			b = le.AppendUint32(b, uint32(len(x.Data)))
		} else {
			b = append(le.AppendUint32(b, uint32(len(x.Data))), x.Subtype)
		}
		b = append(b, x.Data...)
	case bson.ObjectID:
		b = append(b, x[:]...)
	case bool:
		if x {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	case bson.DateTime:
		b = le.AppendUint64(b, uint64(x))
	case bson.Regex:
		b = append(append(b, x.Pattern...), 0)
		b = append(append(b, x.Options...), 0)
	case int32:
		b = le.AppendUint32(b, uint32(x))
	case bson.Timestamp:
		b = le.AppendUint32(le.AppendUint32(b, x.I), x.T)
	case int64:
		b = le.AppendUint64(b, uint64(x))
	case bson.Decimal128:
		h, l := x.GetBytes()
		b = le.AppendUint64(le.AppendUint64(b, l), h)
	default:
		return nil, fault.New(fault.InternalError, "a value of Go type %T has no BSON type", v)
	}
	return b, nil
}

func text(b []byte, s string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s)+1))
	return append(append(b, s...), 0)
}

// TypeOf gives a value's BSON type, 0 for what is not a value.
func TypeOf(v any) bson.Type {
	switch v.(type) {
	case nil:
		return bson.TypeNull
	case float64:
		return bson.TypeDouble
	case string:
		return bson.TypeString
	case bson.D, Encoded:
		return bson.TypeEmbeddedDocument
	case bson.A:
		return bson.TypeArray
	case bson.Binary:
		return bson.TypeBinary
	case bson.ObjectID:
		return bson.TypeObjectID
	case bool:
		return bson.TypeBoolean
	case bson.DateTime:
		return bson.TypeDateTime
	case bson.Regex:
		return bson.TypeRegex
	case bson.JavaScript:
		return bson.TypeJavaScript
	case bson.Symbol:
		return bson.TypeSymbol
	case int32:
		return bson.TypeInt32
	case bson.Timestamp:
		return bson.TypeTimestamp
	case int64:
		return bson.TypeInt64
	case bson.Decimal128:
		return bson.TypeDecimal128
	case bson.MinKey:
		return bson.TypeMinKey
	case bson.MaxKey:
		return bson.TypeMaxKey
	}
	return 0
}

var typeNames = map[bson.Type]string{
	bson.TypeDouble: "double", bson.TypeString: "string", bson.TypeEmbeddedDocument: "object", bson.TypeArray: "array",
	bson.TypeBinary: "binData", bson.TypeObjectID: "objectId", bson.TypeBoolean: "bool", bson.TypeDateTime: "date",
	bson.TypeNull: "null", bson.TypeRegex: "regex", bson.TypeJavaScript: "javascript", bson.TypeSymbol: "symbol",
	bson.TypeInt32: "int", bson.TypeTimestamp: "timestamp", bson.TypeInt64: "long", bson.TypeDecimal128: "decimal",
	bson.TypeMinKey: "minKey", bson.TypeMaxKey: "maxKey",
}

// TypeName gives a value's type by the alias that $type uses; "missing" for Missing.
func TypeName(v any) string {
	if _, none := v.(Missing); none {
		return "missing"
	}
	return typeNames[TypeOf(v)]
}

// TypeByName finds a BSON type by its alias.
func TypeByName(name string) (bson.Type, bool) {
	for t, n := range typeNames {
		if n == name {
			return t, true
		}
	}
	return 0, false
}

// KnownType tells whether t is the type of some value.
func KnownType(t bson.Type) bool { return typeNames[t] != "" }
