package value

import (
	"encoding/binary"
	"math"
	"math/big"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// AppendKey writes a value behind b so that bytes sort as Compare orders values. A key ends by itself:
// keys may be written one behind another.
func AppendKey(b []byte, v any) []byte {
	b = append(b, byte(Rank(v)))
	be := binary.BigEndian
	switch x := v.(type) {
	case int32, int64, float64, bson.Decimal128:
		return numberKey(b, v)
	case string:
		return textKey(b, x)
	case bson.Symbol:
		return textKey(b, string(x))
	case bson.D:
		for i := range x {
			k := AppendKey(nil, x[i].Value)
			b = append(b, k[0])
			b = textKey(b, x[i].Key)
			b = append(b, k[1:]...)
		}
		return append(b, 0)
	case bson.A:
		for i := range x {
			b = AppendKey(b, x[i])
		}
		return append(b, 0)
	case bson.Binary:
		b = be.AppendUint32(b, uint32(len(x.Data)))
		b = append(b, x.Subtype)
		return append(b, x.Data...)
	case bson.ObjectID:
		return append(b, x[:]...)
	case bool:
		if x {
			return append(b, 1)
		}
		return append(b, 0)
	case bson.DateTime:
		return be.AppendUint64(b, uint64(x)^(1<<63))
	case bson.Timestamp:
		return be.AppendUint32(be.AppendUint32(b, x.T), x.I)
	case bson.Regex:
		return textKey(textKey(b, x.Pattern), x.Options)
	case bson.JavaScript:
		return textKey(b, string(x))
	}
	return b
}

// Key gives a value's key as a string, to tell values apart as Equal does.
func Key(v any) string { return string(AppendKey(nil, v)) }

// RankKey is the prefix of the keys of all values that compare with v by value.
func RankKey(v any) []byte { return []byte{byte(Rank(v))} }

// textKey writes a string whose end sorts before every continuation.
func textKey(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, s[i])
		if s[i] == 0 {
			b = append(b, 0xff)
		}
	}
	return append(b, 0, 1)
}

// numberKey writes the greatest double that is not above the number, then what the number has over it as a
// fraction of the distance to the next double.
func numberKey(b []byte, v any) []byte {
	switch x := v.(type) {
	case float64:
		return append(doubleKey(b, x), 0)
	case int32:
		return append(doubleKey(b, float64(x)), 0)
	case int64:
		if x >= -1<<53 && x <= 1<<53 {
			return append(doubleKey(b, float64(x)), 0)
		}
	}
	r, special := exact(v)
	switch special {
	case -2:
		return append(doubleKey(b, math.NaN()), 0)
	case -1, 1:
		return append(doubleKey(b, math.Inf(special)), 0)
	}
	low, _ := r.Float64()
	if math.IsInf(low, 0) {
		low = math.Copysign(math.MaxFloat64, low)
	}
	f := new(big.Rat).SetFloat64(low)
	if f.Cmp(r) > 0 {
		if low = math.Nextafter(low, math.Inf(-1)); math.IsInf(low, -1) {
			return append(doubleKey(b, low), 1)
		}
		f.SetFloat64(low)
	}
	rest := new(big.Rat).Sub(r, f)
	b = doubleKey(b, low)
	if rest.Sign() == 0 {
		return append(b, 0)
	}
	b = append(b, 1)
	gap := new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 1023))
	if next := math.Nextafter(low, math.Inf(1)); !math.IsInf(next, 1) {
		gap.Sub(new(big.Rat).SetFloat64(next), f)
	}
	rest.Quo(rest, gap)
	n := new(big.Int).Lsh(rest.Num(), 128)
	n.Quo(n, rest.Denom())
	var out [16]byte
	if n.BitLen() > 128 {
		for i := range out {
			out[i] = 0xff
		}
	} else {
		n.FillBytes(out[:])
	}
	return append(b, out[:]...)
}

func doubleKey(b []byte, f float64) []byte {
	u := uint64(0)
	switch {
	case math.IsNaN(f):
	case f == 0:
		u = 1 << 63
	default:
		u = math.Float64bits(f)
		if u>>63 == 1 {
			u = ^u
		} else {
			u |= 1 << 63
		}
	}
	return binary.BigEndian.AppendUint64(b, u)
}

// Invert turns the bytes of a key from position start on around, for a descending part of an index.
func Invert(b []byte, start int) []byte {
	for i := start; i < len(b); i++ {
		b[i] = ^b[i]
	}
	return b
}
