//go:build !linux

package conns

import "net"

// backlog returns 0 where the system does not say how many connections wait.
func backlog(net.Listener) int { return 0 }
