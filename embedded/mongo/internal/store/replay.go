package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/lethe/lethe/embedded/mongo/internal/value"
)

// A data directory holds journal-N files, snapshot-N, which is everything before journal-N, and the lock.
// Compaction begins journal-N+1, writes snapshot-N+1 beside, renames it into place, and only then removes what is
// older: a crash anywhere leaves a snapshot (or none) and all the journals from it on.

func encodeRecord(ops []op, done *Done) ([]byte, error) {
	list := make(bson.A, len(ops))
	for i, o := range ops {
		d := bson.D{{Key: "o", Value: o.kind}, {Key: "ns", Value: o.ns}}
		if o.record != 0 {
			d = append(d, bson.E{Key: "r", Value: int64(o.record)})
		}
		if o.doc != nil {
			d = append(d, bson.E{Key: "d", Value: o.doc.Raw})
		}
		if o.arg != nil {
			d = append(d, bson.E{Key: "d", Value: o.arg})
		}
		if o.name != "" {
			d = append(d, bson.E{Key: "n", Value: o.name})
		}
		list[i] = d
	}
	record := bson.D{{Key: "ops", Value: list}}
	if done != nil {
		record = append(record, bson.E{Key: "session", Value: done.document()})
	}
	return value.Encode(record)
}

func (d *Done) document() bson.D {
	return bson.D{
		{Key: "id", Value: bson.Binary{Data: []byte(d.Session)}}, {Key: "n", Value: d.Number},
		{Key: "reply", Value: d.Reply}, {Key: "at", Value: bson.NewDateTimeFromTime(d.At)},
	}
}

// applyRecord repeats a record on a draft.
func (s *Store) applyRecord(d *Draft, payload []byte) error {
	record, err := value.Decode(payload)
	if err != nil {
		return err
	}
	for _, e := range record {
		switch e.Key {
		case "ops":
			list, _ := e.Value.(bson.A)
			for _, x := range list {
				o, _ := x.(bson.D)
				if err := s.applyOp(d, o); err != nil {
					return err
				}
			}
		case "session":
			if err := s.applySession(e.Value); err != nil {
				return err
			}
		case "end":
		default:
			return fmt.Errorf("unknown field %q: the directory was written by a later version", e.Key)
		}
	}
	return nil
}

func (s *Store) applySession(v any) error {
	x, _ := v.(bson.D)
	done := &Done{}
	for _, e := range x {
		switch t := e.Value.(type) {
		case bson.Binary:
			done.Session = string(t.Data)
		case int64:
			done.Number = t
		case bson.DateTime:
			done.At = t.Time()
		case bson.D:
			b, err := value.Encode(t)
			if err != nil {
				return err
			}
			done.Reply = value.Encoded(b)
		}
	}
	s.done[done.Session] = done
	return nil
}

func (s *Store) applyOp(d *Draft, x bson.D) error {
	var o op
	var arg bson.D
	for _, e := range x {
		switch e.Key {
		case "o":
			o.kind, _ = e.Value.(string)
		case "ns":
			o.ns, _ = e.Value.(string)
		case "n":
			o.name, _ = e.Value.(string)
		case "r":
			r, _ := e.Value.(int64)
			o.record = uint64(r)
		case "d":
			arg, _ = e.Value.(bson.D)
		}
	}
	if o.kind == "create" {
		return d.Create(o.ns, optionsFrom(arg))
	}
	c := d.Collection(o.ns)
	if c == nil {
		return fmt.Errorf("%s of %s, which does not exist", o.kind, o.ns)
	}
	switch o.kind {
	case "put":
		old, _ := c.records.Get(o.record)
		doc, err := prepare(arg)
		if err != nil {
			return err
		}
		doc.Record = o.record
		if o.record > s.records.Load() {
			s.records.Store(o.record)
		}
		return d.put(o.ns, doc, old)
	case "del":
		old, ok := c.records.Get(o.record)
		if !ok {
			return fmt.Errorf("deletion of record %d in %s, which does not exist", o.record, o.ns)
		}
		return d.Delete(o.ns, old)
	case "drop":
		d.Drop(o.ns)
		return nil
	case "rename":
		return d.Rename(o.ns, o.name)
	case "options":
		return d.SetOptions(o.ns, optionsFrom(arg))
	case "index":
		ix, err := NewIndex(arg)
		if err != nil {
			return err
		}
		return d.CreateIndex(o.ns, ix)
	case "changeIndex":
		ix, err := NewIndex(arg)
		if err != nil {
			return err
		}
		d.ChangeIndex(o.ns, ix.Name, ix.Expire, ix.Hidden)
		return nil
	case "dropIndex":
		d.DropIndex(o.ns, o.name)
		return nil
	}
	return fmt.Errorf("unknown operation %q: the directory was written by a later version", o.kind)
}

// replay reads a data directory and opens its journal for writing.
func (s *Store) replay(dir string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	snapshot, journals, err := inventory(dir)
	if err != nil {
		return err
	}
	d := s.draft(s.View())
	d.settled = true
	apply := func(payload []byte) error {
		d.ops = nil // what is read is not written again
		return s.applyRecord(d, payload)
	}
	if snapshot > 0 {
		name := fileName(dir, "snapshot", snapshot)
		ended := false
		end, size, err := readFile(name, func(p []byte) error {
			ended = isEnd(p)
			return apply(p)
		})
		if err == nil && (end != size || !ended) {
			err = errors.New("it is not whole")
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w; put the directory aside and start with another", name, err)
		}
	}
	number, at := max(snapshot, 1), int64(0)
	for i, n := range journals {
		name := fileName(dir, "journal", n)
		end, size, err := readFile(name, apply)
		if err == nil && end != size && i < len(journals)-1 {
			err = fmt.Errorf("the record at byte %d is cut off, and a later journal follows", end)
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w; put the directory aside and start with another", name, err)
		}
		if end != size {
			s.log.Warn("cut off a record that was being written when the server was killed", "journal", filepath.Base(name), "bytes", size-end)
		}
		number, at = n, end
	}
	s.state.Store(d.state())
	file, err := os.OpenFile(fileName(dir, "journal", number), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening the journal: %w", err)
	}
	if err := errors.Join(file.Truncate(at), file.Sync(), syncDir(dir)); err != nil {
		return errors.Join(fmt.Errorf("opening the journal: %w", err), file.Close())
	}
	if _, err := file.Seek(at, io.SeekStart); err != nil {
		return errors.Join(fmt.Errorf("opening the journal: %w", err), file.Close())
	}
	s.journal = newJournal(dir, lock, file, number, at)
	return nil
}

func isEnd(payload []byte) bool {
	d, err := value.Decode(payload)
	if err != nil {
		return false
	}
	_, is := value.Get(d, "end")
	return is
}

func readFile(name string, f func([]byte) error) (end, size int64, err error) {
	file, err := os.Open(name)
	if err != nil {
		return 0, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, 0, err
	}
	end, err = readFrames(bufio.NewReaderSize(file, 1<<20), info.Size(), f)
	return end, info.Size(), err
}

// inventory finds the newest snapshot and the journals from it on, and removes what a compaction left behind.
func inventory(dir string) (snapshot int, journals []int, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, nil, fmt.Errorf("reading the data directory: %w", err)
	}
	stale := map[string]int{}
	for _, e := range entries {
		var n int
		switch {
		case filepath.Ext(e.Name()) == ".tmp":
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return 0, nil, err
			}
		case scan(e.Name(), "snapshot-%08d", &n):
			snapshot = max(snapshot, n)
			stale[e.Name()] = n
		case scan(e.Name(), "journal-%08d", &n):
			journals = append(journals, n)
			stale[e.Name()] = n
		}
	}
	for name, n := range stale {
		if n < snapshot {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return 0, nil, err
			}
		}
	}
	journals = slices.DeleteFunc(journals, func(n int) bool { return n < snapshot })
	slices.Sort(journals)
	for i, n := range journals {
		if want := max(snapshot, 1) + i; n != want {
			return 0, nil, fmt.Errorf("%s is missing in the data directory; put the directory aside and start with another", fmt.Sprintf("journal-%08d", want))
		}
	}
	return snapshot, journals, nil
}

func scan(name, format string, n *int) bool {
	_, err := fmt.Sscanf(name, format, n)
	return err == nil && fmt.Sprintf(format, *n) == name
}

// compactIfLarge replaces the journal by a snapshot in the background when it has grown large. The caller holds mu and
// has appended nothing that is not published, so that the snapshot is what stood in the journals before the new one.
func (s *Store) compactIfLarge() {
	if s.compacting || s.journal.bytes() < s.compactAt {
		return
	}
	number, err := s.journal.rotate()
	if err != nil {
		s.log.Error("the journal cannot be compacted", "error", err)
		return
	}
	s.compacting = true
	state, done := s.View(), maps.Clone(s.done)
	s.background.Go(func() {
		if err := s.compact(number, state, done); err != nil {
			s.log.Error("the journal cannot be compacted", "error", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.compacting = false
		s.compactAt = max(s.compactAt, 2*state.bytes())
	})
}

func (s *Store) compact(number int, state *State, done map[string]*Done) error {
	dir := s.journal.dir
	name := fileName(dir, "snapshot", number)
	file, err := os.OpenFile(name+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(file, 1<<20)
	if err := errors.Join(writeSnapshot(w, state, done, time.Now()), w.Flush(), file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(name+".tmp"))
	}
	if err := errors.Join(os.Rename(name+".tmp", name), syncDir(dir)); err != nil {
		return err
	}
	_, _, err = inventory(dir)
	return err
}

func writeSnapshot(w io.Writer, state *State, done map[string]*Done, now time.Time) error {
	var err error
	write := func(record []byte, encodeErr error) bool {
		if err = encodeErr; err == nil {
			_, err = w.Write(appendFrame(nil, record))
		}
		return err == nil
	}
	state.Each(func(c *Collection) bool {
		if !write(encodeRecord([]op{{kind: "create", ns: c.Name, arg: c.Options.document()}}, nil)) {
			return false
		}
		c.records.Scan(func(r uint64, doc *Document) bool {
			return write(encodeRecord([]op{{kind: "put", ns: c.Name, record: r, doc: doc}}, nil))
		})
		for _, ix := range c.Indexes {
			if ix.Name != "_id_" && err == nil {
				write(encodeRecord([]op{{kind: "index", ns: c.Name, arg: ix.Spec()}}, nil))
			}
		}
		return err == nil
	})
	for _, d := range done {
		if err == nil && now.Sub(d.At) < SessionTimeout {
			write(encodeRecord(nil, d))
		}
	}
	if err == nil {
		write(value.Encode(bson.D{{Key: "end", Value: true}}))
	}
	return err
}
