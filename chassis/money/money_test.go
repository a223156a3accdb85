package money_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/lethe/lethe/chassis/money"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"0": 0, "0.00": 0, "1": 100, "1.5": 150, "19.99": 1999, "19.990000": 1999, "-19.99": -1999, "007.10": 710, "-0.01": -1,
		"999999999999999.99": 99999999999999999,
	} {
		for _, c := range []money.Currency{money.EUR, money.GBP} {
			if m, err := money.Parse(money.Decimal(text), c); err != nil || m.Minor != want || m.Currency != c {
				t.Errorf("%q in %s is %v, %v", text, c, m, err)
			}
		}
	}
	for _, text := range []string{
		"", "-", ".", "1.", ".5", "+1", "1,50", "1e3", "0x10", "1.999", "1.001", "--1", "1.-5", "1 ", " 1", "Infinity", "NaN", "١", "1_000",
		"1000000000000000", strings.Repeat("9", 100), "1." + strings.Repeat("0", 100) + "1",
	} {
		if m, err := money.Parse(money.Decimal(text), money.EUR); err == nil {
			t.Errorf("%q is %v", text, m)
		} else if len(err.Error()) > 200 {
			t.Errorf("the error holds all of what was sent: %v", err)
		}
	}
}

func TestArithmetic(t *testing.T) {
	t.Parallel()
	eur := func(n int64) money.Money { return money.New(n, money.EUR) }
	if sum, err := eur(150).Add(eur(-200)); err != nil || sum != eur(-50) {
		t.Errorf("the sum is %v, %v", sum, err)
	}
	if _, err := eur(1).Add(money.New(1, money.GBP)); !errors.Is(err, money.ErrCurrency) {
		t.Errorf("euros and pounds: %v", err)
	}
	for _, pair := range [][2]int64{{math.MaxInt64, 1}, {math.MinInt64, -1}} {
		if sum, err := eur(pair[0]).Add(eur(pair[1])); !errors.Is(err, money.ErrOverflow) {
			t.Errorf("%v is %v, %v", pair, sum, err)
		}
	}
	if product, err := eur(1999).Times(3); err != nil || product != eur(5997) {
		t.Errorf("three times is %v, %v", product, err)
	}
	for _, c := range []struct {
		minor int64
		n     int
	}{{math.MaxInt64, 2}, {1, -1}, {-1, 1}, {math.MaxInt64 / 2, 3}} {
		if product, err := eur(c.minor).Times(c.n); !errors.Is(err, money.ErrOverflow) {
			t.Errorf("%d times %d is %v, %v", c.minor, c.n, product, err)
		}
	}
	for minor, want := range map[int64]string{0: "0.00 EUR", 5: "0.05 EUR", -5: "-0.05 EUR", 1999: "19.99 EUR", math.MinInt64: "-92233720368547758.08 EUR"} {
		if got := eur(minor).String(); got != want {
			t.Errorf("%d is written %s, want %s", minor, got, want)
		}
	}
}

func TestAllocate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minor   int64
		weights []int64
		want    []int64
	}{
		{100, []int64{1, 1, 1}, []int64{34, 33, 33}},
		{5, []int64{3, 7}, []int64{2, 3}},
		{0, []int64{1, 2}, []int64{0, 0}},
		{1, []int64{0, 1, 1}, []int64{0, 1, 0}},
		{math.MaxInt64, []int64{math.MaxInt64, math.MaxInt64}, []int64{math.MaxInt64/2 + 1, math.MaxInt64 / 2}},
	} {
		parts, err := money.New(c.minor, money.GBP).Allocate(c.weights)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
			continue
		}
		for i, p := range parts {
			if p != money.New(c.want[i], money.GBP) {
				t.Errorf("%d by %v is %v, want %v", c.minor, c.weights, parts, c.want)
			}
		}
	}
	for _, weights := range [][]int64{nil, {0, 0}, {1, -1}} {
		if parts, err := money.New(1, money.EUR).Allocate(weights); err == nil {
			t.Errorf("by %v it is %v", weights, parts)
		}
	}
	if _, err := money.New(-1, money.EUR).Allocate([]int64{1}); err == nil {
		t.Error("a debt is split")
	}
}

func TestScalars(t *testing.T) {
	t.Parallel()
	var d money.Decimal
	for _, v := range []any{"19.99", int64(19)} {
		if err := d.UnmarshalGQL(v); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
	for _, v := range []any{true, 1.5, nil, []any{"1"}} {
		if err := d.UnmarshalGQL(v); err == nil {
			t.Errorf("%v is a Decimal", v)
		}
	}
	var b strings.Builder
	money.Decimal(`1"`).MarshalGQL(&b)
	money.EUR.MarshalGQL(&b)
	if b.String() != `"1\"""EUR"` {
		t.Errorf("written %s", b.String())
	}
	var c money.Currency
	if err := c.UnmarshalGQL("GBP"); err != nil || c != money.GBP {
		t.Errorf("%s, %v", c, err)
	}
	for _, v := range []any{"USD", "eur", "", 1} {
		if err := c.UnmarshalGQL(v); err == nil {
			t.Errorf("%v is a currency of the shop", v)
		}
	}
}

// FuzzParse reads any text as an amount: what is taken is exactly that number, and is written so that it is read as the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"19.99", "-0.01", "0", "1e3", "999999999999999.99", "00000.1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := money.Parse(money.Decimal(text), money.GBP)
		if err != nil {
			return
		}
		want, ok := new(big.Rat).SetString(text)
		if !ok || want.Cmp(big.NewRat(m.Minor, 100)) != 0 {
			t.Errorf("%q is read as %v", text, m)
		}
		again, err := money.Parse(m.Amount(), m.Currency)
		if err != nil || again != m {
			t.Errorf("%v is read again as %v, %v", m, again, err)
		}
	})
}

// FuzzAllocate splits amounts: the parts always add up.
func FuzzAllocate(f *testing.F) {
	f.Add(int64(100), int64(1), int64(1), int64(1))
	f.Fuzz(func(t *testing.T, minor, a, b, c int64) {
		parts, err := money.New(minor, money.EUR).Allocate([]int64{a, b, c})
		if err != nil {
			return
		}
		sum := int64(0)
		for _, p := range parts {
			if p.Minor < 0 {
				t.Errorf("a part of %d is %v", minor, p)
			}
			sum += p.Minor
		}
		if sum != minor {
			t.Errorf("%d by %d, %d, %d is %v", minor, a, b, c, parts)
		}
	})
}
