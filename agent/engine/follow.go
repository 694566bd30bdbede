package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/journal"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
	"github.com/codedeploy-wingman/wingman/agent/run"
)

// Looked is how a look at one guard came out.
type Looked struct {
	Group      string
	Deployment string
	Status     guard.DeploymentStatus // where it was asked for
	StatusErr  error                  // why it could not be had
	guard.Outcome
}

// AfterEvent looks once at each guard that this instance takes part in and that is not given back yet: it gives back
// where the deployment is over, begins again what was lost, and bars what somebody resumed. It waits as the protocol
// does (S between two looks), so it is not for hooks: the service calls it, rehearsals, and `wingman guard reap`.
func (e *Engine) AfterEvent(ctx context.Context) ([]Looked, error) {
	host, err := e.host()
	if err != nil {
		return nil, err
	}
	all, err := journal.New(e.State).Guards()
	open := slices.DeleteFunc(all, func(r journal.Guard) bool { return !r.Closed.IsZero() })
	out := make([]Looked, len(open))
	var wg sync.WaitGroup // the waits of one guard must not put off what another gives back
	for i, r := range open {
		wg.Go(func() { out[i] = e.follow(ctx, host.Guard, r) })
	}
	wg.Wait()
	return out, err
}

func (e *Engine) follow(ctx context.Context, settings guard.Settings, r journal.Guard) Looked {
	f := guard.Follow{Begin: begin(settings, r, 0), Until: r.Until, Held: r.Holds, Replacement: r.Replacement, MayNotFollow: r.LetGo || settings.Mode == guard.Disabled}
	if f.Until.IsZero() { // nothing was begun yet
		f.Until = r.Begun.Add(settings.MaxWindow)
	}
	look := Looked{Group: r.ScalingGroup, Deployment: r.Deployment.ID}
	guard.Run(ctx, e.aws(), func(_ time.Time, do guard.Do) {
		look.Outcome = f.Do(func(c guard.Call) guard.Answer {
			a := do(c)
			if c.Op == guard.Status && c.Deployment == r.Deployment.ID {
				look.Status, look.StatusErr = a.Status, a.Err
			}
			return a
		})
	})
	if ctx.Err() == nil || look.State != guard.Failed { // else it was ended: that says nothing of the guard
		e.note(r, look.Outcome)
	}
	return look
}

// begin makes the guard's wish from its record.
func begin(s guard.Settings, r journal.Guard, budget time.Duration) guard.Begin {
	return guard.Begin{Group: r.ScalingGroup, Deployment: r.Deployment.ID, Trigger: r.Trigger, Home: r.Deployment.GroupID, Want: processes(r.Want), Claim: processes(r.Claim), Budget: budget,
		Window: s.MaxWindow, Grace: s.Grace, Headroom: s.Headroom, DeadMan: s.DeadMan, Observe: s.Mode == guard.Observe, Nonce: nonce}
}

// letGo is the step resume_processes: before the deployment's end, but not under another instance.
func (g *guardian) letGo(ctx context.Context, say func(string)) run.Acted {
	all, err := g.journal.Guards()
	if err != nil {
		say(err.Error())
	}
	var acted []run.Acted
	for _, r := range all {
		if r.Deployment.ID != g.deployment.ID || !r.Closed.IsZero() {
			continue
		}
		if err := g.alone(ctx, r, say); err != nil {
			note := fmt.Sprintf("guard of %s not let go: %s; the deployment's end gives back", r.ScalingGroup, err)
			acted = append(acted, run.Acted{Verdict: journal.Skipped, Reason: note, Notes: []string{note}})
			continue
		}
		r.LetGo = true
		rel := guard.Release{Group: r.ScalingGroup, Deployment: r.Deployment.ID, Grace: g.settings.Grace, Over: true, DeadMan: g.settings.DeadMan, Observe: g.settings.Mode == guard.Observe}
		var out guard.Outcome
		guard.Run(ctx, g.aws(), func(_ time.Time, do guard.Do) { out = rel.Do(do) })
		g.note(r, out)
		did := released(r.ScalingGroup, out)
		if did.Verdict == journal.Succeeded {
			say(did.Reason)
		}
		acted = append(acted, did)
	}
	if len(acted) == 0 {
		return skipped("this instance holds no guard")
	}
	return worst(acted)
}

func released(group string, out guard.Outcome) run.Acted {
	why := Say(group, out)
	if out.State == guard.Released || out.State == guard.Observed {
		return run.Acted{Verdict: journal.Succeeded, Reason: why}
	}
	return run.Acted{Verdict: journal.Skipped, Reason: why, Notes: []string{why}}
}

// alone waits until no other instance of the deployment is inside an event before this one.
func (g *guardian) alone(ctx context.Context, r journal.Guard, say func(string)) error {
	var events []lifecycle.Event
	for _, e := range lifecycle.InPlace() {
		if e == g.event {
			break
		}
		events = append(events, e)
	}
	said := false
	for {
		busy, err := g.aws().Busy(ctx, r.Deployment.ID, r.Instance, events)
		if err != nil || !busy {
			return err
		}
		if !said {
			say("guard of " + r.ScalingGroup + ": another instance is in the middle of it: waiting")
			said = true
		}
		select {
		case <-time.After(guard.Staleness):
		case <-ctx.Done():
			return errors.New("another instance was in the middle of it until this event's time was up")
		}
	}
}

// Reap gives back every guard that is due on the groups; on none named, on those that carry a guard and may be seen.
func (e *Engine) Reap(ctx context.Context, groups []string) ([]Looked, error) {
	host, err := e.host()
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		if groups, err = e.aws().Guarded(ctx); err != nil {
			return nil, err
		}
	}
	var out []Looked
	for _, group := range groups {
		r := guard.Reap{Group: group, Grace: host.Guard.Grace, DeadMan: host.Guard.DeadMan, Observe: host.Guard.Mode == guard.Observe}
		guard.Run(ctx, e.aws(), func(_ time.Time, do guard.Do) {
			for _, o := range r.Do(do) {
				out = append(out, Looked{Group: group, Deployment: o.Record.Deployment, Outcome: o})
			}
		})
	}
	return out, nil
}

// Say puts the outcome of a look or a release into a line.
func Say(group string, out guard.Outcome) string {
	line := "guard of " + group
	if d := out.Record.Deployment; d != "" {
		line += " " + guard.Whose(d)
	}
	line += ": " + said(group, out)
	for _, n := range out.Notes {
		line += "; " + n
	}
	return line
}

func said(group string, out guard.Outcome) string {
	until := "until the deployment's end, at the latest " + guard.Moment(out.Record.Until)
	if out.Record.Deployment == guard.Manual {
		until = "until " + guard.Moment(out.Record.Until)
	}
	switch out.State {
	case guard.Released:
		switch {
		case len(out.Resumed) > 0:
			return "given back: resumed " + join(out.Resumed)
		case out.Key == "":
			return "nothing to give back"
		}
		return "given back: nothing of it was suspended any more"
	case guard.Kept:
		return "given back but for " + join(out.Held) + ", which another deployment's guard needs"
	case guard.Disputed:
		return "somebody suspended " + join(out.Disputed) + " again after the guard had: left as it is; wingman guard resume --group " + group + " settles it"
	case guard.Failed:
		return out.Err.Error()
	case guard.NotDue:
		return "not due: it holds " + until
	case guard.Frozen:
		return "not held: headroom is refuse"
	case guard.Observed:
		return "guard.mode in host.yml is not enforce: nothing was written"
	case guard.Begun, guard.Joined, guard.Holds:
		if len(out.Record.Protect) == 0 {
			return "holds nothing"
		}
		return "holds " + join(out.Record.Protect) + " " + until + before(out)
	}
	return string(out.State)
}
