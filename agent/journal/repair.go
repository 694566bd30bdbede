package journal

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/regular"
)

// Repaired is what Repair put right.
type Repaired struct {
	Runs    []Run    // that were interrupted: they have an end now
	Removed []string // files that somebody wrote when it was ended
}

// fresh is how long a file is left alone that may just be being written: that takes milliseconds.
const fresh = time.Minute

// Repair gives an end to every run without one whose process is gone and that lives does not know to go on, so that the
// history is right for ever, whoever gets the process's id; first is called before, with the run, for what belongs to it.
// It looks into one deployment's folder, or into all where that is "". What cannot be read is left alone, and told in the
// error. It may be called again, and by several processes at once.
func (j *Journal) Repair(folder string, lives func(id string) bool, first func(Run) error) (out Repaired, err error) {
	s, err := j.open(false)
	if err != nil {
		return out, unreadable(err)
	}
	defer s.Close()
	folders := []string{folder}
	if folder == "" {
		all, err := s.entries(runs)
		if err != nil {
			return out, err
		}
		folders = nil
		for _, f := range all {
			folders = append(folders, f.Name())
		}
	}
	if len(folders) == 0 {
		return out, nil
	}
	unlock, err := s.lock(".repair.lock")
	if err != nil {
		return out, fmt.Errorf("cannot repair the records: %w", err)
	}
	defer unlock()
	errs := []error{s.tidy(guards, &out)}
	for _, f := range folders {
		errs = append(errs, s.tidy(runs+"/"+f, &out), s.mend(f, lives, first, &out))
	}
	return out, errors.Join(errs...)
}

// mend ends the interrupted runs of one folder.
func (s *store) mend(folder string, lives func(string) bool, first func(Run) error, out *Repaired) error {
	files, err := s.entries(runs + "/" + folder)
	errs := []error{err}
	for _, f := range files {
		if path.Ext(f.Name()) != ".jsonl" {
			continue
		}
		file := runs + "/" + folder + "/" + f.Name()
		r, err := s.read(file)
		if err != nil && beginning(f) {
			continue
		}
		if err != nil || r.Verdict != Interrupted || !r.Ended.IsZero() || lives(r.ID) {
			errs = append(errs, err)
			continue
		}
		errs = append(errs, first(r))
		if err := s.end(file, &r); err != nil {
			errs = append(errs, err)
			continue
		}
		out.Runs = append(out.Runs, r)
	}
	return errors.Join(errs...)
}

// end writes a run's end for it. The time is that of its last sign of life, its record's last line.
func (s *store) end(file string, r *Run) error {
	f, err := regular.OpenIn(s.Root, file, os.O_RDWR|os.O_APPEND)
	if err != nil {
		return fmt.Errorf("cannot repair a record: %w", err)
	}
	w := &Writer{f: f}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("cannot repair a record: %w", err), f.Close())
	}
	if r.Ended = info.ModTime(); r.Ended.Before(r.Started) {
		r.Ended = r.Started
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil || last[0] != '\n' { // behind half a line
		if _, err := f.Write([]byte{'\n'}); err != nil {
			return errors.Join(fmt.Errorf("cannot repair a record: %w", err), f.Close())
		}
	}
	return w.End(*r)
}

// tidy removes what was being written into a folder when its writer was ended.
func (s *store) tidy(dir string, out *Repaired) error {
	files, err := s.entries(dir)
	errs := []error{err}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !strings.HasPrefix(f.Name(), newPrefix) || time.Since(info.ModTime()) < fresh {
			continue
		}
		if err := s.Remove(dir + "/" + f.Name()); err != nil {
			errs = append(errs, fmt.Errorf("cannot tidy up: %w", err))
			continue
		}
		out.Removed = append(out.Removed, filepath.Join(s.name, filepath.FromSlash(dir), f.Name()))
	}
	return errors.Join(errs...)
}
