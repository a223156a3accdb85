package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/lethe/lethe/cmd/internal/process"
)

// directory is where lethe-dev keeps its data, locked against a second lethe-dev.
type directory struct {
	path      string
	lock      *os.File
	ephemeral bool
}

// openDirectory makes and locks the directory. An ephemeral one is a new temporary one, removed at the end.
func openDirectory(path string, ephemeral bool) (*directory, error) {
	if ephemeral {
		tmp, err := os.MkdirTemp("", "lethe-dev-")
		if err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		path = tmp
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, usageError(fmt.Sprintf("the data directory %s cannot be made: %s", path, errors.Unwrap(err)))
	}
	lock, err := os.OpenFile(filepath.Join(path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, usageError(fmt.Sprintf("the data directory %s cannot be written: %s", path, errors.Unwrap(err)))
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(usageError(fmt.Sprintf("the data directory %s is in use by another lethe-dev: stop it, or choose another with --data", path)), lock.Close())
	}
	return &directory{path: path, lock: lock, ephemeral: ephemeral}, nil
}

func (d *directory) sub(name string) string { return filepath.Join(d.path, name) }

func (d *directory) close() error {
	err := d.lock.Close()
	if d.ephemeral {
		err = errors.Join(err, os.RemoveAll(d.path))
	}
	return err
}

// keys gives the deployment's keys, made at the first start and kept since: an environment that processes read.
func (d *directory) keys() (map[string]string, error) {
	file := d.sub("keys.env")
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		fresh, err := process.NewKeys()
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file+".new", []byte(process.FormatKeys(fresh)), 0o600); err != nil {
			return nil, fmt.Errorf("write the keys: %w", err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			return nil, fmt.Errorf("put the keys in their place: %w", err)
		}
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	kept, err := process.ParseKeys(string(text))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	return kept, nil
}
