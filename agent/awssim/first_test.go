package awssim

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	sch "github.com/aws/aws-sdk-go-v2/service/scheduler"
	schtypes "github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func TestFirst(t *testing.T) {
	s := start(t, Config{})
	g := web(t, s, 3)
	c := as(s, AccessKey(g.Instances[0].ID))
	out, err := c.asg.DescribeAutoScalingGroups(ctx(t), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"web"}})
	if err != nil || len(out.AutoScalingGroups) != 1 || len(out.AutoScalingGroups[0].Instances) != 3 {
		t.Fatal(err, out)
	}
	if _, err := c.asg.SuspendProcesses(ctx(t), &autoscaling.SuspendProcessesInput{AutoScalingGroupName: aws.String("web"), ScalingProcesses: []string{"AZRebalance"}}); err != nil {
		t.Fatal(err)
	}
	t.Log(groupOf(t, s))
	_, err = c.asg.CreateOrUpdateTags(ctx(t), &autoscaling.CreateOrUpdateTagsInput{Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v"), ResourceId: aws.String("web"), ResourceType: aws.String("auto-scaling-group"), PropagateAtLaunch: aws.Bool(false)}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.sch.CreateSchedule(ctx(t), &sch.CreateScheduleInput{Name: aws.String("x"), ScheduleExpression: aws.String("at(2026-11-25T12:10:00)"), FlexibleTimeWindow: &schtypes.FlexibleTimeWindow{Mode: "OFF"},
		Target: &schtypes.Target{Arn: aws.String("arn:aws:scheduler:::aws-sdk:autoscaling:resumeProcesses"), RoleArn: aws.String("arn:aws:iam::1:role/x"), Input: aws.String(`{"AutoScalingGroupName":"web","ScalingProcesses":["AZRebalance"]}`)}, ActionAfterCompletion: "DELETE"})
	if err != nil {
		t.Fatal(err)
	}
	gs, err := c.sch.GetSchedule(ctx(t), &sch.GetScheduleInput{Name: aws.String("x")})
	t.Log(gs, err)
	s.Advance(10 * time.Minute)
	t.Log(groupOf(t, s), s.Requests())
	p, err := c.asg.PutScalingPolicy(ctx(t), &autoscaling.PutScalingPolicyInput{AutoScalingGroupName: aws.String("web"), PolicyName: aws.String("up"), AdjustmentType: aws.String("ChangeInCapacity"), ScalingAdjustment: aws.Int32(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.cw.PutMetricAlarm(ctx(t), &cloudwatch.PutMetricAlarmInput{AlarmName: aws.String("cpu"), AlarmActions: []string{*p.PolicyARN}, EvaluationPeriods: aws.Int32(1), ComparisonOperator: "GreaterThanThreshold", Threshold: aws.Float64(80)}); err != nil {
		t.Fatal(err)
	}
	al, err := c.cw.DescribeAlarms(ctx(t), &cloudwatch.DescribeAlarmsInput{AlarmNames: []string{"cpu"}})
	if err != nil || len(al.MetricAlarms) != 1 || *al.MetricAlarms[0].Threshold != 80 {
		t.Fatal(err, al)
	}
	if err := s.SetAlarm("cpu", "ALARM"); err != nil {
		t.Fatal(err)
	}
	s.Advance(time.Minute)
	if n := len(groupOf(t, s).InService()); n != 4 {
		t.Fatal(n)
	}
	id, err := c.sts.GetCallerIdentity(ctx(t), &sts.GetCallerIdentityInput{})
	t.Log(*id.Arn, err)
	for _, in := range groupOf(t, s).Instances {
		t.Log(in)
	}
}
