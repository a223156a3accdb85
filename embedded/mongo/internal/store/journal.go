package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/lethe/lethe/embedded/mongo/internal/fault"
)

// A journal is a file of frames: length, CRC32C of the payload, CRC32C of the eight bytes before, payload. The header's
// own checksum tells a torn end from a length that was damaged.
const frameHeader = 12

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// maxFrame bounds a record's length in bytes.
const maxFrame = 1 << 30

func appendFrame(b, payload []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(payload, castagnoli))
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start:], castagnoli))
	return append(b, payload...)
}

// readFrames calls f for each payload of a file. It answers where the whole frames end: what follows is a frame that
// was being written when the process died. Damage anywhere else is an error.
func readFrames(r io.Reader, size int64, f func([]byte) error) (end int64, err error) {
	var head [frameHeader]byte
	for {
		if n, err := io.ReadFull(r, head[:]); err != nil {
			if n == 0 || errors.Is(err, io.ErrUnexpectedEOF) {
				return end, nil
			}
			return end, err
		}
		n := int64(binary.LittleEndian.Uint32(head[:]))
		if crc32.Checksum(head[:8], castagnoli) != binary.LittleEndian.Uint32(head[8:]) || n > maxFrame {
			if zeros(head[:]) && onlyZeros(r) {
				return end, nil // a file that was made longer before its bytes were written
			}
			return end, fmt.Errorf("the record at byte %d is damaged", end)
		}
		if n > size-end-frameHeader {
			return end, nil
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r, payload); err != nil {
			return end, err
		}
		if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(head[4:]) {
			if end+frameHeader+n == size {
				return end, nil
			}
			return end, fmt.Errorf("the record at byte %d is damaged", end)
		}
		if err := f(payload); err != nil {
			return end, fmt.Errorf("the record at byte %d: %w", end, err)
		}
		end += frameHeader + n
	}
}

func zeros(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

func onlyZeros(r io.Reader) bool {
	b := make([]byte, 4096)
	for {
		n, err := r.Read(b)
		if !zeros(b[:n]) {
			return false
		}
		if err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// journal writes records behind one another and syncs them in groups: all that came while the last group was being
// written are one group.
type journal struct {
	dir  string
	lock io.Closer

	mu      sync.Mutex
	wake    *sync.Cond // something to write, or closing
	idle    *sync.Cond // nothing being written
	file    *os.File
	number  int
	size    int64
	pending []byte
	writing bool
	last    uint64 // appended
	synced  uint64
	round   chan struct{} // closed when synced grows or err is set
	err     error
	closing bool
	ended   chan struct{}
}

func fileName(dir, kind string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%08d", kind, number))
}

func newJournal(dir string, lock io.Closer, file *os.File, number int, size int64) *journal {
	j := &journal{dir: dir, lock: lock, file: file, number: number, size: size, round: make(chan struct{}), ended: make(chan struct{})}
	j.wake, j.idle = sync.NewCond(&j.mu), sync.NewCond(&j.mu)
	go j.run()
	return j
}

// append queues a record and gives its number.
func (j *journal) append(record []byte) uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	before := len(j.pending)
	j.pending = appendFrame(j.pending, record)
	j.size += int64(len(j.pending) - before)
	j.last++
	j.wake.Signal()
	return j.last
}

func (j *journal) run() {
	defer close(j.ended)
	var spare []byte
	for {
		j.mu.Lock()
		for len(j.pending) == 0 && !j.closing {
			j.wake.Wait()
		}
		if len(j.pending) == 0 || j.err != nil {
			j.mu.Unlock()
			return
		}
		group, last, file := j.pending, j.last, j.file
		j.pending, j.writing = spare[:0], true
		j.mu.Unlock()

		_, err := file.Write(group)
		if err == nil {
			err = file.Sync()
		}
		if cap(group) > 4<<20 {
			group = nil
		}
		spare = group

		j.mu.Lock()
		j.writing = false
		if err != nil {
			j.err = fault.New(fault.OperationFailed, "the journal cannot be written, the server accepts no more writes: %v", err)
		} else {
			j.synced = last
		}
		close(j.round)
		j.round = make(chan struct{})
		j.idle.Broadcast()
		j.mu.Unlock()
	}
}

func (j *journal) failed() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// behind tells whether a great deal waits to be written.
func (j *journal) behind() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.pending) > 32<<20
}

func (j *journal) wait(ctx context.Context, lsn uint64) error {
	for {
		j.mu.Lock()
		synced, err, round := j.synced, j.err, j.round
		j.mu.Unlock()
		if synced >= lsn {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-round:
		case <-ctx.Done():
			return TimedOut(ctx)
		}
	}
}

// rotate begins a new file once everything before is on the disk. The caller lets nobody append meanwhile.
func (j *journal) rotate() (number int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for (len(j.pending) > 0 || j.writing) && j.err == nil {
		j.idle.Wait()
	}
	if j.err != nil {
		return 0, j.err
	}
	file, err := os.OpenFile(fileName(j.dir, "journal", j.number+1), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, fmt.Errorf("beginning a new journal: %w", err)
	}
	if err := syncDir(j.dir); err != nil {
		return 0, errors.Join(err, file.Close())
	}
	old := j.file
	j.file, j.size = file, 0
	j.number++
	return j.number, old.Close()
}

func (j *journal) bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.size
}

func (j *journal) close() error {
	j.mu.Lock()
	j.closing = true
	j.wake.Signal()
	j.mu.Unlock()
	<-j.ended
	return errors.Join(j.failed(), j.file.Close(), j.lock.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
