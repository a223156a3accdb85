package mongo_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/lethe/lethe/embedded/mongo"
)

const childDir = "LETHE_MONGO_TEST_CHILD"

// TestMain runs a server instead of the tests in the process that the crash test starts.
func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		s, err := mongo.Start(context.Background(), mongo.Options{Dir: dir})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(s.URI())
		select {} // until it is killed
	}
	os.Exit(m.Run())
}

// TestKillLosesNothingAcknowledged kills the server in the middle of writes and looks for every acknowledged one.
func TestKillLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acked := make([]int, 16)
	for round := range 3 {
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || !strings.HasPrefix(line, "mongodb://") {
			t.Fatalf("the child says %q, %v", line, err)
		}
		c := connect(t, strings.TrimSpace(line)).Database("db").Collection("c")
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		enough := make(chan struct{})
		for w := range acked {
			wg.Go(func() {
				for n := 0; ; n++ {
					if w == 0 && n == 60 {
						close(enough)
					}
					if _, err := c.UpdateOne(ctx, byID(w), bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}}, options.UpdateOne().SetUpsert(true)); err != nil {
						return
					}
					acked[w]++
				}
			})
		}
		<-enough
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cancel()
		wg.Wait()
		_ = child.Wait() // it was killed
		t.Logf("round %d: %d writes acknowledged", round, total(acked))
	}
	c := connect(t, start(t, dir).URI()).Database("db").Collection("c")
	for w, n := range acked {
		var d struct{ N int }
		if err := c.FindOne(t.Context(), byID(w)).Decode(&d); err != nil || d.N < n || d.N > n+3 {
			t.Errorf("writer %d: %d acknowledged, %d found (%v)", w, n, d.N, err)
		}
	}
}

func total(n []int) (sum int) {
	for _, x := range n {
		sum += x
	}
	return sum
}

// filled makes a data directory with n documents and gives its journal.
func filled(t *testing.T, n int) (dir, journal string) {
	t.Helper()
	dir = t.TempDir()
	s, err := mongo.Start(t.Context(), mongo.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, s.URI()).Database("db").Collection("c")
	for i := range n {
		if _, err := c.InsertOne(t.Context(), byID(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, filepath.Join(dir, "journal-00000001")
}

func count(t *testing.T, dir string) int64 {
	t.Helper()
	n, err := connect(t, start(t, dir).URI()).Database("db").Collection("c").CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTornRecordIsCutOff(t *testing.T) {
	t.Parallel()
	for _, tear := range []struct {
		name string
		f    func([]byte) []byte
		want int64
	}{
		{"whole", func(b []byte) []byte { return b }, 10},
		{"a byte is missing", func(b []byte) []byte { return b[:len(b)-1] }, 9},
		{"only a header's beginning", func(b []byte) []byte { return append(b, 1, 2, 3) }, 10},
		{"bytes of the last record are wrong", func(b []byte) []byte { b[len(b)-3] ^= 0xff; return b }, 9},
		{"zeros at the end", func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, 10},
	} {
		t.Run(tear.name, func(t *testing.T) {
			t.Parallel()
			dir, journal := filled(t, 10)
			b, err := os.ReadFile(journal)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(journal, tear.f(b), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := mongo.Start(t.Context(), mongo.Options{Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			c := connect(t, s.URI()).Database("db").Collection("c")
			if n, err := c.CountDocuments(t.Context(), bson.D{}); err != nil || n != tear.want {
				t.Errorf("%d documents, %v; want %d", n, err, tear.want)
			}
			if _, err := c.InsertOne(t.Context(), byID("later")); err != nil {
				t.Error(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if n := count(t, dir); n != tear.want+1 {
				t.Errorf("%d documents after writing on, want %d", n, tear.want+1)
			}
		})
	}
}

func TestDamageIsRefused(t *testing.T) {
	t.Parallel()
	for _, at := range []int{2, 14, 200} { // in a length, in a payload, further on
		dir, journal := filled(t, 10)
		b, err := os.ReadFile(journal)
		if err != nil {
			t.Fatal(err)
		}
		b[at] ^= 0x40
		if err := os.WriteFile(journal, b, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = mongo.Start(t.Context(), mongo.Options{Dir: dir})
		if err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("damage at %d: %v", at, err)
		}
	}
}

func TestDirectoryIsLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir)
	if _, err := mongo.Start(t.Context(), mongo.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second server: %v", err)
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	db := connect(t, s.URI()).Database("db")
	c := db.Collection("c")
	index(t, c, bson.D{{Key: "a", Value: 1}}, options.Index().SetUnique(true))
	index(t, c, bson.D{{Key: "txt", Value: "text"}}, options.Index().SetWeights(bson.D{{Key: "txt", Value: 3}}))
	index(t, c, bson.D{{Key: "gone", Value: 1}}, nil)
	if err := c.Indexes().DropOne(t.Context(), "gone_1"); err != nil {
		t.Fatal(err)
	}
	load(t, c, `{"_id":1,"a":1,"txt":"running shoes"}`, `{"_id":2,"a":2}`, `{"_id":3,"a":3}`)
	if _, err := c.DeleteOne(t.Context(), byID(2)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UpdateOne(t.Context(), byID(3), set("a", 30)); err != nil {
		t.Fatal(err)
	}
	load(t, db.Collection("dropped"), `{"_id":1}`)
	if err := db.Collection("dropped").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := db.CreateCollection(t.Context(), "checked", options.CreateCollection().SetValidator(bson.D{{Key: "x", Value: 1}})); err != nil {
		t.Fatal(err)
	}
	open := bson.D{
		{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{byID("uncommitted")}}, {Key: "$db", Value: "db"},
		{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}},
		{Key: "txnNumber", Value: int64(1)}, {Key: "startTransaction", Value: true}, {Key: "autocommit", Value: false},
	}
	if reply := command(t, s.Addr(), open); reply["n"] != int32(1) {
		t.Fatalf("inserting in a transaction: %v", reply)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db = connect(t, start(t, dir).URI()).Database("db")
	c = db.Collection("c")
	if got := all(t, c, bson.D{}); got != "{\"_id\":1,\"a\":1,\"txt\":\"running shoes\"}\n{\"_id\":3,\"a\":30}" {
		t.Errorf("documents: %s", got)
	}
	if got := ids(t, all(t, c, doc(t, `{"$text":{"$search":"shoe"}}`))); got != "1" {
		t.Errorf("text search: %s", got)
	}
	_, err := c.InsertOne(t.Context(), doc(t, `{"_id":4,"a":30}`))
	if codeOf(t, err) != 11000 {
		t.Errorf("the unique index: %v", err)
	}
	_, err = db.Collection("checked").InsertOne(t.Context(), doc(t, `{"x":2}`))
	if codeOf(t, err) != 121 {
		t.Errorf("the validator: %v", err)
	}
	names, err := db.ListCollectionNames(t.Context(), bson.D{})
	if err != nil || len(names) != 2 {
		t.Errorf("collections: %v, %v", names, err)
	}
	specs, err := c.Indexes().ListSpecifications(t.Context())
	if err != nil || len(specs) != 3 {
		t.Errorf("indexes: %v, %v", specs, err)
	}
}

func TestFirstLogLineSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	s, err := mongo.Start(t.Context(), mongo.Options{Log: slog.New(slog.NewTextHandler(&b, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(b.String(), "\n")
	if !strings.Contains(first, "for development and tests; production is MongoDB") {
		t.Errorf("the first line is %q", first)
	}
}

// TestConcurrentUniqueInserts lets writers race for the same keys; each key has one winner.
func TestConcurrentUniqueInserts(t *testing.T) {
	t.Parallel()
	c := database(t).Collection("c")
	index(t, c, bson.D{{Key: "k", Value: 1}}, options.Index().SetUnique(true))
	var wg sync.WaitGroup
	wins := make([]int, 16)
	for w := range wins {
		wg.Go(func() {
			for k := range 50 {
				_, err := c.InsertOne(t.Context(), bson.D{{Key: "k", Value: k}, {Key: "by", Value: w}})
				if err == nil {
					wins[w]++
				} else if codeOf(t, err) != 11000 {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := total(wins); n != 50 {
		t.Errorf("%d inserts won, want 50", n)
	}
}

// TestStockIsNeverOversold takes units from a stock by conditional updates from 64 goroutines, with and without a
// journal.
func TestStockIsNeverOversold(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		c := connect(t, start(t, dir).URI()).Database("db").Collection("stock")
		load(t, c, `{"_id":"sku","avail":500,"sold":0}`)
		var wg sync.WaitGroup
		sold := make([]int, 64)
		for w := range sold {
			wg.Go(func() {
				for {
					res, err := c.UpdateOne(t.Context(), doc(t, `{"_id":"sku","avail":{"$gte":1}}`), doc(t, `{"$inc":{"avail":-1,"sold":1}}`))
					if err != nil {
						t.Error(err)
						return
					}
					if res.ModifiedCount == 0 {
						return
					}
					sold[w]++
				}
			})
		}
		wg.Wait()
		if n := total(sold); n != 500 {
			t.Errorf("%d were sold of 500", n)
		}
		if got := all(t, c, bson.D{}); got != `{"_id":"sku","avail":0,"sold":500}` {
			t.Errorf("left: %s", got)
		}
	}
}
