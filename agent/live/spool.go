package live

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The spool is memory (a tmpfs): what is kept of it must be bounded. Readers that are behind make the runner wait, as a
// pipe would; where nobody reads it keeps more, for a service that is being restarted, and then drops the oldest.
const (
	segmentSize = 1 << 20
	keptRead    = 8           // segments that are kept at least
	keptUnread  = 64          // the most that are kept while nobody reads
	patience    = time.Minute // for a reader that does not go on: its client stands still
)

// Spool is what a run prints, in files that are named by the offset of their first byte.
type Spool struct {
	dir  string
	f    *os.File
	at   int64 // of the next byte
	used int64 // of f
	kept []int64
	err  error
}

// Write never fails: output that cannot be kept must not fail a script. Err tells.
func (s *Spool) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && s.err == nil {
		if s.f == nil || s.used >= segmentSize {
			s.keep(s.next())
			continue
		}
		part := p[:min(int64(len(p)), segmentSize-s.used)]
		m, err := s.f.Write(part)
		s.at, s.used = s.at+int64(m), s.used+int64(m)
		if p = p[m:]; errors.Is(err, syscall.ENOSPC) {
			err = s.makeRoom(err)
		}
		s.keep(err)
	}
	return n, nil
}

func (s *Spool) keep(err error) {
	if err != nil {
		s.err = fmt.Errorf("cannot keep the output for who waits: %w", err)
	}
}

// Err is the first error that kept something from the spool.
func (s *Spool) Err() error { return s.err }

// Close closes the last file.
func (s *Spool) Close() {
	if s.f != nil {
		_ = s.f.Truncate(s.used) // what was reserved beyond is given back
		s.f.Close()
	}
	s.f = nil
}

// next begins a file, and drops the oldest if there are too many.
func (s *Spool) next() error {
	s.Close()
	f, err := os.OpenFile(segment(s.dir, s.at), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	s.f, s.used, s.kept = f, 0, append(s.kept, s.at)
	for len(s.kept) > keptRead && (attended(s.dir) || len(s.kept) > keptUnread) {
		s.drop()
	}
	return nil
}

// drop removes the oldest file, once nobody reads it.
func (s *Spool) drop() {
	for end := time.Now().Add(patience); s.wanted() && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // flock has no deadline; whoever writes waits anyway
	}
	_ = os.Remove(segment(s.dir, s.kept[0])) // else it stays until the run is forgotten
	s.kept = s.kept[1:]
}

// makeRoom drops all but the file that is written, where something else has filled the tmpfs; who reads is waited for. It
// gives full, which is why, if there is nothing to drop.
func (s *Spool) makeRoom(full error) error {
	if s.used > 0 { // an empty file needs no room
		if err := s.next(); err != nil {
			return err
		}
	}
	if len(s.kept) < 2 {
		return full
	}
	newest := segment(s.dir, s.at)
	for end := time.Now().Add(patience); attended(s.dir) && !locked(newest) && time.Now().Before(end); {
		time.Sleep(time.Millisecond) // as in drop
	}
	for len(s.kept) > 1 {
		s.drop()
	}
	return nil
}

// wanted says whether somebody who waits for the run has still to read the oldest file. A reader has that file locked in
// which it is, and the next before it lets go; one that has none locked has not begun.
func (s *Spool) wanted() bool {
	if locked(segment(s.dir, s.kept[0])) {
		return true
	}
	for _, at := range s.kept[1:] {
		if locked(segment(s.dir, at)) {
			return false
		}
	}
	return attended(s.dir)
}

const prefix = "output."

func segment(dir string, at int64) string {
	return filepath.Join(dir, prefix+strconv.FormatInt(at, 10))
}

// segments gives the offsets at which files of the spool begin.
func segments(dir string) (out []int64) {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(-1)
	for _, n := range names {
		if text, ok := strings.CutPrefix(n, prefix); ok {
			if at, err := strconv.ParseInt(text, 10, 64); err == nil {
				out = append(out, at)
			}
		}
	}
	sort.Slice(out, func(i, k int) bool { return out[i] < out[k] })
	return out
}
