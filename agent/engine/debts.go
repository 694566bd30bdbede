package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/plan"
)

// owed is a deployment and what this instance may still have to run for it.
type owed struct {
	debt
	of       journal.Run // the newest that started here: its revision's on_failure and always it is
	revision plan.Revision
	failure  bool   // on_failure is not claimed yet
	always   bool   // neither is always
	running  bool   // an event of it runs here just now, and sees to it itself
	broken   string // why its own run here was interrupted
	mute     bool   // it may not, or need not, be asked for
	status   guard.DeploymentStatus
	busy     bool
	called   time.Time // Due was
	calls    int
}

// open says whether there is anything to wait for.
func (d *owed) open() bool { return d.failure || d.always }

// next says when its status is to be asked for, or Due to be called again, or the run here to be looked at; zero: never.
func (d *owed) next(s survey) time.Time {
	if time.Since(d.Started) > owedFor || !d.open() {
		return time.Time{}
	}
	if due, _ := d.due(); due.Why != "" {
		return d.callAt(s.pace)
	}
	switch {
	case d.running: // it may be killed, and nobody tell
		return later(d.Asked, d.Started).Add(time.Minute)
	case d.mute || d.status.Over:
		return time.Time{}
	}
	return s.pace.ask(d.debt)
}

// callAt is when Due is to be called; again only if nobody claimed what it was called for.
func (d *owed) callAt(p Pace) time.Time {
	if d.calls == 0 {
		return d.called
	}
	return d.called.Add(p.Again << min(d.calls-1, 8))
}

// due is what is to be run now; it has no Why where that is nothing.
func (d *owed) due() (Due, bool) {
	due := Due{Deployment: d.of.Deployment, Event: d.of.Event, Revision: d.of.Revision}
	switch {
	case d.running || !d.open():
	case d.broken != "":
		due.Failed, due.Why = true, d.broken
	case d.status.Over && d.status.Failed:
		due.Failed, due.Why = true, "the deployment is "+d.status.Word
	case d.status.Over && d.always:
		due.Why = "the deployment is " + d.status.Word
	}
	return due, due.Why != ""
}

// takeUpDebts makes the follower's list of deployments that of the records. The caller holds mu.
func (f *Follower) takeUpDebts(s survey, now time.Time) {
	j := journal.New(f.State)
	for id, runs := range s.runs {
		last := runs[len(runs)-1]
		if id == "" || now.Sub(last.Started) > owedFor {
			continue
		}
		d := f.debts[id]
		if d == nil {
			d = &owed{debt: debt{Jitter: rand.Float64()}, mute: strings.HasSuffix(id, "-local")} // codedeploy-local's: CodeDeploy knows nothing of it
			f.debts[id] = d
		}
		if d.busy {
			continue
		}
		if last.ID != d.of.ID {
			rev, read := s.owing[id]
			if !read { // another Step has seen more than this one
				continue
			}
			d.revision = rev
		}
		d.of, d.Started, d.running, d.broken = last, last.Started, false, ""
		for _, r := range runs {
			d.Ended = later(d.Ended, r.Ended)
			d.running = d.running || r.Verdict == journal.Running
			if r.Verdict == journal.Interrupted && !IsAfter(r) {
				d.broken = fmt.Sprintf("its %s was interrupted here: %s", r.Event, r.Reason)
			}
		}
		d.Ended = later(d.Ended, d.Started)
		d.Fleet = f.fleet(s, id)
		d.failure = len(d.revision.OnFailure) > 0 && !j.Claimed(id, "on_failure")
		d.always = len(d.revision.Always) > 0 && !j.Claimed(id, "always")
		d.mute = d.mute || s.settings.Mode == guard.Disabled // AWS is asked nothing
	}
	maps.DeleteFunc(f.debts, func(id string, d *owed) bool {
		return !d.busy && (len(s.runs[id]) == 0 || now.Sub(d.Started) > owedFor)
	})
}

// newRevisions reads the revisions of the runs that are not known yet. It does so without mu: who asks what is followed must
// not wait for a disk.
func (f *Follower) newRevisions(runs map[string][]journal.Run) map[string]plan.Revision {
	out := map[string]plan.Revision{}
	for id, all := range runs {
		last := all[len(all)-1]
		if id == "" || time.Since(last.Started) > owedFor {
			continue
		}
		f.mu.Lock()
		d := f.debts[id]
		known := d != nil && d.of.ID == last.ID
		f.mu.Unlock()
		if !known {
			out[id] = f.revision(last)
		}
	}
	return out
}

// revision reads what a run's revision owes. One that is gone, or that cannot be read any more, owes nothing: its runs
// could not have begun as it is now.
func (f *Follower) revision(r journal.Run) plan.Revision {
	if _, err := os.Stat(r.Revision); err != nil {
		return plan.Revision{}
	}
	rev, err := plan.LoadRevision(r.Revision)
	if err != nil {
		return plan.Revision{}
	}
	return rev
}

// call tells what is due. What it is told for may be claimed before it is told again.
func (f *Follower) call(s survey) {
	f.mu.Lock()
	var due []Due
	now := time.Now()
	for _, d := range f.debts {
		if one, is := d.due(); is && !d.busy && !d.callAt(s.pace).After(now) {
			d.called, d.calls = now, d.calls+1
			due = append(due, one)
		}
	}
	f.mu.Unlock()
	for _, d := range due {
		if f.Due != nil {
			f.Due(d)
		}
	}
}

// ask asks for a deployment's status, where that is wanted: else a run here is to be looked at again, by the next Step.
func (f *Follower) ask(ctx context.Context, d *owed, id string, wanted bool) []News {
	var a guard.Answer
	if wanted {
		a = f.aws().Guard(ctx, guard.Call{Op: guard.Status, Deployment: id})
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	d.busy, d.Asked, d.Jitter = false, time.Now(), rand.Float64()
	switch {
	case ctx.Err() != nil:
		return nil
	case isDenied(a.Err):
		d.mute = true
		return []News{{At: time.Now(), Kind: Denied, Deployment: id, Text: fmt.Sprintf("whether %s failed cannot be asked: %s; on_failure and always run only for what happens to its events on this instance", id, why(a.Err))}}
	case errors.Is(a.Err, guard.ErrGone):
		d.mute = true
	case a.Err != nil:
		d.Failed++
		return []News{{At: time.Now(), Kind: Failing, Deployment: id, Text: fmt.Sprintf("whether %s is over cannot be asked: %v", id, a.Err)}}
	}
	d.Failed = 0
	f.news.forget(Failing, id, "")
	return f.learn(id, a.Status)
}

// learn keeps what a deployment's status is known to be. The caller holds mu.
func (f *Follower) learn(id string, is guard.DeploymentStatus) []News {
	if !is.Known {
		return nil
	}
	d := f.debts[id]
	if d == nil {
		d = &owed{of: journal.Run{Deployment: lifecycle.Deployment{ID: id}}, debt: debt{Started: time.Now()}}
		f.debts[id] = d
	}
	d.status = is
	if !is.Over {
		return nil
	}
	return []News{{At: time.Now(), Kind: Over, Deployment: id, Text: fmt.Sprintf("deployment %s is over: %s", id, is.Word)}}
}
