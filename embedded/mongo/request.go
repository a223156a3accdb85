package mongo

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
	"github.com/lethe/lethe/embedded/mongo/internal/store"
	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// command is what the server does under one name.
type command struct {
	run func(*request) (bson.D, error)
	// txn tells that it may be part of a transaction, retry that a driver may repeat it by its number.
	txn, retry bool
}

// request is one command that is being run.
type request struct {
	*args
	s          *Server
	ctx        context.Context
	now        time.Time
	connection int32
	name       string
	db         string
	// first is the value of the command's own field, most often a collection's name.
	first   any
	session string // the id of the driver's session, "" without
	number  int64  // of the transaction or retryable write, -1 without
	start   bool
	multi   bool // part of a transaction
	txn     *store.Txn
	level   string // of the read concern
	durable bool   // wait for the disk before the answer
}

func (s *Server) table() map[string]command {
	read := func(f func(*request) (bson.D, error)) command { return command{run: f, txn: true} }
	write := func(f func(*request) (bson.D, error)) command { return command{run: f, txn: true, retry: true} }
	plain := func(f func(*request) (bson.D, error)) command { return command{run: f} }
	return map[string]command{
		"hello": plain(hello), "isMaster": plain(hello), "ismaster": plain(hello), "ping": plain(ping), "buildInfo": plain(buildInfo), "buildinfo": plain(buildInfo),
		"serverStatus": plain(serverStatus), "connectionStatus": plain(connectionStatus), "whatsmyuri": plain(whatsMyURI), "getParameter": plain(getParameter),
		"endSessions": plain(endSessions), "refreshSessions": plain(refreshSessions), "killSessions": plain(endSessions),
		"insert": write(insert), "update": write(updateCommand), "delete": write(deleteCommand), "findAndModify": write(findAndModify), "findandmodify": write(findAndModify),
		"find": read(find), "getMore": read(getMore), "killCursors": read(killCursors), "count": plain(count), "distinct": read(distinct), "aggregate": read(aggregateCommand),
		"explain": plain(explain), "create": plain(create), "collMod": plain(collMod), "drop": plain(drop), "dropDatabase": plain(dropDatabase),
		"renameCollection": plain(renameCollection), "createIndexes": plain(createIndexes), "dropIndexes": plain(dropIndexes), "listIndexes": plain(listIndexes),
		"listCollections": plain(listCollections), "listDatabases": plain(listDatabases), "collStats": plain(collStats), "dbStats": plain(dbStats),
		"commitTransaction": read(commitTransaction), "abortTransaction": read(abortTransaction),
	}
}

// run runs a command and gives its answer, an error's included.
func (s *Server) run(d bson.D, connection int32) (reply bson.D) {
	defer func() {
		if p := recover(); p != nil { // one command must not take the process that embeds the server with it
			s.panics.Add(1)
			s.log.Error("a command panicked", "panic", p, "stack", string(debug.Stack()))
			reply = failure(fault.New(fault.InternalError, "internal error, see the server's log"))
		}
	}()
	out, err := s.dispatch(d, connection)
	if err != nil {
		return failure(err)
	}
	return append(out, bson.E{Key: "ok", Value: 1.0})
}

func failure(err error) bson.D {
	e := fault.From(err)
	d := bson.D{{Key: "ok", Value: 0.0}, {Key: "errmsg", Value: e.Message}, {Key: "code", Value: int32(e.Code)}, {Key: "codeName", Value: e.Code.String()}}
	d = append(d, e.Details...)
	if len(e.Labels) > 0 {
		labels := bson.A{}
		for _, l := range e.Labels {
			labels = append(labels, l)
		}
		d = append(d, bson.E{Key: "errorLabels", Value: labels})
	}
	return d
}

func (s *Server) dispatch(d bson.D, connection int32) (bson.D, error) {
	if len(d) == 0 {
		return nil, fault.New(fault.FailedToParse, "a command needs a name")
	}
	name := d[0].Key
	cmd, ok := s.commands[name]
	if !ok {
		return nil, fault.New(fault.CommandNotFound, "no such command: '%s'", name)
	}
	if s.ctx.Err() != nil {
		return nil, fault.New(fault.ShutdownInProgress, "the server is closing")
	}
	r := &request{args: newArgs(name, d), s: s, ctx: s.ctx, now: time.Now(), connection: connection, name: name, number: -1}
	r.first, _ = r.take(name)
	cancel := r.common(cmd)
	defer cancel()
	if r.err != nil {
		return nil, r.err
	}
	if r.session == "" || !r.multi {
		return cmd.run(r)
	}
	return r.inTransaction(cmd)
}

// common reads the fields that all commands have.
func (r *request) common(cmd command) context.CancelFunc {
	r.db = r.text("$db")
	if r.db == "" || strings.ContainsAny(r.db, "/\\. \"$\x00") || len(r.db) > 63 {
		r.fail(fault.New(fault.InvalidNamespace, "Invalid database name: '%s'", r.db))
	}
	if lsid := r.document("lsid"); lsid != nil {
		id, _ := value.Get(lsid, "id")
		b, ok := id.(bson.Binary)
		if !ok || len(b.Data) != 16 {
			r.fail(fault.New(fault.BadValue, "lsid.id must be a UUID"))
		}
		r.session = string(b.Data)
		if _, err := r.s.sessions.touch(r.session, r.now); err != nil {
			r.fail(err)
		}
	}
	r.number = r.args.number("txnNumber", -1)
	auto, hasAuto := r.take("autocommit")
	if hasAuto && auto != false {
		r.fail(fault.New(fault.InvalidOptions, "autocommit may be false only"))
	}
	r.multi = hasAuto
	r.start = r.boolean("startTransaction", false)
	switch {
	case r.number >= 0 && r.session == "":
		r.fail(fault.New(fault.InvalidOptions, "Transaction number requires a session ID to also be specified"))
	case r.multi && r.number < 0 || r.start && !r.multi:
		r.fail(fault.New(fault.InvalidOptions, "a transaction needs txnNumber and autocommit: false"))
	case r.multi && !cmd.txn:
		r.fail(fault.New(fault.TransactionNotAllowed, "Cannot run '%s' in a multi-document transaction.", r.name))
	case r.number >= 0 && !r.multi && !cmd.retry:
		r.fail(fault.New(fault.Code(50768), "txnNumber may only be provided for multi-document transactions and retryable write commands. '%s' is neither.", r.name))
	}
	r.concerns()
	r.permitted("$clusterTime", "comment", "$readPreference")
	if v := r.text("apiVersion"); v != "" && v != "1" {
		r.fail(fault.New(fault.Code(322), "Provided apiVersion is not supported: %s", v))
	}
	r.simple("apiStrict", "apiDeprecationErrors")
	if ms := r.args.number("maxTimeMS", 0); ms > 0 {
		ctx, cancel := context.WithTimeout(r.ctx, time.Duration(min(ms, 1<<31))*time.Millisecond)
		r.ctx = ctx
		return cancel
	}
	return func() {}
}

func (r *request) concerns() {
	if rc := r.document("readConcern"); rc != nil {
		a := newArgs("readConcern", rc)
		r.level = a.text("level")
		switch r.level {
		case "", "local", "available", "majority", "linearizable":
		case "snapshot":
			if !r.multi {
				a.fail(fault.Unsupported("readConcern snapshot outside of a transaction"))
			}
		default:
			a.fail(fault.New(fault.FailedToParse, "readConcern.level '%s' is unknown", r.level))
		}
		a.simple("afterClusterTime", "atClusterTime")
		a.permitted("provenance")
		if err := a.finish(); err != nil {
			r.fail(err)
		}
	}
	r.durable = true
	wc := r.document("writeConcern")
	if wc == nil {
		return
	}
	a := newArgs("writeConcern", wc)
	switch w, _ := a.take("w"); x := w.(type) {
	case nil:
	case string:
		if x != "majority" {
			a.fail(fault.New(fault.Code(79), "No write concern mode named '%s' found in replica set configuration", x))
		}
	default:
		n, ok := value.Whole(x)
		switch {
		case !ok || n < 0:
			a.fail(fault.New(fault.FailedToParse, "w has to be a number or a string"))
		case n > 1:
			a.fail(fault.New(fault.UnsatisfiableWriteConcern, "Not enough data-bearing nodes"))
		}
		r.durable = false
	}
	if a.boolean("j", false) {
		r.durable = true
	}
	a.number("wtimeout", 0) // the one member's disk is all there is to wait for
	a.permitted("provenance")
	if err := a.finish(); err != nil {
		r.fail(err)
	}
}

// namespace is the collection that the command names.
func (r *request) namespace() string {
	name, ok := r.first.(string)
	if !ok || name == "" {
		r.fail(fault.New(fault.InvalidNamespace, "Invalid namespace specified '%s.%v': collection name has invalid type or is empty", r.db, r.first))
	}
	if strings.HasPrefix(name, ".") || strings.ContainsAny(name, "$\x00") {
		r.fail(fault.New(fault.InvalidNamespace, "Invalid collection name: %s", name))
	}
	return r.db + "." + name
}

// view is what the command reads.
func (r *request) view() (store.View, error) {
	if r.txn != nil {
		return r.txn.View(), nil
	}
	state := r.s.store.View()
	if r.level == "majority" || r.level == "linearizable" {
		return state, r.s.store.Durable(r.ctx, state.LSN())
	}
	return state, nil
}

// write runs f on a draft, within the transaction if there is one, and waits for the disk as the write concern says. A
// retryable write that was done before gives its answer again.
func (r *request) write(f func(*store.Draft) (bson.D, error)) (reply bson.D, err error) {
	if r.txn != nil {
		err = r.txn.Write(func(d *store.Draft) error {
			reply, err = f(d)
			return err
		})
		return reply, err
	}
	lsn, err := r.s.store.Write(r.ctx, func(d *store.Draft) error {
		if r.number >= 0 {
			if done := d.Recall(r.session); done != nil && done.Number >= r.number {
				reply, err = r.again(done)
				return err
			}
		}
		if reply, err = f(d); err != nil || r.number < 0 {
			return err
		}
		encoded, err := value.Encode(reply)
		d.Session = &store.Done{Session: r.session, Number: r.number, Reply: value.Encoded(encoded)}
		return err
	})
	if err != nil {
		return nil, err
	}
	if r.durable {
		err = r.s.store.Durable(r.ctx, lsn)
	} else {
		err = r.s.store.Settle(r.ctx, lsn)
	}
	return reply, err
}

func (r *request) again(done *store.Done) (bson.D, error) {
	if done.Number > r.number {
		return nil, fault.New(fault.TransactionTooOld, "Retryable write with txnNumber %d is prohibited on session because a newer one with txnNumber %d has been done", r.number, done.Number)
	}
	return value.Decode([]byte(done.Reply))
}

// writeError is the entry of one failed statement; ok is false for errors that end the whole command.
func (r *request) writeError(i int, err error) (entry bson.D, ok bool) {
	if store.Retry(err) {
		return nil, false
	}
	e := fault.From(err)
	switch e.Code {
	case fault.InternalError, fault.WriteConflict, fault.MaxTimeMSExpired, fault.NoSuchTransaction:
		return nil, false
	}
	entry = bson.D{{Key: "index", Value: int32(i)}, {Key: "code", Value: int32(e.Code)}, {Key: "errmsg", Value: e.Message}}
	return append(entry, e.Details...), true
}

func splitNamespace(ns string) (db, collection string) {
	db, collection, _ = strings.Cut(ns, ".")
	return db, collection
}

func missingNamespace(ns string) error {
	return fault.New(fault.NamespaceNotFound, "ns does not exist: %s", ns)
}

func badOption(format string, a ...any) error {
	return fault.New(fault.InvalidOptions, "%s", fmt.Sprintf(format, a...))
}
