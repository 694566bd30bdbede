package guard

import "fmt"

// Follow is one look, by an instance that took part, at its deployment's guard on one group.
type Follow struct {
	Begin             // how to begin again
	Replacement  bool // the group is the replacement's: it is let go while the deployment waits to be rerouted
	MayNotFollow bool // begin again nothing: the plan let go of it before the deployment's end
}

// Do gives back once the deployment is over, begins again what was lost, and bars what somebody resumed.
func (f Follow) Do(do Do) Outcome {
	s := do(Call{Op: Status, Deployment: f.Deployment})
	over := s.over() || s.Err == nil && s.Status.Known && s.Status.Ready && f.Replacement
	if over || f.MayNotFollow {
		return Release{Group: f.Group, Deployment: f.Deployment, Grace: f.Grace, Over: over, DeadMan: f.DeadMan, Observe: f.Observe}.Do(do)
	}
	a := do(Call{Op: Describe, Group: f.Group})
	out := Outcome{State: Holds, Now: a.Now, Group: a.Group}
	if a.Err != nil {
		return out.failed(a.Err)
	}
	at, there := a.Group.own(f.Deployment)
	if !there { // a release that was on its way when the guard was begun, or somebody's hand
		return f.again(a, do)
	}
	out.Key, out.Record = at.slots[0].key, at.rec
	if a.Now.After(at.rec.until(a.Now).Add(f.Grace)) {
		return Release{Group: f.Group, Deployment: f.Deployment, Grace: f.Grace, DeadMan: f.DeadMan, Observe: f.Observe}.Do(do)
	}
	lost := a.Group.running(at.rec.Protect)
	if len(lost) == 0 || f.Observe {
		return out
	}
	if !a.Now.After(at.rec.settled()) { // so young a guard: our own doing
		return f.again(a, do)
	}
	return f.bar(at, lost, do, out)
}

func (f Follow) again(a Answer, do Do) Outcome {
	out := f.Begin.Do(a.Now, do)
	out.Notes = append(out.Notes, "some of it was gone while the deployment went on: begun again")
	return out
}

// bar takes what somebody resumed, seen so twice with nothing written between, out of what is protected and claimed:
// the next hook must not suspend it again, and a suspension of it from now on is somebody else's.
func (f Follow) bar(at own, lost []Process, do Do, out Outcome) Outcome {
	if a := do(Call{Op: Wait, Until: out.Now.Add(Staleness)}); a.Err != nil {
		return out.failed(a.Err)
	}
	a := do(Call{Op: Describe, Group: f.Group})
	if a.Err != nil {
		return out.failed(a.Err)
	}
	out.Now, out.Group = a.Now, a.Group
	again, there := a.Group.own(f.Deployment)
	if !there || again.rec.Nonce != at.rec.Nonce || again.rec.Version > version {
		return out // somebody wrote meanwhile: the next look will tell
	}
	var gone []Process
	for _, p := range a.Group.running(again.rec.Protect) {
		if has(lost, p) {
			gone = append(gone, p)
		}
	}
	if len(gone) == 0 {
		return out
	}
	for _, s := range again.slots {
		put := do(Call{Op: Put, Group: f.Group, Key: s.key, Value: s.rec.bar(gone, f.Nonce()).String(), Deadline: a.Now.Add(Landing)})
		if put.Err != nil {
			return out.failed(put.Err)
		}
	}
	out.State, out.Record = Lost, again.rec.bar(gone, "")
	out.Notes = append(out.Notes, fmt.Sprintf("somebody resumed %s on %s while the guard of %s held it: it stays resumed", names(gone), f.Group, f.Deployment))
	return out
}

// bar gives the record without the processes, and barred.
func (r Record) bar(gone []Process, nonce string) Record {
	var owned []Claim
	for _, c := range r.Owned {
		if !has(gone, c.Process) {
			owned = append(owned, c)
		}
	}
	r.Owned, r.Protect, r.Barred, r.Nonce = owned, minus(r.Protect, gone), union(r.Barred, gone), nonce
	return r
}
