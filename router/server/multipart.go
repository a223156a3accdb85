package server

const multipartType = "multipart/mixed"

// multipartFraming is Apollo's protocol for subscriptions over multipart HTTP responses: a part for each response, below
// the key payload. A client knows that a part is whole when it sees the boundary after it, which is sent with the part.
type multipartFraming struct{}

const (
	boundary   = "\r\n--graphql"
	partHeader = "\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
)

var multipartHeader = []string{multipartType + `; boundary="graphql"; subscriptionSpec="1.0"`} //nolint:gochecknoglobals // a constant

func (multipartFraming) contentType() []string { return multipartHeader }

func (multipartFraming) single() string { return plainJSON }

func (multipartFraming) begin(dst []byte) []byte { return append(dst, boundary...) }

func (multipartFraming) next(dst, response []byte) []byte {
	dst = append(append(dst, partHeader+`{"payload":`...), response...)
	return append(dst, "}"+boundary...)
}

func (multipartFraming) alive(dst []byte) []byte { return append(dst, partHeader+"{}"+boundary...) }

// failed has a payload that is null, which tells an error of the transport from one of the operation.
func (multipartFraming) failed(dst, errs []byte) []byte {
	dst = append(append(dst, partHeader+`{"payload":null,"errors":`...), errs...)
	return append(dst, "}"+boundary...)
}

func (multipartFraming) complete(dst []byte) []byte { return append(dst, "--\r\n"...) }

// stopping tells why: clients of this protocol do not subscribe again by themselves.
func (f multipartFraming) stopping(dst []byte) []byte {
	return f.complete(f.failed(dst, []byte(`[{"message":"The router stops: subscribe again.","extensions":{"code":"`+codeStopping+`"}}]`)))
}
