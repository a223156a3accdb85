//go:build unix

package conns

import "syscall"

// descriptors returns how many file descriptors the process may have.
func descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > 1<<30 {
		return 1 << 30
	}
	return int(limit.Cur)
}
