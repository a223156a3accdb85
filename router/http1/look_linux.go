//go:build linux && (amd64 || arm64)

package http1

import (
	"syscall"
	"unsafe"
)

// peekAt reads ahead on a socket into p, and returns how many bytes are there. It does not wait, so the scheduler need not
// know of the call: a look is made before each request.
func peekAt(fd uintptr, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
