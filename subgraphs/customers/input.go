package customers

import (
	"fmt"
	"net/mail"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"

	"github.com/lethe/lethe/subgraphs/customers/graph"
)

// Bounds of what clients may write, in characters.
const (
	maxEmail     = 254
	maxName      = 200
	maxPhone     = 40
	maxLine      = 200
	maxCity      = 100
	maxPostal    = 20
	maxLabel     = 60
	maxAddresses = 20
	maxSearch    = 200
	maxID        = 100
	maxReason    = 1000
	minWaive     = 10
	maxGraceDays = 30
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

// list gives the refusals as the graph wants them: never null.
func (r refusals) list() []*graph.UserError {
	if r == nil {
		return []*graph.UserError{}
	}
	return r
}

// text checks that a text has from lo to hi characters and no control characters.
func (r *refusals) text(value string, lo, hi int, path ...string) {
	name := path[len(path)-1]
	n := utf8.RuneCountInString(value)
	switch {
	case !utf8.ValidString(value) || strings.ContainsFunc(value, control):
		r.add(graph.UserErrorCodeInvalid, "`"+name+"` holds characters that are not text: remove them.", path...)
	case lo > 0 && strings.TrimSpace(value) == "":
		r.add(graph.UserErrorCodeRequired, "`"+name+"` is empty: fill it in.", path...)
	case n < lo:
		r.add(graph.UserErrorCodeInvalid, fmt.Sprintf("`%s` has %d characters: it must have at least %d.", name, n, lo), path...)
	case n > hi:
		r.add(graph.UserErrorCodeTooLong, fmt.Sprintf("`%s` has %d characters: it may have at most %d.", name, n, hi), path...)
	}
}

func control(c rune) bool { return c < ' ' && c != '\n' && c != '\t' && c != '\r' || c == 0x7f }

// email checks the shape of an e-mail address: RFC 5321's length, one address without a display name, a domain with a dot.
func (r *refusals) email(value string, path ...string) {
	before := len(*r)
	if r.text(value, 1, maxEmail, path...); len(*r) > before {
		return
	}
	a, err := mail.ParseAddress(value)
	if err != nil || a.Address != value {
		r.add(graph.UserErrorCodeInvalid, "This is not an e-mail address: write one such as name@example.com.", path...)
		return
	}
	_, domain, _ := strings.Cut(value[strings.LastIndexByte(value, '@'):], "@")
	if dot := strings.LastIndexByte(domain, '.'); dot < 1 || dot == len(domain)-1 {
		r.add(graph.UserErrorCodeInvalid, "The part after the @ is not a domain: write one such as example.com.", path...)
	}
}

// addresses checks an address book.
func (r *refusals) addresses(list []*graph.AddressInput) {
	if len(list) > maxAddresses {
		r.add(graph.UserErrorCodeTooLong, fmt.Sprintf("There are %d addresses: there may be at most %d.", len(list), maxAddresses), "addresses")
		return
	}
	for i, a := range list {
		at := func(field string) []string { return []string{"addresses", strconv.Itoa(i), field} }
		r.text(text(a.Label), 0, maxLabel, at("label")...)
		r.text(a.Name, 1, maxName, at("name")...)
		r.text(a.Line1, 1, maxLine, at("line1")...)
		r.text(text(a.Line2), 0, maxLine, at("line2")...)
		r.text(a.City, 1, maxCity, at("city")...)
		r.text(a.PostalCode, 1, maxPostal, at("postalCode")...)
		r.text(text(a.Phone), 0, maxPhone, at("phone")...)
		if !isCountry(a.CountryCode) {
			r.add(graph.UserErrorCodeInvalid, "The country code must be one of ISO 3166-1 alpha-2, in capital letters: \"DE\".", at("countryCode")...)
		}
	}
}

// countries are the officially assigned codes of ISO 3166-1 alpha-2.
const countries = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ " +
	"DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM " +
	"KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS " +
	"PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW"

func isCountry(code string) bool {
	return len(code) == 2 && code[0] != ' ' && code[1] != ' ' && strings.Contains(countries, code)
}

// text gives an optional input, empty where it is null or left out.
func text(o graphql.Omittable[*string]) string {
	if p := o.Value(); p != nil {
		return *p
	}
	return ""
}

func checkRegister(in graph.RegisterCustomerInput) refusals {
	var r refusals
	r.email(in.Email, "email")
	r.text(in.Name, 1, maxName, "name")
	r.text(text(in.Phone), 0, maxPhone, "phone")
	r.addresses(in.Addresses.Value())
	return r
}

func checkUpdate(in graph.UpdateCustomerInput) refusals {
	var r refusals
	required := func(field string, set bool, value *string) bool {
		if set && value == nil {
			r.add(graph.UserErrorCodeRequired, "`"+field+"` cannot be removed: leave it out to keep it as it is.", field)
		}
		return value != nil
	}
	if v, set := in.Email.ValueOK(); required("email", set, v) {
		r.email(*v, "email")
	}
	if v, set := in.Name.ValueOK(); required("name", set, v) {
		r.text(*v, 1, maxName, "name")
	}
	if v, set := in.MarketingConsent.ValueOK(); set && v == nil {
		r.add(graph.UserErrorCodeRequired, "`marketingConsent` cannot be removed: say true or false.", "marketingConsent")
	}
	r.text(text(in.Phone), 0, maxPhone, "phone")
	r.addresses(in.Addresses.Value())
	return r
}
