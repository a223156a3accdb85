package graphqlserver

import "net/http"

// exchangeHeader is set by the router to a value of the request's own. It is sent back with the response, by which the
// router knows that the one answers the other: HTTP/1.1 itself connects the two by their places on the connection alone.
const exchangeHeader = "Lethe-Exchange"

// maxExchange bounds the value, in bytes.
const maxExchange = 64

// echo sends the value of the request's exchangeHeader back.
func echo(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if v := r.Header[exchangeHeader]; len(v) == 1 && len(v[0]) <= maxExchange {
			w.Header()[exchangeHeader] = v
		}
		next.ServeHTTP(w, r)
	})
}
