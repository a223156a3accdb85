package http1

// sight is what a look at a connection shows on which nothing is asked.
type sight uint8

const (
	quiet sight = iota // nothing arrived
	over               // the other side has closed it, or says that its time is over
	spoke              // bytes arrived that nobody asked for
)

// goodbye reports whether bytes are the beginning of the response by which some servers say that a connection has waited
// for too long: 408 (RFC 9110, section 15.5.9). They end the connection and say nothing ill of the host.
func goodbye(b []byte) bool {
	const status = "HTTP/1.x 408"
	return len(b) >= len(status) && string(b[:7]) == status[:7] && (b[7] == '0' || b[7] == '1') && string(b[8:len(status)]) == status[8:]
}
