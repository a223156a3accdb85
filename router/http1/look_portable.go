//go:build unix && !(linux && (amd64 || arm64))

package http1

import "syscall"

// peekAt reads ahead on a socket into p, and returns how many bytes are there. It does not wait.
func peekAt(fd uintptr, p []byte) (int, error) {
	n, _, err := syscall.Recvfrom(int(fd), p, syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return n, err
}
