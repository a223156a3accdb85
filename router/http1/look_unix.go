//go:build unix

package http1

import "syscall"

// peek holds what a look needs, so that it allocates nothing.
type peek struct {
	ahead [12]byte
	n     int
	err   error
	call  func(fd uintptr)
}

func (p *peek) init() {
	p.call = func(fd uintptr) {
		p.n, p.err = peekAt(fd, p.ahead[:])
	}
}

// look returns what has arrived on a connection on which nothing is asked. It takes nothing from it and does not wait.
func (k *conn) look() sight {
	p := &k.peek
	switch err := k.raw.Control(p.call); {
	case err != nil:
		return over
	case p.n > 0 && p.err == nil && !goodbye(p.ahead[:p.n]):
		return spoke
	case p.err == syscall.EAGAIN: //nolint:errorlint // a system call's own
		return quiet
	case p.err == syscall.EINTR: //nolint:errorlint // a system call's own
		return k.look()
	}
	return over
}
