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

func (c *call) setInstanceProtection(g *group) (any, error) {
	ins, err := c.chosen(g)
	for _, in := range ins {
		in.Protected = c.yes("ProtectedFromScaleIn")
	}
	c.reconcile(g.Name)
	return struct{}{}, err
}

// chosen gives the group's instances that the call names, all of them in one of these states (none: any).
func (c *call) chosen(g *group, states ...string) (out []*instance, err error) {
	ids, _ := c.list("InstanceIds")
	switch {
	case len(ids) == 0:
		return nil, unmet("null", "instanceIds", "not be null")
	case len(ids) > 50:
		return nil, unmet("[...]", "instanceIds", "have length less than or equal to 50")
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

func (c *call) enterStandby(g *group) (any, error) {
	ins, err := c.chosen(g, inService)
	if err != nil {
		return nil, err
	}
	return c.takeOut(g, ins, standby, "Moving EC2 instance to Standby: ", "was moved to standby in response to a user request.")
}

func (c *call) detachInstances(g *group) (any, error) {
	ins, err := c.chosen(g, inService, standby)
	if err != nil {
		return nil, err
	}
	return c.takeOut(g, ins, detached, "Detaching EC2 instance: ", "was detached in response to a user request.")
}

// takeOut moves instances out of what counts: into Standby, or out of the group.
func (c *call) takeOut(g *group, ins []*instance, to, description, cause string) (any, error) {
	counted := 0
	for _, in := range ins {
		if in.State == inService {
			counted++
		}
	}
	if c.yes("ShouldDecrementDesiredCapacity") {
		if err := c.shrink(g, counted); err != nil {
			return nil, err
		}
	}
	var done []activityAnswer
	for _, in := range ins {
		a := c.begin(g, in, description+in.ID, c.say("instance %s %s", in.ID, cause))
		c.finish(in, "Successful")
		done = append(done, c.activityAnswer(a))
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
	return pageAnswer[activityAnswer]{name: "Activities", items: done}, nil
}

// exitStandby puts instances into service again; it needs Launch, and raises Desired with them.
func (c *call) exitStandby(g *group) (any, error) {
	ins, err := c.chosen(g, standby)
	switch {
	case err != nil:
		return nil, err
	case !g.runs("Launch"):
		return nil, invalid("The Launch process of AutoScalingGroup %s is suspended", g.Name)
	case g.Desired+len(ins) > g.Max:
		return nil, invalid("AutoScalingGroup %s: a desired capacity of %d exceeds its max size of %d", g.Name, g.Desired+len(ins), g.Max)
	}
	var done []activityAnswer
	for _, in := range ins {
		in.State = pending
		g.Desired++
		a := c.begin(g, in, "Moving EC2 instance out of Standby: "+in.ID, c.say("instance %s was moved out of standby in response to a user request, increasing the capacity from %d to %d.", in.ID, g.Desired-1, g.Desired))
		done = append(done, c.activityAnswer(a))
		c.boot(in.ID)
	}
	return pageAnswer[activityAnswer]{name: "Activities", items: done}, nil
}
