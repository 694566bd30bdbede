package cloud

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/scheduler"
	"github.com/aws/aws-sdk-go-v2/service/scheduler/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/codedeploy-wingman/wingman/agent/guard"
)

// at is the form of a one-time schedule's expression, in UTC.
const at = "at(2006-01-02T15:04:05)"

// input is what the schedule gives to ResumeProcesses: without ScalingProcesses it would resume everything.
type input struct {
	AutoScalingGroupName string
	ScalingProcesses     []guard.Process
}

// schedule reads, sets or deletes the dead-man switch of a group.
func (c *Client) schedule(ctx context.Context, call guard.Call) (guard.Schedule, middleware.Metadata, error) {
	switch s := call.Schedule; call.Op {
	case guard.GetSchedule:
		return c.getSchedule(ctx, s)
	case guard.DropSchedule:
		out, err := c.sched.DeleteSchedule(ctx, &scheduler.DeleteScheduleInput{Name: &s.Name, GroupName: &s.ScheduleGroup})
		if err != nil {
			return s, middleware.Metadata{}, err
		}
		return s, out.ResultMetadata, nil
	default:
		return c.moveSchedule(ctx, s)
	}
}

func (c *Client) getSchedule(ctx context.Context, s guard.Schedule) (guard.Schedule, middleware.Metadata, error) {
	out, err := c.sched.GetSchedule(ctx, &scheduler.GetScheduleInput{Name: &s.Name, GroupName: &s.ScheduleGroup})
	var missing *types.ResourceNotFoundException
	if s.Exists = false; errors.As(err, &missing) {
		return s, middleware.Metadata{}, nil
	}
	if err != nil {
		return s, middleware.Metadata{}, err
	}
	s.Exists = true
	if t, err := time.Parse(at, aws.ToString(out.ScheduleExpression)); err == nil {
		s.At = t
	}
	var in input
	if out.Target != nil && json.Unmarshal([]byte(aws.ToString(out.Target.Input)), &in) == nil {
		s.Group, s.Processes = in.AutoScalingGroupName, in.ScalingProcesses
	}
	return s, out.ResultMetadata, nil
}

// moveSchedule creates the schedule, or replaces it whole: what UpdateSchedule is not given goes back to its default.
func (c *Client) moveSchedule(ctx context.Context, s guard.Schedule) (guard.Schedule, middleware.Metadata, error) {
	if len(s.Processes) == 0 {
		return s, middleware.Metadata{}, fmt.Errorf("refused: an empty list of processes means all of them")
	}
	text, err := json.Marshal(input{s.Group, s.Processes})
	if err != nil {
		return s, middleware.Metadata{}, err
	}
	target := &types.Target{Arn: aws.String(fmt.Sprintf("arn:%s:scheduler:::aws-sdk:autoscaling:resumeProcesses", partition(s.GroupARN))), RoleArn: &s.RoleARN, Input: aws.String(string(text)),
		RetryPolicy: &types.RetryPolicy{MaximumEventAgeInSeconds: aws.Int32(int32(max(s.MaxAge, time.Minute).Seconds()))}}
	window, expression := &types.FlexibleTimeWindow{Mode: types.FlexibleTimeWindowModeOff}, aws.String(s.At.UTC().Format(at))
	if s.Exists {
		out, err := c.sched.UpdateSchedule(ctx, &scheduler.UpdateScheduleInput{Name: &s.Name, GroupName: &s.ScheduleGroup, FlexibleTimeWindow: window, ScheduleExpression: expression, Target: target,
			ActionAfterCompletion: types.ActionAfterCompletionDelete, Description: &s.Why})
		if err != nil {
			return s, middleware.Metadata{}, err
		}
		return s, out.ResultMetadata, nil
	}
	out, err := c.sched.CreateSchedule(ctx, &scheduler.CreateScheduleInput{Name: &s.Name, GroupName: &s.ScheduleGroup, FlexibleTimeWindow: window, ScheduleExpression: expression, Target: target,
		ActionAfterCompletion: types.ActionAfterCompletionDelete, Description: &s.Why})
	if err != nil {
		return s, middleware.Metadata{}, err
	}
	return s, out.ResultMetadata, nil
}

// partition is the group's: aws, aws-cn, aws-us-gov.
func partition(arn string) string {
	if f := strings.Split(arn, ":"); len(f) > 1 && f[0] == "arn" {
		return f[1]
	}
	return "aws"
}
