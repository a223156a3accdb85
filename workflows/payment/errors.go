package payment

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// Types of Stripe's errors (https://docs.stripe.com/api/errors).
const (
	invalidRequest   = "invalid_request_error"
	cardError        = "card_error"
	idempotencyError = "idempotency_error"
	internalError    = "api_error"
)

// apiError is the body of an error as Stripe writes it.
type apiError struct {
	Type          string        `json:"type"`
	Code          string        `json:"code,omitempty"`
	DeclineCode   string        `json:"decline_code,omitempty"`
	Message       string        `json:"message"`
	Param         string        `json:"param,omitempty"`
	Charge        string        `json:"charge,omitempty"`
	DocURL        string        `json:"doc_url,omitempty"`
	PaymentIntent *intentObject `json:"payment_intent,omitempty"`
}

type errorBody struct {
	Error apiError `json:"error"`
}

func refusal(code int, e apiError) answer {
	if e.Code != "" {
		e.DocURL = "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(e.Code, "_", "-")
	}
	return answer{code: code, body: errorBody{e}}
}

var failure = answer{code: http.StatusInternalServerError, body: errorBody{apiError{Type: internalError, Message: "An unknown error occurred."}}}

func missing(param string) answer {
	return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "parameter_missing", Param: param, Message: "Missing required param: " + param + "."})
}

func invalidInteger(param string) answer {
	return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "parameter_invalid_integer", Param: param, Message: "Invalid integer: " + param})
}

func noSuch(code int, kind, param, id string) answer {
	return refusal(code, apiError{Type: invalidRequest, Code: "resource_missing", Param: param, Message: fmt.Sprintf("No such %s: '%s'", kind, shown(id))})
}

// unknown refuses parameters that the sandbox does not have: it never ignores one.
func unknown(form url.Values, known ...string) (answer, bool) {
	var names []string
	for name := range form {
		base, _, _ := strings.Cut(name, "[")
		if !slices.Contains(known, base) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return answer{}, false
	}
	sort.Strings(names)
	return refusal(http.StatusBadRequest, apiError{Type: invalidRequest, Code: "parameter_unknown", Param: names[0], Message: "Received unknown parameter: " + names[0]}), true
}

func randomID() string { return strings.ToLower(rand.Text())[:14] }

var ownID = regexp.MustCompile(`^(pi|re|pm)_[A-Za-z0-9_]{1,64}$`)

// shown gives an id to be echoed in a message, which the sandbox keeps with the answer: what is no id of Stripe's shape
// may be anything that a person wrote.
func shown(id string) string {
	if ownID.MatchString(id) {
		return id
	}
	return "(withheld)"
}
