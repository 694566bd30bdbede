package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/codedeploy-wingman/wingman/agent/deployment"
)

// group asks for the deployment group, where it is known which.
func (g *collector) group(ctx context.Context) {
	const tells = "which Auto Scaling groups it deploys to now, and whether the deployment left one behind"
	i := g.Info.Value
	if i.Group == "" {
		g.Group = deployment.Lacks[deployment.Group](deployment.NotAsked, tells)
		return
	}
	out, err := g.deploy.GetDeploymentGroup(ctx, &codedeploy.GetDeploymentGroupInput{ApplicationName: &i.Application, DeploymentGroupName: &i.Group})
	if err != nil || out.DeploymentGroupInfo == nil {
		g.Group.Missing = missing(err, "codedeploy:GetDeploymentGroup", tells, false)
		return
	}
	d := out.DeploymentGroupInfo
	v := deployment.Group{ID: aws.ToString(d.DeploymentGroupId), Tags: len(d.Ec2TagFilters) > 0 || d.Ec2TagSet != nil || len(d.OnPremisesInstanceTagFilters) > 0, ServiceRole: aws.ToString(d.ServiceRoleArn)}
	for _, s := range d.AutoScalingGroups {
		v.Scaling = append(v.Scaling, deployment.Hooked{Name: aws.ToString(s.Name), Hook: aws.ToString(s.Hook), Termination: aws.ToString(s.TerminationHook)})
	}
	if s := d.DeploymentStyle; s != nil {
		v.BlueGreen = s.DeploymentType == "BLUE_GREEN"
	}
	if l := d.LastSuccessfulDeployment; l != nil {
		v.LastGood, v.LastGoodEnd = aws.ToString(l.DeploymentId), moment(l.EndTime)
	}
	if l := d.LastAttemptedDeployment; l != nil {
		v.LastTried = aws.ToString(l.DeploymentId)
	}
	g.Group.Value = v
}

// balanced asks for each target group and its targets' health.
func (g *collector) balanced(ctx context.Context) {
	names := g.Info.Value.TargetGroups
	g.Balanced = make([]deployment.TargetGroup, len(names))
	var calls []func()
	for n, name := range names {
		calls = append(calls, func() { g.Balanced[n] = g.balance(ctx, name) })
	}
	g.all(calls...)
	for _, name := range g.Info.Value.Classic { // no call of wingman's reads a classic load balancer
		g.Balanced = append(g.Balanced, deployment.TargetGroup{Name: name, State: deployment.Lacks[deployment.Balancing](deployment.NotAsked, "a classic load balancer"),
			Health: deployment.Lacks[[]deployment.Health](deployment.NotAsked, "a classic load balancer: aws elb describe-instance-health --load-balancer-name "+name)})
	}
}

func (g *collector) balance(ctx context.Context, name string) deployment.TargetGroup {
	const tells = "which environment is live, and why a target is not healthy"
	t := deployment.TargetGroup{Name: name}
	err := g.ask(ctx, func() error {
		out, err := g.elb.DescribeTargetGroups(ctx, &elb.DescribeTargetGroupsInput{Names: []string{name}})
		if err == nil && len(out.TargetGroups) > 0 {
			t.State.Value = balancingOf(out.TargetGroups[0])
		}
		return err
	})
	if err != nil || t.State.Value.ARN == "" {
		if err == nil {
			err = &Error{Kind: Gone, Err: fmt.Errorf("there is no target group %s", name)}
		}
		t.State.Missing = missing(err, "elasticloadbalancing:DescribeTargetGroups", tells, false)
		t.Health.Missing = t.State.Missing
		return t
	}
	err = g.ask(ctx, func() error {
		out, err := g.elb.DescribeTargetHealth(ctx, &elb.DescribeTargetHealthInput{TargetGroupArn: &t.State.Value.ARN})
		if err != nil {
			return err
		}
		t.Health.Value = []deployment.Health{}
		for _, h := range out.TargetHealthDescriptions {
			t.Health.Value = append(t.Health.Value, healthOf(h))
		}
		return nil
	})
	t.Health.Missing = missing(err, "elasticloadbalancing:DescribeTargetHealth", tells, false)
	return t
}

func balancingOf(t elbtypes.TargetGroup) deployment.Balancing {
	b := deployment.Balancing{ARN: aws.ToString(t.TargetGroupArn), Protocol: string(t.Protocol), Port: int(aws.ToInt32(t.Port)), CheckPort: aws.ToString(t.HealthCheckPort), Check: string(t.HealthCheckProtocol),
		Path: aws.ToString(t.HealthCheckPath), Interval: int(aws.ToInt32(t.HealthCheckIntervalSeconds)), Timeout: int(aws.ToInt32(t.HealthCheckTimeoutSeconds)),
		Threshold: int(aws.ToInt32(t.HealthyThresholdCount)), Used: len(t.LoadBalancerArns) > 0}
	if m := t.Matcher; m != nil {
		b.Codes = aws.ToString(m.HttpCode) + aws.ToString(m.GrpcCode)
	}
	return b
}

func healthOf(h elbtypes.TargetHealthDescription) deployment.Health {
	var out deployment.Health
	if h.Target != nil {
		out.ID, out.Port = aws.ToString(h.Target.Id), int(aws.ToInt32(h.Target.Port))
	}
	if s := h.TargetHealth; s != nil {
		out.State, out.Reason, out.Text = string(s.State), string(s.Reason), aws.ToString(s.Description)
	}
	return out
}

// scaling asks for every Auto Scaling group that has a part in the deployment.
func (g *collector) scaling(ctx context.Context) {
	names := g.scalingNames(ctx)
	g.Scaling = make([]deployment.ScalingGroup, len(names))
	var calls []func()
	for n, name := range names {
		s := &g.Scaling[n]
		s.Name = name
		calls = append(calls, func() { g.state(ctx, s) }, func() { g.activities(ctx, s) }, func() { g.hooks(ctx, s) })
	}
	g.all(calls...)
}

// scalingNames are the deployment group's, the replacement's, and that of an original which the deployment group does
// not name any more.
func (g *collector) scalingNames(ctx context.Context) (names []string) {
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, h := range g.Group.Value.Scaling {
		add(h.Name)
	}
	for _, name := range g.Info.Value.Replacement {
		add(name)
	}
	if i := g.Info.Value; i.BlueGreen && i.Copies && len(i.Replacement) == 0 {
		add(deployment.CopyName(i.Group, g.Deployment))
	}
	if g.Info.Value.BlueGreen || !g.Group.Whole() {
		for _, name := range g.groupsOf(ctx) {
			add(name)
		}
	}
	return names
}

// groupsOf gives the groups of the deployment's instances, of some of each side: all of a side are of one kind.
func (g *collector) groupsOf(ctx context.Context) (names []string) {
	const some = 25
	count, ids := map[string]int{}, []string{}
	for _, t := range g.Targets.Value {
		if count[t.Label]++; count[t.Label] <= some && len(ids) < 50 { // the most that the call takes
			ids = append(ids, t.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	out, err := g.asg.DescribeAutoScalingInstances(ctx, &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: ids})
	if err != nil { // the groups that are known otherwise are asked all the same, and say what is denied
		return nil
	}
	for _, i := range out.AutoScalingInstances {
		names = append(names, aws.ToString(i.AutoScalingGroupName))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (g *collector) state(ctx context.Context, s *deployment.ScalingGroup) {
	const tells = "which instances are there, and what is suspended"
	err := g.ask(ctx, func() error {
		out, err := g.asg.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{s.Name}})
		if err != nil {
			return err
		}
		if len(out.AutoScalingGroups) == 0 {
			return &Error{Kind: Gone, Action: "autoscaling:DescribeAutoScalingGroups", Err: fmt.Errorf("there is no Auto Scaling group %s", s.Name)}
		}
		s.State.Value = scalingOf(out.AutoScalingGroups[0])
		return nil
	})
	s.State.Missing = missing(err, "autoscaling:DescribeAutoScalingGroups", tells, false)
}

func scalingOf(a asgtypes.AutoScalingGroup) deployment.Scaling {
	v := deployment.Scaling{ARN: aws.ToString(a.AutoScalingGroupARN), Min: int(aws.ToInt32(a.MinSize)), Max: int(aws.ToInt32(a.MaxSize)), Desired: int(aws.ToInt32(a.DesiredCapacity)),
		HealthCheck: aws.ToString(a.HealthCheckType), Created: moment(a.CreatedTime), Status: aws.ToString(a.Status), Instances: []deployment.Instance{},
		Suspended: map[string]string{}, Tags: map[string]string{}, TargetGroups: a.TargetGroupARNs}
	for _, i := range a.Instances {
		v.Instances = append(v.Instances, deployment.Instance{ID: aws.ToString(i.InstanceId), State: string(i.LifecycleState), Healthy: aws.ToString(i.HealthStatus) == "Healthy", Zone: aws.ToString(i.AvailabilityZone)})
	}
	for _, p := range a.SuspendedProcesses {
		v.Suspended[aws.ToString(p.ProcessName)] = aws.ToString(p.SuspensionReason)
	}
	for _, t := range a.Tags {
		v.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return v
}

// The activities that are read: those since a while before the deployment, and at most so many pages of a hundred.
const (
	before        = 90 * time.Minute // longer than a lifecycle hook may hold a launch up by default
	activityPages = 20
)

func (g *collector) activities(ctx context.Context, s *deployment.ScalingGroup) {
	const tells = "whether Auto Scaling took an instance away, or could not launch one, and why"
	since := g.Info.Value.Created.Add(-before)
	in := &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: &s.Name, IncludeDeletedGroups: aws.Bool(true)}
	var err error
	s.Activities.Value = []deployment.Activity{}
	for n, more := 0, true; more && err == nil; n++ {
		if n == activityPages {
			err = errors.New("too many activities: only the newest were read")
			break
		}
		err = g.ask(ctx, func() error {
			page, err := g.asg.DescribeScalingActivities(ctx, in)
			if err != nil {
				return err
			}
			in.NextToken, more = page.NextToken, aws.ToString(page.NextToken) != ""
			for _, a := range page.Activities {
				one := deployment.Activity{Description: aws.ToString(a.Description), Cause: aws.ToString(a.Cause), Status: string(a.StatusCode), Message: aws.ToString(a.StatusMessage), Start: moment(a.StartTime), End: moment(a.EndTime)}
				if one.Start.Before(since) && !one.End.IsZero() {
					more = false // they come newest first, but for those under way
					continue
				}
				s.Activities.Value = append(s.Activities.Value, one)
			}
			return nil
		})
	}
	s.Activities.Missing = missing(err, "autoscaling:DescribeScalingActivities", tells, len(s.Activities.Value) > 0)
}

func (g *collector) hooks(ctx context.Context, s *deployment.ScalingGroup) {
	const tells = "which lifecycle hooks hold instances up, and whose they are"
	err := g.ask(ctx, func() error {
		out, err := g.asg.DescribeLifecycleHooks(ctx, &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: &s.Name})
		if err != nil {
			return err
		}
		s.Hooks.Value = []deployment.Hook{}
		for _, h := range out.LifecycleHooks {
			s.Hooks.Value = append(s.Hooks.Value, deployment.Hook{Name: aws.ToString(h.LifecycleHookName), Transition: aws.ToString(h.LifecycleTransition), Default: aws.ToString(h.DefaultResult), Heartbeat: int(aws.ToInt32(h.HeartbeatTimeout))})
		}
		return nil
	})
	if s.Hooks.Missing = missing(err, "autoscaling:DescribeLifecycleHooks", tells, false); s.Hooks.Missing != nil && strings.Contains(s.Hooks.Missing.Text, "not found") {
		s.Hooks.Missing.Why = deployment.NotFound
	}
}
