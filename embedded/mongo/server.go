// Package mongo is a small server that speaks MongoDB's wire protocol to the unchanged driver. It keeps documents in
// memory with a journal on the disk, and is meant for development and tests: production is MongoDB.
//
// It presents itself as the primary of a replica set of one, so that sessions, retryable writes and transactions work.
// What it does not know, a command, a stage, an operator or an option, it refuses by name with MongoDB's error code.
package mongo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lethe/lethe/embedded/mongo/internal/store"
)

// Options say where a server listens and what it keeps.
type Options struct {
	// Addr is the host:port to listen on; port 0 takes a free one. Empty stands for 127.0.0.1:0.
	Addr string
	// Dir is the data directory, made if it is not there. Without one nothing is kept.
	Dir string
	// Log takes the server's messages; nil discards them.
	Log *slog.Logger
}

const (
	// maxConnections bounds the connections that are served at the same time.
	maxConnections = 4096
	// expireEvery is how often expired documents, idle cursors and idle sessions are let go.
	expireEvery = time.Second
	setName     = "lethe"
)

// Server is a running server.
type Server struct {
	log      *slog.Logger
	listener net.Listener
	store    *store.Store
	cursors  *cursors
	sessions *sessions
	commands map[string]command
	started  time.Time

	ctx    context.Context // ends when the server closes
	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	err    error

	mu      sync.Mutex
	conns   map[net.Conn]struct{}
	nextID  atomic.Int32 // of connections
	panics  atomic.Int64
	replyID atomic.Int32
}

// Start opens the data directory, replaying what it holds, and serves until Close. The context bounds the start, not the
// server. It fails when the address is in use, when another process has the directory, or when what the directory
// holds is damaged.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Addr == "" {
		o.Addr = "127.0.0.1:0"
	}
	o.Log.Info("embedded/mongo is for development and tests; production is MongoDB", "dir", o.Dir)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listening for MongoDB clients: %w", err)
	}
	kept, err := store.Open(o.Dir, o.Log)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the data directory: %w", err), listener.Close())
	}
	s := newServer(kept, o.Log)
	s.listener = listener
	s.wg.Go(s.accept)
	s.wg.Go(s.housekeeping)
	o.Log.Info("embedded/mongo serves", "addr", s.Addr())
	return s, nil
}

func newServer(kept *store.Store, log *slog.Logger) *Server {
	s := &Server{
		log: log, store: kept, cursors: newCursors(), sessions: newSessions(), started: time.Now(), conns: map[net.Conn]struct{}{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.commands = s.table()
	return s
}

// Addr is the host:port that the server listens on.
func (s *Server) Addr() string {
	if s.listener == nil {
		return "127.0.0.1:0"
	}
	addr, ok := s.listener.Addr().(*net.TCPAddr)
	if ok && addr.IP.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", fmt.Sprint(addr.Port))
	}
	return s.listener.Addr().String()
}

// URI is the connection string for the driver.
func (s *Server) URI() string { return "mongodb://" + s.Addr() + "/?directConnection=true" }

// Close ends every connection, makes everything durable and lets the directory go. What was acknowledged is kept.
func (s *Server) Close() error {
	s.once.Do(func() {
		s.cancel()
		err := s.listener.Close()
		s.mu.Lock()
		for c := range s.conns {
			err = errors.Join(err, closed(c.Close()))
		}
		s.mu.Unlock()
		s.wg.Wait()
		s.err = errors.Join(err, s.store.Close())
	})
	return s.err
}

func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (s *Server) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			if s.ctx.Err() == nil {
				s.log.Error("no more connections can be accepted", "error", err)
			}
			return
		}
		s.mu.Lock()
		full := len(s.conns) >= maxConnections || s.ctx.Err() != nil
		if !full {
			s.conns[c] = struct{}{}
		}
		s.mu.Unlock()
		if full {
			if err := c.Close(); err != nil {
				s.log.Debug("closing a connection", "error", err)
			}
			continue
		}
		s.wg.Go(func() {
			s.serve(c)
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// housekeeping lets go what is expired or idle.
func (s *Server) housekeeping() {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-tick.C:
			if err := s.store.Expire(s.ctx, now); err != nil && s.ctx.Err() == nil {
				s.log.Error("expired documents cannot be deleted", "error", err)
			}
			s.cursors.expire(now)
			s.sessions.expire(now)
			s.store.Forget(now)
		}
	}
}
