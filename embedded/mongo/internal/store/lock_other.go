//go:build !unix

package store

import (
	"errors"
	"io"
)

// lockDir refuses: without a lock that dies with its process two servers could write one directory.
func lockDir(string) (io.Closer, error) {
	return nil, errors.New("a data directory needs a Unix system; start without one, or use MongoDB")
}
