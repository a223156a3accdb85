package http1test

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// arrived blocks until all that was written to a connection has come to the other side's socket.
func arrived(conn net.Conn) {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	until := time.Now().Add(10 * time.Second) // a client that reads no more
	for waits := true; waits && time.Now().Before(until); time.Sleep(20 * time.Microsecond) {
		err := raw.Control(func(fd uintptr) {
			n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
			if waits = err == nil && n > 0; waits { // what was on its way to a socket that was reset stays in the count
				info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
				waits = err == nil && info.State != unix.BPF_TCP_CLOSE
			}
		})
		if err != nil {
			return
		}
	}
}
