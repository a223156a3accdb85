//go:build !linux

package http1test

import "net"

// arrived does nothing where the system does not say what has arrived.
func arrived(net.Conn) {}
