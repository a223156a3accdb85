// Package money is amounts of money: whole minor units of a currency, never floating point.
package money

import (
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strconv"
	"strings"
)

// Currency is an ISO 4217 code of a currency that the shop takes.
type Currency string

// The currencies of the shop. Both have two decimal places.
const (
	EUR Currency = "EUR"
	GBP Currency = "GBP"
)

// Valid reports whether c is a currency of the shop.
func (c Currency) Valid() bool { return c == EUR || c == GBP }

// places is how many decimal places a currency of the shop has.
const places = 2

// Money is an amount in minor units (cents, pence) of a currency.
type Money struct {
	Minor    int64    `bson:"minor"`
	Currency Currency `bson:"currency"`
}

// Errors of arithmetic.
var (
	ErrCurrency = errors.New("amounts of different currencies cannot be added")
	ErrOverflow = errors.New("the amount is too large")
)

// New gives an amount of minor units.
func New(minor int64, c Currency) Money { return Money{minor, c} }

// Add gives m + n.
func (m Money) Add(n Money) (Money, error) {
	if m.Currency != n.Currency {
		return Money{}, ErrCurrency
	}
	sum := m.Minor + n.Minor
	if (sum > m.Minor) != (n.Minor > 0) && n.Minor != 0 {
		return Money{}, ErrOverflow
	}
	return Money{sum, m.Currency}, nil
}

// Times gives m × n for n of zero or more.
func (m Money) Times(n int) (Money, error) {
	if n < 0 || m.Minor < 0 {
		return Money{}, ErrOverflow
	}
	hi, lo := bits.Mul64(uint64(m.Minor), uint64(n))
	if hi != 0 || lo > 1<<62 {
		return Money{}, ErrOverflow
	}
	return Money{int64(lo), m.Currency}, nil
}

// Amount gives the amount as a Decimal.
func (m Money) Amount() Decimal { return Decimal(format(m.Minor)) }

// CurrencyCode gives the currency.
func (m Money) CurrencyCode() Currency { return m.Currency }

// String writes the amount for people: "19.99 EUR".
func (m Money) String() string { return format(m.Minor) + " " + string(m.Currency) }

func format(minor int64) string {
	sign := ""
	abs := uint64(minor)
	if minor < 0 {
		sign, abs = "-", -uint64(minor)
	}
	return fmt.Sprintf("%s%d.%02d", sign, abs/100, abs%100)
}

// Allocate splits m by weights so that the parts add up to m exactly: each gets its share rounded down, and the cents
// that are left go to the largest remainders, the first first. Weights are zero or more and not all zero.
func (m Money) Allocate(weights []int64) ([]Money, error) {
	var total uint64
	for _, w := range weights {
		if w < 0 {
			return nil, errors.New("a weight is below zero")
		}
		total += uint64(w)
	}
	if total == 0 || m.Minor < 0 {
		return nil, errors.New("nothing to allocate by")
	}
	parts := make([]Money, len(weights))
	rests := make([]uint64, len(weights))
	left := m.Minor
	for i, w := range weights {
		hi, lo := bits.Mul64(uint64(m.Minor), uint64(w))
		if hi >= total {
			return nil, ErrOverflow
		}
		q, r := bits.Div64(hi, lo, total)
		parts[i], rests[i] = Money{int64(q), m.Currency}, r
		left -= int64(q)
	}
	for ; left > 0; left-- {
		best := 0
		for i := range rests {
			if rests[i] > rests[best] {
				best = i
			}
		}
		parts[best].Minor++
		rests[best] = 0
	}
	return parts, nil
}

// Parse reads a Decimal as an amount of the currency. It refuses what is no plain decimal number, has more places than
// the currency, or is too large.
func Parse(d Decimal, c Currency) (Money, error) {
	s := string(d)
	negative := strings.HasPrefix(s, "-")
	whole, fraction, dotted := strings.Cut(strings.TrimPrefix(s, "-"), ".")
	if whole == "" || len(whole) > 15 || !digits(whole) || dotted && (fraction == "" || !digits(fraction)) {
		return Money{}, fmt.Errorf("%q is not an amount: write it like \"19.99\"", short(s))
	}
	if len(strings.TrimRight(fraction, "0")) > places {
		return Money{}, fmt.Errorf("%q has more than %d decimal places", short(s), places)
	}
	fraction = (fraction + "00")[:places]
	minor, err := strconv.ParseInt(whole+fraction, 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("%q is not an amount: write it like \"19.99\"", short(s))
	}
	if negative {
		minor = -minor
	}
	return Money{minor, c}, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func short(s string) string {
	if len(s) > 30 {
		return s[:30] + "…"
	}
	return s
}

// Decimal is the GraphQL scalar of that name: a decimal number as a string.
type Decimal string

// MarshalGQL writes the scalar.
func (d Decimal) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(d))) }

// UnmarshalGQL reads the scalar. A number is taken as well as a string; whether it is an amount, [Parse] tells.
func (d *Decimal) UnmarshalGQL(v any) error {
	switch v := v.(type) {
	case string:
		*d = Decimal(v)
		return nil
	case fmt.Stringer: // json.Number
		*d = Decimal(v.String())
		return nil
	case int64:
		*d = Decimal(strconv.FormatInt(v, 10))
		return nil
	}
	return errors.New("a Decimal is written as a string such as \"19.99\"")
}

// MarshalGQL writes the currency as the GraphQL enum.
func (c Currency) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(string(c))) }

// UnmarshalGQL reads the GraphQL enum.
func (c *Currency) UnmarshalGQL(v any) error {
	s, ok := v.(string)
	if !ok || !Currency(s).Valid() {
		return errors.New("a CurrencyCode is EUR or GBP")
	}
	*c = Currency(s)
	return nil
}
