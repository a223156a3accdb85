//go:build !unix

package http1

type peek struct{}

func (*peek) init() {}

// look returns that a connection is over: where it cannot be looked at without waiting it is not used twice.
func (*conn) look() sight { return over }
