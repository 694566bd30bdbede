package awssim

import (
	"slices"
	"strings"
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
	AutoScalingGroupName                       string `xml:",omitempty"` // of DescribeAutoScalingInstances
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

func (g *group) instanceAnswer(in *instance) instanceAnswer {
	health := map[bool]string{true: "Healthy", false: "Unhealthy"}[in.Healthy]
	return instanceAnswer{"", in.ID, "t3.micro", in.Zone, in.State, health, g.Kept["LaunchConfigurationName"], g.template(), in.Protected}
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
		ServiceLinkedRoleARN:         c.globalARN("iam", "role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"),
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
			a.Instances.Member = append(a.Instances.Member, g.instanceAnswer(in))
		}
	}
	return a
}

func (c *call) describeAutoScalingGroups() (any, error) {
	var all []*group
	for _, g := range sorted(c.st.Groups) {
		if c.among("AutoScalingGroupNames", g.Name) && g.passes(c.structs("Filters")) {
			all = append(all, g)
		}
	}
	part, next, err := page(c, all, 50, 100)
	out := pageAnswer[groupAnswer]{name: "AutoScalingGroups", next: next}
	for _, g := range part {
		out.items = append(out.items, c.groupAnswer(g, c.text("IncludeInstances") != "false"))
	}
	return out, err
}

func (c *call) describeAutoScalingInstances() (any, error) {
	var all []instanceAnswer
	for _, g := range sorted(c.st.Groups) {
		for _, in := range c.st.members(g.Name) {
			if c.among("InstanceIds", in.ID) {
				a := g.instanceAnswer(in)
				a.AutoScalingGroupName, a.HealthStatus = g.Name, strings.ToUpper(a.HealthStatus) // this call alone shouts
				all = append(all, a)
			}
		}
	}
	return paged(c, "AutoScalingInstances", all, 50, 50)
}
