package deployment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/guard"
	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// The kinds of what is left over.
const (
	LeftGuard        = "guard"
	LeftSuspended    = "suspended"
	LeftByCodeDeploy = "suspended-by-codedeploy"
	LeftGroup        = "orphaned-group"
	LeftLiveGroup    = "live-group-is-not-the-deployment-groups"
	LeftUnregistered = "not-registered"
	LeftOut          = "out-of-traffic"
	LeftDetached     = "target-group-detached"
	LeftHook         = "lifecycle-hook"
)

// leftOvers is what the deployment, or one before it, did not put back. While a deployment or its rollback goes on,
// nothing of it is left over yet.
func (v *view) leftOvers(d *Diagnosis) {
	for i := range v.Scaling {
		if v.Scaling[i].State.Whole() {
			v.suspended(&v.Scaling[i], d)
		}
	}
	v.hooksLeft(d)
	if !v.settled(d) {
		return
	}
	v.orphans(d)
	v.unregistered(d)
	v.detached(d)
}

// settled says that nothing moves any more.
func (v *view) settled(d *Diagnosis) bool {
	return v.known && v.info.Over() && (d.Rollback == nil || !d.Rollback.Running)
}

func (d *Diagnosis) left(kind, where, summary string, next ...Command) {
	d.LeftOvers = append(d.LeftOvers, LeftOver{kind, where, summary, next})
}

// own are the processes that CodeDeploy suspends on a replacement's group, and resumes once the original is out of traffic.
func own() []guard.Process {
	return []guard.Process{guard.AddToLoadBalancer, guard.AlarmNotification, guard.ScheduledActions}
}

// suspended says what is suspended on a group, and whose doing it is.
func (v *view) suspended(s *ScalingGroup, d *Diagnosis) {
	state := s.State.Value
	g := guard.Group{Name: s.Name, ARN: state.ARN, Suspended: map[guard.Process]string{}, Tags: state.Tags, Min: state.Min, Max: state.Max, Desired: state.Desired}
	for p, reason := range state.Suspended {
		g.Suspended[guard.Process(p)] = reason
	}
	views, _ := g.Views(v.Asked, v.statusOf)
	claimed := map[guard.Process]bool{}
	for _, gv := range views {
		for _, p := range slices.Concat(gv.Holds, gv.Disputed) {
			claimed[p] = true
		}
		switch reap := (Command{"give it back", v.wingman("guard reap --group " + shell(s.Name))}); {
		case gv.Live && gv.Problem == "":
			d.Notes = append(d.Notes, fmt.Sprintf("the guard %s holds %s on %s: it is given back at the end", guard.Whose(gv.Deployment), processes(gv.Holds), s.Name))
		case len(gv.Disputed) > 0:
			d.left(LeftGuard, s.Name, fmt.Sprintf("%s: %s suspended by somebody after the guard %s had: disputed", s.Name, processes(gv.Disputed), guard.Whose(gv.Deployment)), Command{"settle it", v.wingman("guard resume --group " + shell(s.Name))})
		case gv.Deployment != "" && gv.Problem == "" && len(gv.Holds) > 0 && v.statusOf(gv.Deployment).Known:
			d.left(LeftGuard, s.Name, fmt.Sprintf("%s: the guard %s still holds %s", s.Name, guard.Whose(gv.Deployment), processes(gv.Holds)), reap)
		case gv.Problem != "":
			d.left(LeftGuard, s.Name, fmt.Sprintf("%s: %s: %s", s.Name, gv.Key, gv.Problem), reap)
		}
	}
	v.unclaimed(s, g, claimed, d)
}

// statusOf is what the evidence knows of the deployment that owns a guard.
func (v *view) statusOf(id string) guard.DeploymentStatus {
	word := ""
	if id == v.Deployment && v.known {
		word = v.info.Status
	}
	for _, o := range v.Others.Value {
		if o.ID == id {
			word = o.Status
		}
	}
	if word == "" {
		return guard.DeploymentStatus{}
	}
	over := Info{Status: word}.Over()
	return guard.DeploymentStatus{Known: true, Over: over, Ended: over, Failed: word == "Failed" || word == "Stopped", Word: word}
}

// unclaimed is what no guard claims: CodeDeploy's own on its copy, or somebody's.
func (v *view) unclaimed(s *ScalingGroup, g guard.Group, claimed map[guard.Process]bool, d *Diagnosis) {
	var theirs, others, before []guard.Process
	for _, p := range slices.Sorted(maps.Keys(g.Suspended)) {
		at, stamped := since(g.Suspended[p])
		switch {
		case claimed[p]:
		case slices.Contains(v.green, s.Name) && slices.Contains(own(), p) && s.State.Value.Tags[ProvisioningTag] != "":
			theirs = append(theirs, p)
		case stamped && v.known && at.Before(v.info.Created):
			before = append(before, p)
		default:
			others = append(others, p)
		}
	}
	resume := func(set []guard.Process) Command {
		return Command{"resume exactly these", v.aws(fmt.Sprintf("autoscaling resume-processes --auto-scaling-group-name %s --scaling-processes %s", shell(s.Name), strings.ReplaceAll(processes(set), ",", "")))}
	}
	if len(theirs) > 0 && v.settled(d) {
		d.left(LeftByCodeDeploy, s.Name, fmt.Sprintf("%s: CodeDeploy left %s suspended: what is launched there is not registered, and alarms and schedules do nothing", s.Name, processes(theirs)), resume(theirs))
	}
	if len(others) > 0 {
		d.left(LeftSuspended, s.Name, fmt.Sprintf("%s: somebody has suspended %s since the deployment was created (%s); no guard of wingman's claims it", s.Name, processes(others), g.Suspended[others[0]]), resume(others))
	}
	if len(before) > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%s: %s suspended by somebody before this deployment", s.Name, processes(before)))
	}
}

// since reads the stamp in Auto Scaling's reason.
func since(reason string) (time.Time, bool) {
	at, err := time.Parse(time.RFC3339, strings.TrimPrefix(reason, "User suspended at "))
	return at, err == nil
}

func processes(set []guard.Process) string {
	names := make([]string, len(set))
	for i, p := range set {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

// hooksLeft finds CodeDeploy's lifecycle hooks that belong to no deployment group: they hold every launch up.
func (v *view) hooksLeft(d *Diagnosis) {
	if !v.Group.Whole() || !v.Siblings.Whole() || !v.known {
		return
	}
	for _, s := range v.Scaling {
		for _, h := range s.Hooks.Value {
			if Managed(h.Name) && !v.Owns(h.Name) && v.settled(d) {
				d.left(LeftHook, s.Name, fmt.Sprintf("%s: lifecycle hook %s is CodeDeploy's, and no deployment group's that could be read", s.Name, h.Name), v.nextFor(LeftOverHook, fail{}, s.Name, h.Name)...)
			}
		}
	}
}

// orphans are the groups that CodeDeploy made and that the deployment group does not name.
func (v *view) orphans(d *Diagnosis) {
	if !v.Group.Whole() {
		return
	}
	for _, c := range v.Copies.Value {
		named := slices.ContainsFunc(v.Group.Value.Scaling, func(h Hooked) bool { return h.Name == c.Name })
		switch mine := c.Deployment == v.Deployment || c.Deployment == v.info.RollsBack; {
		case named, !mine && c.Deployment == v.Group.Value.LastTried:
		case mine && v.info.Status == "Succeeded" && v.info.RollsBack == "":
		case mine && d.Live.Environment == Replacement && d.Live.Others == 0 && v.last():
			d.left(LeftLiveGroup, c.Name, fmt.Sprintf("%s serves, and the deployment group still names %s", c.Name, strings.Join(v.blue, ", ")),
				Command{"name the group that serves (it also moves CodeDeploy's lifecycle hook)", v.aws(fmt.Sprintf("deploy update-deployment-group --application-name %s --current-deployment-group-name %s --auto-scaling-groups %s", shell(v.info.Application), shell(v.info.Group), shell(c.Name)))})
		default:
			v.orphan(d, c, mine)
		}
	}
}

// last says that no deployment was begun since.
func (v *view) last() bool {
	tried := v.Group.Value.LastTried
	return tried == v.Deployment || tried == v.info.RolledBackBy && tried != ""
}

func (v *view) orphan(d *Diagnosis, c Copy, mine bool) {
	text := fmt.Sprintf("%s (desired %d) is no deployment group's any more: made by %s", c.Name, c.Desired, c.Deployment)
	drain := []Command{{"when its instances have been looked at: empty it", v.aws("autoscaling update-auto-scaling-group --min-size 0 --desired-capacity 0 --auto-scaling-group-name " + shell(c.Name))},
		{"once they are gone (it refuses before)", v.aws("autoscaling delete-auto-scaling-group --auto-scaling-group-name " + shell(c.Name))}}
	switch {
	case !mine && v.scaling(c.Name) != nil && v.info.KeepsBlue:
		d.Notes = append(d.Notes, c.Name+" is kept, as the deployment group wants (KEEP_ALIVE)")
	case mine && d.Live.Replacement.Healthy > 0:
		d.left(LeftGroup, c.Name, text+"; but it serves: do not delete it", v.prove()...)
	case !v.idle(d, c.Name):
		d.left(LeftGroup, c.Name, text+"; do not delete it before it is proved that it serves nobody", v.prove()...)
	default:
		d.left(LeftGroup, c.Name, text, drain...)
	}
}

// idle says that it is proved that a group serves nobody: every healthy target is known to be another group's, and the
// original serves.
func (v *view) idle(d *Diagnosis, name string) bool {
	if d.Live.Environment != Original || d.Live.Others > 0 || len(v.Balanced) == 0 || v.healthMissing() != nil {
		return false
	}
	s := v.scaling(name)
	if s == nil {
		return true // its instances would be among the others
	}
	return s.State.Whole() && !slices.ContainsFunc(s.State.Value.Instances, func(in Instance) bool { return v.anyHealthy(in.ID) })
}

// anyHealthy says that an instance is healthy in some target group.
func (v *view) anyHealthy(id string) bool {
	return slices.ContainsFunc(v.Balanced, func(b TargetGroup) bool {
		return slices.ContainsFunc(b.Health.Value, func(h Health) bool { return h.ID == id && h.State == "healthy" })
	})
}

// prove shows who serves.
func (v *view) prove() (out []Command) {
	for _, b := range v.Balanced {
		if arn := b.State.Value.ARN; arn != "" {
			out = append(out, Command{"who serves now", v.aws("elbv2 describe-target-health --target-group-arn " + arn)})
		}
	}
	return out
}

// unregistered are instances in service in Auto Scaling's eyes that no load balancer knows, on the side that is live.
func (v *view) unregistered(d *Diagnosis) {
	groups := v.blue
	switch d.Live.Environment {
	case Replacement:
		groups = v.green
	case InPlace:
		groups = nil
		for _, h := range v.Group.Value.Scaling {
			groups = append(groups, h.Name)
		}
	case Original:
	default:
		return
	}
	if len(v.Balanced) == 0 || v.healthMissing() != nil || !v.info.Traffic {
		return
	}
	var never, out []string
	for _, name := range groups {
		s := v.scaling(name)
		if s == nil {
			continue
		}
		for _, in := range s.State.Value.Instances {
			if h, _, _ := v.healthOf(in.ID); in.State != "InService" || h == nil || h.Reason != "Target.NotRegistered" {
				continue
			}
			switch t := v.target[in.ID]; {
			case v.blocked(in.ID):
				out = append(out, in.ID)
			case t != nil && t.Status != "Succeeded" && v.side(in.ID) != lifecycle.Original: // it never came so far: that is the failure itself
			default:
				never = append(never, in.ID)
			}
		}
	}
	v.leave(d, LeftUnregistered, never, "in service in the Auto Scaling group and not registered with "+v.Balanced[0].Name+": no traffic reaches it")
	v.leave(d, LeftOut, out, "taken out of traffic by the deployment, which then failed on it")
}

// blocked says that the deployment took the instance out of traffic.
func (v *view) blocked(id string) bool {
	t := v.target[id]
	return t != nil && slices.ContainsFunc(t.Events, func(e Event) bool { return e.Name == "BlockTraffic" && e.Status == "Succeeded" })
}

func (v *view) leave(d *Diagnosis, kind string, ids []string, what string) {
	if len(ids) == 0 {
		return
	}
	targets := ""
	for _, id := range ids[:min(len(ids), 10)] {
		targets += " Id=" + id
	}
	d.left(kind, v.Balanced[0].Name, some(ids)+": "+what, Command{"once it is proved to have the right revision and to answer", v.aws("elbv2 register-targets --target-group-arn " + v.Balanced[0].State.Value.ARN + " --targets" + targets)})
}

// some names a few, and counts the rest.
func some(ids []string) string {
	if len(ids) <= shown {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(ids[:shown], ", "), len(ids)-shown)
}

// detached is a live replacement whose group no target group is attached to, where the original's had one: CodeDeploy
// registers instances itself, and copies no attachment.
func (v *view) detached(d *Diagnosis) {
	if d.Live.Environment != Replacement {
		return
	}
	had := slices.ContainsFunc(v.blue, func(name string) bool { return len(v.scaling(name).State.Value.TargetGroups) > 0 })
	for _, name := range v.green {
		s := v.scaling(name)
		if had && s.State.Whole() && len(s.State.Value.TargetGroups) == 0 && len(v.Balanced) > 0 {
			d.left(LeftDetached, name, name+" has no target group attached, as the original's group has: what it launches is registered by CodeDeploy's deployment to it only",
				Command{"attach it, if it should be so", v.aws("autoscaling attach-load-balancer-target-groups --auto-scaling-group-name " + shell(name) + " --target-group-arns " + v.Balanced[0].State.Value.ARN)})
		}
	}
}
