package orders

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lethe/lethe/subgraphs/orders/graph"
)

// Bounds of what clients may write.
const (
	minKey      = 8
	maxKey      = 128
	maxLines    = 50
	maxQuantity = 1000
	maxID       = 100
	maxText     = 1000
)

// refusals collects what is wrong with an input.
type refusals []*graph.UserError

func (r *refusals) add(code graph.UserErrorCode, message string, path ...string) {
	e := &graph.UserError{Code: code, Message: message}
	if len(path) > 0 {
		e.Field = append([]string{"input"}, path...)
	}
	*r = append(*r, e)
}

// text checks that a text has from lo to hi characters and no control characters.
func (r *refusals) text(value string, lo, hi int, path ...string) {
	name := path[len(path)-1]
	n := utf8.RuneCountInString(value)
	switch {
	case !utf8.ValidString(value) || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f }):
		r.add(graph.UserErrorCodeInvalid, "`"+name+"` holds characters that are not text: remove them.", path...)
	case lo > 0 && strings.TrimSpace(value) == "":
		r.add(graph.UserErrorCodeRequired, "`"+name+"` is empty: fill it in.", path...)
	case n < lo:
		r.add(graph.UserErrorCodeInvalid, fmt.Sprintf("`%s` has %d characters: it must have at least %d.", name, n, lo), path...)
	case n > hi:
		r.add(graph.UserErrorCodeTooLong, fmt.Sprintf("`%s` has %d characters: it may have at most %d.", name, n, hi), path...)
	}
}

// opaque reports whether a text has the form of an id: a prefix and letters, digits, dashes and underscores. Ids travel to
// workflows and to the payment provider, so that nothing that a person could write freely may pass for one.
func opaque(prefix, id string) bool {
	rest, ok := strings.CutPrefix(id, prefix)
	return ok && rest != "" && len(id) <= maxID && !strings.ContainsFunc(rest, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_'
	})
}

func text(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// checkPlace gives what is wrong with an order to be placed.
func checkPlace(in graph.PlaceOrderInput) refusals {
	var r refusals
	r.text(in.IdempotencyKey, minKey, maxKey, "idempotencyKey")
	if !opaque("pm_", in.PaymentMethod) {
		r.add(graph.UserErrorCodeInvalid, "This is no means of payment: give the provider's name of one, such as \"pm_card_visa\".", "paymentMethod")
	}
	r.text(text(in.Note.Value()), 0, maxText, "note")
	switch {
	case len(in.Lines) == 0:
		r.add(graph.UserErrorCodeRequired, "The order has no lines: add at least one product.", "lines")
	case len(in.Lines) > maxLines:
		r.add(graph.UserErrorCodeTooLong, fmt.Sprintf("The order has %d lines: it may have at most %d.", len(in.Lines), maxLines), "lines")
	default:
		seen := map[string]bool{}
		for i, l := range in.Lines {
			at := strconv.Itoa(i)
			if !opaque("prd_", l.ProductID) {
				r.add(graph.UserErrorCodeNotFound, "There is no such product: remove the line.", "lines", at)
			}
			if seen[l.ProductID] {
				r.add(graph.UserErrorCodeInvalid, "The product stands in two lines: put it in one.", "lines", at, "productId")
			}
			seen[l.ProductID] = true
			if l.Quantity < 1 || l.Quantity > maxQuantity {
				r.add(graph.UserErrorCodeInvalid, fmt.Sprintf("The quantity is %d: it must be from 1 to %d.", l.Quantity, maxQuantity), "lines", at, "quantity")
			}
		}
	}
	a := in.ShippingAddress
	r.text(a.Name, 1, 200, "shippingAddress", "name")
	r.text(a.Line1, 1, 200, "shippingAddress", "line1")
	r.text(text(a.Line2.Value()), 0, 200, "shippingAddress", "line2")
	r.text(a.City, 1, 100, "shippingAddress", "city")
	r.text(a.PostalCode, 1, 20, "shippingAddress", "postalCode")
	r.text(text(a.Phone.Value()), 0, 40, "shippingAddress", "phone")
	if len(a.CountryCode) != 2 || a.CountryCode[0] < 'A' || a.CountryCode[0] > 'Z' || a.CountryCode[1] < 'A' || a.CountryCode[1] > 'Z' {
		r.add(graph.UserErrorCodeInvalid, "The country code must be two capital letters, as ISO 3166-1 alpha-2 has them: \"DE\".", "shippingAddress", "countryCode")
	}
	return r
}

// checkReturn gives what is wrong with the form of a return; whether the order allows it is looked at later.
func checkReturn(in graph.RequestReturnInput) refusals {
	var r refusals
	r.text(in.IdempotencyKey, minKey, maxKey, "idempotencyKey")
	r.text(text(in.Reason.Value()), 0, maxText, "reason")
	lines := in.Lines.Value()
	if in.Lines.IsSet() && lines != nil && len(lines) == 0 {
		r.add(graph.UserErrorCodeRequired, "The return has no lines: name what comes back, or leave `lines` out for all of it.", "lines")
	}
	if len(lines) > maxLines {
		r.add(graph.UserErrorCodeTooLong, fmt.Sprintf("The return has %d lines: it may have at most %d.", len(lines), maxLines), "lines")
	}
	seen := map[string]bool{}
	for i, l := range lines {
		at := strconv.Itoa(i)
		if seen[l.LineID] {
			r.add(graph.UserErrorCodeInvalid, "The line stands in the return twice: name it once.", "lines", at, "lineId")
		}
		seen[l.LineID] = true
		if l.Quantity < 1 || l.Quantity > maxQuantity {
			r.add(graph.UserErrorCodeInvalid, fmt.Sprintf("The quantity is %d: it must be from 1 to %d.", l.Quantity, maxQuantity), "lines", at, "quantity")
		}
	}
	return r
}
