package awssim

import (
	"slices"
	"strings"
)

// managed is the instance of that id, with its group.
func (c *call) managed(id string) (*instance, *group, error) {
	in := c.state.Instances[id]
	if in != nil && in.State != terminated {
		if g := c.state.Groups[in.Group]; g != nil {
			return in, g, nil
		}
	}
	return nil, nil, invalid("Instance Id not found - No managed instance found for instance ID: %s", id)
}

func (c *call) setInstanceHealth() (any, error) {
	if err := c.need("InstanceId", "HealthStatus"); err != nil {
		return nil, err
	}
	in, g, err := c.managed(c.text("InstanceId"))
	if err != nil {
		return nil, err
	}
	switch c.text("HealthStatus") {
	case "Healthy":
		in.Healthy, in.Reason = true, ""
	case "Unhealthy":
		if c.text("ShouldRespectGracePeriod") != "false" && c.now().Before(in.InServiceSince.Add(g.GracePeriod)) {
			return nil, nil // true is the default: nothing happens
		}
		c.mark(in, "a user health-check.")
		c.reconcile(g.Name)
	default:
		return nil, invalid("Invalid health status: %s. Valid values are Healthy, Unhealthy", c.text("HealthStatus"))
	}
	return nil, nil
}

func (c *call) setInstanceProtection() (any, error) {
	g, err := c.live()
	if err != nil {
		return nil, err
	}
	ids, _ := c.list("InstanceIds")
	if len(ids) > 50 {
		return nil, unmet("[...]", "instanceIds", "have length less than or equal to 50")
	}
	ins, err := c.chosen(g, ids, nil)
	if err != nil {
		return nil, err
	}
	for _, in := range ins {
		in.Protected = c.yes("ProtectedFromScaleIn")
	}
	c.reconcile(g.Name)
	return struct{}{}, nil
}

// chosen gives a group's instances of these ids, in one of these states (none: any).
func (c *call) chosen(g *group, ids, states []string) (out []*instance, err error) {
	if len(ids) == 0 {
		return nil, unmet("null", "instanceIds", "not be null")
	}
	for _, id := range ids {
		in := c.state.Instances[id]
		if in == nil || in.Group != g.Name || in.State == terminated {
			return nil, invalid("The instance %s is not part of Auto Scaling group %s.", id, g.Name)
		}
		if len(states) > 0 && !slices.Contains(states, in.State) {
			return nil, invalid("The instance %s is not in %s.", id, strings.Join(states, " or "))
		}
		out = append(out, in)
	}
	return out, nil
}

// terminateInstance is TerminateInstanceInAutoScalingGroup: by hand, whatever is suspended.
func (c *call) terminateInstance() (any, error) {
	if err := c.need("InstanceId", "ShouldDecrementDesiredCapacity"); err != nil {
		return nil, err
	}
	in, g, err := c.managed(c.text("InstanceId"))
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(in.State, terminating) {
		return nil, fails(400, "ScalingActivityInProgress", "Instance %s is already being terminated", in.ID)
	}
	cause := c.say("an instance was taken out of service in response to a user request.")
	if c.yes("ShouldDecrementDesiredCapacity") {
		if err := c.shrink(g, 1); err != nil {
			return nil, err
		}
		cause = c.say("an instance was taken out of service in response to a user request, shrinking the capacity from %d to %d.", g.Desired+1, g.Desired)
	}
	c.terminate(in, cause, false)
	c.reconcile(g.Name)
	return struct{ Activity activityAnswer }{c.activityAnswer(c.activityOf(in))}, nil
}

// shrink lowers what the group should have, within its bounds.
func (c *call) shrink(g *group, by int) error {
	if g.Desired-by < g.Min {
		return invalid("Currently, desiredSize equals minSize (%d). Terminating instance without replacement will violate group's min size constraint. Either set shouldDecrementDesiredCapacity flag to false or lower group's min size.", g.Min)
	}
	g.Desired -= by
	return nil
}

type activitiesAnswer struct{ Activities memberList[activityAnswer] }

func (c *call) enterStandby() (any, error) {
	return c.takeOut(standby, []string{inService}, "Moving EC2 instance to Standby: ", "was moved to standby in response to a user request.")
}

func (c *call) detachInstances() (any, error) {
	return c.takeOut(detached, []string{inService, standby}, "Detaching EC2 instance: ", "was detached in response to a user request.")
}

// takeOut moves instances out of what counts: into Standby, or out of the group.
func (c *call) takeOut(to string, from []string, description, cause string) (any, error) {
	g, err := c.live()
	if err != nil {
		return nil, err
	}
	if err := c.need("ShouldDecrementDesiredCapacity"); err != nil {
		return nil, err
	}
	ids, _ := c.list("InstanceIds")
	ins, err := c.chosen(g, ids, from)
	if err != nil {
		return nil, err
	}
	counted := len(slices.DeleteFunc(slices.Clone(ins), func(in *instance) bool { return in.State == standby }))
	if c.yes("ShouldDecrementDesiredCapacity") {
		if err := c.shrink(g, counted); err != nil {
			return nil, err
		}
	}
	var out activitiesAnswer
	for _, in := range ins {
		a := c.recorded(g, in, description+in.ID, c.say("instance %s %s", in.ID, cause))
		out.Activities.Member = append(out.Activities.Member, c.activityAnswer(a))
		for _, arn := range g.TargetGroupARNs {
			c.deregister(arn, in.ID)
		}
		in.State, in.Moved = to, true
		c.emit(Change{Kind: MovedOut, Group: g.Name, Instance: in.ID, Text: to})
		if to == detached {
			in.Group = ""
		}
	}
	c.reconcile(g.Name)
	return out, nil
}

func (c *call) exitStandby() (any, error) {
	return c.takeIn(func(in *instance, g *group) bool { return in.Group == g.Name && in.State == standby }, "Moving EC2 instance out of Standby: ", "was moved out of standby in response to a user request, increasing the capacity.")
}

func (c *call) attachInstances() (any, error) {
	_, err := c.takeIn(func(in *instance, _ *group) bool { return in.Group == "" && in.State == detached }, "Attaching an existing EC2 instance: ", "was attached in response to a user request, increasing the capacity.")
	return nil, err
}

// takeIn puts instances into service again; it needs Launch, and raises Desired with them.
func (c *call) takeIn(may func(*instance, *group) bool, description, cause string) (any, error) {
	g, err := c.live()
	if err != nil {
		return nil, err
	}
	ids, _ := c.list("InstanceIds")
	if !g.runs("Launch") {
		return nil, invalid("The Launch process of AutoScalingGroup %s is suspended", g.Name)
	}
	if g.Desired+len(ids) > g.Max {
		return nil, invalid("AutoScalingGroup %s: a desired capacity of %d exceeds its max size of %d", g.Name, g.Desired+len(ids), g.Max)
	}
	for _, id := range ids {
		if in := c.state.Instances[id]; in == nil || !may(in, g) {
			return nil, invalid("Invalid Instance ID(s): %s for the operation", id)
		}
	}
	var out activitiesAnswer
	for _, id := range ids {
		in := c.state.Instances[id]
		in.Group, in.State = g.Name, pending
		g.Desired++
		a := c.begin(g, in, description+in.ID, c.say("instance %s %s", in.ID, cause))
		out.Activities.Member = append(out.Activities.Member, c.activityAnswer(a))
		c.after(c.Delays.Launch, func() {
			if in := c.state.Instances[id]; in != nil && in.State == pending && !c.hold(in, launchTransition) {
				c.enterService(in)
			}
		})
	}
	return out, nil
}
