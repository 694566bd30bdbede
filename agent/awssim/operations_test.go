package awssim

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	schtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// ours are the operations of the services that these tests are about.
func ours() (names []string) {
	for _, ops := range []map[string]operation{autoscalingOperations(), cloudwatchOperations(), schedulerOperations(), stsOperations()} {
		names = append(names, slices.Sorted(maps.Keys(ops))...)
	}
	return names
}

// TestEveryOperationBySDK calls each operation with the real SDK, which refuses what it cannot parse, and looks at what
// it answers. A step that has no check of its own has its effect looked at by a later one.
func TestEveryOperationBySDK(t *testing.T) {
	s := start(t, Config{})
	ids := web(t, s, 3).InService()
	c, name := as(s, AccessKey(ids[0])), aws.String("web")
	for _, step := range slices.Concat(groupSteps(t, s, c), tagSteps(t, c), policySteps(t, s, c), hookSteps(t, s, c), instanceSteps(t, s, c), refreshSteps(t, s, c), alarmSteps(t, c), scheduleSteps(t, s, c), []func(){
		func() {
			out := must(c.sts.GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}))(t)
			if *out.Arn != "arn:aws:sts::123456789012:assumed-role/wingman-instance/"+ids[0] || *out.Account != "123456789012" {
				t.Errorf("caller: %+v", *out.Arn)
			}
		},
		func() {
			out := must(c.sts.AssumeRole(t.Context(), &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::1:role/op"), RoleSessionName: aws.String("me")}))(t)
			if !strings.HasSuffix(*out.AssumedRoleUser.Arn, "assumed-role/op/me") || *out.Credentials.AccessKeyId == "" || out.Credentials.Expiration == nil {
				t.Errorf("assumed: %+v", out)
			}
		},
		func() {
			must(c.asg.DeleteAutoScalingGroup(t.Context(), &autoscaling.DeleteAutoScalingGroupInput{AutoScalingGroupName: name, ForceDelete: aws.Bool(true)}))(t)
			s.Advance(time.Minute)
			if left := s.Groups(); !slices.Equal(left, []string{"second"}) {
				t.Errorf("groups left: %v", left)
			}
		},
	}) {
		step()
		s.Advance(time.Minute)
	}
	called := map[string]bool{}
	for _, r := range s.Requests() {
		called[r.Operation] = called[r.Operation] || r.Code == ""
	}
	for _, op := range ours() {
		if !called[op] {
			t.Errorf("%s has not been called, or never went well", op)
		}
	}
}

func policySteps(t *testing.T, s *Sim, c clients) []func() {
	var policy string
	name, arn := aws.String("web"), "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/1"
	return []func(){
		func() {
			out := must(c.asg.PutScalingPolicy(t.Context(), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: name, PolicyName: aws.String("up"), AdjustmentType: aws.String("ChangeInCapacity"), ScalingAdjustment: aws.Int32(1), Cooldown: aws.Int32(60)}))(t)
			policy = *out.PolicyARN
		},
		func() {
			out := must(c.asg.DescribePolicies(t.Context(), &autoscaling.DescribePoliciesInput{AutoScalingGroupName: name}))(t)
			if p := out.ScalingPolicies[0]; *p.PolicyARN != policy || *p.ScalingAdjustment != 1 || *p.Cooldown != 60 || !*p.Enabled {
				t.Errorf("policy: %+v", p)
			}
		},
		func() {
			must(c.asg.ExecutePolicy(t.Context(), &autoscaling.ExecutePolicyInput{AutoScalingGroupName: name, PolicyName: aws.String("up")}))(t)
			if g := groupOf(t, s); g.Desired != 4 {
				t.Errorf("executed, the policy has made it %d", g.Desired)
			}
		},
		func() {
			must(c.asg.DeletePolicy(t.Context(), &autoscaling.DeletePolicyInput{PolicyName: &policy}))(t)
		},
		func() {
			must(c.asg.PutScheduledUpdateGroupAction(t.Context(), &autoscaling.PutScheduledUpdateGroupActionInput{AutoScalingGroupName: name, ScheduledActionName: aws.String("night"), StartTime: aws.Time(s.Now().Add(time.Hour)), DesiredCapacity: aws.Int32(1)}))(t)
		},
		func() {
			out := must(c.asg.DescribeScheduledActions(t.Context(), &autoscaling.DescribeScheduledActionsInput{AutoScalingGroupName: name}))(t)
			if a := out.ScheduledUpdateGroupActions[0]; *a.DesiredCapacity != 1 || a.MinSize != nil || a.StartTime == nil {
				t.Errorf("scheduled action: %+v", a)
			}
		},
		func() {
			must(c.asg.DeleteScheduledAction(t.Context(), &autoscaling.DeleteScheduledActionInput{AutoScalingGroupName: name, ScheduledActionName: aws.String("night")}))(t)
		},
		func() {
			must(c.asg.PutNotificationConfiguration(t.Context(), &autoscaling.PutNotificationConfigurationInput{AutoScalingGroupName: name, TopicARN: aws.String("arn:aws:sns:eu-west-1:1:t"), NotificationTypes: []string{"autoscaling:EC2_INSTANCE_LAUNCH"}}))(t)
		},
		func() {
			must(c.asg.AttachLoadBalancerTargetGroups(t.Context(), &autoscaling.AttachLoadBalancerTargetGroupsInput{AutoScalingGroupName: name, TargetGroupARNs: []string{arn}}))(t)
			if g := groupOf(t, s); !slices.Equal(g.TargetGroups, []string{arn}) {
				t.Errorf("target groups: %v", g.TargetGroups)
			}
		},
		func() {
			must(c.asg.DetachLoadBalancerTargetGroups(t.Context(), &autoscaling.DetachLoadBalancerTargetGroupsInput{AutoScalingGroupName: name, TargetGroupARNs: []string{arn}}))(t)
		},
	}
}

func groupSteps(t *testing.T, s *Sim, c clients) []func() {
	name := aws.String("web")
	return []func(){
		func() {
			must(c.asg.CreateAutoScalingGroup(t.Context(), &autoscaling.CreateAutoScalingGroupInput{AutoScalingGroupName: aws.String("second"), MinSize: aws.Int32(0), MaxSize: aws.Int32(2), DesiredCapacity: aws.Int32(1), AvailabilityZones: []string{"eu-west-1c"},
				LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateName: aws.String("lt"), Version: aws.String("$Default")}, HealthCheckGracePeriod: aws.Int32(30), MaxInstanceLifetime: aws.Int32(86400),
				Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b"), PropagateAtLaunch: aws.Bool(true)}}}))(t)
		},
		func() {
			out := must(c.asg.DescribeAutoScalingGroups(t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"second"}}))(t)
			g := out.AutoScalingGroups[0]
			if *g.LaunchTemplate.LaunchTemplateName != "lt" || *g.MaxInstanceLifetime != 86400 || *g.DefaultCooldown != 300 || len(g.Instances) != 1 || *g.Instances[0].AvailabilityZone != "eu-west-1c" || *g.Tags[0].Value != "b" || g.CreatedTime == nil {
				t.Errorf("group: %+v", g)
			}
		},
		func() {
			must(c.asg.UpdateAutoScalingGroup(t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: name, MaxSize: aws.Int32(12), HealthCheckType: aws.String("ELB")}))(t)
		},
		func() {
			must(c.asg.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: name, DesiredCapacity: aws.Int32(3), HonorCooldown: aws.Bool(true)}))(t)
			if g := groupOf(t, s); g.Max != 12 || g.Desired != 3 {
				t.Errorf("group: %+v", g)
			}
		},
		func() {
			must(c.asg.SuspendProcesses(t.Context(), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: name}))(t)
			if g := groupOf(t, s); len(g.Suspended) != 9 {
				t.Errorf("an omitted list suspends %v", g.Suspended)
			}
		},
		func() {
			must(c.asg.ResumeProcesses(t.Context(), &autoscaling.ResumeProcessesInput{AutoScalingGroupName: name, ScalingProcesses: []string{"Launch", "Terminate"}}))(t)
			must(c.asg.ResumeProcesses(t.Context(), &autoscaling.ResumeProcessesInput{AutoScalingGroupName: name, ScalingProcesses: []string{}}))(t)
			if g := groupOf(t, s); len(g.Suspended) != 7 {
				t.Errorf("left suspended: %v", g.Suspended)
			}
			must(c.asg.ResumeProcesses(t.Context(), &autoscaling.ResumeProcessesInput{AutoScalingGroupName: name}))(t)
			if g := groupOf(t, s); len(g.Suspended) != 0 {
				t.Errorf("an omitted list leaves %v", g.Suspended)
			}
		},
		func() {
			out := must(c.asg.DescribeScalingProcessTypes(t.Context(), &autoscaling.DescribeScalingProcessTypesInput{}))(t)
			if len(out.Processes) != 9 {
				t.Errorf("%d process types", len(out.Processes))
			}
		},
	}
}

func tagSteps(t *testing.T, c clients) []func() {
	tag := types.Tag{ResourceId: aws.String("web"), ResourceType: aws.String("auto-scaling-group"), Key: aws.String("k"), Value: aws.String("v"), PropagateAtLaunch: aws.Bool(false)}
	tags := func() []types.TagDescription {
		out := must(c.asg.DescribeTags(t.Context(), &autoscaling.DescribeTagsInput{Filters: []types.Filter{{Name: aws.String("auto-scaling-group"), Values: []string{"web"}}}}))(t)
		return out.Tags
	}
	return []func(){
		func() {
			must(c.asg.CreateOrUpdateTags(t.Context(), &autoscaling.CreateOrUpdateTagsInput{Tags: []types.Tag{tag}}))(t)
			if got := tags(); len(got) != 1 || *got[0].Key != "k" || *got[0].Value != "v" || *got[0].PropagateAtLaunch {
				t.Errorf("tags: %+v", got)
			}
		},
		func() {
			other := tag
			other.Value = aws.String("w")
			must(c.asg.DeleteTags(t.Context(), &autoscaling.DeleteTagsInput{Tags: []types.Tag{other}}))(t)
			if len(tags()) != 1 {
				t.Error("a tag of another value has been deleted")
			}
			must(c.asg.DeleteTags(t.Context(), &autoscaling.DeleteTagsInput{Tags: []types.Tag{tag}}))(t)
			if len(tags()) != 0 {
				t.Error("the tag is still there")
			}
		},
	}
}

func hookSteps(t *testing.T, s *Sim, c clients) []func() {
	name, hook := aws.String("web"), aws.String("wait")
	var waits string
	return []func(){
		func() {
			must(c.asg.PutLifecycleHook(t.Context(), &autoscaling.PutLifecycleHookInput{AutoScalingGroupName: name, LifecycleHookName: hook, LifecycleTransition: aws.String("autoscaling:EC2_INSTANCE_LAUNCHING"), HeartbeatTimeout: aws.Int32(600)}))(t)
			out := must(c.asg.DescribeLifecycleHooks(t.Context(), &autoscaling.DescribeLifecycleHooksInput{AutoScalingGroupName: name}))(t)
			if h := out.LifecycleHooks[0]; *h.HeartbeatTimeout != 600 || *h.GlobalTimeout != 60000 || *h.DefaultResult != "ABANDON" || h.RoleARN != nil {
				t.Errorf("hook: %+v", h)
			}
			must(c.asg.SetDesiredCapacity(t.Context(), &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: name, DesiredCapacity: aws.Int32(5)}))(t)
		},
		func() {
			waits = stateOf(t, s, pendingWait)
			must(c.asg.RecordLifecycleActionHeartbeat(t.Context(), &autoscaling.RecordLifecycleActionHeartbeatInput{AutoScalingGroupName: name, LifecycleHookName: hook, InstanceId: &waits}))(t)
		},
		func() {
			must(c.asg.CompleteLifecycleAction(t.Context(), &autoscaling.CompleteLifecycleActionInput{AutoScalingGroupName: name, LifecycleHookName: hook, InstanceId: &waits, LifecycleActionResult: aws.String("CONTINUE")}))(t)
			if in, _ := s.Instance(waits); in.State != inService {
				t.Errorf("completed, it is %s", in.State)
			}
		},
		func() {
			must(c.asg.DeleteLifecycleHook(t.Context(), &autoscaling.DeleteLifecycleHookInput{AutoScalingGroupName: name, LifecycleHookName: hook}))(t)
		},
	}
}

// stateOf gives the first instance of the group that is in a state.
func stateOf(t testing.TB, s *Sim, state string) string {
	t.Helper()
	for _, in := range groupOf(t, s).Instances {
		if in.State == state {
			return in.ID
		}
	}
	t.Fatalf("no instance is %s: %+v", state, groupOf(t, s).Instances)
	return ""
}

func instanceSteps(t *testing.T, s *Sim, c clients) []func() {
	name := aws.String("web")
	first := func() []string { return groupOf(t, s).InService()[:1] }
	return []func(){
		func() {
			out := must(c.asg.DescribeAutoScalingInstances(t.Context(), &autoscaling.DescribeAutoScalingInstancesInput{InstanceIds: first()}))(t)
			if in := out.AutoScalingInstances[0]; *in.AutoScalingGroupName != "web" || *in.HealthStatus != "HEALTHY" || *in.LifecycleState != "InService" {
				t.Errorf("instance: %+v", in)
			}
		},
		func() {
			must(c.asg.SetInstanceProtection(t.Context(), &autoscaling.SetInstanceProtectionInput{AutoScalingGroupName: name, InstanceIds: first(), ProtectedFromScaleIn: aws.Bool(true)}))(t)
			must(c.asg.SetInstanceProtection(t.Context(), &autoscaling.SetInstanceProtectionInput{AutoScalingGroupName: name, InstanceIds: first(), ProtectedFromScaleIn: aws.Bool(false)}))(t)
		},
		func() {
			out := must(c.asg.EnterStandby(t.Context(), &autoscaling.EnterStandbyInput{AutoScalingGroupName: name, InstanceIds: first(), ShouldDecrementDesiredCapacity: aws.Bool(true)}))(t)
			if len(out.Activities) != 1 || !strings.HasPrefix(*out.Activities[0].Description, "Moving EC2 instance to Standby: i-") {
				t.Errorf("activities: %+v", out.Activities)
			}
		},
		func() {
			must(c.asg.ExitStandby(t.Context(), &autoscaling.ExitStandbyInput{AutoScalingGroupName: name, InstanceIds: []string{stateOf(t, s, standby)}}))(t)
		},
		func() {
			must(c.asg.DetachInstances(t.Context(), &autoscaling.DetachInstancesInput{AutoScalingGroupName: name, InstanceIds: first(), ShouldDecrementDesiredCapacity: aws.Bool(true)}))(t)
		},
		func() {
			out := must(c.asg.TerminateInstanceInAutoScalingGroup(t.Context(), &autoscaling.TerminateInstanceInAutoScalingGroupInput{InstanceId: &first()[0], ShouldDecrementDesiredCapacity: aws.Bool(true)}))(t)
			if out.Activity.StatusCode != "InProgress" || out.Activity.EndTime != nil {
				t.Errorf("activity: %+v", out.Activity)
			}
		},
		func() {
			must(c.asg.SetInstanceHealth(t.Context(), &autoscaling.SetInstanceHealthInput{InstanceId: &first()[0], HealthStatus: aws.String("Unhealthy")}))(t)
		},
		func() {
			out := must(c.asg.DescribeScalingActivities(t.Context(), &autoscaling.DescribeScalingActivitiesInput{AutoScalingGroupName: name}))(t)
			if a := out.Activities[0]; a.StatusCode != "Successful" || *a.Progress != 100 || !strings.Contains(*a.Cause, "an unhealthy instance needing to be replaced.") {
				t.Errorf("the newest activity: %s %+v", *a.Cause, a)
			}
		},
	}
}

func refreshSteps(t *testing.T, s *Sim, c clients) []func() {
	name := aws.String("web")
	return []func(){
		func() {
			must(c.asg.StartInstanceRefresh(t.Context(), &autoscaling.StartInstanceRefreshInput{AutoScalingGroupName: name}))(t)
			must(c.asg.CancelInstanceRefresh(t.Context(), &autoscaling.CancelInstanceRefreshInput{AutoScalingGroupName: name}))(t)
		},
		func() {
			out := must(c.asg.DescribeInstanceRefreshes(t.Context(), &autoscaling.DescribeInstanceRefreshesInput{AutoScalingGroupName: name}))(t)
			if r := out.InstanceRefreshes[0]; r.Status != "Cancelled" || *r.PercentageComplete != 0 {
				t.Errorf("refresh: %s %d %%", r.Status, *r.PercentageComplete)
			}
		},
	}
}

func alarmSteps(t *testing.T, c clients) []func() {
	return []func(){
		func() {
			must(c.cw.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String("cpu"), Namespace: aws.String("N"), MetricName: aws.String("M"), Statistic: "Average", Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(80.5), ComparisonOperator: "GreaterThanThreshold"}))(t)
			must(c.cw.PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []cwtypes.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(90.25), Timestamp: aws.Time(noon())}}}))(t)
			out := must(c.cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{StateValue: "ALARM"}))(t)
			if a := out.MetricAlarms[0]; *a.AlarmName != "cpu" || *a.Threshold != 80.5 || *a.Period != 60 || a.StateUpdatedTimestamp == nil || len(a.AlarmActions) != 0 || out.NextToken != nil {
				t.Errorf("alarm: %+v", a)
			}
		},
		func() {
			must(c.cw.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{AlarmName: aws.String("cpu"), StateValue: "OK", StateReason: aws.String("test")}))(t)
			if out := must(c.cw.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{StateValue: "ALARM"}))(t); len(out.MetricAlarms) != 0 {
				t.Errorf("alarms: %+v", out.MetricAlarms)
			}
			must(c.cw.DeleteAlarms(t.Context(), &cloudwatch.DeleteAlarmsInput{AlarmNames: []string{"cpu"}}))(t)
		},
	}
}

func scheduleSteps(t *testing.T, s *Sim, c clients) []func() {
	name, dir := aws.String("wm-1"), aws.String("codedeploy-wingman")
	target := &schtypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:resumeProcesses"), RoleArn: aws.String("arn:aws:iam::1:role/r"), Input: aws.String(`{"AutoScalingGroupName":"web"}`)}
	off := &schtypes.FlexibleTimeWindow{Mode: "OFF"}
	return []func(){
		func() {
			must(c.sch.CreateScheduleGroup(t.Context(), &scheduler.CreateScheduleGroupInput{Name: dir}))(t)
			if out := must(c.sch.GetScheduleGroup(t.Context(), &scheduler.GetScheduleGroupInput{Name: dir}))(t); out.State != "ACTIVE" || out.CreationDate == nil {
				t.Errorf("schedule group: %+v", out)
			}
			if out := must(c.sch.ListScheduleGroups(t.Context(), &scheduler.ListScheduleGroupsInput{}))(t); len(out.ScheduleGroups) != 2 {
				t.Errorf("schedule groups: %+v", out.ScheduleGroups)
			}
		},
		func() {
			must(c.sch.CreateSchedule(t.Context(), &scheduler.CreateScheduleInput{Name: name, GroupName: dir, ScheduleExpression: aws.String("at(2027-01-01T00:00:00)"), FlexibleTimeWindow: off, Target: target, ActionAfterCompletion: "DELETE"}))(t)
			out := must(c.sch.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: name, GroupName: dir}))(t)
			if *out.GroupName != "codedeploy-wingman" || out.ActionAfterCompletion != "DELETE" || *out.ScheduleExpressionTimezone != "UTC" || *out.Target.RetryPolicy.MaximumRetryAttempts != 185 || *out.Target.Input != *target.Input {
				t.Errorf("schedule: %+v", out)
			}
		},
		func() {
			must(c.sch.UpdateSchedule(t.Context(), &scheduler.UpdateScheduleInput{Name: name, GroupName: dir, ScheduleExpression: aws.String("at(2027-01-02T00:00:00)"), FlexibleTimeWindow: off, Target: target}))(t)
			out := must(c.sch.GetSchedule(t.Context(), &scheduler.GetScheduleInput{Name: name, GroupName: dir}))(t)
			if out.ActionAfterCompletion != "NONE" || !out.LastModificationDate.After(*out.CreationDate) {
				t.Errorf("an update keeps what it does not give: %+v", out)
			}
		},
		func() {
			if out := must(c.sch.ListSchedules(t.Context(), &scheduler.ListSchedulesInput{GroupName: dir, NamePrefix: aws.String("wm-")}))(t); len(out.Schedules) != 1 || *out.Schedules[0].Target.Arn != *target.Arn {
				t.Errorf("schedules: %+v", out.Schedules)
			}
			must(c.sch.DeleteSchedule(t.Context(), &scheduler.DeleteScheduleInput{Name: name, GroupName: dir}))(t)
			must(c.sch.DeleteScheduleGroup(t.Context(), &scheduler.DeleteScheduleGroupInput{Name: dir}))(t)
		},
	}
}

// must gives an answer, and fails the test where there is none.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
