package conns

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// backlog returns how many connections wait in the system's queue of a listener (tcp(7): the unacknowledged segments of a
// listening socket's TCP_INFO).
func backlog(ln net.Listener) int {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	waiting := 0
	_ = raw.Control(func(fd uintptr) { // closed: nobody waits
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			waiting = int(info.Unacked)
		}
	})
	return waiting
}
