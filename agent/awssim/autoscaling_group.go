package awssim

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// kept are the parameters of a group that are answered as they were given and have no effect here.
func kept() []string {
	return []string{"LaunchConfigurationName", "LaunchTemplate.LaunchTemplateId", "LaunchTemplate.LaunchTemplateName", "LaunchTemplate.Version",
		"VPCZoneIdentifier", "ServiceLinkedRoleARN", "PlacementGroup"}
}

// createGroup stores a group and fills what is not set. Its instances come by themselves.
func (s *Sim) createGroup(g *group) error {
	if s.state.Groups[g.Name] != nil {
		return fails(400, "AlreadyExists", "AutoScalingGroup by this name already exists - A group with the name %s already exists", g.Name)
	}
	if err := g.checkSizes(); err != nil {
		return err
	}
	if len(g.Zones) == 0 {
		g.Zones = []string{s.Region + "a", s.Region + "b"}
	}
	if g.HealthCheckType == "" {
		g.HealthCheckType = "EC2"
	}
	if g.DeletionProtection == "" {
		g.DeletionProtection = "none"
	}
	g.ARN = s.arn("autoscaling", "autoScalingGroup:"+s.uuid()+":autoScalingGroupName/"+g.Name)
	g.Created = s.now()
	makeMap(&g.Tags)
	makeMap(&g.Suspended)
	makeMap(&g.Kept)
	makeMap(&g.Policies)
	makeMap(&g.Actions)
	makeMap(&g.Hooks)
	makeMap(&g.Notifications)
	s.state.Groups[g.Name] = g
	g.Cause = fmt.Sprintf("At %s a user request created an AutoScalingGroup changing the desired capacity from 0 to %d.", stamp(s.now()), g.Desired)
	s.emit(Change{Kind: Created, Group: g.Name})
	s.reconcile(g.Name)
	return nil
}

func makeMap[K comparable, V any](m *map[K]V) {
	if *m == nil {
		*m = map[K]V{}
	}
}

func (g *group) checkSizes() error {
	switch {
	case g.Min < 0 || g.Max < 0:
		return unmet(strconv.Itoa(min(g.Min, g.Max)), "minSize", "have value greater than or equal to 0")
	case g.Min > g.Max:
		return invalid("Min bound, %d, must be less than or equal to max bound, %d", g.Min, g.Max)
	case g.Desired < g.Min || g.Desired > g.Max:
		return invalid("Desired capacity:%d must be between the specified min size:%d and max size:%d", g.Desired, g.Min, g.Max)
	}
	return nil
}

// deleteGroup is DeleteAutoScalingGroup, whoever asks. Forced, the instances are terminated without lifecycle hooks and
// whatever is suspended (the guide's considerations say so of Terminate); the group goes when they are gone.
func (s *Sim) deleteGroup(name string, force bool) error {
	g := s.state.Groups[name]
	if g == nil {
		return noGroup(name)
	}
	if g.DeletionProtection == "prevent-all-deletion" || force && g.DeletionProtection == "prevent-force-deletion" {
		return invalid("The AutoScalingGroup %s cannot be deleted because its deletion protection is %s", name, g.DeletionProtection)
	}
	if g.Deleting {
		return nil
	}
	members := s.members(name)
	if len(members) > 0 && !force {
		if slices.ContainsFunc(members, func(in *instance) bool { return in.Activity != "" }) {
			return fails(400, "ScalingActivityInProgress", "You cannot delete an AutoScalingGroup while there are scaling activities in progress for that group.")
		}
		return fails(400, "ResourceInUse", "You cannot delete an AutoScalingGroup while there are instances or pending Spot instance request(s) still in the group.")
	}
	g.Deleting, g.Desired, g.Min = true, 0, 0
	for _, in := range members {
		s.terminate(in, s.say("an instance was taken out of service in response to a user request, shrinking the capacity."), true)
	}
	s.finishDelete(g)
	return nil
}

// finishDelete lets a group go that has no instance any more.
func (s *Sim) finishDelete(g *group) {
	if g.Deleting && len(s.members(g.Name)) == 0 {
		delete(s.state.Groups, g.Name)
		s.emit(Change{Kind: Deleted, Group: g.Name})
	}
}

// say is one sentence of a cause.
func (s *Sim) say(format string, args ...any) string {
	return "At " + stamp(s.now()) + " " + fmt.Sprintf(format, args...)
}

// setDesired changes what the group should have, and says why in AWS's words.
func (s *Sim) setDesired(g *group, n int, format string, args ...any) {
	if n != g.Desired {
		g.Cause = s.say(format, args...) + fmt.Sprintf(" changing the desired capacity from %d to %d.", g.Desired, n)
		s.emit(Change{Kind: DesiredChanged, Group: g.Name, Text: g.Cause})
		g.Desired = n
	}
	s.reconcile(g.Name)
}

// groupParameters reads what CreateAutoScalingGroup and UpdateAutoScalingGroup have in common.
func (c *call) groupParameters(g *group) {
	c.into("MinSize", &g.Min)
	c.into("MaxSize", &g.Max)
	c.seconds("DefaultCooldown", &g.Cooldown)
	c.seconds("HealthCheckGracePeriod", &g.GracePeriod)
	c.seconds("MaxInstanceLifetime", &g.MaxLifetime)
	c.keep("HealthCheckType", &g.HealthCheckType)
	c.keep("DeletionProtection", &g.DeletionProtection)
	if zones, given := c.list("AvailabilityZones"); given {
		g.Zones = zones
	}
	if c.form.Has("NewInstancesProtectedFromScaleIn") {
		g.NewProtected = c.yes("NewInstancesProtectedFromScaleIn")
	}
	for _, k := range kept() {
		if c.form.Has(k) {
			g.Kept[k] = c.text(k)
		}
	}
}

func (c *call) createAutoScalingGroup() (any, error) {
	if err := c.need("AutoScalingGroupName", "MinSize", "MaxSize"); err != nil {
		return nil, err
	}
	g := &group{Name: c.text("AutoScalingGroupName"), Cooldown: 300 * time.Second, Kept: map[string]string{}, Tags: map[string]tag{}}
	c.groupParameters(g)
	switch {
	case len(g.Zones) == 0 && g.Kept["VPCZoneIdentifier"] == "":
		return nil, invalid("At least one Availability Zone or VPC Subnet is required.")
	case g.Kept["LaunchConfigurationName"] == "" && g.template() == nil:
		return nil, invalid("Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or MixedInstancesPolicy parameter.")
	}
	g.Desired = g.Min
	c.into("DesiredCapacity", &g.Desired)
	g.TargetGroupARNs, _ = c.list("TargetGroupARNs")
	tags := c.structs("Tags")
	if err := checkTags(tags); err != nil {
		return nil, err
	}
	for _, t := range tags {
		g.Tags[t.Get("Key")] = tag{t.Get("Value"), t.Get("PropagateAtLaunch") == "true"}
	}
	return nil, c.createGroup(g)
}

func (c *call) updateAutoScalingGroup(g *group) (any, error) {
	next := *g
	c.groupParameters(&next)
	next.Desired = max(next.Min, min(next.Max, g.Desired)) // moved bounds take it along
	c.into("DesiredCapacity", &next.Desired)
	if err := next.checkSizes(); err != nil {
		return nil, err
	}
	desired := next.Desired
	next.Desired = g.Desired
	*g = next
	c.setDesired(g, desired, "a user request update of AutoScalingGroup constraints to min: %d, max: %d, desired: %d", g.Min, g.Max, desired)
	c.watchLifetime(g)
	return nil, nil
}

func (c *call) deleteAutoScalingGroup(g *group) (any, error) {
	return nil, c.deleteGroup(g.Name, c.yes("ForceDelete"))
}

func (c *call) setDesiredCapacity(g *group) (any, error) {
	n, _ := c.integer("DesiredCapacity")
	switch {
	case n > g.Max:
		return nil, invalid("New SetDesiredCapacity value %d is above max value %d for the AutoScalingGroup.", n, g.Max)
	case n < g.Min:
		return nil, invalid("New SetDesiredCapacity value %d is below min value %d for the AutoScalingGroup.", n, g.Min)
	case c.yes("HonorCooldown") && c.now().Before(g.ScaledAt.Add(g.Cooldown)):
		return nil, coolingDown(g)
	}
	c.setDesired(g, n, "a user request explicitly set group desired capacity")
	return nil, nil
}

func coolingDown(g *group) error {
	return fails(400, "ScalingActivityInProgress", "Scaling activity is in progress for AutoScalingGroup %s: its cooldown period of %d seconds is not over", g.Name, int(g.Cooldown.Seconds()))
}

// attachTargetGroups registers also those that are there; AddToLoadBalancer holds that back, and for good.
func (c *call) attachTargetGroups(g *group) (any, error) {
	arns, _ := c.list("TargetGroupARNs")
	for _, arn := range arns {
		if slices.Contains(g.TargetGroupARNs, arn) {
			continue
		}
		g.TargetGroupARNs = append(g.TargetGroupARNs, arn)
		for _, in := range c.members(g.Name, inService) {
			if g.runs("AddToLoadBalancer") {
				c.register(arn, in)
			}
		}
	}
	return struct{}{}, nil
}

func (c *call) detachTargetGroups(g *group) (any, error) {
	arns, _ := c.list("TargetGroupARNs")
	for _, arn := range arns {
		for _, in := range c.members(g.Name) {
			c.deregister(arn, in.ID)
		}
		g.TargetGroupARNs = slices.DeleteFunc(g.TargetGroupARNs, func(have string) bool { return have == arn })
	}
	return struct{}{}, nil
}

func (c *call) putNotificationConfiguration(g *group) (any, error) {
	g.Notifications[c.text("TopicARN")], _ = c.list("NotificationTypes")
	return nil, nil
}
