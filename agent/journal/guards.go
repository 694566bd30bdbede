package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/regular"
)

// Guard is this instance's part in one guard: its deployment, and the Auto Scaling group that it is on. It is written
// before anything is asked of AWS, so that whatever happens then, this instance knows that it may have to give back.
type Guard struct {
	V int `json:"v"`
	lifecycle.Deployment
	ScalingGroup string    `json:"scaling_group"`
	Instance     string    `json:"instance"`
	Replacement  bool      `json:"replacement,omitempty"` // the group is that of a replacement
	Trigger      string    `json:"trigger,omitempty"`     // the deployment that this one rolls back
	Want         []string  `json:"want"`
	Claim        []string  `json:"claim"`
	Begun        time.Time `json:"begun"`               // when it was last intended
	State        string    `json:"state"`               // intended, and then how it came out
	Reason       string    `json:"reason,omitempty"`    // why it failed
	Holds        bool      `json:"holds,omitempty"`     // it was begun or joined since it was last intended
	LetGo        bool      `json:"let_go,omitempty"`    // resume_processes: before the deployment's end
	Until        time.Time `json:"until,omitzero"`      // it ends by then, by AWS's clock, whatever happens
	Ends         time.Time `json:"ends,omitzero"`       // the same by this host's clock, which may be wrong
	Suspended    []string  `json:"suspended,omitempty"` // by this instance
	Resumed      []string  `json:"resumed,omitempty"`   // by this instance
	Closed       time.Time `json:"closed,omitzero"`     // nothing is left to do
}

// Intended is the state of a guard that nobody knows more of.
const Intended = "intended"

// guards is the folder of all guards, in the store.
const guards = "guards"

func guardFile(deployment, group string) string {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", deployment, group)
	return guards + "/" + fmt.Sprintf("%016x.json", h.Sum64())
}

// Intend records, durably, that this instance is about to begin a guard, or to begin it again.
func (j *Journal) Intend(g Guard) error {
	g.V, g.State, g.Closed = Version, Intended, time.Time{}
	if err := j.change(g, func(*Guard) (Guard, bool) { return g, true }); err != nil {
		return fmt.Errorf("cannot record the guard before it is begun: %w", err)
	}
	return nil
}

// Note records how a guard came out. Where it was begun again meanwhile that newer record stays as it is.
func (j *Journal) Note(g Guard) error {
	g.V = Version
	err := j.change(g, func(have *Guard) (Guard, bool) {
		if have == nil || !have.Begun.Equal(g.Begun) {
			return g, have == nil
		}
		// A look takes its time: what another noted meanwhile, a hook beside the service, is not undone.
		g.LetGo = g.LetGo || have.LetGo
		g.Suspended, g.Resumed = both(have.Suspended, g.Suspended), both(have.Resumed, g.Resumed)
		if g.Closed.IsZero() {
			g.Closed = have.Closed
		}
		return g, true
	})
	if err != nil {
		return fmt.Errorf("cannot record how the guard came out: %w", err)
	}
	return nil
}

// change replaces a guard's record, under the folder's lock.
func (j *Journal) change(g Guard, next func(have *Guard) (Guard, bool)) error {
	s, err := j.openFolder(guards)
	if err != nil {
		return err
	}
	defer s.Close()
	unlock, err := s.lock(guards + "/.lock")
	if err != nil {
		return err
	}
	defer unlock()
	file := guardFile(g.Deployment.ID, g.ScalingGroup)
	var have *Guard
	if old, err := s.readGuard(file); err == nil {
		have = &old
	} else if !errors.Is(err, os.ErrNotExist) && errors.Is(err, errNewer) {
		return err
	}
	put, write := next(have)
	if !write {
		return nil
	}
	b, err := json.Marshal(put)
	if err != nil {
		return err
	}
	return s.replace(file, append(b, '\n'))
}

// both gives all of a, then what b adds.
func both(a, b []string) []string {
	for _, one := range b {
		if !slices.Contains(a, one) {
			a = append(a, one)
		}
	}
	return a
}

func (s *store) readGuard(file string) (Guard, error) {
	var g Guard
	b, err := regular.ReadIn(s.Root, file, recordMost)
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	file = filepath.Join(s.name, filepath.FromSlash(file))
	switch {
	case err != nil:
		return g, fmt.Errorf("cannot read the guard %s: %w", file, err)
	case g.V > Version:
		return g, fmt.Errorf("cannot read the guard %s: %w", file, errNewer)
	}
	return g, nil
}

// Guards gives this instance's guards, oldest first. What cannot be read is told in the error.
func (j *Journal) Guards() ([]Guard, error) {
	s, err := j.open(false)
	if err != nil {
		return nil, unreadable(err)
	}
	defer s.Close()
	return s.allGuards()
}

func (s *store) allGuards() ([]Guard, error) {
	files, err := s.entries(guards)
	errs := []error{err}
	var out []Guard
	for _, f := range files {
		if filepath.Ext(f.Name()) != ".json" {
			continue
		}
		g, err := s.readGuard(guards + "/" + f.Name())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, g)
	}
	sort.SliceStable(out, func(i, k int) bool { return out[i].Begun.Before(out[k].Begun) })
	return out, errors.Join(errs...)
}

// Guard gives this instance's record of one guard; false where there is none that can be read.
func (j *Journal) Guard(deployment, group string) (Guard, bool) {
	s, err := j.open(false)
	if err != nil {
		return Guard{}, false
	}
	defer s.Close()
	g, err := s.readGuard(guardFile(deployment, group))
	return g, err == nil
}

// forgetGuards removes the closed guards of deployments whose runs are kept no more. An open one stays, whatever its age.
func (s *store) forgetGuards() error {
	all, err := s.allGuards()
	for _, g := range all {
		if _, e := s.Stat(runsOf(g.Deployment.ID)); !g.Closed.IsZero() && errors.Is(e, os.ErrNotExist) {
			err = errors.Join(err, s.Remove(guardFile(g.Deployment.ID, g.ScalingGroup)))
		}
	}
	return err
}

// Keep stores what was learnt of a deployment, beside its runs; Kept reads it back.
func (j *Journal) Keep(deployment, name string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = j.keep(runsOf(deployment), name, b)
	}
	if err != nil {
		return fmt.Errorf("cannot keep the %s of %s: %w", name, deployment, err)
	}
	return nil
}

func (j *Journal) keep(dir, name string, data []byte) error {
	s, err := j.openFolder(dir)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.replace(dir+"/"+name+".json", data)
}

// Kept gives what Keep stored; false where there is nothing that can be read.
func (j *Journal) Kept(deployment, name string, v any) bool {
	s, err := j.open(false)
	if err != nil {
		return false
	}
	defer s.Close()
	b, err := regular.ReadIn(s.Root, runsOf(deployment)+"/"+name+".json", recordMost)
	return err == nil && json.Unmarshal(b, v) == nil
}
