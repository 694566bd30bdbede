package journal

import (
	"errors"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"time"
)

// Prune removes the records of all but the newest keep deployments, and of runs by hand but the newest; it gives what is to
// be removed among the logs, too: the folders' names, and such runs' logs in theirs.
// Runs that still go on are kept. A folder's time is that of the last run begun in it, so that nothing is read of
// those that stay.
func (j *Journal) Prune(keep int) ([]string, error) {
	s, err := j.open(false)
	if err != nil {
		return nil, unreadable(err)
	}
	defer s.Close()
	gone, thinned := s.thin(Folder(""))
	folders, err := s.entries(runs)
	err = errors.Join(thinned, err)
	if len(folders) <= keep {
		return gone, err
	}
	times := map[string]time.Time{}
	for _, f := range folders {
		if info, e := f.Info(); e == nil {
			times[f.Name()] = info.ModTime()
		}
	}
	sort.Slice(folders, func(i, k int) bool { return times[folders[i].Name()].After(times[folders[k].Name()]) })
	for _, f := range folders[keep:] {
		if s.live(f.Name()) {
			continue
		}
		if e := s.RemoveAll(runs + "/" + f.Name()); e != nil {
			err = errors.Join(err, e)
			continue
		}
		gone = append(gone, f.Name())
	}
	return gone, errors.Join(err, s.forgetGuards())
}

// manualKept is how many runs by hand are kept: they are of no deployment, so that their folder never goes, and all in it
// is read whenever the service looks for what is to be done.
const manualKept = 100

// thin removes the oldest records of a folder, and gives their logs. Their names begin with their time.
func (s *store) thin(folder string) (logs []string, err error) {
	files, err := s.entries(runs + "/" + folder)
	files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return path.Ext(f.Name()) != ".jsonl" })
	for _, f := range files[:max(0, len(files)-manualKept)] {
		file := runs + "/" + folder + "/" + f.Name()
		r, e := s.read(file)
		if e == nil && r.Verdict == Running {
			continue
		}
		if err = errors.Join(err, s.Remove(file)); filepath.Ext(r.Log) == ".log" {
			logs = append(logs, folder+"/"+filepath.Base(r.Log))
		}
	}
	return logs, err
}

// live says whether a run of the folder still goes on.
func (s *store) live(folder string) bool {
	all, _ := s.of(folder) // a record that cannot be read is nobody's any more
	for _, r := range all {
		if r.Verdict == Running {
			return true
		}
	}
	return false
}
