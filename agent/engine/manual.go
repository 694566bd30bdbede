package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/cloud"
	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// GroupGuards is what one Auto Scaling group carries.
type GroupGuards struct {
	Group     string       `json:"group"`
	Guards    []guard.View `json:"guards"`
	Suspended []guard.Held `json:"suspended"`
}

// Bad says that something wants a person: a dispute, or a record that cannot be read.
func (g GroupGuards) Bad() bool {
	for _, v := range g.Guards {
		if len(v.Disputed) > 0 || v.Problem != "" && v.Deployment == "" {
			return true
		}
	}
	return false
}

// GuardStatus shows the guards of the groups; of none named, this instance's group, else all that carry a guard.
func (e *Engine) GuardStatus(ctx context.Context, groups []string) (out []GroupGuards, err error) {
	if groups, err = e.groups(ctx, groups); err != nil {
		return nil, err
	}
	for _, name := range groups {
		a := e.aws().Guard(ctx, guard.Call{Op: guard.Describe, Group: name})
		if a.Err != nil {
			return out, a.Err
		}
		if a.Now.IsZero() {
			a.Now = time.Now()
		}
		g := GroupGuards{Group: name, Guards: []guard.View{}, Suspended: []guard.Held{}}
		views, held := a.Group.Views(a.Now, func(deployment string) guard.DeploymentStatus {
			return e.aws().Guard(ctx, guard.Call{Op: guard.Status, Deployment: deployment}).Status // unknown where it may not be asked
		})
		g.Guards, g.Suspended = append(g.Guards, views...), append(g.Suspended, held...)
		out = append(out, g)
	}
	return out, nil
}

func (e *Engine) groups(ctx context.Context, named []string) ([]string, error) {
	if len(named) > 0 {
		return named, nil
	}
	if at, err := e.aws().Place(ctx, lifecycle.Deployment{}); err == nil && at.Group != "" {
		return []string{at.Group}, nil
	}
	return e.aws().Guarded(ctx)
}

// SuspendByHand begins a guard for a deployment, or for a time.
func (e *Engine) SuspendByHand(ctx context.Context, groups []string, deployment string, window time.Duration, set []guard.Process) ([]Looked, error) {
	host, err := e.host()
	if err != nil {
		return nil, err
	}
	if len(groups) == 0 {
		at, err := e.aws().Place(ctx, lifecycle.Deployment{})
		var ours *cloud.Error
		if errors.As(err, &ours) && ours.Kind == cloud.NotEC2 {
			return nil, UsageError{fmt.Errorf("%v: name a group with --group", err)} // no failure of AWS any more
		}
		if err != nil {
			return nil, err
		}
		if at.Group == "" {
			return nil, UsageError{fmt.Errorf("this instance is in no Auto Scaling group: name one with --group")}
		}
		groups = []string{at.Group}
	}
	s := host.Guard
	if len(set) == 0 {
		set = s.Original.Processes
	}
	claim := s.Claims(set) // as its hooks do: a write of theirs may be lost under this one
	if deployment == "" {
		deployment, s.MaxWindow, claim = guard.Manual, window, set
	}
	var out []Looked
	for _, group := range groups {
		b := guard.Begin{Group: group, Deployment: deployment, Home: "by hand", Want: set, Claim: claim, Window: s.MaxWindow, Grace: s.Grace, Headroom: s.Headroom, DeadMan: s.DeadMan, Observe: s.Mode != guard.Enforce, Nonce: nonce}
		look := Looked{Group: group, Deployment: deployment}
		guard.Run(ctx, e.aws(), func(now time.Time, do guard.Do) { look.Outcome = b.Do(now, do) })
		out = append(out, look)
	}
	return out, nil
}

// ResumeByHand gives back now what the guards of the groups claim.
func (e *Engine) ResumeByHand(ctx context.Context, groups []string) ([]Looked, error) {
	groups, err := e.groups(ctx, groups)
	if err != nil {
		return nil, err
	}
	var out []Looked
	for _, group := range groups {
		look := Looked{Group: group}
		guard.Run(ctx, e.aws(), func(_ time.Time, do guard.Do) { look.Outcome = guard.ByHand{Group: group, Nonce: nonce}.Do(do) })
		out = append(out, look)
	}
	return out, nil
}

// Report is a look for programs.
type Report struct {
	Group      string          `json:"group"`
	Deployment string          `json:"deployment,omitempty"`
	State      guard.State     `json:"state"`
	Error      string          `json:"error,omitempty"`
	Until      time.Time       `json:"until,omitzero"`
	Suspended  []guard.Process `json:"suspended,omitempty"`
	Resumed    []guard.Process `json:"resumed,omitempty"`
	Disputed   []guard.Process `json:"disputed,omitempty"`
	Held       []guard.Process `json:"held,omitempty"`
	Notes      []string        `json:"notes,omitempty"`
}

// Report gives the look for programs.
func (l Looked) Report() Report {
	r := Report{Group: l.Group, Deployment: l.Deployment, State: l.State, Until: l.Record.Until, Suspended: l.Suspended, Resumed: l.Resumed, Disputed: l.Disputed, Held: l.Held, Notes: l.Notes}
	if l.Err != nil {
		r.Error = l.Err.Error()
	}
	return r
}
