package deployment

import (
	"fmt"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// Diagnose says what the evidence says. It asks nobody and knows no clock but the evidence's.
func Diagnose(e Evidence) Diagnosis {
	v := look(e)
	d := Diagnosis{Version: Version, Deployment: e.Deployment, Application: v.info.Application, Group: v.info.Group, Status: v.info.Status, Asked: e.Asked, Started: v.info.Started, Completed: v.info.Completed,
		Live: v.live(), Causes: []Cause{}, LeftOvers: []LeftOver{}, Next: []Command{}, Missing: e.Gaps()}
	d.Kind = v.kind()
	d.Rollback = v.rollback()
	fails, tolerated := v.decisive()
	d.Failure = v.failure(fails)
	d.Causes = append(d.Causes, v.causes(fails)...)
	v.undecided(&d)
	v.notes(&d, tolerated)
	v.leftOvers(&d)
	d.Verdict = v.verdict(&d)
	d.Next = append(d.Next, v.next(&d)...)
	return d
}

func (v *view) kind() string {
	switch {
	case !v.known:
		return ""
	case v.info.Creator == "codeDeployRollback" || v.info.RollsBack != "":
		return "rollback of " + v.info.RollsBack
	case v.info.Creator == "autoscaling":
		return "deployment to what Auto Scaling launched"
	case v.info.Creator == "autoscalingTermination":
		return "deployment to what Auto Scaling terminates"
	case v.info.BlueGreen:
		return "blue/green"
	}
	return "in-place"
}

func (v *view) rollback() *Rollback {
	r := &Rollback{ID: v.info.RolledBackBy, Relation: RollsItBack}
	if r.ID == "" {
		r.ID, r.Relation = v.info.RollsBack, IsRolledBack
	}
	if r.ID == "" {
		return nil
	}
	for _, o := range v.Others.Value {
		if o.ID == r.ID {
			r.Status = o.Status
			r.Running = r.Relation == RollsItBack && !Info{Status: o.Status}.Over()
		}
	}
	return r
}

// undecided says what would decide, where the diagnosis stands by no cause.
func (v *view) undecided(d *Diagnosis) {
	if d.First() != "" || v.info.Status == "Succeeded" {
		return
	}
	say := func(text string) {
		for _, have := range d.Undecided {
			if have == text {
				return
			}
		}
		d.Undecided = append(d.Undecided, text)
	}
	for i, c := range d.Causes {
		if c.Decides != "" && i < 3 {
			say(c.Decides)
		}
	}
	for _, m := range []*Missing{v.Info.Missing, v.Targets.Missing} {
		if m != nil {
			say(m.Tells + ": " + reason(m))
		}
	}
	if len(d.Undecided) == 0 && (!v.known || v.info.Over()) {
		say("the events on the instances: none of them says why")
	}
}

// notes are what a reader should know beside.
func (v *view) notes(d *Diagnosis, tolerated []fail) {
	note := func(format string, args ...any) { d.Notes = append(d.Notes, fmt.Sprintf(format, args...)) }
	if n := len(tolerated); n > 0 {
		note("%s before that, and the deployment went on (%s is one)", count(n, "event failed", "events failed"), tolerated[0].Name+" on "+tolerated[0].ID)
	}
	if last := v.Group.Value.LastTried; v.Group.Whole() && v.known && last != "" && last != v.Deployment && last != v.info.RolledBackBy {
		note("it is not the last deployment: %s was begun since", last)
	}
	if v.info.WaitStarted && !v.info.Over() {
		note("traffic has moved; the original waits for its end")
	}
	if r := v.info.Rollback; r != "" && v.info.RolledBackBy == "" && v.info.RollsBack == "" {
		note("no rollback: %s", clip(r, 200))
	}
	for _, s := range v.Siblings.Value {
		note("%s/%s deploys to %s, too: one deployment group for one Auto Scaling group is AWS's advice", s.Application, s.Name, s.Scaling)
	}
	if off := v.Here.Sub(v.Asked); v.Here.Before(v.Asked.Add(-slack)) || off > slack {
		note("this computer's clock differs from AWS's by %s", off.Round(time.Second))
	}
	for _, r := range v.Journal.Value {
		note("this host's own record: %s %s %s (wingman logs %s)", r.Event, r.Verdict, clip(r.Reason, 120), r.ID)
	}
}

// verdict is all in one sentence.
func (v *view) verdict(d *Diagnosis) string {
	var b strings.Builder
	b.WriteString(v.Deployment)
	if v.known {
		fmt.Fprintf(&b, " (%s/%s, %s) %s", v.info.Application, v.info.Group, d.Kind, how(v.info.Status))
	}
	f := d.Failure
	if f != nil {
		fmt.Fprintf(&b, " at %s on %d of %d %s", f.Event, f.Count, f.Of, instances(f.Side, f.Of))
	}
	switch {
	case d.First() != "":
		b.WriteString(": " + d.Causes[0].Summary)
	case len(d.Causes) > 0:
		b.WriteString("; why is not decided: " + d.Causes[0].Summary)
	case v.known && v.info.Status != "Succeeded" && v.info.Over():
		b.WriteString("; the evidence does not say why")
	}
	if r := d.Rollback; r != nil && r.Running {
		fmt.Fprintf(&b, "; the rollback %s is %s", r.ID, r.Status)
	}
	return b.String()
}

func how(status string) string {
	switch status {
	case "Failed":
		return "FAILED"
	case "Stopped":
		return "was STOPPED"
	case "Succeeded":
		return "succeeded"
	case "Ready":
		return "is ready: it waits for traffic to be rerouted"
	case "":
		return "is of unknown status"
	}
	return "goes on (" + status + ")"
}

func instances(side lifecycle.Role, n int) string {
	word := map[lifecycle.Role]string{lifecycle.Original: "original ", lifecycle.Replacement: "replacement "}[side]
	if n == 1 {
		return word + "instance"
	}
	return word + "instances"
}
