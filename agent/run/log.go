package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Log is the full log of one run, bounded in size: its first half and its last half are kept, and a line between
// them says how much was left out. While the run goes on, the end is kept in two files beside it that take turns.
//
// A log that cannot be written never stops the run: the first error is kept for the summary, the rest is dropped.
type Log struct {
	path  string
	max   int64
	f     *os.File // the head, then nothing more until Close
	size  int64
	turns [2]*os.File
	used  [2]int64
	now   int
	past  int64 // bytes that no longer stand in either
	err   error
}

// OpenLog makes <dir>/<deployment>/<event>.log, or <event>.2.log and so on where an earlier run of it stands.
func OpenLog(dir string, d lifecycle.Deployment, e lifecycle.Event, limit int64) (*Log, error) {
	folder := filepath.Join(dir, journal.Folder(d.ID))
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, fmt.Errorf("cannot keep a log: %w", err)
	}
	for n := 1; ; n++ {
		name := string(e) + ".log"
		if n > 1 {
			name = string(e) + "." + strconv.Itoa(n) + ".log"
		}
		path := filepath.Join(folder, name)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
		if err == nil {
			return &Log{path: path, max: max(limit, 4096), f: f}, nil
		}
		if !errors.Is(err, os.ErrExist) || n == 10000 {
			return nil, fmt.Errorf("cannot keep a log: %w", err)
		}
	}
}

// Path is where the log is; "" of a nil Log.
func (l *Log) Path() string {
	if l == nil {
		return ""
	}
	return l.path
}

// Err is the first error that kept something from the log.
func (l *Log) Err() error {
	if l == nil {
		return nil
	}
	return l.err
}

// Write never fails: see Log.
func (l *Log) Write(p []byte) (int, error) {
	if l == nil || l.err != nil {
		return len(p), nil
	}
	rest := p
	if room := l.max/2 - l.size; room > 0 {
		n := min(room, int64(len(rest)))
		l.keep(l.f, rest[:n])
		l.size += n
		rest = rest[n:]
	}
	for len(rest) > 0 && l.err == nil {
		rest = l.turn(rest)
	}
	return len(p), nil
}

// turn writes what fits into the file whose turn it is; a full one passes the turn, which drops the older half.
func (l *Log) turn(p []byte) []byte {
	room := l.max/4 - l.used[l.now]
	if room <= 0 {
		l.now = 1 - l.now
		l.past += l.used[l.now]
		l.used[l.now] = 0
		if f := l.turns[l.now]; f != nil {
			l.fail(f.Truncate(0))
		}
		return p
	}
	if l.turns[l.now] == nil {
		f, err := os.OpenFile(l.path+"."+strconv.Itoa(l.now)+".end", os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o640)
		if err != nil {
			l.fail(err)
			return nil
		}
		l.turns[l.now] = f
	}
	n := min(room, int64(len(p)))
	l.keep(l.turns[l.now], p[:n])
	l.used[l.now] += n
	return p[n:]
}

func (l *Log) keep(f *os.File, p []byte) {
	_, err := f.Write(p)
	l.fail(err)
}

func (l *Log) fail(err error) {
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("the log is incomplete: %w", err)
	}
}

// Close puts the end behind the head and removes the files between.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	if l.past > 0 {
		l.keep(l.f, fmt.Appendf(nil, "\n[wingman: %d bytes left out here: the log is bounded to %d by host.yml's log.max_size]\n", l.past, l.max))
	}
	for _, i := range []int{1 - l.now, l.now} {
		f := l.turns[i]
		if f == nil {
			continue
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			l.fail(err)
		} else {
			_, err := io.Copy(l.f, f)
			l.fail(err)
		}
		f.Close()
		if l.err == nil {
			l.fail(os.Remove(f.Name()))
		}
	}
	l.fail(l.f.Close())
	return l.err
}
