package guard

import (
	"fmt"
	"slices"
	"time"
)

// Follow is one look, by an instance that took part, at its deployment's guard on one group.
type Follow struct {
	Begin                  // how to begin again
	Until        time.Time // what was begun ends by then: no follower makes it last longer
	Held         bool      // this instance saw all of it suspended: what runs now was resumed since
	Replacement  bool      // the group is the replacement's: it is let go while the deployment waits to be rerouted
	MayNotFollow bool      // begin again nothing: the plan let go of it before the deployment's end, or host.yml says so
}

// Do gives back once the deployment is over, begins again what was lost, and bars what somebody resumed.
func (f Follow) Do(do Do) Outcome {
	s := do(Call{Op: Status, Deployment: f.Deployment})
	waits := s.Err == nil && s.Status.Known && s.Status.Ready && f.Replacement
	release := Release{Group: f.Group, Deployment: f.Deployment, Grace: f.Grace, Over: s.over() || waits, Ready: waits && !s.over(), Nonce: f.Nonce, DeadMan: f.DeadMan, Observe: f.Observe}
	if release.Over || f.MayNotFollow {
		out := release.Do(do)
		if out.State == Released && !s.over() && waits {
			out.State = Waits
		}
		return out
	}
	a := do(Call{Op: Describe, Group: f.Group})
	out := Outcome{State: Holds, Now: a.Now, Group: a.Group}
	if a.Err != nil {
		return out.failed(a.Err)
	}
	at, there := a.Group.own(f.Deployment)
	if !there && !a.Now.Before(f.Until) {
		out.State = Released // by another, since its time was up: where CodeDeploy may not be asked nobody knows more
		return out
	}
	if !there { // a release that was on its way when the guard was begun, or somebody's hand
		return f.again(a, do)
	}
	out.Key, out.Record = at.slots[0].key, at.rec
	if a.Now.After(at.rec.until(a.Now).Add(f.Grace)) {
		return release.Do(do)
	}
	f.Until = later(f.Until, at.rec.until(a.Now))
	lost := a.Group.running(at.rec.Protect)
	let := minus(minus(minus(f.Want, a.Group.never(f.Deployment, f.Trigger)), at.rec.Barred), at.rec.Protect)
	if len(let) > 0 && at.rec.Version <= version && !f.Observe && a.Now.Before(f.Until) { // let go while the deployment was Ready, and it goes on
		return f.again(a, do)
	}
	if len(lost) == 0 || f.Observe || !a.Now.Before(f.Until) {
		return out
	}
	if !f.Held || !a.Now.After(at.rec.settled()) { // never suspended, or so young a guard: our own doing
		return f.again(a, do)
	}
	return f.bar(at, lost, do, out)
}

func (f Follow) again(a Answer, do Do) Outcome {
	f.Window = min(f.Window, f.Until.Sub(a.Now))
	out := f.Begin.Do(a.Now, do)
	if out.State == Begun {
		out.Notes = append(out.Notes, "some of it was gone while the deployment went on: begun again")
	}
	return out
}

// bar takes what somebody resumed, seen so twice with nothing written between, out of what is protected: the next hook
// must not suspend it again. The looks are so far apart that a release of our own has deleted the tag by the second.
func (f Follow) bar(at own, lost []Process, do Do, out Outcome) Outcome {
	if a := do(Call{Op: Wait, Until: out.Now.Add(Staleness + Landing)}); a.Err != nil {
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
		put := do(Call{Op: Put, Group: f.Group, Key: s.key, Value: s.rec.bar(gone, f.Nonce(), a.Now).String(), Deadline: a.Now.Add(Landing)})
		if put.Err != nil {
			return out.failed(put.Err)
		}
	}
	out.State, out.Record = Lost, again.rec.bar(gone, "", a.Now)
	out.Notes = append(out.Notes, fmt.Sprintf("somebody resumed %s on %s while the guard of %s held it: it stays resumed", names(gone), f.Group, f.Deployment))
	return out
}

// bar gives the record with the processes barred. Their claims stay, up to where what was sent before others see it has
// landed: this write may rest on a look that was too old to show another's.
func (r Record) bar(gone []Process, nonce string, now time.Time) Record {
	owned := slices.Clone(r.Owned)
	for i, c := range owned {
		if has(gone, c.Process) {
			owned[i].To = later(c.To, window(c.Process, now).To)
		}
	}
	r.Owned, r.Protect, r.Barred, r.Nonce = owned, minus(r.Protect, gone), union(r.Barred, gone), nonce
	return r
}
