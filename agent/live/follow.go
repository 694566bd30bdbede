package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/codedeploy-wingman/wingman/agent/api"
)

// End is how a run that is followed came to its end.
type End string

// The ends. Gone is that of a run whose runner was killed in the middle of it.
const (
	Ended        End = "ended"
	NeverStarted End = "never started"
	Gone         End = "gone"
)

// Item is what comes next of a run: some output, or its end.
type Item struct {
	Text   []byte // valid until the next call
	Next   int64  // the offset behind it
	End    End
	Result api.Result // of Ended
}

// Follower reads a run from some offset of its output to its end.
type Follower struct {
	dir     Dir
	uid     int
	at      int64
	f       *os.File // the file that at is in
	begins  int64    // its first byte's offset
	held    []byte   // the beginning of a character
	buf     []byte
	waiter  *waiter
	readers *os.File // locked: the runner waits for this reader
}

// Follow begins to read the run of that user. Who is waiting for the run, and not only looking on, is waited for.
func (d Dir) Follow(uid int, from int64, waiting bool) (*Follower, error) {
	f := &Follower{dir: d, uid: uid, at: from, buf: make([]byte, 64<<10)}
	if waiting {
		r, err := openSafe(filepath.Join(d.Runs(), "readers"), uid)
		if err != nil {
			return nil, fmt.Errorf("cannot follow the run: %w", err)
		}
		_ = lockShared(r) // not had, the runner drops what is old the sooner
		f.readers = r
	}
	var err error
	if f.waiter, err = watch(d.Runs()); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot follow the run: %w", err)
	}
	return f, nil
}

// Close ends the reading.
func (f *Follower) Close() {
	for _, c := range []*os.File{f.f, f.readers} {
		if c != nil {
			c.Close()
		}
	}
	if f.waiter != nil {
		f.waiter.close()
	}
}

// Next waits for what comes next. After an End nothing does.
func (f *Follower) Next(ctx context.Context) (Item, error) {
	for {
		if it, ok := f.read(); ok {
			return it, nil
		}
		// In this order: what was printed before the end was seen is there by now.
		if end, res, ended := f.dir.state(f.uid); ended {
			if it, ok := f.read(); ok {
				return it, nil
			}
			if len(f.held) > 0 {
				it := Item{Text: []byte("\uFFFD"), Next: f.at}
				f.held = nil
				return it, nil
			}
			return Item{End: end, Result: res, Next: f.at}, nil
		}
		if err := f.waiter.wait(ctx); err != nil {
			return Item{}, err
		}
	}
}

// read gives what there is now.
func (f *Follower) read() (Item, bool) {
	for {
		if f.f == nil && !f.open() {
			return Item{}, false
		}
		if lost := f.begins - f.at; lost > 0 {
			f.at = f.begins
			return Item{Text: fmt.Appendf(nil, "\n[wingman: %d bytes left out here: they were dropped before they could be read; the run's log has them]\n", lost), Next: f.at}, true
		}
		n := copy(f.buf, f.held)
		m, err := f.f.ReadAt(f.buf[n:], f.at-f.begins)
		if m > 0 {
			f.at += int64(m)
			text := f.buf[:n+m]
			cut := incomplete(text)
			f.held = append(f.held[:0], text[cut:]...)
			if cut == 0 {
				continue
			}
			return Item{Text: text[:cut], Next: f.at - int64(len(f.held))}, true
		}
		if err != nil && !errors.Is(err, io.EOF) || !f.over() {
			return Item{}, false
		}
		read := f.f
		if !f.open() {
			return Item{}, false
		}
		read.Close() // not before the next is locked
	}
}

// over says that the file which is being read is complete and another has begun.
func (f *Follower) over() bool {
	all := segments(f.dir.Runs())
	if len(all) == 0 || all[len(all)-1] <= f.begins {
		return false
	}
	info, err := f.f.Stat() // after the next was seen: nothing is added to this one any more
	return err == nil && f.at >= f.begins+info.Size()
}

// open opens the file that holds the next byte, or the oldest that is left.
func (f *Follower) open() bool {
	all := segments(f.dir.Runs())
	if len(all) == 0 {
		return false
	}
	at := all[0]
	for _, s := range all {
		if s <= f.at {
			at = s
		}
	}
	file, err := openSafe(segment(f.dir.Runs(), at), f.uid)
	if err != nil {
		return false // dropped just now: the next look finds another
	}
	if f.readers != nil {
		_ = lockShared(file)
	}
	f.f, f.begins = file, at
	return true
}

// state says whether the run is over, and how it ended.
func (d Dir) state(uid int) (End, api.Result, bool) {
	if res, ok := d.Result(uid); ok {
		return Ended, res, true
	}
	if d.Lives() {
		return "", api.Result{}, false
	}
	if res, ok := d.Result(uid); ok { // it ended between the two looks
		return Ended, res, true
	}
	if _, err := os.Lstat(filepath.Join(d.Runs(), "started")); err != nil {
		return NeverStarted, api.Result{}, true
	}
	return Gone, api.Result{}, true
}

// State says whether the run is over, and how it ended; "" if it goes on.
func (d Dir) State(uid int) End {
	end, _, _ := d.state(uid)
	return end
}

// Ending is State, and the result of one that ended.
func (d Dir) Ending(uid int) (End, api.Result) {
	end, res, _ := d.state(uid)
	return end, res
}

// Result is how the run came out; false while it goes on.
func (d Dir) Result(uid int) (api.Result, bool) {
	var res api.Result
	b, err := readSafe(filepath.Join(d.Runs(), "result.json"), uid, 16<<20)
	return res, err == nil && json.Unmarshal(b, &res) == nil
}

// Now is what the run does now, as far as it said so.
func (d Dir) Now(uid int) string {
	b, _ := readSafe(filepath.Join(d.Runs(), "now"), uid, 4<<10)
	return string(b)
}

func readSafe(file string, uid int, limit int64) ([]byte, error) {
	f, err := openSafe(file, uid)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// the longest that a follower looks away: what it waits for is told to it, but for a runner that was killed where the
// system does not tell.
const glance = 500 * time.Millisecond

// incomplete gives where a character begins that b cuts short, or len(b).
func incomplete(b []byte) int {
	for i := len(b) - 1; i >= 0 && i >= len(b)-3; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return i
			}
			break
		}
	}
	return len(b)
}
