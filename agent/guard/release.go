package guard

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Release gives back what one deployment's guard on a group suspended.
type Release struct {
	Group      string
	Deployment string
	Grace      time.Duration
	Over       bool          // the deployment is known to be over; else only what is past its until and grace is due
	Ready      bool          // it is not over, but waits to be rerouted: it is let go, and begun again then
	Nonce      func() string // with Ready
	DeadMan    DeadMan
	Observe    bool
}

// errMoving is why a release gives up: others write while it looks.
var errMoving = errors.New("the guard changes while it is looked at: the next look gives it back")

// Do releases. Two looks, S apart, must show the same nonce: a single stale one could show a process as running that is
// suspended, and the guard would be deleted with nothing resumed. Then it resumes, within D of the second look, the
// claimed processes whose stamp lies in their window and that no other live guard protects; looks again S later; and
// where nothing is left, and the nonce is still the same, it deletes the tag.
func (r Release) Do(do Do) (out Outcome) {
	first, state := r.look(do, &out)
	for range tries {
		if state != "" {
			return out
		}
		if w := do(Call{Op: Wait, Until: out.Now.Add(Staleness)}); w.Err != nil {
			return out.failed(w.Err)
		}
		a := do(Call{Op: Describe, Group: r.Group})
		var second own
		if second, state = r.due(a, &out); state != "" {
			return out
		}
		if first.rec.Nonce == second.rec.Nonce && r.give(a, second, do, &out) {
			return out
		}
		first = second
		if !out.Now.After(first.rec.settled()) { // somebody wrote: what that claims has not landed yet
			first, state = r.look(do, &out)
		}
	}
	return out.failed(errMoving)
}

// look finds the guard once every suspension that it may claim has landed and is seen. That there is none is believed
// at the second look only: the first may be older than a begin of a moment ago.
func (r Release) look(do Do, out *Outcome) (own, State) {
	for again := true; ; {
		a := do(Call{Op: Describe, Group: r.Group})
		at, state := r.due(a, out)
		next := at.rec.settled().Add(time.Second)
		switch {
		case state == Released && a.Err == nil && again:
			again, next = false, a.Now.Add(Staleness)
		case state != "" || a.Now.After(at.rec.settled()):
			return at, state
		}
		if w := do(Call{Op: Wait, Until: next}); w.Err != nil {
			*out = out.failed(w.Err)
			return at, Failed
		}
	}
}

// due finds the guard and says whether it may be released now: a state, which is the outcome's, says why not. A group
// that is gone counts as released.
func (r Release) due(a Answer, out *Outcome) (own, State) {
	at, there := a.Group.own(r.Deployment)
	out.Now, out.Group, out.State = a.Now, a.Group, ""
	switch {
	case errors.Is(a.Err, ErrGone):
		out.State, out.Notes = Released, append(out.Notes, "the group is gone, and its suspensions with it")
	case a.Err != nil:
		*out = out.failed(a.Err)
	case !there:
		out.State = Released
	case !r.Over && !a.Now.After(at.rec.until(a.Now).Add(r.Grace)):
		out.State = NotDue
	case r.Observe:
		out.State = Observed
	}
	if there {
		out.Key, out.Record = at.slots[0].key, at.rec
	}
	return at, out.State
}

// give resumes what is the guard's; done says that no further look is needed.
func (r Release) give(a Answer, at own, do Do, out *Outcome) (done bool) {
	mine, disputed := split(at.rec, a.Group)
	held := r.held(a, do)
	out.Disputed, out.Held = disputed, both(mine, held)
	if r.Ready && (len(mine) > 0 || len(at.rec.Protect) > 0) {
		if done, wait := r.unprotect(a, at, do, out); done || wait {
			return done
		}
	}
	if resume := minus(mine, held); len(resume) > 0 {
		res := do(Call{Op: Resume, Group: r.Group, Processes: resume, Deadline: a.Now.Add(Landing)})
		if res.Err != nil && !errors.Is(res.Err, ErrGone) {
			*out = out.failed(res.Err)
			return true
		}
		out.Resumed, out.Now = union(out.Resumed, resume), res.Now
		return false // look again: is it so, and is nothing left
	}
	switch {
	case len(out.Held) > 0:
		out.State = Kept
		return true
	case len(disputed) > 0:
		out.State = Disputed
		return true
	}
	return r.drop(a, at, do, out)
}

// unprotect takes out of the record what is about to be resumed while the deployment lives. A release that resumed and
// then did not come to delete its tag would look as if somebody had resumed what is protected, and be barred. It asks again
// whether the deployment still waits: since the first time looks and waits have passed. wait says that a write must settle.
func (r Release) unprotect(a Answer, at own, do Do, out *Outcome) (done, wait bool) {
	s := do(Call{Op: Status, Deployment: r.Deployment, Deadline: a.Now.Add(aside)})
	if s.Err != nil || !s.over() && !s.Status.Ready {
		out.State = NotDue
		return true, false
	}
	if len(at.rec.Protect) == 0 || at.rec.Version > version {
		return false, false
	}
	for _, one := range at.slots {
		rec := one.rec.bar(one.rec.Protect, r.Nonce(), a.Now)
		rec.Barred = one.rec.Barred
		if put := do(Call{Op: Put, Group: r.Group, Key: one.key, Value: rec.String(), Deadline: a.Now.Add(Landing)}); put.Err != nil {
			*out = out.failed(put.Err)
			return true, false
		}
	}
	return false, true
}

// drop deletes the switch, if no other guard needs it, and then the slot, by its key and value.
func (r Release) drop(a Answer, at own, do Do, out *Outcome) bool {
	if r.DeadMan.on() && len(a.Group.slots()) == len(at.slots) {
		if d := do(Call{Op: DropSchedule, Group: r.Group, Schedule: r.DeadMan.schedule(a.Group)}); d.Err != nil && !errors.Is(d.Err, ErrGone) {
			out.Notes = append(out.Notes, "dead-man switch: "+d.Err.Error())
		}
	}
	for _, s := range at.slots {
		d := do(Call{Op: Delete, Group: r.Group, Key: s.key, Value: s.value, Deadline: a.Now.Add(Landing)})
		if d.Err != nil && !errors.Is(d.Err, ErrGone) {
			*out = out.failed(d.Err)
			return true
		}
	}
	out.State = Released
	return true
}

// split says which of the claimed processes are suspended by the guard, and which somebody suspended again later.
func split(r Record, g Group) (mine, disputed []Process) {
	for _, p := range Processes() {
		reason, suspended := g.Suspended[p]
		var ours, late bool
		for _, c := range r.Owned {
			if c.Process == p && suspended {
				o, l := c.ours(reason)
				ours, late = ours || o, late || l
			}
		}
		if ours {
			mine = append(mine, p)
		} else if late && !has(r.Barred, p) { // what is barred nobody of ours suspends again
			disputed = append(disputed, p)
		}
	}
	return mine, disputed
}

// held gives what other live guards on the group protect.
func (r Release) held(a Answer, do Do) (out []Process) {
	for _, s := range a.Group.slots() {
		if s.err != nil || s.rec.Deployment == owner(r.Deployment) || a.Group.void(s.rec) || len(s.rec.Protect) == 0 || !a.Now.Before(s.rec.until(a.Now)) {
			continue
		}
		if !over(do, s.rec.Deployment, a.Now) {
			out = union(out, s.rec.Protect)
		}
	}
	return out
}

func both(a, b []Process) []Process { return minus(a, minus(a, b)) }

// Reap gives back, on one group, every guard that is due, whoever's it was, and clears away copied ones.
type Reap struct {
	Group   string
	Grace   time.Duration
	DeadMan DeadMan
	Observe bool
}

// Do looks at each of the group's slots. A group without a guard has no outcome.
func (r Reap) Do(do Do) (out []Outcome) {
	a := do(Call{Op: Describe, Group: r.Group})
	if a.Err != nil && !errors.Is(a.Err, ErrGone) {
		return []Outcome{Outcome{Now: a.Now}.failed(a.Err)}
	}
	for _, s := range a.Group.slots() {
		switch {
		case s.err != nil:
			out = append(out, Outcome{Key: s.key, Group: a.Group, Now: a.Now}.failed(fmt.Errorf("%s: %w; if it is nobody's: aws autoscaling delete-tags --tags ResourceId=%s,ResourceType=auto-scaling-group,Key=%[1]s", s.key, s.err, r.Group)))
		case a.Group.void(s.rec) && !r.Observe:
			o := Outcome{State: Released, Key: s.key, Group: a.Group, Now: a.Now, Notes: []string{"copied here with another group's tags: deleted, nothing was resumed"}}
			if d := do(Call{Op: Delete, Group: r.Group, Key: s.key, Value: s.value, Deadline: a.Now.Add(Landing)}); d.Err != nil {
				o = o.failed(d.Err)
			}
			out = append(out, o)
		case !a.Group.void(s.rec):
			over := do(Call{Op: Status, Deployment: s.rec.Deployment}).over()
			out = append(out, Release{Group: r.Group, Deployment: s.rec.Deployment, Grace: r.Grace, Over: over, DeadMan: r.DeadMan, Observe: r.Observe}.Do(do))
		}
	}
	return out
}

// ByHand gives back now, by hand: all that any guard on the group claims and that is suspended, disputed or not. What
// it resumed is barred for the rest of a live deployment; a guard by hand, or of a deployment that is over, ends.
type ByHand struct {
	Group string
	Nonce func() string
}

// Do bars what is live, so that no follower begins again what is being given back, and resumes at once; then it looks
// again, S apart, until nothing is left, and only then deletes the guards that have ended. A live one keeps its claims.
func (r ByHand) Do(do Do) (out Outcome) {
	for range tries {
		a := do(Call{Op: Describe, Group: r.Group})
		out.Now, out.Group, out.State = a.Now, a.Group, Released
		if a.Err != nil {
			return out.failed(a.Err)
		}
		ended, next, err := r.round(a, do, &out)
		if err != nil {
			return out.failed(err)
		}
		if next.IsZero() {
			return r.end(a, ended, do, out)
		}
		if w := do(Call{Op: Wait, Until: next}); w.Err != nil {
			return out.failed(w.Err)
		}
	}
	return out.failed(errMoving)
}

// round does what a look shows to be left, and says when to look again; never, if nothing is.
func (r ByHand) round(a Answer, do Do, out *Outcome) (ended []slot, next time.Time, err error) {
	var back []Process
	for _, s := range a.Group.slots() {
		if s.err != nil || a.Group.void(s.rec) {
			continue
		}
		mine, disputed := split(s.rec, a.Group)
		back = union(back, union(mine, disputed))
		live := s.rec.Deployment != Manual && s.rec.Version <= version && a.Now.Before(s.rec.until(a.Now)) && !over(do, s.rec.Deployment, a.Now)
		switch {
		case !live:
			if ended = append(ended, s); a.Now.Before(s.rec.settled()) {
				next = later(next, s.rec.settled().Add(time.Second))
			}
		case len(s.rec.Protect) > 0:
			bar := s.rec.bar(union(s.rec.Protect, claimed(s.rec)), r.Nonce(), a.Now)
			if err := do(Call{Op: Put, Group: r.Group, Key: s.key, Value: bar.String(), Deadline: a.Now.Add(Landing)}).Err; err != nil {
				return nil, next, fmt.Errorf("nothing was resumed: %w", err)
			}
			if note := s.rec.Deployment + " goes on, and does not suspend them again"; !slices.Contains(out.Notes, note) {
				out.Notes = append(out.Notes, note)
			}
			next = later(next, a.Now.Add(Staleness))
		}
	}
	if len(back) == 0 {
		return ended, next, nil
	}
	out.Resumed = both(Processes(), union(out.Resumed, back))
	res := do(Call{Op: Resume, Group: r.Group, Processes: back, Deadline: a.Now.Add(Landing)})
	return nil, later(next, res.Now.Add(Staleness)), res.Err
}

// end deletes the guards that have ended.
func (r ByHand) end(a Answer, ended []slot, do Do, out Outcome) Outcome {
	for _, s := range ended {
		if err := do(Call{Op: Delete, Group: r.Group, Key: s.key, Value: s.value, Deadline: a.Now.Add(Landing)}).Err; err != nil && !errors.Is(err, ErrGone) {
			return out.failed(err)
		}
	}
	return out
}

func claimed(r Record) (out []Process) {
	for _, c := range r.Owned {
		out = append(out, c.Process)
	}
	return out
}
