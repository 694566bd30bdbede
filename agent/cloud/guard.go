package cloud

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	asgtypes "github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// Guard makes one call of the guard's protocol.
func (c *Client) Guard(ctx context.Context, call guard.Call) guard.Answer {
	if err := c.load(ctx); err != nil {
		return guard.Answer{Err: classify(string(call.Op), "", err)}
	}
	var a guard.Answer
	var meta middleware.Metadata
	var action string
	switch call.Op {
	case guard.Describe:
		action = "autoscaling:DescribeAutoScalingGroups"
		a.Group, meta, a.Err = c.describe(ctx, call.Group)
	case guard.Put:
		action = "autoscaling:CreateOrUpdateTags"
		meta, a.Err = c.put(ctx, call)
	case guard.Delete:
		action = "autoscaling:DeleteTags"
		meta, a.Err = c.remove(ctx, call)
	case guard.Suspend, guard.Resume:
		action = "autoscaling:" + map[guard.Op]string{guard.Suspend: "SuspendProcesses", guard.Resume: "ResumeProcesses"}[call.Op]
		meta, a.Err = c.processes(ctx, call)
	case guard.Status:
		action = "codedeploy:GetDeployment"
		a.Status, meta, a.Err = c.status(ctx, call.Deployment)
	case guard.Pressure:
		action = "cloudwatch:DescribeAlarms"
		a.Alarms, a.Err = c.pressure(ctx, call.Group)
	case guard.GetSchedule, guard.MoveSchedule, guard.DropSchedule:
		action = "scheduler:" + map[guard.Op]string{guard.GetSchedule: "GetSchedule", guard.MoveSchedule: "CreateSchedule", guard.DropSchedule: "DeleteSchedule"}[call.Op]
		a.Schedule, meta, a.Err = c.schedule(ctx, call)
	default:
		a.Err = fmt.Errorf("no such call: %s", call.Op)
	}
	a.Now = now(awsmiddleware.GetServerTime(meta))
	a.Err = classify(string(call.Op), action, a.Err)
	return a
}

func (c *Client) describe(ctx context.Context, name string) (guard.Group, middleware.Metadata, error) {
	// Without its instances: on a group of a thousand they are what throttles.
	out, err := c.asg.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{name}, IncludeInstances: aws.Bool(false)})
	if err != nil {
		return guard.Group{}, middleware.Metadata{}, err
	}
	if len(out.AutoScalingGroups) == 0 {
		return guard.Group{}, out.ResultMetadata, &Error{Kind: Gone, Op: string(guard.Describe), Err: fmt.Errorf("there is no Auto Scaling group %s", name)}
	}
	return group(out.AutoScalingGroups[0]), out.ResultMetadata, nil
}

func group(g asgtypes.AutoScalingGroup) guard.Group {
	out := guard.Group{Name: aws.ToString(g.AutoScalingGroupName), ARN: aws.ToString(g.AutoScalingGroupARN), Suspended: map[guard.Process]string{}, Tags: map[string]string{},
		Min: int(aws.ToInt32(g.MinSize)), Max: int(aws.ToInt32(g.MaxSize)), Desired: int(aws.ToInt32(g.DesiredCapacity))}
	for _, p := range g.SuspendedProcesses {
		if name := guard.Process(aws.ToString(p.ProcessName)); slices.Contains(guard.Processes(), name) {
			out.Suspended[name] = aws.ToString(p.SuspensionReason)
		}
	}
	for _, t := range g.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out
}

func (c *Client) put(ctx context.Context, call guard.Call) (middleware.Metadata, error) {
	out, err := c.asg.CreateOrUpdateTags(ctx, &autoscaling.CreateOrUpdateTagsInput{Tags: []asgtypes.Tag{{
		Key: &call.Key, Value: &call.Value, ResourceId: &call.Group, ResourceType: aws.String("auto-scaling-group"), PropagateAtLaunch: aws.Bool(false)}}})
	if err != nil {
		return middleware.Metadata{}, err
	}
	return out.ResultMetadata, nil
}

func (c *Client) remove(ctx context.Context, call guard.Call) (middleware.Metadata, error) {
	out, err := c.asg.DeleteTags(ctx, &autoscaling.DeleteTagsInput{Tags: []asgtypes.Tag{{
		Key: &call.Key, Value: &call.Value, ResourceId: &call.Group, ResourceType: aws.String("auto-scaling-group"), PropagateAtLaunch: aws.Bool(false)}}})
	if err != nil {
		return middleware.Metadata{}, err
	}
	return out.ResultMetadata, nil
}

// processes suspends or resumes. An empty list would mean every process, so it never leaves this function.
func (c *Client) processes(ctx context.Context, call guard.Call) (middleware.Metadata, error) {
	if len(call.Processes) == 0 {
		return middleware.Metadata{}, fmt.Errorf("refused: an empty list of processes means all of them")
	}
	names := make([]string, len(call.Processes))
	for i, p := range call.Processes {
		names[i] = string(p)
	}
	if call.Op == guard.Suspend {
		out, err := c.asg.SuspendProcesses(ctx, &autoscaling.SuspendProcessesInput{AutoScalingGroupName: &call.Group, ScalingProcesses: names})
		if err != nil {
			return middleware.Metadata{}, err
		}
		return out.ResultMetadata, nil
	}
	out, err := c.asg.ResumeProcesses(ctx, &autoscaling.ResumeProcessesInput{AutoScalingGroupName: &call.Group, ScalingProcesses: names})
	if err != nil {
		return middleware.Metadata{}, err
	}
	return out.ResultMetadata, nil
}

// status asks CodeDeploy. An id that is none of its deployments', or one of a guard by hand, is known to nobody.
func (c *Client) status(ctx context.Context, id string) (guard.DeploymentStatus, middleware.Metadata, error) {
	if id == guard.Manual || !strings.HasPrefix(id, "d-") {
		return guard.DeploymentStatus{Word: "by hand"}, middleware.Metadata{}, nil
	}
	out, err := c.deploy.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
	if err != nil {
		return guard.DeploymentStatus{}, middleware.Metadata{}, err
	}
	return statusOf(out.DeploymentInfo), out.ResultMetadata, nil
}

func statusOf(d *cdtypes.DeploymentInfo) guard.DeploymentStatus {
	if d == nil {
		return guard.DeploymentStatus{}
	}
	s := guard.DeploymentStatus{Known: true, Word: string(d.Status), Ready: d.Status == cdtypes.DeploymentStatusReady}
	switch d.Status {
	case cdtypes.DeploymentStatusSucceeded:
		s.Over, s.Ended = true, true
	case cdtypes.DeploymentStatusFailed, cdtypes.DeploymentStatusStopped:
		s.Over, s.Ended, s.Failed = true, true, true
	}
	if o := d.DeploymentOverview; o != nil {
		s.Instances = int(o.Pending + o.InProgress + o.Succeeded + o.Failed + o.Skipped + o.Ready)
	}
	if d.InstanceTerminationWaitTimeStarted {
		s.Over, s.Word = true, s.Word+", waiting to terminate the original"
	}
	if r := d.RollbackInfo; r != nil {
		s.Trigger = aws.ToString(r.RollbackTriggeringDeploymentId)
	}
	return s
}

// pressure gives the alarms in breach that would make the group larger: one that would make it smaller is no pressure.
func (c *Client) pressure(ctx context.Context, name string) ([]string, error) {
	var watch []string
	for pages := autoscaling.NewDescribePoliciesPaginator(c.asg, &autoscaling.DescribePoliciesInput{AutoScalingGroupName: &name}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify(string(guard.Pressure), "autoscaling:DescribePolicies", err)
		}
		for _, p := range page.ScalingPolicies {
			watch = append(watch, growing(p)...)
		}
	}
	if len(watch) == 0 {
		return nil, nil
	}
	out, err := c.alarms.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: watch[:min(len(watch), 100)], StateValue: cwtypes.StateValueAlarm})
	if err != nil {
		return nil, err
	}
	var breach []string
	for _, a := range out.MetricAlarms {
		breach = append(breach, aws.ToString(a.AlarmName))
	}
	return breach, nil
}

// growing gives a policy's alarms where it adds instances. Of target tracking's two alarms it is the one named AlarmHigh.
func growing(p asgtypes.ScalingPolicy) (out []string) {
	adds := aws.ToInt32(p.ScalingAdjustment) > 0
	for _, s := range p.StepAdjustments {
		adds = adds || aws.ToInt32(s.ScalingAdjustment) > 0
	}
	for _, a := range p.Alarms {
		if name := aws.ToString(a.AlarmName); adds || p.TargetTrackingConfiguration != nil && strings.Contains(name, "AlarmHigh") {
			out = append(out, name)
		}
	}
	return out
}

// Guarded gives the groups that carry a guard's tag.
func (c *Client) Guarded(ctx context.Context) ([]string, error) {
	if err := c.load(ctx); err != nil {
		return nil, classify("list the guarded groups", "", err)
	}
	var out []string
	in := &autoscaling.DescribeAutoScalingGroupsInput{IncludeInstances: aws.Bool(false), Filters: []asgtypes.Filter{{Name: aws.String("tag-key"), Values: guard.Keys()}}}
	for pages := autoscaling.NewDescribeAutoScalingGroupsPaginator(c.asg, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classify("list the guarded groups", "autoscaling:DescribeAutoScalingGroups", err)
		}
		for _, g := range page.AutoScalingGroups {
			out = append(out, aws.ToString(g.AutoScalingGroupName))
		}
	}
	return out, nil
}
