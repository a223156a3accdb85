package main

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// host is the only address that lethe-dev listens on: it is for one developer's machine.
const host = "127.0.0.1"

// The offsets of each server's port from the base.
const (
	portRouter = iota
	portCatalogue
	portInventory
	portOrders
	portCustomers
	portConsole
	portTemporal
	portTemporalUI
	portMongo
	portRedis
	portCount
)

// ports are the addresses of lethe-dev: ten in a row from the base.
type ports struct{ base int }

func (p ports) addr(offset int) string { return fmt.Sprintf("%s:%d", host, p.base+offset) }

func (p ports) url(offset int) string { return "http://" + p.addr(offset) }

// free reports the first port that is taken.
func (p ports) free() error {
	for i := range portCount {
		l, err := net.Listen("tcp", p.addr(i))
		if err != nil {
			if errors.Is(err, syscall.EADDRINUSE) {
				return usageError(fmt.Sprintf("port %d is in use by another program: stop it, or choose other ports with --port-base", p.base+i))
			}
			return usageError(fmt.Sprintf("port %d cannot be listened on: %s", p.base+i, err))
		}
		if err := l.Close(); err != nil {
			return fmt.Errorf("try port %d: %w", p.base+i, err)
		}
	}
	return nil
}

// usageError is a mistake of the caller: one line and exit code 2.
type usageError string

func (e usageError) Error() string { return string(e) }
