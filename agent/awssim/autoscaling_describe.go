package awssim

import (
	"slices"
	"time"
)

// groupAnswer is a group as DescribeAutoScalingGroups has it. What is a pointer or omitempty is left out where it is
// not set, everything else is there always: that is how the recorded answers are (testdata/aws-recorded).
type groupAnswer struct {
	AutoScalingGroupName, AutoScalingGroupARN string
	LaunchConfigurationName                   string          `xml:",omitempty"`
	LaunchTemplate                            *launchTemplate `xml:",omitempty"`
	MinSize, MaxSize, DesiredCapacity         int
	DefaultCooldown                           int
	AvailabilityZones                         memberList[string]
	LoadBalancerNames, TargetGroupARNs        memberList[string]
	HealthCheckType                           string
	HealthCheckGracePeriod                    int
	Instances                                 memberList[instanceAnswer]
	CreatedTime                               *time.Time
	SuspendedProcesses                        memberList[suspendedProcess]
	PlacementGroup                            string `xml:",omitempty"`
	VPCZoneIdentifier                         string
	EnabledMetrics                            memberList[string]
	Status                                    string `xml:",omitempty"`
	Tags                                      memberList[tagDescription]
	TerminationPolicies                       memberList[string]
	NewInstancesProtectedFromScaleIn          bool
	ServiceLinkedRoleARN                      string
	MaxInstanceLifetime                       int    `xml:",omitempty"`
	DeletionProtection                        string `xml:",omitempty"`
	TrafficSources                            memberList[trafficSource]
	CapacityDistributionStrategy              string `xml:"AvailabilityZoneDistribution>CapacityDistributionStrategy"`
	CapacityReservationPreference             string `xml:"CapacityReservationSpecification>CapacityReservationPreference"`
	TerminateHookAbandon                      string `xml:"InstanceLifecyclePolicy>RetentionTriggers>TerminateHookAbandon"`
}

type launchTemplate struct {
	LaunchTemplateId, LaunchTemplateName, Version string `xml:",omitempty"`
}

type trafficSource struct{ Identifier, Type string }

type suspendedProcess struct{ ProcessName, SuspensionReason string }

type instanceAnswer struct {
	InstanceId, InstanceType, AvailabilityZone string
	LifecycleState, HealthStatus               string
	LaunchConfigurationName                    string          `xml:",omitempty"`
	LaunchTemplate                             *launchTemplate `xml:",omitempty"`
	ProtectedFromScaleIn                       bool
}

// members gives a group's instances in these states, in any without; those that are terminated are no members. They are
// ordered by launch.
func (s *Sim) members(name string, states ...string) []*instance {
	return s.state.members(name, states...)
}

func (st *state) members(name string, states ...string) (out []*instance) {
	for _, in := range st.Instances {
		if in.Group == name && in.State != terminated && (len(states) == 0 || slices.Contains(states, in.State)) {
			out = append(out, in)
		}
	}
	slices.SortFunc(out, func(a, b *instance) int { return a.N - b.N })
	return out
}

func (g *group) template() *launchTemplate {
	t := launchTemplate{g.Kept["LaunchTemplate.LaunchTemplateId"], g.Kept["LaunchTemplate.LaunchTemplateName"], g.Kept["LaunchTemplate.Version"]}
	if t == (launchTemplate{}) {
		return nil
	}
	return &t
}

func health(in *instance) string {
	if in.Healthy {
		return "Healthy"
	}
	return "Unhealthy"
}

func (c *call) groupAnswer(g *group, withInstances bool) groupAnswer {
	a := groupAnswer{
		AutoScalingGroupName: g.Name, AutoScalingGroupARN: g.ARN,
		LaunchConfigurationName: g.Kept["LaunchConfigurationName"], LaunchTemplate: g.template(),
		MinSize: g.Min, MaxSize: g.Max, DesiredCapacity: g.Desired, DefaultCooldown: int(g.Cooldown.Seconds()),
		AvailabilityZones: listOf(g.Zones), TargetGroupARNs: listOf(g.TargetGroupARNs),
		HealthCheckType: g.HealthCheckType, HealthCheckGracePeriod: int(g.GracePeriod.Seconds()),
		CreatedTime: moment(g.Created), PlacementGroup: g.Kept["PlacementGroup"], VPCZoneIdentifier: g.Kept["VPCZoneIdentifier"],
		Tags: listOf(g.tagList()), TerminationPolicies: listOf([]string{"Default"}), NewInstancesProtectedFromScaleIn: g.NewProtected,
		ServiceLinkedRoleARN:         "arn:aws:iam::" + c.Account + ":role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
		MaxInstanceLifetime:          int(g.MaxLifetime.Seconds()),
		CapacityDistributionStrategy: "balanced-best-effort", CapacityReservationPreference: "default", TerminateHookAbandon: "terminate",
	}
	if g.DeletionProtection != "none" {
		a.DeletionProtection = g.DeletionProtection
	}
	if g.Deleting {
		a.Status = "Delete in progress"
	}
	for _, arn := range g.TargetGroupARNs {
		a.TrafficSources.Member = append(a.TrafficSources.Member, trafficSource{arn, "elbv2"})
	}
	for _, p := range processes() {
		if s, is := g.Suspended[p]; is {
			a.SuspendedProcesses.Member = append(a.SuspendedProcesses.Member, suspendedProcess{p, s.Reason})
		}
	}
	if withInstances {
		for _, in := range c.st.members(g.Name) {
			a.Instances.Member = append(a.Instances.Member, instanceAnswer{in.ID, "t3.micro", in.Zone, in.State, health(in),
				a.LaunchConfigurationName, a.LaunchTemplate, in.Protected})
		}
	}
	return a
}

func (c *call) describeAutoScalingGroups() (any, error) {
	names, given := c.list("AutoScalingGroupNames")
	var all []*group
	for _, g := range sorted(c.st.Groups) {
		if (!given || slices.Contains(names, g.Name)) && g.passes(c.structs("Filters")) {
			all = append(all, g)
		}
	}
	part, next, err := page(c, all, 50, 100)
	if err != nil {
		return nil, err
	}
	out := struct {
		AutoScalingGroups memberList[groupAnswer]
		NextToken         string `xml:",omitempty"`
	}{NextToken: next}
	for _, g := range part {
		out.AutoScalingGroups.Member = append(out.AutoScalingGroups.Member, c.groupAnswer(g, c.text("IncludeInstances") != "false"))
	}
	return out, nil
}

type instanceDetails struct {
	InstanceId, InstanceType, AutoScalingGroupName, AvailabilityZone, LifecycleState, HealthStatus string
	LaunchConfigurationName                                                                        string          `xml:",omitempty"`
	LaunchTemplate                                                                                 *launchTemplate `xml:",omitempty"`
	ProtectedFromScaleIn                                                                           bool
}

func (c *call) describeAutoScalingInstances() (any, error) {
	ids, given := c.list("InstanceIds")
	var all []instanceDetails
	for _, g := range sorted(c.st.Groups) {
		for _, in := range c.st.members(g.Name) {
			if !given || slices.Contains(ids, in.ID) {
				h := map[bool]string{true: "HEALTHY", false: "UNHEALTHY"}[in.Healthy] // this call alone shouts
				all = append(all, instanceDetails{in.ID, "t3.micro", g.Name, in.Zone, in.State, h, g.Kept["LaunchConfigurationName"], g.template(), in.Protected})
			}
		}
	}
	part, next, err := page(c, all, 50, 50)
	if err != nil {
		return nil, err
	}
	return struct {
		AutoScalingInstances memberList[instanceDetails]
		NextToken            string `xml:",omitempty"`
	}{listOf(part), next}, nil
}
