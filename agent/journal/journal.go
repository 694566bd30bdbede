// Package journal is the durable record of what wingman did on this instance: one JSON-lines file a run, readable by a
// person in mid-outage. Its first and its last line are fsynced; a step's line is the kernel's at once, so that it
// outlives wingman, and a host that loses its power in mid-run loses at most the last steps of a run that then counts
// as interrupted anyway. A later wingman's file is refused, not guessed at.
//
//	<state>/runs/<deployment>/<run id>.jsonl     begin, one line per step, end
//	<state>/runs/<deployment>/<name>.done        a claim: what is to happen once per deployment has begun
//	<state>/runs/<deployment>/<name>.json        what was learnt of the deployment
//	<state>/guards/<hash>.json                   this instance's part in one guard
package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/regular"
)

// Version is the version of the lines that this wingman writes.
const Version = 1

// Verdict is how a run or a step came out.
type Verdict string

// The verdicts. Interrupted is a run without an end whose process is gone; Repair writes it down.
const (
	Succeeded   Verdict = "succeeded"
	Failed      Verdict = "failed"
	TimedOut    Verdict = "timed_out"
	Cancelled   Verdict = "cancelled"
	Skipped     Verdict = "skipped"
	Running     Verdict = "running"
	Interrupted Verdict = "interrupted"
)

// Run is one execution of one event's steps on this instance.
type Run struct {
	ID string `json:"id"`
	lifecycle.Deployment
	Event    lifecycle.Event `json:"event"`
	Revision string          `json:"revision"`
	Source   string          `json:"source"` // where the steps came from
	Log      string          `json:"log,omitempty"`
	PID      int             `json:"pid"`
	PIDStart string          `json:"pid_start,omitempty"` // what tells the process from another of that id; "" where that cannot be had
	Started  time.Time       `json:"started"`
	Ended    time.Time       `json:"ended,omitzero"`
	Verdict  Verdict         `json:"verdict"`
	Reason   string          `json:"reason,omitempty"`
	Steps    []Step          `json:"steps"`
}

// Step is how one step of a run came out.
type Step struct {
	Phase    string        `json:"phase,omitempty"` // on_failure or always; "" for the event's own
	Name     string        `json:"name"`
	Kind     string        `json:"kind"` // script, command, or the check's kind
	Started  time.Time     `json:"started,omitzero"`
	Duration time.Duration `json:"duration_ns"`
	Tries    int           `json:"tries"`
	Verdict  Verdict       `json:"verdict"`
	Reason   string        `json:"reason,omitempty"`
	ExitCode *int          `json:"exit_code,omitempty"`
	Signal   string        `json:"signal,omitempty"`
	Ignored  bool          `json:"ignored,omitempty"` // failed, and continue_on_error let it pass
}

// line is one line of a run's file.
type line struct {
	V     int    `json:"v"`
	Type  string `json:"type"` // begin, step, end
	Run   *Run   `json:"run,omitempty"`
	Step  *Step  `json:"step,omitempty"`
	Ended *Run   `json:"end,omitempty"`
}

// Journal is the folder that holds the records.
type Journal struct{ dir string }

// New uses <state>/runs, which is made when the first run begins.
func New(state string) *Journal { return &Journal{dir: filepath.Join(state, "runs")} }

// plain says whether a deployment's id can be a folder's name.
func plain(id string) bool {
	for i, c := range []byte(id) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || c != '_' && c != '.' && c != '-') {
			return false
		}
	}
	return len(id) > 0 && len(id) <= 101
}

// Folder gives the name under which a deployment's files are kept: its id, or where that is no plain name (ids are
// opaque and come from the environment) a hash of it; "manual" where there is none.
func Folder(deployment string) string {
	switch {
	case deployment == "":
		return "manual"
	case plain(deployment):
		return deployment
	}
	h := fnv.New64a()
	h.Write([]byte(deployment))
	return fmt.Sprintf("id-%016x", h.Sum64())
}

// Writer appends to one run's file.
type Writer struct{ f *os.File }

// Begin makes the run's file and writes its first line, durably. The run's id must be new.
func (j *Journal) Begin(r Run) (*Writer, error) {
	dir := runsOf(r.Deployment.ID)
	s, err := j.openFolder(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot keep a record of this run: %w", err)
	}
	defer s.Close()
	f, err := s.create(dir+"/"+r.ID+".jsonl", os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return nil, fmt.Errorf("cannot keep a record of this run: %w", err)
	}
	w := &Writer{f: f}
	r.Verdict, r.Steps = Running, nil
	r.PIDStart, _ = started(r.PID)
	if err := errors.Join(w.append(line{Type: "begin", Run: &r}, true), s.sync(dir)); err != nil {
		return w, err
	}
	return w, nil
}

// runs is the folder of all runs, runsOf that of one deployment's, in the store.
const runs = "runs"

func runsOf(deployment string) string { return runs + "/" + Folder(deployment) }

// openFolder opens the store, and makes a folder in it where it is not there.
func (j *Journal) openFolder(dir string) (*store, error) {
	s, err := j.open(true)
	if err != nil {
		return nil, err
	}
	if err := s.mkdir(dir); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Step records a step that has ended.
func (w *Writer) Step(s Step) error { return w.append(line{Type: "step", Step: &s}, false) }

// End records how the run came out and closes its file.
func (w *Writer) End(r Run) error {
	if w == nil {
		return nil
	}
	r.Steps = nil
	err := w.append(line{Type: "end", Ended: &r}, true)
	return errors.Join(err, w.f.Close())
}

// append writes one line in one write, so that a crash leaves at most one broken line, the last.
func (w *Writer) append(l line, durably bool) error {
	if w == nil {
		return nil
	}
	l.V = Version
	b, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("cannot write the record: %w", err)
	}
	if _, err := w.f.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("cannot write the record: %w", err)
	}
	if !durably {
		return nil
	}
	if err := w.f.Sync(); err != nil {
		return fmt.Errorf("cannot write the record: %w", err)
	}
	return nil
}

// Claim says whether the caller is the first, on this instance and for this deployment, to do what name stands for.
// It holds across processes and reboots.
func (j *Journal) Claim(deployment, name string) (bool, error) {
	dir := runsOf(deployment)
	s, err := j.openFolder(dir)
	if err != nil {
		return false, fmt.Errorf("cannot record that %s begins: %w", name, err)
	}
	defer s.Close()
	f, err := s.create(dir+"/"+name+claimed, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("cannot record that %s begins: %w", name, err)
	}
	return true, errors.Join(f.Sync(), f.Close(), s.sync(dir))
}

// claimed ends the name of a claim's file.
const claimed = ".done"

// Claimed says whether what name stands for has begun.
func (j *Journal) Claimed(deployment, name string) bool {
	s, err := j.open(false)
	if err != nil {
		return false
	}
	defer s.Close()
	_, err = s.Lstat(runsOf(deployment) + "/" + name + claimed)
	return err == nil
}

// Runs gives all runs that are kept, oldest first. A file that cannot be read is told in the error and the others
// are given all the same.
func (j *Journal) Runs() ([]Run, error) {
	s, err := j.open(false)
	if err != nil {
		return nil, unreadable(err)
	}
	defer s.Close()
	folders, err := s.entries(runs)
	var all []Run
	errs := []error{err}
	for _, f := range folders {
		more, err := s.of(f.Name())
		all, errs = append(all, more...), append(errs, err)
	}
	sort.SliceStable(all, func(i, k int) bool { return all[i].Started.Before(all[k].Started) })
	return all, errors.Join(errs...)
}

// unreadable is why nothing can be read; a state folder that is not there yet is an empty one.
func unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return fmt.Errorf("cannot read the records: %w", err)
}

// Of gives the runs of one deployment, in the order of their ids, which begin with their time.
func (j *Journal) Of(deployment string) ([]Run, error) {
	s, err := j.open(false)
	if err != nil {
		return nil, unreadable(err)
	}
	defer s.Close()
	return s.of(Folder(deployment))
}

// Run gives one run of a deployment.
func (j *Journal) Run(deployment, id string) (Run, error) {
	s, err := j.open(false)
	if err != nil {
		return Run{}, fmt.Errorf("cannot read a record: %w", err)
	}
	defer s.Close()
	return s.read(runsOf(deployment) + "/" + id + ".jsonl")
}

// of gives the runs in one deployment's folder.
func (s *store) of(folder string) (all []Run, err error) {
	files, err := s.entries(runs + "/" + folder)
	errs := []error{err}
	for _, f := range files {
		if path.Ext(f.Name()) != ".jsonl" {
			continue
		}
		r, err := s.read(runs + "/" + folder + "/" + f.Name())
		switch {
		case err == nil:
			all = append(all, r)
		case !beginning(f) && !errors.Is(err, fs.ErrNotExist): // else it was removed just now
			errs = append(errs, err)
		}
	}
	return all, errors.Join(errs...)
}

// beginning says whether a record that holds nothing yet is just being begun.
func beginning(f os.DirEntry) bool {
	info, err := f.Info()
	return err == nil && info.Size() == 0 && time.Since(info.ModTime()) < fresh
}

// recordMost is what is read of a record: a user may have put anything there that the service reads, as root.
const recordMost = 16 << 20

func (s *store) read(file string) (Run, error) {
	f, err := regular.OpenIn(s.Root, file, os.O_RDONLY)
	if err != nil {
		return Run{}, fmt.Errorf("cannot read a record: %w", err)
	}
	defer f.Close()
	at := filepath.Join(s.name, filepath.FromSlash(file))
	lines := bufio.NewScanner(io.LimitReader(f, recordMost))
	lines.Buffer(nil, 4<<20)
	var r Run
	for n := 1; lines.Scan(); n++ {
		next, err := replay(r, lines.Bytes())
		switch {
		case err == nil:
			r = next
		case n == 1 || errors.Is(err, errNewer):
			return Run{}, fmt.Errorf("cannot read a record: %s:%d: %w", at, n, err)
		} // else it is a line that a crash or a full disk left half-written: what stands before and behind it is true
	}
	if err := lines.Err(); err != nil {
		return Run{}, fmt.Errorf("cannot read a record: %s: %w", at, err)
	}
	if r.ID == "" {
		return Run{}, fmt.Errorf("cannot read a record: %s is empty", at)
	}
	if r.Verdict == Running && !r.goesOn() {
		r.Verdict, r.Reason = Interrupted, r.whyNoEnd()
	}
	return r, nil
}

// Killed is why a run is interrupted whose process is gone, on a host that is not.
const Killed = "wingman itself was ended in the middle of it"

// whyNoEnd says what ended a run that did not come to its own end.
func (r Run) whyNoEnd() string {
	now, _ := started(os.Getpid())
	if was, _, known := strings.Cut(r.PIDStart, "/"); known && now != "" && !strings.HasPrefix(now, was+"/") {
		return "this host was restarted in the middle of it"
	}
	return Killed
}

// goesOn says whether the process that began the run is there: the same, as far as that can be told.
func (r Run) goesOn() bool {
	if !alive(r.PID) {
		return false
	}
	now, gone := started(r.PID)
	return !gone && (now == "" || r.PIDStart == "" || now == r.PIDStart)
}

var errNewer = errors.New("written by a newer wingman; this one is too old to read it")

func replay(r Run, b []byte) (Run, error) {
	var l line
	if err := json.Unmarshal(b, &l); err != nil {
		return r, err
	}
	switch {
	case l.V > Version:
		return r, errNewer
	case l.Type == "begin" && l.Run != nil:
		return *l.Run, nil
	case l.Type == "step" && l.Step != nil:
		r.Steps = append(r.Steps, *l.Step)
	case l.Type == "end" && l.Ended != nil:
		steps := r.Steps
		r = *l.Ended
		r.Steps = steps
	default:
		return r, fmt.Errorf("a line of unknown type %q", l.Type)
	}
	return r, nil
}
