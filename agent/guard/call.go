package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Op is what one call to AWS does.
type Op string

// The calls of the protocol. Wait asks nothing of AWS.
const (
	Describe     Op = "look at the group"
	Put          Op = "write the guard's tag"
	Delete       Op = "delete the guard's tag"
	Suspend      Op = "suspend processes"
	Resume       Op = "resume processes"
	Status       Op = "ask for the deployment's status"
	Pressure     Op = "look for alarms in breach"
	GetSchedule  Op = "look at the dead-man schedule"
	MoveSchedule Op = "set the dead-man schedule"
	DropSchedule Op = "delete the dead-man schedule"
	Wait         Op = "wait"
)

// Call is one call of the protocol, as a value.
type Call struct {
	Op         Op
	Group      string
	Key, Value string    // Put, Delete
	Processes  []Process // Suspend, Resume: never empty
	Deployment string    // Status
	Schedule   Schedule  // of the dead-man switch
	Until      time.Time // Wait, by AWS's clock
	Deadline   time.Time // the last byte of a write must be out by then, by AWS's clock
}

// Answer is what came of a call.
type Answer struct {
	Now      time.Time // AWS's clock: the answer's Date header, carried on by our own clock where there is none
	Group    Group     // Describe
	Status   DeploymentStatus
	Alarms   []string // Pressure: the scaling alarms in breach
	Schedule Schedule
	Err      error
}

// Do makes one call.
type Do func(Call) Answer

// Cloud is AWS as the guard needs it. Errors may be ErrGone; others are for people.
type Cloud interface {
	Guard(ctx context.Context, c Call) Answer
	Place(ctx context.Context, d lifecycle.Deployment) (Place, error)
	Guarded(ctx context.Context) ([]string, error) // the groups that carry a guard's tag
	Busy(ctx context.Context, deployment, instance string, events []lifecycle.Event) (bool, error)
}

// ErrGone is said of a group, or of a schedule, that is not there.
var ErrGone = errors.New("not there any more")

// Group is one look at an Auto Scaling group.
type Group struct {
	Name, ARN         string
	Min, Max, Desired int
	Suspended         map[Process]string // with AWS's reason; processes that wingman does not know are left out
	Tags              map[string]string
}

// DeploymentStatus is what CodeDeploy says of a deployment.
type DeploymentStatus struct {
	Known     bool // it may be asked and answered
	Over      bool // Succeeded, Failed, Stopped, or waiting to terminate the original: its block-traffic events are done
	Failed    bool // Failed or Stopped
	Ended     bool // Succeeded, Failed or Stopped: nothing of it goes on, which an Over that waits to terminate does
	Ready     bool // it waits for someone to reroute the traffic
	Word      string
	Trigger   string // the deployment that it rolls back
	Instances int    // that it has come to so far; 0 is not known
}

// stamp reads the time of a suspension from AWS's reason, "User suspended at 2025-10-20T22:56:42Z": whole seconds.
func stamp(reason string) (time.Time, bool) {
	text, ok := strings.CutPrefix(reason, userReason)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(text))
	return t, err == nil
}

const userReason = "User suspended at"

// foreign says that the reason is not that of anybody's SuspendProcesses: Auto Scaling itself suspended the process.
func foreign(reason string) bool { return reason != "" && !strings.HasPrefix(reason, userReason) }

// ours says whether a suspension with that reason is what the claim means; late that its stamp lies after the window.
// A stamp is truncated to the second, so it may read one second early; where there is no stamp the claim counts.
func (c Claim) ours(reason string) (ours, late bool) {
	if foreign(reason) {
		return false, false
	}
	t, ok := stamp(reason)
	switch {
	case !ok:
		return true, false
	case t.Before(c.From.Add(-time.Second)):
		return false, false
	case t.After(c.To):
		return false, true
	}
	return true, false
}

// slot is one of the group's tags for guards.
type slot struct {
	key, value string
	rec        Record
	err        error // the value is no record
}

// slots gives the group's guards, in the order of their keys.
func (g Group) slots() (out []slot) {
	for _, key := range Keys() {
		if value, there := g.Tags[key]; there {
			rec, err := Parse(value)
			out = append(out, slot{key, value, rec, err})
		}
	}
	return out
}

// own is one deployment's guard on a group: one slot, or two where instances looked at different times while another
// guard's slot came free. rec is what they say together.
type own struct {
	slots []slot
	rec   Record
}

// own finds a deployment's guard.
func (g Group) own(deployment string) (o own, there bool) {
	for _, s := range g.slots() {
		if s.err != nil || s.rec.Deployment != owner(deployment) || g.void(s.rec) {
			continue
		}
		o.slots = append(o.slots, s)
		o.rec = Record{Version: max(o.rec.Version, s.rec.Version), Deployment: s.rec.Deployment, Until: later(o.rec.Until, s.rec.Until), Nonce: o.rec.Nonce + " " + s.rec.Nonce,
			Owned: append(slices.Clone(o.rec.Owned), s.rec.Owned...), Protect: union(o.rec.Protect, s.rec.Protect), Barred: union(o.rec.Barred, s.rec.Barred)}
	}
	o.rec.Protect = minus(o.rec.Protect, o.rec.Barred)
	return o, len(o.slots) > 0
}

// void says that the record was copied here with another group's tags.
func (g Group) void(r Record) bool { return r.ARN != arnHash(g.ARN) }

// provisioned is the tag that CodeDeploy puts on a group that it copied, and the start of such a group's name.
const provisioned = "CodeDeployProvisioningDeploymentId"

// never gives what is never claimed on the group: on one that this deployment made, or the one that it rolls back,
// CodeDeploy suspends and resumes three processes itself.
func (g Group) never(deployment, trigger string) []Process {
	for _, d := range []string{deployment, trigger} {
		if d != "" && d != Manual && g.MadeBy(d) {
			return []Process{AddToLoadBalancer, AlarmNotification, ScheduledActions}
		}
	}
	return nil
}

// MadeBy says whether CodeDeploy made the group for that deployment.
func (g Group) MadeBy(deployment string) bool {
	return g.Tags[provisioned] == deployment || copied(g.Name, deployment)
}

// copied says by its name that CodeDeploy made the group for that deployment: CodeDeploy_<deployment group>_<deployment>.
func copied(group, deployment string) bool {
	return deployment != "" && strings.HasPrefix(group, "CodeDeploy_") && strings.HasSuffix(group, "_"+deployment)
}

// running gives those of the processes that are not suspended.
func (g Group) running(processes []Process) (out []Process) {
	for _, p := range processes {
		if _, suspended := g.Suspended[p]; !suspended {
			out = append(out, p)
		}
	}
	return out
}

// Run gives f a do that makes its calls to the cloud, one at a time, and returns once f has. ctx done makes every
// further call fail.
func Run(ctx context.Context, cloud Cloud, f func(now time.Time, do Do)) {
	var ahead time.Duration // AWS's clock less ours
	now := func() time.Time { return time.Now().Add(ahead) }
	told := false // what time it is there
	f(now(), func(c Call) Answer {
		if err := ctx.Err(); err != nil {
			return Answer{Now: now(), Err: fmt.Errorf("cannot %s: %w", c.Op, err)}
		}
		if c.Op == Wait {
			return wait(ctx, c, now)
		}
		if c.Op == Put && !told { // by a wrong clock of ours the claims would miss the suspensions' stamps, and nothing be given back
			return Answer{Now: now(), Err: fmt.Errorf("cannot %s: AWS's answers have no Date, and this host's clock may be wrong (a proxy?)", c.Op)}
		}
		call, cancel := ctx, context.CancelFunc(func() {})
		if !c.Deadline.IsZero() {
			call, cancel = context.WithDeadline(ctx, c.Deadline.Add(-ahead))
		}
		defer cancel()
		a := cloud.Guard(call, c)
		if a.Err != nil {
			a.Err = fmt.Errorf("cannot %s: %w", c.Op, a.Err)
		}
		if a.Now.IsZero() {
			a.Now = now()
		} else {
			told, ahead = true, time.Until(a.Now)
		}
		return a
	})
}

func wait(ctx context.Context, c Call, now func() time.Time) Answer {
	t := time.NewTimer(c.Until.Sub(now()))
	defer t.Stop()
	select {
	case <-t.C:
		return Answer{Now: now()}
	case <-ctx.Done():
		return Answer{Now: now(), Err: fmt.Errorf("cannot %s: %w", c.Op, ctx.Err())}
	}
}
