package guard

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Begin is one instance's wish, in a hook or by hand, to have processes of a group suspended for its deployment.
type Begin struct {
	Group      string
	Deployment string    // Manual for one by hand, for Window
	Trigger    string    // the deployment that this one rolls back; "" for none
	Home       string    // the deployment group's id: where to look for a free slot first
	Want       []Process // to be suspended now
	Claim      []Process // all that any side of the deployment may want suspended on the group; Want among them
	Budget     time.Duration
	Window     time.Duration // how long from now, at the most
	Grace      time.Duration
	Delay      time.Duration // before the first look: of a fleet that begins at once a few go first
	Headroom   Headroom
	DeadMan    DeadMan
	Observe    bool
	Nonce      func() string

	sure bool // the look is fresh enough to tell whose a suspension without a stamp is
}

// State is how a begin, a look or a release came out.
type State string

// The states.
const (
	Begun    State = "begun"           // this instance suspended, or wrote the guard
	Joined   State = "joined"          // the deployment's guard was there and all of it holds
	Observed State = "observed"        // nothing was written: mode observe
	Frozen   State = "not begun"       // headroom: refuse
	Failed   State = "failed"          // see Err
	Holds    State = "holds"           // follow: all is as it should be
	Lost     State = "resumed by hand" // follow: somebody resumed a process; it is barred now
	Released State = "given back"
	Waits    State = "let go until the traffic is rerouted, and begun again then"
	Kept     State = "kept"     // another deployment's guard needs what is left
	Disputed State = "disputed" // somebody suspended again what the guard had suspended
	NotDue   State = "not due"
)

// Outcome is how it came out, with what a person needs to know.
type Outcome struct {
	State     State
	Err       error
	Now       time.Time // AWS's clock at the end
	Group     Group     // as last seen
	Key       string    // the slot
	Record    Record
	Suspended []Process // what this call suspended
	Resumed   []Process // what this call resumed
	Before    []Process // wanted, and suspended by somebody else already
	Disputed  []Process
	Held      []Process // kept for another deployment's live guard
	Notes     []string  // what is worth a warning
}

func (o Outcome) failed(err error) Outcome {
	o.State, o.Err = Failed, err
	return o
}

// errNoSlot is why a begin fails on a group whose eight slots are all taken.
var errNoSlot = errors.New("all eight guards of the group are taken by other deployments' (wingman guard status)")

// Do begins the guard, or joins the one that is there.
//
// A join writes nothing, and looks at the processes beside the tag: a writer may be between the two. What is written
// claims all that any side of the deployment may want, running or not, since the read may be old and another's claim
// lost by our write; the stamp of the suspension decides in the end whose it is. The slot is written before anything
// is suspended: a crash between the two leaves a claim to nothing, not a suspension of nobody's.
func (b Begin) Do(now time.Time, do Do) (out Outcome) {
	if len(b.Want) == 0 {
		return out.failed(errors.New("cannot suspend: an empty list would mean every process"))
	}
	if b.Delay > 0 {
		if a := do(Call{Op: Wait, Until: now.Add(b.Delay)}); a.Err != nil {
			return out.failed(a.Err)
		}
	}
	for try := range tries {
		done, a := b.look(do, &out)
		if breath := b.breath(try); !done && breath > 0 {
			if w := do(Call{Op: Wait, Until: out.Now.Add(breath)}); w.Err != nil {
				return out.failed(w.Err)
			}
			done, a = b.look(do, &out)
		}
		if done {
			return out
		}
		if err := b.round(a, do, &out); err != nil {
			return out.failed(err)
		}
		if out.State == Observed || out.State == Frozen {
			return out
		}
	}
	if done, _ := b.look(do, &out); done {
		return out
	}
	return out.failed(fmt.Errorf("cannot see that %s is suspended: AWS took the calls and shows it otherwise", names(out.Group.running(minus(b.Want, out.Record.Barred)))))
}

// breath is how long to wait for a second look before writing: one that was to go later than others, and sees nothing of
// theirs, or one that has written and does not see it, has more likely met a stale read.
func (b *Begin) breath(try int) time.Duration {
	switch {
	case try > 0:
		return 100 * time.Millisecond << try
	case b.Delay >= time.Second:
		return time.Second
	}
	return 0
}

// look describes the group; done says that the guard is there and all of it holds, or that it cannot be begun.
func (b *Begin) look(do Do, out *Outcome) (done bool, a Answer) {
	a = do(Call{Op: Describe, Group: b.Group})
	out.Now, out.Group = a.Now, a.Group
	if a.Err != nil {
		*out = out.failed(a.Err)
		return true, a
	}
	want := minus(b.Want, a.Group.never(b.Deployment, b.Trigger))
	if len(want) == 0 {
		out.State, out.Notes = Joined, append(out.Notes, "CodeDeploy itself holds all of it on this group")
		return true, a
	}
	guard, own := a.Group.own(b.Deployment)
	if !own {
		return false, a
	}
	out.Key, out.Record = guard.slots[0].key, guard.rec
	want = minus(want, guard.rec.Barred)
	lives := guard.rec.until(a.Now).After(a.Now.Add(min(b.Budget, b.Window-30*time.Second)))
	if !lives || len(minus(want, guard.rec.Protect)) > 0 || len(a.Group.running(want)) > 0 {
		return false, a
	}
	b.finish(a.Group, want, out)
	return true, a
}

// round writes what a look showed to be missing.
func (b *Begin) round(a Answer, do Do, out *Outcome) error {
	g := a.Group
	never := g.never(b.Deployment, b.Trigger)
	guard, own := g.own(b.Deployment)
	want := minus(minus(b.Want, never), guard.rec.Barred)
	if guard.rec.Version > version {
		return fmt.Errorf("the guard in %s was written by a newer wingman: upgrade this one", out.Key)
	}
	if b.Observe {
		out.State, out.Suspended = Observed, g.running(want)
		return nil
	}
	if !b.sure && b.doubtful(g, guard.rec) {
		b.sure = true
		return do(Call{Op: Wait, Until: a.Now.Add(Staleness)}).Err
	}
	if !own && b.room(g, do, out) { // a guard that is there is kept whole
		return nil
	}
	at, err := slot{}, error(nil)
	if own {
		at = guard.slots[0]
	} else if at, err = b.free(a, do); err != nil {
		return err
	}
	out.Key, out.Record = at.key, b.record(a.Now, g, at.rec, own, minus(b.Claim, never), want)
	out.Record.Barred = guard.rec.Barred
	return b.write(a, do, g.running(want), out)
}

// finish says how a guard that holds came to be.
func (b Begin) finish(g Group, want []Process, out *Outcome) {
	if out.State != Begun {
		out.State = Joined
	}
	for _, p := range want {
		if c, claimed := out.Record.claim(p); !has(out.Suspended, p) {
			if ours, _ := c.ours(g.Suspended[p]); !claimed || !ours {
				out.Before = append(out.Before, p)
			}
		}
	}
}

// free finds the first slot from home on that nobody has. Where all are taken, one whose guard has ended and waits to be
// given back is taken over, with what it still holds.
func (b Begin) free(a Answer, do Do) (slot, error) {
	have := a.Group.slots()
	for i, keys := 0, Keys(); i < slots; i++ {
		key := keys[(home(b.Home)+i)%slots]
		at := slices.IndexFunc(have, func(s slot) bool { return s.key == key })
		if at < 0 || have[at].err == nil && a.Group.void(have[at].rec) {
			return slot{key: key}, nil
		}
	}
	for _, s := range have {
		if s.err == nil && s.rec.Version <= version && (!a.Now.Before(s.rec.until(a.Now)) || over(do, s.rec.Deployment, a.Now)) {
			return s, nil
		}
	}
	return slot{}, errNoSlot
}

// over asks whether a deployment is known to be over, for what is decided on a look at the group: the answer must come
// while a write may still rest on that look.
func over(do Do, deployment string, looked time.Time) bool {
	return do(Call{Op: Status, Deployment: deployment, Deadline: looked.Add(aside)}).over()
}

// over says whether a deployment is known to be over.
func (a Answer) over() bool { return a.Err == nil && a.Status.Known && a.Status.Over }

// record is what the slot will say. own says that it is the deployment's already; else old is empty, or an ended
// guard's, whose suspensions that nobody has given back yet go over to this one.
func (b Begin) record(now time.Time, g Group, old Record, own bool, claim, want []Process) Record {
	r := Record{Version: version, ARN: arnHash(g.ARN), Deployment: owner(b.Deployment), Nonce: b.Nonce(), Until: now.Add(b.Window).Truncate(time.Second), Protect: want}
	if own {
		r.Protect, r.Barred = union(old.Protect, want), old.Barred
		if last := old.until(now); last.After(r.Until) {
			r.Until = last
		}
	}
	for _, p := range Processes() {
		fresh := window(p, now)
		c, claimed := old.claim(p)
		reason, suspended := g.Suspended[p]
		_, readable := stamp(reason)
		switch {
		case claimed && own && (suspended || has(old.Barred, p)): // stays as it is
		case claimed && (own || suspended):
			c = Claim{p, earlier(c.From, fresh.From), later(c.To, fresh.To)}
		case !has(claim, p) || suspended && !readable || own && has(old.Barred, p):
			continue
		default:
			c = fresh
		}
		r.Owned = append(r.Owned, c)
	}
	return r
}

// window is the claim of what is written on a look at that time: from the oldest that it may show, to when all that
// rests on it has landed, and on what it does not show yet.
func window(p Process, now time.Time) Claim {
	return Claim{p, now.Add(-Staleness).Truncate(time.Second), now.Add(2*Landing + time.Second).Truncate(time.Second)}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// write puts the switch, then the slot, then the suspensions, each before what rests on the look is too old.
func (b Begin) write(a Answer, do Do, missing []Process, out *Outcome) error {
	if b.DeadMan.on() {
		if err := b.DeadMan.set(do, a.Group, out.Record, b.Grace, a.Now); err != nil {
			out.Notes = append(out.Notes, "dead-man switch: "+err.Error())
		}
	}
	deadline := a.Now.Add(Landing)
	put := do(Call{Op: Put, Group: b.Group, Key: out.Key, Value: out.Record.String(), Deadline: deadline})
	if put.Err != nil {
		return put.Err
	}
	out.State = Begun
	if len(missing) == 0 {
		return nil
	}
	out.Suspended = union(out.Suspended, missing)
	return do(Call{Op: Suspend, Group: b.Group, Processes: missing, Deadline: deadline}).Err
}

// doubtful says that a process is suspended without a stamp and that no claim is seen to it: it is somebody else's, or
// this very deployment's, whose tag the look was too old to show. Only a look that is S younger can tell.
func (b Begin) doubtful(g Group, r Record) bool {
	for p, reason := range g.Suspended {
		_, readable := stamp(reason)
		if _, claimed := r.claim(p); has(b.Claim, p) && !claimed && !readable && !foreign(reason) {
			return true
		}
	}
	return false
}

// room heeds headroom, once; true says that the group is not to be frozen at all.
func (b Begin) room(g Group, do Do, out *Outcome) bool {
	if b.Headroom == Ignore || b.Headroom == "" || out.State == Begun {
		return false
	}
	var why []string
	if g.Desired >= g.Max {
		why = append(why, fmt.Sprintf("the group is at its limit (desired %d, max %d)", g.Desired, g.Max))
	}
	a := do(Call{Op: Pressure, Group: g.Name, Deadline: out.Now.Add(aside)})
	for _, alarm := range a.Alarms {
		why = append(why, "the scaling alarm "+alarm+" is in breach")
	}
	if a.Err != nil {
		why = append(why, a.Err.Error())
	}
	for _, w := range why {
		out.Notes = append(out.Notes, "headroom: "+w)
	}
	if b.Headroom == Refuse && (g.Desired >= g.Max || len(a.Alarms) > 0) {
		out.State = Frozen
		return true
	}
	return false
}

// names lists processes for a sentence.
func names(set []Process) string {
	if len(set) == 0 {
		return "nothing"
	}
	text := string(set[0])
	for _, p := range set[1:] {
		text += ", " + string(p)
	}
	return text
}
