package store

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func contents(s *Store) string {
	var out []string
	s.View().Each(func(c *Collection) bool {
		out = append(out, fmt.Sprintf("%s: %d documents of %d bytes, %d indexes", c.Name, c.Len(), c.Bytes(), len(c.Indexes)))
		for _, ix := range c.Indexes {
			out = append(out, fmt.Sprintf("%s has %d entries", ix.Name, ix.tree.Len()))
		}
		return true
	})
	return strings.Join(out, "\n")
}

// TestCompaction lets the journal be replaced by snapshots again and again while writing goes on.
func TestCompaction(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	s.compactAt = 4 << 10
	write := func(f func(*Draft) error) {
		t.Helper()
		lsn, err := s.Write(t.Context(), f)
		if err == nil {
			err = s.Durable(t.Context(), lsn)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	write(func(d *Draft) error {
		if err := d.Create("db.c", Options{}); err != nil {
			return err
		}
		ix, err := NewIndex(bson.D{{Key: "key", Value: bson.D{{Key: "l", Value: int32(1)}}}, {Key: "name", Value: "l_1"}})
		if err != nil {
			return err
		}
		return d.CreateIndex("db.c", ix)
	})
	for i := range 2000 {
		write(func(d *Draft) error {
			d.Session = &Done{Session: fmt.Sprint("session", i%5), Number: int64(i), Reply: "\x05\x00\x00\x00\x00"}
			if i%3 == 2 {
				c := d.Collection("db.c")
				_, doc, _ := c.records.Min()
				return d.Delete("db.c", doc)
			}
			_, err := d.Insert("db.c", bson.D{{Key: "_id", Value: int32(i)}, {Key: "l", Value: bson.A{int32(i), "x"}}})
			return err
		})
		if i%500 == 0 {
			s.background.Wait()
			s.compactAt = 4 << 10
		}
	}
	s.background.Wait()
	want := contents(s)
	shut(t, s)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
	}
	if len(names) != 3 || !slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "snapshot-") }) {
		t.Errorf("the directory holds %v", names)
	}
	// What an interrupted compaction leaves behind does no harm.
	if err := os.WriteFile(filepath.Join(dir, "snapshot-00009999.tmp"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	if got := contents(s); got != want {
		t.Errorf("after a restart:\n%s\nwant\n%s", got, want)
	}
	if d := s.Recall("session4"); d == nil || d.Number != 1999 {
		t.Errorf("the session's last write: %+v", d)
	}
	shut(t, s)
}

// TestSnapshotMustBeWhole damages a snapshot.
func TestSnapshotMustBeWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	s.compactAt = 1
	for i := range 3 {
		if _, err := s.Write(t.Context(), func(d *Draft) error {
			_, err := d.Insert("db.c", bson.D{{Key: "_id", Value: int32(i)}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		s.background.Wait()
	}
	shut(t, s)
	snapshots, err := filepath.Glob(filepath.Join(dir, "snapshot-*"))
	if err != nil || len(snapshots) != 1 {
		t.Fatalf("snapshots: %v, %v", snapshots, err)
	}
	b, err := os.ReadFile(snapshots[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(snapshots[0], b[:len(b)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "not whole") {
		t.Errorf("a snapshot that is cut off: %v", err)
	}
}
