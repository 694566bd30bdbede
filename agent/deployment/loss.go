package deployment

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/codedeploy-wingman/wingman/agent/lifecycle"
)

// slack is between two of AWS's clocks, and between what happens and its stamp.
const slack = 2 * time.Minute

// gone is the cause where Auto Scaling, or EC2, ended the instance before the event's end.
func (v *view) gone(f fail) Cause {
	is := v.fateOf(f.ID)
	end := f.at
	if f.Event.Status == "InProgress" {
		end = v.Asked
	}
	if is.activity == nil || is.activity.Start.After(end.Add(slack)) || f.Event.Status == "Failed" && !f.Start.IsZero() && is.activity.Start.After(end) {
		return Cause{}
	}
	c := Cause{Name: InstanceGone, Confidence: Likely, Summary: fmt.Sprintf("%s was taken away while the deployment was under way", f.ID),
		Evidence: []string{fmt.Sprintf("%s: %s (%s)", is.group.Name, clip(is.activity.Cause, 300), is.activity.Start.Format(time.TimeOnly+" MST"))}}
	if is.whole {
		v.how(&c, f.ID, is)
	}
	c.Next = v.nextFor(InstanceGone, f)
	return c
}

// how says who took the instance, in Auto Scaling's words (ASUG, "Verify a scaling activity").
func (v *view) how(c *Cause, id string, is fate) {
	text := is.activity.Cause
	set := func(name, how string) { c.Name, c.Summary = name, id+how }
	switch {
	case strings.Contains(text, "instance refresh"):
		set(InstanceRefreshed, " was replaced by an instance refresh while the deployment was under way")
	case strings.Contains(text, "EC2 health check indicating it has been terminated or stopped"):
		set(InstanceEnded, " was stopped or terminated at EC2 (Spot, or somebody), and Auto Scaling found out")
	case strings.Contains(text, "health check"), strings.Contains(text, "health-check"), strings.Contains(text, "status checks"):
		set(InstanceUnhealthy, " was called unhealthy and replaced while the deployment was under way")
	case strings.Contains(text, "shrinking the capacity"):
		if v.balanced(is) {
			set(InstanceRebalanced, " was taken to balance the zones (AZRebalance) while the deployment was under way")
			return
		}
		set(InstanceScaledIn, " was scaled in while the deployment was under way"+scaler(text))
	case strings.Contains(text, "in response to a user request"):
		set(InstanceByHand, " was terminated by somebody (TerminateInstanceInAutoScalingGroup) while the deployment was under way")
	}
}

// scaler is who asked for fewer instances.
func scaler(cause string) string {
	switch {
	case strings.Contains(cause, "monitor alarm"):
		_, after, _ := strings.Cut(cause, "monitor alarm ")
		return ", by a scaling policy (alarm " + strings.TrimSpace(strings.SplitN(after, " in state", 2)[0]) + ")"
	case strings.Contains(cause, "scheduled action"):
		return ", by a scheduled action"
	case strings.Contains(cause, "a user request explicitly set group desired capacity"), strings.Contains(cause, "a user request update"):
		return ": somebody, or a tool such as Terraform, lowered the group's capacity"
	}
	return ""
}

// balanced says that the group launched one to balance its zones shortly before.
func (v *view) balanced(is fate) bool {
	return slices.ContainsFunc(is.group.Activities.Value, func(a Activity) bool {
		return strings.Contains(a.Cause, "to balance instances in zones") && !a.Start.After(is.activity.Start) && is.activity.Start.Sub(a.Start) < 30*time.Minute
	})
}

// blind says why the evidence cannot exclude that the instance was taken away; "" where it can.
func (v *view) blind(id string) string {
	for _, s := range v.Scaling {
		if m := s.Activities.Missing; m != nil {
			return reason(m)
		}
	}
	if v.fateOf(id).group != nil || v.Group.Whole() && v.Group.Value.Tags { // one that tags select is no Auto Scaling group's
		return ""
	}
	return "its Auto Scaling group is not known"
}

// byLoss is an event that nobody answered for: the instance went, another deployment was in the way, or its CodeDeploy
// agent does not do its work. Only what the groups show can tell these apart.
func (v *view) byLoss(f fail) Cause {
	if c := v.gone(f); c.Name != "" {
		return c
	}
	is := v.fateOf(f.ID)
	said := fmt.Sprintf("%s on %s: %s", f.Name, f.ID, clip(f.said().Message, 200))
	there := is.here || is.activity != nil // one that was ended later was there then
	if !there || !is.whole {
		c := Cause{Name: AgentUnreachable, Confidence: Possible, Summary: f.ID + " did not answer: it was taken away, or its CodeDeploy agent does not run or reach CodeDeploy", Evidence: []string{said}, Next: v.nextFor(AgentUnreachable, f)}
		c.Decides = "whether the instance was there then: " + v.whyNotSeen(is)
		return c
	}
	if c := v.crowded(f, said); c.Name != "" {
		return c
	}
	c := Cause{Name: AgentUnreachable, Confidence: Likely, Evidence: []string{said, f.ID + " is in " + is.group.Name + ", and was not taken away"}}
	switch begun := slices.ContainsFunc(f.Target.Events, func(e Event) bool { return e.Status == "Succeeded" }); {
	case strings.Contains(f.said().Message, "not able to receive"):
		c.Summary = "the CodeDeploy agent on " + f.ID + " never asked for its first event: it does not run, has no instance profile, cannot reach CodeDeploy (443), or its clock is wrong"
		if begun {
			c.Summary = "the CodeDeploy agent on " + f.ID + " stopped asking for events while the deployment was under way"
		}
	default:
		c.Name, c.Summary = AgentSilent, fmt.Sprintf("%s began on %s and its end was never reported: the CodeDeploy agent died in it, or its script hangs", f.Name, f.ID)
	}
	c.Next = v.nextFor(c.Name, f)
	return c
}

func (v *view) whyNotSeen(is fate) string {
	for _, s := range v.Scaling {
		for _, m := range []*Missing{s.State.Missing, s.Activities.Missing} {
			if m != nil && m.Why != NotFound {
				return reason(m)
			}
		}
	}
	if v.Group.Missing != nil {
		return reason(v.Group.Missing)
	}
	return "no Auto Scaling group that is known has it, and no activity ended it"
}

// crowded is an event that another deployment group's deployment kept the CodeDeploy agent from, or the doubt whether it
// was so: an agent does one deployment's event at a time, and AWS gives the other 5 minutes (CodeDeploy's user guide,
// "Avoid associating multiple deployment groups with a single Auto Scaling group").
func (v *view) crowded(f fail, said string) Cause {
	if m := v.Siblings.Missing; m != nil {
		return Cause{Name: AgentUnreachable, Confidence: Possible, Summary: "the CodeDeploy agent on " + f.ID + " did not take the event", Evidence: []string{said},
			Decides: "whether another deployment group was in its way: " + reason(m), Next: v.nextFor(AgentUnreachable, f)}
	}
	for _, o := range v.Others.Value {
		if o.Relation == Beside && !o.Created.After(f.at) && (o.Completed.IsZero() || o.Completed.After(f.at.Add(-10*time.Minute))) {
			return Cause{Name: TwoGroups, Confidence: Likely, Summary: fmt.Sprintf("deployment %s of another deployment group (%s) ran on the same instances: they were in each other's way", o.ID, o.Group),
				Evidence: []string{said, fmt.Sprintf("%s: %s, created %s", o.ID, o.Status, o.Created.Format(time.TimeOnly+" MST"))}, Next: v.nextFor(TwoGroups, f)}
		}
	}
	if m := v.Others.Missing; m != nil {
		return Cause{Name: AgentUnreachable, Confidence: Possible, Summary: "the CodeDeploy agent on " + f.ID + " did not take the event", Evidence: []string{said},
			Decides: "whether another deployment was in its way: " + reason(m), Next: v.nextFor(AgentUnreachable, f)}
	}
	return Cause{}
}

// byTraffic is CodeDeploy's own AllowTraffic or BlockTraffic: the load balancer says why.
func (v *view) byTraffic(f fail) Cause {
	if c := v.gone(f); c.Name != "" {
		return c
	}
	h, at, whole := v.healthOf(f.ID)
	c := Cause{Name: CodeDeploySays, Confidence: Possible, Summary: fmt.Sprintf("%s did not come to its end on %s, and says not why", f.Name, f.ID)}
	if m := f.said().Message; m != "" {
		c.Evidence = append(c.Evidence, fmt.Sprintf("%s on %s: %s", f.Name, f.ID, clip(m, 200)))
	}
	switch {
	case !whole || h == nil:
		c.Decides = "the target's health"
		if m := v.healthMissing(); m != nil {
			c.Decides += ": " + reason(m)
		}
		return c
	case v.blind(f.ID) != "": // an instance that goes away is unhealthy, too
		c.Decides = "whether Auto Scaling took the instance away: " + v.blind(f.ID)
		return c
	}
	c.Evidence = append(c.Evidence, strings.TrimSpace(fmt.Sprintf("%s in %s: %s %s %s", f.ID, at.Name, h.State, h.Reason, h.Text)))
	v.traffic(&c, f, h, at)
	return c
}

func (v *view) traffic(c *Cause, f fail, h *Health, at *TargetGroup) {
	allow := lifecycle.Event(f.Name) == lifecycle.AllowTraffic
	switch {
	case allow && h.Reason == "Target.NotInUse":
		c.Name, c.Confidence, c.Summary = TargetGroupUnused, Certain, "no load balancer forwards to the target group "+at.Name+": a target there never becomes healthy"
	case allow && (h.State == "unhealthy" || h.State == "unhealthy.draining"):
		c.Name, c.Confidence, c.Summary = HealthCheck, Certain, fmt.Sprintf("the load balancer's health check does not pass on the new instances: %s", checkOf(at, h))
	case !allow && h.State == "draining":
		c.Name, c.Confidence, c.Summary = DeregisterStuck, Likely, fmt.Sprintf("%s still drains in %s: its deregistration delay is longer than CodeDeploy waits", f.ID, at.Name)
	case f.Event.Status == "InProgress":
		*c = Cause{}
		return
	case h.State == "healthy":
		c.Decides = "it is healthy now; what its health was then, the application's log and the load balancer's metrics tell"
		return
	default:
		c.Decides = "its health at that time; now it is " + h.State
		return
	}
	c.Next = v.nextFor(c.Name, f)
}

// checkOf says what is asked, and what comes back.
func checkOf(t *TargetGroup, h *Health) string {
	b := t.State.Value
	port := b.CheckPort
	if port == "traffic-port" || port == "" {
		port = fmt.Sprint(h.Port)
	}
	asked := fmt.Sprintf("%s %s on port %s", b.Check, b.Path, port)
	switch h.Reason {
	case "Target.ResponseCodeMismatch":
		return fmt.Sprintf("%s answers with a code that is not %s (%s)", asked, b.Codes, h.Text)
	case "Target.Timeout":
		return asked + " does not answer in time: a security group, a wrong port, or an application that is not up"
	}
	return fmt.Sprintf("%s: %s %s", asked, h.Reason, h.Text)
}
