package value

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func decimal(t testing.TB, s string) bson.Decimal128 {
	t.Helper()
	d, err := bson.ParseDecimal128(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// ordered are values in MongoDB's order; those of one line are equal.
func ordered(t testing.TB) [][]any {
	return [][]any{
		{bson.MinKey{}}, {nil}, {math.NaN(), decimal(t, "NaN")}, {math.Inf(-1), decimal(t, "-Infinity")}, {-math.MaxFloat64}, {int64(math.MinInt64), float64(math.MinInt64)},
		{int64(-9007199254740993)}, {-9007199254740992.0, int64(-9007199254740992)}, {-1.5, decimal(t, "-1.5")}, {int32(-1), int64(-1), -1.0, decimal(t, "-1.000")},
		{0.0, math.Copysign(0, -1), int32(0), decimal(t, "0E+3")}, {math.SmallestNonzeroFloat64}, {decimal(t, "0.1")}, {0.1}, {int32(1), 1.0}, {9007199254740992.0},
		{int64(9007199254740993), decimal(t, "9007199254740993")}, {9007199254740994.0}, {int64(math.MaxInt64)}, {float64(1 << 63)}, {math.MaxFloat64}, {math.Inf(1)},
		{""}, {"A"}, {"a", bson.Symbol("a")}, {"a\x00"}, {"a\x00b"}, {"aa"}, {"b"}, {"é"},
		{bson.D{}}, {bson.D{{Key: "a", Value: nil}}}, {bson.D{{Key: "a", Value: 1.0}}, bson.D{{Key: "a", Value: int32(1)}}}, {bson.D{{Key: "a", Value: int32(1)}, {Key: "b", Value: nil}}}, {bson.D{{Key: "b", Value: int32(0)}}}, {bson.D{{Key: "a", Value: "x"}}},
		{bson.A{}}, {bson.A{int32(1)}}, {bson.A{int32(1), int32(0)}}, {bson.A{int32(2)}}, {bson.A{bson.A{}}},
		{bson.Binary{}}, {bson.Binary{Data: []byte{1}}}, {bson.Binary{Data: []byte{2}}}, {bson.Binary{Subtype: 4, Data: []byte{1}}}, {bson.Binary{Data: []byte{0, 0}}},
		{bson.ObjectID{}}, {bson.ObjectID{1}}, {false}, {true}, {bson.DateTime(-5)}, {bson.DateTime(0)}, {bson.DateTime(5)}, {bson.Timestamp{T: 1}}, {bson.Timestamp{T: 1, I: 1}},
		{bson.Regex{Pattern: "a"}}, {bson.Regex{Pattern: "a", Options: "i"}}, {bson.JavaScript("x")}, {bson.MaxKey{}},
	}
}

func TestOrder(t *testing.T) {
	t.Parallel()
	type placed struct {
		v    any
		rank int
	}
	var all []placed
	for i, line := range ordered(t) {
		for _, v := range line {
			all = append(all, placed{v, i})
		}
	}
	for _, a := range all {
		for _, b := range all {
			want := cmp.Compare(a.rank, b.rank)
			if got := Compare(a.v, b.v); got != want {
				t.Errorf("Compare(%v, %v) is %d, want %d", a.v, b.v, got, want)
			}
			x, y := AppendKey(nil, a.v), AppendKey(nil, b.v)
			if got := bytes.Compare(x, y); got != want {
				t.Errorf("the keys of %v and %v compare as %d, want %d", a.v, b.v, got, want)
			}
			if got := bytes.Compare(Invert(x, 0), Invert(y, 0)); got != -want {
				t.Errorf("the inverted keys of %v and %v compare as %d, want %d", a.v, b.v, got, -want)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"nothing": nil, "a length that is too great": {9, 0, 0, 0, 0}, "a length that is too small": {4, 0, 0, 0, 0}, "no end": {5, 0, 0, 0, 1}, "bytes behind": {5, 0, 0, 0, 0, 0},
		"a type that is unknown": {8, 0, 0, 0, 0x55, 'a', 0, 0}, "undefined": {8, 0, 0, 0, 6, 'a', 0, 0}, "a bool of 2": {9, 0, 0, 0, 8, 'a', 0, 2, 0},
		"a string without end": {14, 0, 0, 0, 2, 'a', 0, 2, 0, 0, 0, 'x', 'y', 0}, "a negative length": {14, 0, 0, 0, 2, 'a', 0, 255, 255, 255, 255, 'x', 'y', 0},
	} {
		if d, err := Decode(b); err == nil {
			t.Errorf("%s is read as %v", name, d)
		}
	}
}

// FuzzDecode reads any bytes; what can be read is written again as it was and keeps to the order of keys.
func FuzzDecode(f *testing.F) {
	for _, line := range ordered(f) {
		b, err := Encode(bson.D{{Key: "v", Value: line[0]}, {Key: "l", Value: bson.A{line[0], "x"}}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Decode(b)
		if err != nil {
			return
		}
		again, err := Encode(d)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if d2, err := Decode(again); err != nil || Compare(d, d2) != 0 {
			t.Fatalf("written and read again it is %v, %v", d2, err)
		}
		var vals []any
		for _, e := range d {
			vals = append(vals, e.Value)
		}
		for _, x := range vals[:min(len(vals), 8)] {
			for _, y := range vals[:min(len(vals), 8)] {
				if huge(x) || huge(y) {
					continue
				}
				if c, k := Compare(x, y), strings.Compare(Key(x), Key(y)); c != k {
					t.Fatalf("%v and %v compare as %d, their keys as %d", x, y, c, k)
				}
			}
		}
	})
}

// huge tells of values with decimals outside of the range of doubles, whose keys do not tell them apart.
func huge(v any) bool {
	switch x := v.(type) {
	case bson.Decimal128:
		_, e, err := x.BigInt()
		return err != nil || e > 250 || e < -250
	case bson.D:
		return slices.ContainsFunc(x, func(e bson.E) bool { return huge(e.Value) })
	case bson.A:
		return slices.ContainsFunc(x, huge)
	}
	return false
}
