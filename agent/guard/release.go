package guard

import (
	"errors"
	"fmt"
	"time"
)

// Release gives back what one deployment's guard on a group suspended.
type Release struct {
	Group      string
	Deployment string
	Grace      time.Duration
	Over       bool // the deployment is known to be over; else only what is past its until and grace is due
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

// look finds the guard once every suspension that it may claim has landed and is seen.
func (r Release) look(do Do, out *Outcome) (own, State) {
	for {
		a := do(Call{Op: Describe, Group: r.Group})
		at, state := r.due(a, out)
		if state != "" || a.Now.After(at.rec.settled()) {
			return at, state
		}
		if w := do(Call{Op: Wait, Until: at.rec.settled().Add(time.Second)}); w.Err != nil {
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
		} else if late {
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
		if !do(Call{Op: Status, Deployment: s.rec.Deployment}).over() {
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
			out = append(out, Outcome{Key: s.key, Group: a.Group, Now: a.Now}.failed(s.err))
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

// Do bars first, so that no follower begins again what is being given back; drops the claims last, so that what a crash
// between leaves suspended is still claimed.
func (r ByHand) Do(do Do) (out Outcome) {
	a := do(Call{Op: Describe, Group: r.Group})
	out.Now, out.Group, out.State = a.Now, a.Group, Released
	if a.Err != nil {
		return out.failed(a.Err)
	}
	var back []Process
	var after []Call
	var live []string
	for _, s := range a.Group.slots() {
		if s.err != nil || a.Group.void(s.rec) {
			continue
		}
		mine, disputed := split(s.rec, a.Group)
		back = union(back, union(mine, disputed))
		then, err := r.bar(a, s, do)
		if err != nil {
			return out.failed(fmt.Errorf("nothing was resumed: %w", err))
		}
		if after = append(after, then); then.Op == Put {
			live = append(live, s.rec.Deployment+" goes on, and does not suspend them again")
		}
	}
	if out.Resumed = both(Processes(), back); len(back) > 0 {
		after = append([]Call{{Op: Resume, Group: r.Group, Processes: back, Deadline: a.Now.Add(Landing)}}, after...)
	}
	for _, c := range after {
		if err := do(c).Err; err != nil && !errors.Is(err, ErrGone) {
			return out.failed(err)
		}
	}
	out.Notes = live
	return out
}

// bar writes a live guard as protecting nothing any more, and gives the call that ends its claims.
func (r ByHand) bar(a Answer, s slot, do Do) (then Call, err error) {
	live := s.rec.Deployment != Manual && a.Now.Before(s.rec.until(a.Now)) && !do(Call{Op: Status, Deployment: s.rec.Deployment}).over()
	then = Call{Op: Delete, Group: r.Group, Key: s.key, Value: s.value, Deadline: a.Now.Add(Landing)}
	if !live || s.rec.Version > version {
		return then, nil
	}
	barred := s.rec.Protect
	for _, c := range s.rec.Owned {
		barred = union(barred, []Process{c.Process})
	}
	last := s.rec.bar(barred, r.Nonce())
	first := last
	first.Owned = s.rec.Owned
	then.Op, then.Value = Put, last.String()
	return then, do(Call{Op: Put, Group: r.Group, Key: s.key, Value: first.String(), Deadline: then.Deadline}).Err
}
